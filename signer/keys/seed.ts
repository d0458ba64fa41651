/** The 24 words (BIP 39), and the file that holds them under a passphrase. */

import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { z } from "zod";
import { Secret } from "../../protocol/secret.ts";
import { SetupError } from "../setup-error.ts";
import { readSealed, writeSealed } from "./sealed.ts";

export const wordCount = 24;
const entropyLength = 32;

/** How keys follow from the seed. Never another one for the same words. */
export const styles = ["native", "ldk", "cln", "lnd"] as const;
export type Style = (typeof styles)[number];

/** What the words stand for; they are spelled out only where they are shown or sealed. */
export interface Seed {
  readonly style: Style;
  readonly entropy: Secret;
}

export const newEntropy = (random: (length: number) => Uint8Array): Secret => {
  const bytes = random(entropyLength);
  if (bytes.length !== entropyLength) throw new Error("the source of randomness gave too few bytes");
  const entropy = new Secret(bytes);
  bytes.fill(0);
  return entropy;
};

export const wordsOf = (entropy: Secret): readonly string[] =>
  entropy.use((bytes) => entropyToMnemonic(bytes, wordlist)).split(" ");

const places: ReadonlySet<string> = new Set(wordlist);

/** An error names places, never words. */
export const entropyOf = (text: string): Secret => {
  const words = text.normalize("NFKD").toLowerCase().trim().split(/\s+/);
  if (words.length !== wordCount)
    throw new SetupError("invalid", `not the words of a seed: there must be ${wordCount} of them`);
  const unknown = words.flatMap((word, index) => (places.has(word) ? [] : [index + 1]));
  if (unknown.length > 0)
    throw new SetupError("invalid", `not in BIP 39's English list: word ${unknown.join(", ")}`);
  let bytes: Uint8Array;
  try {
    bytes = mnemonicToEntropy(words.join(" "), wordlist);
  } catch {
    throw new SetupError("invalid", "the words do not fit together: one of them is wrong or out of place");
  }
  const entropy = new Secret(bytes);
  bytes.fill(0);
  return entropy;
};

/** 64 bytes. BIP 39's own passphrase stays empty: a second secret that no checksum guards is lost too easily. */
export const seedOf = (entropy: Secret): Secret => {
  const bytes = mnemonicToSeedSync(wordsOf(entropy).join(" "));
  const seed = new Secret(bytes);
  bytes.fill(0);
  return seed;
};

const fileSchema = z.strictObject({
  countersign: z.literal("seed"),
  version: z.literal(1),
  style: z.enum(styles),
  words: z.string(),
});

/** Plain JSON inside, so that `age -d` alone is enough to read the words. */
export const writeSeed = async (
  path: string,
  { style, entropy }: Seed,
  passphrase: Secret,
  workFactor?: number,
): Promise<void> => {
  const file: z.infer<typeof fileSchema> = {
    countersign: "seed",
    version: 1,
    style,
    words: wordsOf(entropy).join(" "),
  };
  const plain = Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`);
  try {
    await writeSealed(path, plain, passphrase, workFactor);
  } finally {
    plain.fill(0);
  }
};

export const readSeed = async (path: string, passphrase: Secret): Promise<Seed> => {
  const plain = await readSealed(path, passphrase);
  try {
    const { style, words } = fileSchema.parse(JSON.parse(new TextDecoder().decode(plain)));
    return { style, entropy: entropyOf(words) };
  } catch {
    // Neither the parser's message nor zod's: both quote what they read.
    throw new SetupError("invalid", `${path} was opened, but what it holds is not a seed of this version`);
  } finally {
    plain.fill(0);
  }
};
