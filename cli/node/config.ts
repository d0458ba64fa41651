/** `node.toml`: how one node runs. Its network and its keys are the signer's, and not written here. */

import { dirname, join, resolve } from "node:path";
import { stringify } from "smol-toml";
import { z } from "zod";
import { resolvedFrom, type SourceSettings, sourceSettings } from "../../chain/open.ts";
import { type Bundle, readBundle } from "../../host/bundle.ts";
import type { NodeConfig } from "../../host/ldk/index.ts";
import { isSocketPath, maxSocketPath } from "../../protocol/wire/address.ts";
import { parseAddress } from "../../signer/config.ts";
import { checkPrivateDirectory, readPrivate } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { parseToml } from "../../signer/toml.ts";

export const nodeFile = "node.toml";

const path = z.string().min(1, "an empty path");
const address = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, "not an address: host:port, an IPv6 one in brackets");

/** BOLT 7, `node_announcement`: the alias has 32 bytes. */
const fitsAlias = (text: string): boolean => new TextEncoder().encode(text).length <= 32;

/** Each sentence stands above its key in the printed file. */
const schema = z.strictObject({
  schema: z.literal(1).describe("Version of this file's form."),
  signer: path.describe(
    "The copy of the signer's `host` folder: where the signer is, and what lets this node in. Paths are relative to this file.",
  ),
  listen: address.optional().describe("Where peers connect to; without it they don't."),
  external: address.optional().describe("Where others reach it, if that is not where it listens."),
  announce: z.boolean().default(false).describe("Whether channels are announced, and the node with them."),
  alias: z
    .string()
    .refine(fitsAlias, "more than 32 bytes")
    .optional()
    .describe("The name in the announcement."),
  anchors: z
    .boolean()
    .default(true)
    .describe("Channels with anchors, whose fees are paid when they are closed; 25,000 sat are kept for it."),
  confirmations: z
    .int()
    .min(1)
    .max(144)
    .default(6)
    .describe("How deep the funding of a channel must be that a peer opens."),
  look: z.int().min(1).max(600).default(10).describe("Seconds between two looks at the chain."),
  control: path.default("control.sock").describe("The socket of `countersign node` and its commands."),
  chain: sourceSettings.describe(
    "Where blocks come from and transactions go to: kind bitcoind, with cookie, or user and passwordFile; kind electrum, maybe with certificate; or kind esplora.",
  ),
});

export type NodeSettings = Readonly<z.infer<typeof schema>>;

export const parseNodeConfig = (text: string, file: string): NodeSettings => parseToml(schema, text, file);

type Shape = Readonly<Record<string, z.ZodType>>;

const printTable = (shape: Shape, values: Readonly<Record<string, unknown>>): string =>
  Object.entries(shape)
    .filter(([key]) => values[key] !== undefined)
    .map(([key, { description }]) => {
      const line = stringify({ [key]: values[key] });
      return description === undefined ? line : `# ${description}\n${line}`;
    })
    .join("\n");

/** `parseNodeConfig` reads the same from it. */
export const printNodeConfig = (settings: NodeSettings): string => {
  const { chain, ...shape } = schema.shape;
  const { kind } = settings.chain;
  const own = sourceSettings.options.find((one) => one.shape.kind.value === kind);
  const { kind: _, ...rest } = own?.shape ?? {};
  return [
    printTable(shape, settings),
    `# ${chain.description}\n[chain]\n${stringify({ kind })}`,
    printTable(rest as Shape, settings.chain),
  ].join("\n");
};

/** What the file says, with its paths resolved. */
export interface NodeHome {
  readonly directory: string;
  readonly settings: NodeSettings;
  readonly signer: string;
  readonly control: string;
  readonly chain: SourceSettings;
  readonly config: NodeConfig;
}

/** What the library lacks can cost a peer's victim its channel: docs/hosts/ldk.md. */
const checkNetwork = (network: Bundle["network"]): void => {
  if (network === "bitcoin")
    throw new SetupError(
      "unsafe",
      "the bundle is for bitcoin, and this node runs on regtest, signet and testnet only: its LDK is 0.1.2, which lacks fixes against theft (0.1.4, 0.1.6, 0.1.12)",
      "No money of worth belongs on it. docs/hosts/ldk.md says what an adapter for a newer LDK needs.",
    );
};

/** Not for its key: that stays in the folder, for the node's own threads. */
export const openBundle = (folder: string): Omit<Bundle, "credentials"> => {
  const read = (): Bundle => {
    try {
      return readBundle(folder);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new SetupError(
        "invalid",
        `${folder} is no copy of a signer's host folder: ${error.message}`,
        "`countersign init` makes one in the signer's directory.",
      );
    }
  };
  const { credentials, ...bundle } = read();
  credentials.key.wipe();
  checkNetwork(bundle.network);
  return bundle;
};

const configOf = (settings: NodeSettings): NodeConfig => {
  const { announce, alias, external, anchors, confirmations } = settings;
  const externalAddress = external === undefined ? undefined : parseAddress(external);
  return {
    ...{ anchors, announced: announce, minimumDepth: confirmations },
    ...(alias === undefined ? {} : { alias }),
    ...(externalAddress === undefined ? {} : { externalAddress }),
  };
};

export const homeOf = (settings: NodeSettings, file: string): NodeHome => {
  const from = (relative: string): string => resolve(dirname(file), relative);
  const { chain } = settings;
  const control = from(settings.control);
  if (!isSocketPath(control))
    throw new SetupError(
      "invalid",
      `${control} is too long for a socket: ${maxSocketPath} bytes are the most`,
      `Name a shorter path in ${file}, such as control = "/run/user/1000/node.sock", or move the directory.`,
    );
  return {
    ...{ settings, control, directory: dirname(file), signer: from(settings.signer) },
    config: configOf(settings),
    chain: resolvedFrom(file, chain),
  };
};

/** Whoever can change the file can send the node to another chain. */
export const openNodeHome = (dir: string): NodeHome => {
  const directory = resolve(dir);
  checkPrivateDirectory(directory);
  const file = join(directory, nodeFile);
  return homeOf(parseNodeConfig(new TextDecoder().decode(readPrivate(file)), file), file);
};
