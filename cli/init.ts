/** `countersign init`: a seed, certificates and a configuration, in a new directory. */

import { randomBytes, randomInt } from "node:crypto";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { sourceFault } from "../chain/open.ts";
import { openCurve } from "../protocol/curve/index.ts";
import type { Network, Tier } from "../protocol/operations/fields.ts";
import type { Secret } from "../protocol/secret.ts";
import type { TcpAddress } from "../protocol/wire/address.ts";
import { chainTable, sourcesOf } from "../signer/chain-config.ts";
import { type Config, defaultListen, networks, parseAddress, tiers } from "../signer/config.ts";
import { fullWorkFactor, passphraseFrom } from "../signer/keys/sealed.ts";
import { entropyOf, newEntropy, wordsOf } from "../signer/keys/seed.ts";
import { readPrivate } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";
import { onOneDisk } from "../signer/witness.ts";
import { dialledAt } from "./bundle.ts";
import { type Adopted, adoptDevice } from "./device/adopt.ts";
import { type ApproverOptions, pinned, withApproverOptions } from "./device/pin.ts";
import { checkPlace, checkWitnessPlace, createHome, type Home, type HomeKeys } from "./home.ts";
import { wholeInput } from "./input.ts";
import { type SourceOptions, sourceIn, withSourceOptions } from "./source-options.ts";
import { openTerminal, type Terminal, table } from "./terminal.ts";

export interface InitOptions extends SourceOptions, ApproverOptions {
  readonly dir: string;
  readonly network: Network;
  readonly tier: Tier;
  readonly listen: string;
  readonly name: readonly string[];
  readonly curve: "native" | "noble";
  readonly yes?: true;
  readonly passphraseFile?: string;
  /** A file, `-`, or true for a question. */
  readonly restore?: string | true;
  readonly witness?: string;
  /** Address of a device that is to have the keys. */
  readonly device?: string;
  readonly devicePassphrase?: true;
  readonly codeOnStdin?: true;
  readonly json?: true;
}

/** What init needs of the world. */
export interface InitWorld {
  readonly terminal: Terminal;
  readonly readInput: () => Uint8Array;
  readonly random: (length: number) => Uint8Array;
  /** Below `limit`; chooses which words are asked back. */
  readonly randomBelow: (limit: number) => number;
  readonly now: () => number;
}

const usage = (message: string, remedy = ""): SetupError => new SetupError("usage", message, remedy);

/** The signer's own source, where one is named. */
const chainOf = (options: InitOptions): Config["chain"] => {
  const source = sourceIn(options);
  if (source === undefined) return undefined;
  const read = chainTable.safeParse({ source: "own", [source.kind]: source.table });
  if (!read.success) throw usage(`--${source.kind}: ${read.error.issues[0]?.message ?? "not valid"}`);
  const [own] = sourcesOf(read.data);
  const fault = own === undefined ? undefined : sourceFault(own);
  if (fault !== undefined) throw usage(`--${source.kind} needs ${fault}`);
  return read.data;
};

const checkOptions = (options: InitOptions, interactive: boolean): void => {
  const { yes, passphraseFile, restore, device, codeOnStdin } = options;
  pinned(options);
  if (device !== undefined && options.tier !== "full")
    throw usage("a device keeps nodes of tier full alone: what a lesser host can't tell, it can't hold to");
  if (device !== undefined && restore !== undefined)
    throw usage("the words of a device are entered on the device: `countersign device setup --restore`");
  if (device !== undefined && yes && !codeOnStdin)
    throw usage("--yes asks nothing, so the digits on the device's screen must come with --code-on-stdin");
  if (codeOnStdin && passphraseFile === "-")
    throw usage("the passphrase and the device's digits cannot both come from the input");
  if (yes && passphraseFile === undefined)
    throw usage("--yes asks nothing, so the passphrase must come from --passphrase-file");
  if (yes && restore === true) throw usage("--yes asks nothing: give --restore a file, or - for the input");
  if (passphraseFile === "-" && restore === "-")
    throw usage("the passphrase and the words cannot both come from the input");
  if (!yes && (passphraseFile === "-" || restore === "-"))
    throw usage("- takes the whole input, so no question can be answered: it needs --yes");
  if (!yes && !interactive)
    throw usage("there is no terminal to ask on", "Give --yes and --passphrase-file FILE.");
};

interface Addresses {
  readonly listen: TcpAddress;
  readonly dialled: TcpAddress;
  readonly names: readonly string[];
}

const addressesOf = ({ listen: text, name: names }: InitOptions): Addresses => {
  const listen = parseAddress(text);
  if (listen === undefined) throw usage(`--listen ${text}: not an address`, "It has the form host:port.");
  return { listen, dialled: dialledAt(listen, names[0]), names };
};

/** age recommends 8 to 10 random letters and digits as the least that holds off guessing. */
const shortest = 10;

