/** The `[chain]` table of the configuration: whether blocks are followed, who shows them, and from where on. */

import { z } from "zod";
import {
  bitcoindTable,
  electrumTable,
  esploraTable,
  type SourceSettings,
  sourceFault,
} from "../chain/open.ts";
import { defaultChallenge } from "../protocol/bitcoin/signet.ts";
import { fromHex } from "../protocol/bytes.ts";
import { Malformed } from "../protocol/malformed.ts";
import type { Network } from "../protocol/operations/fields.ts";
import { height, script } from "../protocol/units.ts";
import type { ChainSettings } from "./core/chain/book.ts";
import { startAt } from "./core/chain/start.ts";

export const chainTable = z.strictObject({
  source: z
    .enum(["own", "host", "proofs", "none"])
    .optional()
    .describe(
      "own: the signer asks [chain.bitcoind], [chain.electrum] or [chain.esplora], and publishes justice and claims itself. host: the node shows whole blocks, which prove what is in them and what is not; whatever it does not show is not seen. proofs: it may show parts of them, and can hide a breach. none: nothing is seen, every funding counts as deep. Without it: none on regtest, else host.",
    ),
  height: z
    .int()
    .min(0)
    .max(499_999_999)
    .multipleOf(2016)
    .optional()
    .describe("Where to begin instead of at the first block: a multiple of 2016, below the oldest channel."),
  header: z
    .string()
    .regex(/^[0-9a-f]{160}$/, "a block header: 80 bytes in lower-case hexadecimal")
    .optional()
    .describe("The header of that block, from a source that you trust: what is below it is not looked at."),
  challenge: z
    .string()
    .regex(/^([0-9a-f]{2}){1,520}$/, "a script in hexadecimal")
    .optional()
    .describe("Of a signet of your own; without it the public one's."),
  bitcoind: bitcoindTable.optional().describe("A Bitcoin Core of one's own."),
  electrum: electrumTable.optional().describe("An Electrum server of one's own."),
  esplora: esploraTable.optional().describe("An Esplora, of one's own where that can be."),
});

export type ChainTable = Readonly<z.infer<typeof chainTable>>;

const refuseAt = (key: string, message: string, input: unknown): z.ZodError =>
  new z.ZodError([{ code: "custom", path: [key], message, input }]);

export const sourcesOf = ({ bitcoind, electrum, esplora }: ChainTable): readonly SourceSettings[] => [
  ...(bitcoind === undefined ? [] : [{ kind: "bitcoind" as const, ...bitcoind }]),
  ...(electrum === undefined ? [] : [{ kind: "electrum" as const, ...electrum }]),
  ...(esplora === undefined ? [] : [{ kind: "esplora" as const, ...esplora }]),
];

/** Exactly one of them, with `source = "own"` and with nothing else. */
export const ownOf = (table: ChainTable = {}): SourceSettings | undefined => {
  const { source } = table;
  const [own, ...more] = sourcesOf(table);
  if (source !== "own") {
    if (own === undefined) return undefined;
    throw refuseAt(own.kind, `nobody asks it: source = "own" is missing`, source);
  }
  if (own === undefined || more.length > 0)
    throw refuseAt(
      "source",
      "own needs one of [chain.bitcoind], [chain.electrum] and [chain.esplora]",
      source,
    );
  const fault = sourceFault(own);
  if (fault !== undefined) throw refuseAt(own.kind, fault, own.url);
  return own;
};

/** Undefined: no chain is followed. A ZodError where the table contradicts itself or the network. */
export const chainOf = (network: Network, table: ChainTable = {}): ChainSettings | undefined => {
  const { source = network === "regtest" ? "none" : "host", header, challenge } = table;
  if ((table.height === undefined) !== (header === undefined))
    throw refuseAt("height", "height and header belong together", table.height);
  if (challenge !== undefined && network !== "signet")
    throw refuseAt("challenge", `${network} has none`, challenge);
  const signet = challenge === undefined ? defaultChallenge : script(fromHex(challenge));
  const settings: ChainSettings = {
    ...(table.height === undefined || header === undefined
      ? {}
      : { checkpoint: { height: height(table.height), header: fromHex(header) } }),
    ...(network === "signet" ? { challenge: signet } : {}),
    ...(source === "proofs" ? { inPart: true } : {}),
    ...(ownOf(table) === undefined ? {} : { own: true }),
  };
  try {
    startAt(network, settings.checkpoint);
  } catch (error) {
    if (error instanceof Malformed) throw refuseAt(error.path || "header", error.reason, table);
    throw error;
  }
  return source === "none" ? undefined : settings;
};
