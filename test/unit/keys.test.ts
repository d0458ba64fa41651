import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { armor, Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, commitmentNumber } from "../../protocol/units.ts";
import { nativeKeys } from "../../signer/keys/native.ts";
import { channelKeys } from "../../signer/keys/node-keys.ts";
import { recent } from "../../signer/keys/recent.ts";
import { passphraseFrom, readSealed, seal, unseal, writeSealed } from "../../signer/keys/sealed.ts";
import {
  entropyOf,
  newEntropy,
  readSeed,
  seedOf,
  styles,
  wordsOf,
  writeSeed,
} from "../../signer/keys/seed.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { createFile } from "../../signer/private-file.ts";
import { SetupError, type SetupProblem } from "../../signer/setup-error.ts";
import { durable } from "../durable.ts";

const quick = 4;
const passphrase = new Secret(Buffer.from("correct horse battery"));
const hexOf = (secret: Secret): string => secret.use(toHex);

let home = "";
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "countersign-keys-"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const problemOf = async (action: () => unknown): Promise<SetupError> => {
  try {
    await action();
  } catch (error) {
    if (error instanceof SetupError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};
const expectProblem = async (
  action: () => unknown,
  problem: SetupProblem,
  message: RegExp,
): Promise<void> => {
  const error = await problemOf(action);
  expect(error.problem).toBe(problem);
  expect(error.message).toMatch(message);
};

const pair = z.object({ secret: z.string(), point: z.string() });
const frozen = z
  .object({
    words: z.string(),
    seed: z.string(),
    nodes: z.array(
      z.object({
        network: z.enum(["bitcoin", "regtest"]),
        index: z.number(),
        identity: pair,
        channels: z.array(
          z.object({
            id: z.string(),
            funding: pair,
            revocation: pair,
            payment: pair,
            delayed: pair,
            htlc: pair,
            shachain: z.string(),
            commitments: z.array(z.object({ number: z.string(), secret: z.string(), point: z.string() })),
            closingScript: z.string(),
          }),
        ),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL("../frozen/keys-native-v1.json", import.meta.url), "utf8")));

describe("style native, version 1", async () => {
  const curve = await loadNative();

  test("the words give the frozen seed", () => {
    expect(hexOf(seedOf(entropyOf(frozen.words)))).toBe(frozen.seed);
  });

  test.each(frozen.nodes)("every key of node $index on $network is the frozen one", async (node) => {
    const { network, index: nodeIndex } = node;
    const seed = new Secret(fromHex(frozen.seed));
    const keys = nativeKeys({ seed, network, nodeIndex, curve });
    const keyring = softwareKeyring({ seed, style: "native", network, nodeIndex, curve });
    expect(hexOf(keys.identity())).toBe(node.identity.secret);
    expect(toHex(keyring.node)).toBe(node.identity.point);
    expect(node.channels).toHaveLength(2);
    for (const channel of node.channels) {
      const id = channelId(BigInt(channel.id));
      const basepoints = await keyring.basepoints(id);
      for (const key of channelKeys) {
        expect(hexOf(keys.channel(id, key))).toBe(channel[key].secret);
        expect(toHex(basepoints[key])).toBe(channel[key].point);
      }
      expect(hexOf(keys.shachain(id))).toBe(channel.shachain);
      expect(toHex(await keyring.closingScript(id))).toBe(channel.closingScript);
      for (const commitment of channel.commitments) {
        const number = commitmentNumber(BigInt(commitment.number));
        const [point] = await keyring.points(id, [number]);
        const { secret } = await keyring.sign(durable({ kind: "secret", channel: id, number }));
        expect(point && toHex(point)).toBe(commitment.point);
        expect(toHex(secret)).toBe(commitment.secret);
      }
    }
  });

  test("a block that is no scalar is passed over for the next", () => {
    const seed = fromHex(frozen.seed);
    const block = (attempt: number) =>
      toHex(
        hkdf(
          sha256,
          seed,
          undefined,
          Buffer.from(`countersign/native/1/regtest/node/3/identity/${attempt}`),
          32,
        ),
      );
    const refused = new Set([block(0), block(1)]);
    const isSecret = (bytes: Uint8Array) => !refused.has(toHex(bytes));
    const keys = nativeKeys({
      seed: new Secret(seed),
      network: "regtest",
      nodeIndex: 3,
      curve: { ...curve, isSecret },
    });
    expect(hexOf(keys.identity())).toBe(block(2));
  });

  test.each([-1, 0.5, 2 ** 30, Number.NaN])("%d is no index of a node", (nodeIndex) => {
    const seed = new Secret(fromHex(frozen.seed));
    expect(() => nativeKeys({ seed, network: "bitcoin", nodeIndex, curve })).toThrow(RangeError);
  });
});

describe("the 24 words", () => {
  test("come from the randomness given, and lead back to it", () => {
    const entropy = newEntropy((length) => new Uint8Array(length).fill(0x11));
    expect(wordsOf(entropy)).toHaveLength(24);
    expect(hexOf(entropyOf(`  ${wordsOf(entropy).join(" \n ").toUpperCase()}\n`))).toBe("11".repeat(32));
  });

  test("a source that gives too little is a fault", () => {
    expect(() => newEntropy(() => new Uint8Array(16))).toThrow("too few");
  });

  test("what is wrong is told by places, never by words", async () => {
    const words = frozen.words.split(" ");
    const unknown = words.with(6, "zzzfoo").with(23, "zzzbar").join(" ");
    await expectProblem(() => entropyOf(unknown), "invalid", /word 7, 24$/);
    await expectProblem(() => entropyOf(words.toSpliced(0, 12).join(" ")), "invalid", /24 of them/);
    const error = await problemOf(() => entropyOf(words.with(0, "abandon").join(" ")));
    expect(error.message).toMatch(/do not fit together/);
    expect(error.cause).toBeUndefined();
    expect(inspect(error)).not.toMatch(/winner|sausage|abandon/);
  });
});

describe("a file under a passphrase", () => {
  const plain = Buffer.from("what is inside");

  test("opens with its passphrase, by age's own decrypter, and in armour", async () => {
    const sealed = await seal(plain, passphrase, quick);
    expect(Buffer.from(sealed).toString("latin1")).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S+ 4\n/);
    expect(Buffer.from(await unseal(sealed, passphrase, "f"))).toEqual(plain);
    const stock = new Decrypter();
    stock.addPassphrase("correct horse battery");
    expect(await stock.decrypt(sealed, "text")).toBe("what is inside");
    expect(Buffer.from(await unseal(Buffer.from(armor.encode(sealed)), passphrase, "f"))).toEqual(plain);
  });

  test("a wrong passphrase and a damaged file are told apart", async () => {
    const sealed = await seal(plain, passphrase, quick);
    const wrong = new Secret(Buffer.from("correct horse batterz"));
    await expectProblem(
      () => unseal(sealed, wrong, "/x/seed.age"),
      "passphrase",
      /does not open \/x\/seed\.age$/,
    );
    const damaged = Uint8Array.from(sealed);
    damaged.set([(sealed.at(-1) as number) ^ 1], sealed.length - 1);
    for (const bytes of [damaged, sealed.subarray(0, 90), new Uint8Array(), Buffer.from("not an age file")])
      await expectProblem(() => unseal(bytes, passphrase, "/x/seed.age"), "invalid", /seed\.age is damaged/);
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(await generateX25519Identity()));
    await expectProblem(
      async () => unseal(await encrypter.encrypt(plain), passphrase, "f"),
      "passphrase",
      /./,
    );
  });

  test("is written for its owner alone, and never over another", async () => {
    const path = join(home, "sealed.age");
    await writeSealed(path, plain, passphrase, quick);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = readFileSync(path);
    await expectProblem(() => writeSealed(path, plain, passphrase, quick), "exists", /exists already/);
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(home).filter((name) => name.includes("unfinished"))).toEqual([]);
    expect(Buffer.from(await readSealed(path, passphrase))).toEqual(plain);
  });

  test.each([0o640, 0o604, 0o620, 0o601])(
    "is not read with mode %o, and the error says what to do",
    async (mode) => {
      const path = join(home, `open-${mode}.age`);
      createFile(path, await seal(plain, passphrase, quick));
      chmodSync(path, mode);
      const error = await problemOf(() => readSealed(path, passphrase));
      expect(error.problem).toBe("permissions");
      expect(error.remedy).toContain(`chmod go= ${path}`);
      chmodSync(path, 0o400);
      expect(Buffer.from(await readSealed(path, passphrase))).toEqual(plain);
    },
  );

  test("that is not there, or is a directory, is told as such", async () => {
    await expectProblem(() => readSealed(join(home, "nothing"), passphrase), "missing", /there is no/);
    await expectProblem(() => readSealed(home, passphrase), "invalid", /is not a file/);
  });
});

describe("the sealed seed", () => {
  test.each(styles.toReversed())("gives back what was sealed: style %s", async (sealed) => {
    const path = join(home, "seed.age");
    rmSync(path, { force: true });
    await writeSeed(path, { style: sealed, entropy: entropyOf(frozen.words) }, passphrase, quick);
    const { style, entropy } = await readSeed(path, passphrase);
    expect(style).toBe(sealed);
    expect(wordsOf(entropy).join(" ")).toBe(frozen.words);
  });

  test("holds the words as plain JSON, for whoever has age and the passphrase alone", async () => {
    const opened = await readSealed(join(home, "seed.age"), passphrase);
    expect(JSON.parse(Buffer.from(opened).toString())).toEqual({
      countersign: "seed",
      version: 1,
      style: "native",
      words: frozen.words,
    });
  });

  test.each([
    ["another version", { countersign: "seed", version: 2, style: "native", words: frozen.words }],
    ["another style", { countersign: "seed", version: 1, style: "eclair", words: frozen.words }],
    ["an unknown key", { countersign: "seed", version: 1, style: "native", words: frozen.words, more: 1 }],
    ["wrong words", { countersign: "seed", version: 1, style: "native", words: `${frozen.words} legal` }],
  ])("with %s is refused, and its words are in no error", async (name, content) => {
    const path = join(home, `${name}.age`);
    await writeSealed(path, Buffer.from(JSON.stringify(content)), passphrase, quick);
    const error = await problemOf(() => readSeed(path, passphrase));
    expect(error.problem).toBe("invalid");
    expect(inspect(error)).not.toContain("sausage");
  });
});

describe("a passphrase", () => {
  test.each(["abc", "abc\n", "abc\r\n"])("ends where its line ends: %j", (text) => {
    expect(passphraseFrom(Buffer.from(text)).use((bytes) => Buffer.from(bytes).toString())).toBe("abc");
  });

  test.each([
    ["", /empty/],
    ["\n", /empty/],
    ["a\nb\n", /more than one line/],
  ])("%j is refused", async (text, message) => {
    await expectProblem(() => passphraseFrom(Buffer.from(text)), "passphrase", message);
  });

  test("has to be UTF-8, because age would take other bytes for it", async () => {
    await expectProblem(() => passphraseFrom(Uint8Array.of(0x61, 0xff)), "passphrase", /UTF-8/);
  });
});

test("what was used last is remembered, and no more than the limit", () => {
  const made: number[] = [];
  const get = recent(2, (n: number) => {
    made.push(n);
    return { n };
  });
  const one = get(1);
  get(2);
  expect(get(1)).toBe(one);
  get(3); // 2 was used the longest ago
  expect(get(1)).toBe(one);
  get(2);
  expect(made).toEqual([1, 2, 3, 2]);
});
