/** Which node of a signer's directory a command is about. */

import type { Command } from "commander";
import type { ConfigNode } from "../signer/config.ts";
import { SetupError } from "../signer/setup-error.ts";
import { table } from "./terminal.ts";

export type NodeNames = Pick<ConfigNode, "id" | "index" | "device">;

/** As `status` and messages say it. */
export const keysText = ({ index, device }: NodeNames): string =>
  device === undefined ? `in a sealed seed, index ${index}` : `on the device ${device}`;

export const nodesText = (nodes: readonly NodeNames[]): string =>
  table(nodes.map((node) => [node.id, `keys ${keysText(node)}`]));

/** The name of a device first: it may look like an index, or like the beginning of an id. */
const fitting = (nodes: readonly NodeNames[], named: string): readonly NodeNames[] => {
  const exact = nodes.filter(({ device, id }) => device === named || id === named);
  if (exact.length > 0) return exact;
  // The index of a device's node says nothing: each has its own seed.
  const byIndex = nodes.filter(({ device, index }) => device === undefined && String(index) === named);
  if (byIndex.length > 0) return byIndex;
  return /^0[23][0-9a-f]*$/.test(named) ? nodes.filter(({ id }) => id.startsWith(named)) : [];
};

const listing = (nodes: readonly NodeNames[]): string =>
  `Say which with --node: the id or its beginning, the name of its device, or its index in the seed.\n${nodesText(nodes)}`;

/** The one that is named; else the only one. */
export const nodeIn = <T extends NodeNames>(nodes: readonly T[], named: string | undefined): T => {
  const found = named === undefined ? nodes : (fitting(nodes, named) as readonly T[]);
  const [only, another] = found;
  if (only !== undefined && another === undefined) return only;
  if (named === undefined)
    throw new SetupError("usage", `this signer has ${nodes.length} nodes`, listing(nodes));
  throw new SetupError(
    "usage",
    only === undefined ? `no node is called ${named}` : `${found.length} nodes begin with ${named}`,
    listing(only === undefined ? nodes : found),
  );
};

export const withNodeOption = (command: Command): Command =>
  command.option(
    "--node <node>",
    "which, where there are several: its id or the beginning, device, or index",
  );
