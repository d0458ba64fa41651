/** `countersign.toml`: how one signer runs. Rules and limits are not here but in its [policy], which is parsed apart. */

import { dirname, resolve } from "node:path";
import { stringify } from "smol-toml";
import { z } from "zod";
import {
  bitcoindTable,
  electrumTable,
  esploraTable,
  resolvedFrom,
  type SourceSettings,
} from "../chain/open.ts";
import type { Network, Tier } from "../protocol/operations/fields.ts";
import type { TcpAddress } from "../protocol/wire/address.ts";
import { chainOf, chainTable, ownOf } from "./chain-config.ts";
import type { ChainSettings } from "./core/chain/book.ts";
import { type Policy, policyTable, readPolicy } from "./core/policy.ts";
import { maxNodeIndex } from "./keys/native.ts";
import { readPrivate } from "./private-file.ts";
import { parseToml, telling } from "./toml.ts";

export const configFile = "countersign.toml";
export const defaultAdmin = "admin.sock";
export const defaultSeed = "seed.age";
export const defaultListen = "127.0.0.1:7601";

/** Spelled out because the wire's own list is a codec; the types make sure that none is missing or foreign. */
export const networks = ["bitcoin", "testnet", "signet", "regtest"] as const satisfies readonly Network[];
export const tiers = ["full", "commitments", "stateless"] as const satisfies readonly Tier[];

/** `host:port`, an IPv6 address in brackets. Undefined for anything else. */
export const parseAddress = (text: string): TcpAddress | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
};

export const printAddress = ({ host, port }: TcpAddress): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

const path = z.string().min(1, "an empty path");

/** More than one process is meant for. */
export const mostNodes = 32;

const policySchema = z.record(z.string(), z.unknown());

/** Each sentence stands above its key in the printed file. */
const nodeShape = z.strictObject({
  index: z
    .int()
    .min(0)
    .max(maxNodeIndex)
    .describe("Which node of the seed, or of the device's seed, this is; the first is 0."),
  id: z
    .string()
    .regex(/^0[23][0-9a-f]{64}$/, "not a node id: 66 lower-case hexadecimal digits, beginning with 02 or 03")
    .describe("The public key that seed and index must lead to; nothing is signed with another one."),
  device: z
    .string()
    .min(1)
    .max(32)
    .optional()
    .describe(
      "Keys are on this device of devices.json, and not in the sealed seed; it judges each request again.",
    ),
  passphrase: z
    .boolean()
    .optional()
    .describe("Whether the device asks for a passphrase of BIP 39 when it is unlocked."),
  policy: policySchema
    .optional()
    .describe("Limits and consents of this node, in the place of everything under [policy]."),
});

export type ConfigNode = Readonly<z.infer<typeof nodeShape>>;

const nodeSchema = nodeShape.refine(
  ({ device, passphrase }) => device !== undefined || passphrase === undefined,
  { path: ["passphrase"], error: "is asked for by a device, and this node has none" },
);

const isTable = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What must not stand there twice, and for whom it counts. */
const unique = {
  id: { of: ({ id }: ConfigNode) => id, error: "another node has this id" },
  device: {
    of: ({ device }: ConfigNode) => device,
    error: "another node has its keys on this device, which keeps one node",
  },
  index: {
    of: ({ index, device }: ConfigNode) => (device === undefined ? index : undefined),
    error: "another node of the sealed seed has this index",
  },
} as const;

const noNode = "missing: a table [[node]] for each node";

const nodesSchema = z
  .array(nodeSchema, {
    error: ({ input }) => {
      if (isTable(input)) return "there may be several: write [[node]], with double brackets";
      return input === undefined ? noNode : undefined;
    },
  })
  .min(1, noNode)
  .max(mostNodes, `${mostNodes} nodes at most`)
  .superRefine((nodes, context) => {
    for (const [key, { of, error }] of Object.entries(unique)) {
      const seen = new Set<unknown>();
      for (const [at, node] of nodes.entries()) {
        const value = of(node);
        if (value !== undefined && seen.has(value))
          context.addIssue({ code: "custom", path: [at, key], message: error });
        seen.add(value);
      }
    }
  });

const configSchema = z.strictObject({
  schema: z.literal(1).describe("Version of this file's form."),
  network: z.enum(networks).describe("The chain: bitcoin, testnet, signet or regtest. Part of every key."),
  tier: z
    .enum(tiers)
    .describe(
      "What the host can tell of its channels: full (LDK), commitments (Core Lightning), stateless (lnd).",
    ),
  listen: z
    .string()
    .refine((text) => parseAddress(text) !== undefined, "not an address: host:port")
    .default(defaultListen)
    .describe("Where the host connects to, by mutual TLS."),
  store: path
    .default("store.sqlite")
    .describe("The signer's own knowledge of its channels. Paths are relative to this file."),
  seed: path.default(defaultSeed).describe("The sealed seed."),
  witness: path
    .optional()
    .describe(
      "How far the store has come, on another disk: a store that was put back to an older copy is not signed with.",
    ),
  admin: path
    .default(defaultAdmin)
    .describe("The socket on which approvals are given and the signer says how it stands."),
  certificates: path
    .default("certificates")
    .describe(
      "Directory of the certificate authority, and of the server's and the administrator's certificates.",
    ),
  curve: z
    .enum(["native", "noble"])
    .default("native")
    .describe(
      "native: libsecp256k1, constant time. noble: JavaScript, whose running time depends on the keys.",
    ),
  threads: z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe(
      "How many threads verify and sign, the signer's own among them; 0 for one on each core, but 5 at most.",
    ),
  log: z
    .enum(["debug", "info", "warn", "error"])
    .default("info")
    .describe("The least level that is logged: debug, info, warn or error."),
  dumps: z
    .enum(["refuse", "warn"])
    .default("refuse")
    .describe("Where a core dump, which would hold the keys, cannot be ruled out: refuse to start, or warn."),
  node: nodesSchema.describe("A node whose keys this signer keeps; another one has another table like this."),
  policy: policySchema
    .optional()
    .describe("Limits and consents; without a key its default holds. See docs/rules.md."),
  chain: chainTable.optional().describe("Where blocks come from."),
  device: z.never({ error: 'each node says its own: write device = "name" under [[node]]' }).optional(),
});

