/** Where blocks come from, as options of a command. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { SetupError } from "../signer/setup-error.ts";

export interface SourceOptions {
  readonly bitcoind?: string;
  readonly cookie?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly rest?: true;
  readonly electrum?: string;
  readonly electrumCertificate?: string;
  readonly esplora?: string;
}

const usage = (message: string, remedy: string): SetupError => new SetupError("usage", message, remedy);

const pathOf = (path: string | undefined): string | undefined =>
  path === undefined ? undefined : resolve(path);

type Settings = Readonly<Record<string, unknown>>;

const given = (values: Settings): Settings =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

export interface NamedSource {
  readonly kind: "bitcoind" | "electrum" | "esplora";
  /** As the table of its kind has it; whoever reads it says what is wrong with it. */
  readonly table: Settings;
}

/** Undefined where no source is named. */
export const sourceIn = (options: SourceOptions): NamedSource | undefined => {
  const { bitcoind, electrum, esplora, cookie, user, passwordFile, rest, electrumCertificate } = options;
  if (bitcoind === undefined && [cookie, user, passwordFile, rest].some((one) => one !== undefined))
    throw usage(
      "--cookie, --user, --password-file and --rest belong to --bitcoind",
      "Electrum servers and Esploras have none.",
    );
  if (electrum === undefined && electrumCertificate !== undefined)
    throw usage("--electrum-certificate belongs to --electrum", "The others have none.");
  if ([bitcoind, electrum, esplora].filter((one) => one !== undefined).length > 1)
    throw usage("one source of blocks is enough", "Give one of --bitcoind, --electrum and --esplora.");
  if (bitcoind !== undefined) {
    if ((user === undefined) !== (passwordFile === undefined))
      throw usage("--user and --password-file belong together", "Or give --cookie alone.");
    if ((cookie === undefined) === (user === undefined))
      throw usage(
        "--bitcoind needs either --cookie, or --user and --password-file",
        "Bitcoin Core writes .cookie into its data directory, in the folder of its network, with each start.",
      );
    const paths = { cookie: pathOf(cookie), passwordFile: pathOf(passwordFile) };
    return { kind: "bitcoind", table: given({ url: bitcoind, ...paths, user, rest }) };
  }
  if (electrum !== undefined) {
    const certificate = pathOf(electrumCertificate);
    return { kind: "electrum", table: given({ url: electrum, certificate }) };
  }
  return esplora === undefined ? undefined : { kind: "esplora", table: { url: esplora } };
};

export const withSourceOptions = (command: Command): Command =>
  command
    .option("--bitcoind <url>", "blocks from a Bitcoin Core's JSON-RPC")
    .option("--cookie <file>", "that Bitcoin Core writes with each start")
    .option("--user <name>", "of rpcauth, instead of a cookie")
    .option("--password-file <file>", "the user's password, in a file that nobody else may read")
    .option("--rest", "Bitcoin Core runs with -rest=1: blocks come quicker")
    .option(
      "--electrum <url>",
      "blocks from an Electrum server of one's own: tcp://host:port, ssl://host:port",
    )
    .option(
      "--electrum-certificate <file>",
      "the server's, or of whoever signed it: trusted in place of the known authorities",
    )
    .option("--esplora <url>", "blocks from an Esplora's HTTP interface; it learns what is asked for");
