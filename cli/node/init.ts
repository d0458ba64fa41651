/** `countersign node init`: a directory for a node whose keys are a signer's. */

import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { stringify } from "smol-toml";
import { toHex } from "../../protocol/bytes.ts";
import { printAddress } from "../../signer/config.ts";
import { createFile } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { print } from "../admin.ts";
import { toJson } from "../json.ts";
import { type SourceOptions, sourceIn, withSourceOptions } from "../source-options.ts";
import { table } from "../terminal.ts";
import { homeOf, nodeFile, openBundle, parseNodeConfig, printNodeConfig } from "./config.ts";

interface InitOptions extends SourceOptions {
  readonly dir: string;
  readonly signer: string;
  readonly listen?: string;
  readonly external?: string;
  readonly announce?: true;
  readonly alias?: string;
  readonly anchors: boolean;
  readonly confirmations?: number;
  readonly look?: number;
  readonly json?: true;
}

const usage = (message: string, remedy: string): SetupError => new SetupError("usage", message, remedy);

const chainOf = (options: InitOptions): Readonly<Record<string, unknown>> => {
  const source = sourceIn(options);
  if (source === undefined)
    throw usage(
      "a node needs one source of blocks",
      "Give --bitcoind URL with --cookie FILE (or --user and --password-file), --electrum URL, or --esplora URL.",
    );
  return { kind: source.kind, ...source.table };
};

const given = (values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

const checkPlace = (dir: string): void => {
  let found: readonly string[] = [];
  try {
    found = readdirSync(dir);
  } catch {
    try {
      readdirSync(dirname(dir));
    } catch {
      throw new SetupError("missing", `there is no directory ${dirname(dir)} to put it into`);
    }
  }
  if (found.length > 0)
    throw new SetupError(
      "exists",
      `${dir} is not empty, and nothing is ever written over it`,
      "Choose another directory with --dir.",
    );
};

const init = (options: InitOptions): void => {
  const directory = resolve(options.dir);
  const file = join(directory, nodeFile);
  const { listen, external, announce, alias, anchors, confirmations, look } = options;
  const chain = chainOf(options);
  const signer = resolve(options.signer);
  const { node, network, address } = openBundle(signer);
  const asWritten = stringify({
    ...given({ schema: 1, signer, listen, external, announce, alias, anchors, confirmations, look }),
    chain,
  });
  const settings = parseNodeConfig(asWritten, "what the options say");
  const home = homeOf(settings, file);
  checkPlace(directory);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  createFile(file, printNodeConfig(settings));
  const made = {
    ...{ dir: directory, node: toHex(node), network, file, control: home.control },
    ...{ signer: printAddress(address), chain: settings.chain.url },
  };
  if (options.json) {
    print(toJson(made));
    return;
  }
  print(
    table([
      ["node", made.node],
      ["network", network],
      ["signer", made.signer],
      ["blocks", `${settings.chain.kind} at ${made.chain}`],
      ["settings", file],
    ]),
  );
  print(`\nStart it with \`countersign node start --dir ${options.dir}\`.`);
};

const integer = (text: string): number => {
  if (!/^[0-9]{1,6}$/.test(text)) throw new InvalidArgumentError("It is a number.");
  return Number(text);
};

export const registerNodeInit = (node: Command): void => {
  const command = node
    .command("init")
    .description("write the settings of a node in a new directory")
    .requiredOption("--dir <directory>", "where to; must not exist yet, or be empty")
    .requiredOption("--signer <bundle>", "the copy of the signer's host folder: its keys, its network");
  withSourceOptions(command)
    .option("--listen <host:port>", "where peers connect to; without it they don't")
    .option("--external <host:port>", "where others reach it, if that is not where it listens")
    .option("--announce", "announce channels, and the node with them")
    .option("--alias <name>", "the name in the announcement")
    .option("--no-anchors", "channels without anchors")
    .option("--confirmations <blocks>", "how deep the funding of a peer's channel must be", integer)
    .option("--look <seconds>", "between two looks at the chain", integer)
    .option("--json", "print the result as JSON")
    .action(init);
};