export const checkStrength = (passphrase: Secret): Secret => {
  const length = passphrase.use((bytes) => Array.from(new TextDecoder().decode(bytes)).length);
  if (length < shortest)
    throw new SetupError(
      "passphrase",
      `the passphrase has ${length} characters, and must have ${shortest} at least`,
      "Four or five random words are easy to keep and hard to guess.",
    );
  return passphrase;
};

const attempts = 3;

const askPassphrase = async (terminal: Terminal, { device }: InitOptions): Promise<Secret> => {
  const what = device === undefined ? "the seed" : "the certificate authority's key";
  for (let attempt = 1; ; attempt++) {
    try {
      const typed = await terminal.askHidden(`A passphrase for ${what}, at least 10 characters: `);
      const first = checkStrength(passphraseFrom(Buffer.from(typed)));
      if (typed === (await terminal.askHidden("The same again: "))) return first;
      throw new SetupError("passphrase", "the two are not the same");
    } catch (error) {
      if (!(error instanceof SetupError) || error.problem !== "passphrase" || attempt === attempts)
        throw error;
      terminal.tell(`${error.message}.`);
    }
  }
};

const showAndAskBack = async (
  entropy: Secret,
  terminal: Terminal,
  randomBelow: InitWorld["randomBelow"],
): Promise<void> => {
  const words = wordsOf(entropy);
  const numbered = words.map((word, at) => `${String(at + 1).padStart(2)}. ${word}`);
  const rows = Array.from({ length: 6 }, (_, row) =>
    [0, 6, 12, 18].map((column) => numbered[row + column] ?? ""),
  );
  for (let attempt = 1; ; attempt++) {
    await terminal.showOnce(
      "These 24 words are the seed. Write them down on paper, in this order: they bring back every key,\n" +
        `and whoever reads them has every key. They are not shown again.\n\n${table(rows)}\n`,
    );
    const first = randomBelow(words.length);
    const second = (first + 1 + randomBelow(words.length - 1)) % words.length;
    let right = true;
    for (const at of [first, second].toSorted((a, b) => a - b)) {
      const answer = await terminal.ask(`Word ${at + 1}: `);
      right &&= answer.trim().toLowerCase() === words[at];
    }
    if (right) return;
    if (attempt === attempts)
      throw usage(
        "the words were not given back; nothing was written",
        "Start again: there will be other words.",
      );
    terminal.tell("That is not what was shown.");
  }
};

const askWords = async (terminal: Terminal): Promise<Secret> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return entropyOf(await terminal.askHidden("The 24 words on one line, which is not shown: "));
    } catch (error) {
      if (!(error instanceof SetupError) || error.problem !== "invalid" || attempt === attempts) throw error;
      terminal.tell(`${error.message}.`);
    }
  }
};

const restored = async (from: string | true, { terminal, readInput }: InitWorld): Promise<Secret> => {
  if (from === true) return askWords(terminal);
  const bytes = from === "-" ? readInput() : readPrivate(from);
  try {
    return entropyOf(new TextDecoder().decode(bytes));
  } finally {
    bytes.fill(0);
  }
};

const adopt = (address: string, options: InitOptions, terminal: Terminal): Promise<Adopted> =>
  adoptDevice({
    dir: options.dir,
    address,
    network: options.network,
    tier: options.tier,
    index: 0,
    passphrase: options.devicePassphrase === true,
    ...pinned(options),
    ...(options.codeOnStdin ? { codeOnStdin: true } : {}),
    ...(options.json ? { json: true } : {}),
    tell: (text) => terminal.tell(text),
  });

const keysOf = (
  entropy: Secret | undefined,
  adopted: Adopted | undefined,
  { devicePassphrase }: InitOptions,
): HomeKeys => {
  if (adopted !== undefined) return { is: "device", passphrase: devicePassphrase === true, ...adopted };
  if (entropy === undefined) throw new Error("neither a seed nor a device");
  return { is: "sealed", seed: { style: "native", entropy } };
};

export const init = async (options: InitOptions, world: InitWorld): Promise<Home> => {
  const { terminal } = world;
  const { network, tier, passphraseFile, restore, yes } = options;
  const dir = resolve(options.dir);
  checkOptions(options, terminal.interactive);
  const addresses = addressesOf(options);
  const chain = chainOf(options);
  checkPlace(dir);
  const witness = options.witness === undefined ? {} : { witness: resolve(options.witness) };
  if (witness.witness !== undefined) checkWitnessPlace(witness.witness);
  const curve = await openCurve(options.curve);

  const entropy =
    options.device !== undefined
      ? undefined
      : restore === undefined
        ? newEntropy(world.random)
        : await restored(restore, world);
  const passphrase =
    passphraseFile === undefined
      ? await askPassphrase(terminal, options)
      : checkStrength(
          passphraseFrom(passphraseFile === "-" ? world.readInput() : readPrivate(passphraseFile)),
        );
  if (entropy !== undefined && restore === undefined && !yes)
    await showAndAskBack(entropy, terminal, world.randomBelow);
  terminal.close();
  const adopted = options.device === undefined ? undefined : await adopt(options.device, options, terminal);
  const keys = keysOf(entropy, adopted, options);

  if (!options.json)
    terminal.tell(
      entropy === undefined
        ? "Sealing the authority's key; this takes some seconds."
        : "Sealing the seed; this takes some seconds.",
    );
  try {
    return await createHome({
      dir,
      network,
      tier,
      ...addresses,
      curve,
      keys,
      restored: restore !== undefined,
      ...witness,
      ...(chain === undefined ? {} : { chain }),
      passphrase,
      // Money on regtest has no worth, and its tests start many signers.
      workFactor: network === "regtest" ? 12 : fullWorkFactor,
      now: world.now(),
    });
  } finally {
    adopted?.done();
    entropy?.wipe();
    passphrase.wipe();
  }
};