export type Config = Readonly<Omit<z.infer<typeof configSchema>, "device">>;

export const parseConfig = (text: string, file: string): Config => parseToml(configSchema, text, file);

/** The limits that the file sets for a node, over the defaults of its network. */
export const policyOf = ({ network, policy, node }: Config, of: ConfigNode, file: string): Policy =>
  of.policy === undefined
    ? telling(policyTable, `${file}, [policy]`, () => readPolicy(network, policy))
    : telling(policyTable, `${file}, [node.policy] of node[${node.indexOf(of)}]`, () =>
        readPolicy(network, of.policy),
      );

/** The keys of some node are in the sealed seed. */
export const needsSeed = ({ node }: Pick<Config, "node">): boolean =>
  node.some(({ device }) => device === undefined);

/** Undefined: no chain is followed. */
export const chainSettingsOf = ({ network, chain }: Config, file: string): ChainSettings | undefined =>
  telling(chainTable, `${file}, [chain]`, () => chainOf(network, chain));

/** Undefined: blocks come from the host, or from nowhere. Its paths are resolved. */
export const ownSourceOf = ({ chain }: Config, file: string): SourceSettings | undefined => {
  const own = telling(chainTable, `${file}, [chain]`, () => ownOf(chain));
  return own && resolvedFrom(file, own);
};

/** Whoever can change it can change the policy, so it is guarded like a key. */
export const readConfig = (file: string): Config =>
  parseConfig(new TextDecoder().decode(readPrivate(file)), file);

export interface ConfigPaths {
  readonly seed: string;
  readonly store: string;
  readonly witness: string | undefined;
  readonly certificates: string;
  readonly admin: string;
}

export const pathsOf = ({ seed, store, witness, certificates, admin }: Config, file: string): ConfigPaths => {
  const from = (relative: string): string => resolve(dirname(file), relative);
  return {
    seed: from(seed),
    store: from(store),
    witness: witness === undefined ? undefined : from(witness),
    certificates: from(certificates),
    admin: from(admin),
  };
};

/** As a comment: how to have what the default is not. */
const ownChain = `# Without a table [chain] the host shows the blocks (on regtest nobody does), and nothing is published here. So that the
# signer follows the chain by itself, and publishes justice and claims without a host:
#
#   [chain]
#   source = "own"
#
#   [chain.bitcoind]
#   url = "http://127.0.0.1:8332"
#   cookie = "/var/lib/bitcoind/.cookie"
#
# or user = "..." and passwordFile = "..." in place of the cookie; or [chain.electrum] with its
# url (ssl://host:port, tcp://host:port) and maybe certificate; or [chain.esplora] with its url alone.
`;

type Shape = Readonly<Record<string, z.ZodType>>;

const printTable = (shape: Shape, values: Readonly<Record<string, unknown>>): string =>
  Object.entries(shape)
    .filter(([key]) => values[key] !== undefined)
    .map(([key, { description }]) => `# ${description}\n${stringify({ [key]: values[key] })}`)
    .join("\n");

/** As a table of a configuration, which may be put below any other. */
export const printNode = (node: ConfigNode): string => {
  const { policy, ...plain } = nodeShape.shape;
  const table = `[[node]]\n${printTable(plain, node)}`;
  return node.policy === undefined
    ? table
    : `${table}\n# ${policy.description}\n${stringify({ node: { policy: node.policy } })}`;
};

/** `parseConfig` reads the same from it. */
export const printConfig = (config: Config): string => {
  const { node, policy, chain, device: _, ...all } = configSchema.shape;
  // Where every key is on a device there is no sealed seed to name.
  const isSaid = ([key]: readonly [string, unknown]): boolean =>
    key !== "seed" || needsSeed(config) || config.seed !== defaultSeed;
  const plain = Object.fromEntries(Object.entries(all).filter(isSaid));
  const tables = config.node.map((one) => `# ${node.description}\n${printNode(one)}`);
  if (config.policy !== undefined)
    tables.push(`# ${policy.description}\n${stringify({ policy: config.policy })}`);
  if (config.chain !== undefined) {
    const { bitcoind, electrum, esplora, ...rest } = chainTable.shape;
    tables.push(`# ${chain.description}\n[chain]\n${printTable(rest, config.chain)}`);
    if (config.chain.bitcoind !== undefined)
      tables.push(
        `# ${bitcoind.description}\n[chain.bitcoind]\n${printTable(bitcoindTable.shape, config.chain.bitcoind)}`,
      );
    if (config.chain.electrum !== undefined)
      tables.push(
        `# ${electrum.description}\n[chain.electrum]\n${printTable(electrumTable.shape, config.chain.electrum)}`,
      );
    if (config.chain.esplora !== undefined)
      tables.push(
        `# ${esplora.description}\n[chain.esplora]\n${printTable(esploraTable.shape, config.chain.esplora)}`,
      );
  }
  if (config.chain === undefined) tables.push(ownChain);
  return [printTable(plain, config), ...tables].join("\n");
};