const summary = (home: Home, { yes, restore, ...options }: InitOptions): string => {
  const source = options.bitcoind ?? options.electrum ?? options.esplora;
  const blocks =
    source !== undefined
      ? `from ${source}`
      : home.network === "regtest"
        ? "none: [chain] in the configuration"
        : "as the host shows them, which is weaker: see [chain] in the configuration";
  const backup =
    home.device !== undefined
      ? "The 24 words are on paper alone, and what the device knows of its channels is in store.sqlite, sealed: copy that\n" +
        "file as often as you would copy a wallet. Unlock the device after the signer has started."
      : restore !== undefined
        ? "The words bring back keys, not what the signer knew of its channels: those it can't go on with. Where the seed\n" +
          "had channels, put the old store.sqlite in the place of the new one before the signer starts."
        : yes
          ? "Nobody has seen the 24 words: seed.age with its passphrase is the only backup. Copy it to another\n" +
            "place now; `age -d seed.age` shows the words."
          : "Keep the words on paper. seed.age with its passphrase is a second backup.";
  return [
    table([
      ["signer", home.dir],
      ["node", home.node],
      ["network", home.network],
      ["tier", home.tier],
      ["keys", home.device === undefined ? "in a sealed seed" : `on a device, named ${home.device}`],
      ["address", home.address],
      ["blocks", blocks],
      ...(home.witness === undefined ? [] : [["witness", home.witness]]),
    ]),
    "",
    backup,
    ...(home.witness === undefined || !onOneDisk(home.witness, home.dir)
      ? []
      : [
          `The witness ${home.witness} is on the same disk as the store: what puts the one back may put the other back.`,
        ]),
    `Copy ${home.host} to the node's machine, and delete it here: its key lets a host in.`,
  ].join("\n");
};

export const registerInit = (program: Command): void => {
  const command = program
    .command("init")
    .description("make a seed, certificates and a configuration in a new directory")
    .requiredOption("--dir <directory>", "where to; must not exist yet, or be empty")
    .addOption(new Option("--network <network>", "the chain").choices(networks).default("bitcoin"))
    .addOption(
      new Option("--tier <tier>", "what the host can tell of its channels").choices(tiers).default("full"),
    )
    .option("--listen <host:port>", "where the host will connect to", defaultListen)
    .option("--name <name...>", "what the host calls this machine, where that is not in --listen", [])
    .addOption(
      new Option("--curve <backend>", "noble is for systems without libsecp256k1, and is not constant time")
        .choices(["native", "noble"])
        .default("native"),
    );
  withSourceOptions(command)
    .option("--restore [file]", "keys from 24 words: in a file, in the input (-), or asked for")
    .option(
      "--passphrase-file <file>",
      "the seed's passphrase: in a file that nobody else may read, or the input (-)",
    )
    .option(
      "--witness <file>",
      "keep the store's version a second time, on another disk: an older copy is then noticed",
    )
    .option(
      "--device <address>",
      "keep the keys on a device there (`countersign device list` shows what is plugged in)",
    )
    .option("--device-passphrase", "the device asks for a passphrase of BIP 39 each time it is unlocked")
    .option(
      "--code-on-stdin",
      "the six digits that the device shows at pairing come from the input, for scripts",
    );
  withApproverOptions(command)
    .option("--yes", "ask nothing, and show no words: the sealed seed is then the only backup")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      "\nWith a source of its own the signer follows the chain by itself, and publishes justice and claims without a host.\nWithout one the host shows it blocks, which is weaker; [chain] in countersign.toml can be changed later.",
    )
    .action(async (options: InitOptions) => {
      const terminal = openTerminal({ input: process.stdin, output: process.stderr });
      try {
        const home = await init(options, {
          terminal,
          readInput: wholeInput,
          random: (length) => new Uint8Array(randomBytes(length)),
          randomBelow: (limit) => randomInt(limit),
          now: () => Date.now(),
        });
        process.stdout.write(`${options.json ? JSON.stringify(home) : summary(home, options)}\n`);
      } finally {
        terminal.close();
      }
    });
};
