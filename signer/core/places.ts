/** Where each record of a node is in the store. */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import type { Key } from "./ports.ts";

export const nodeKey = (node: NodeId): Key => `${toHex(node)}/node`;
export const paymentKey = (node: NodeId, hash: string): Key => `${toHex(node)}/payment/${hash}`;
export const approvalKey = (node: NodeId, id: string): Key => `${toHex(node)}/approval/${id}`;
export const outpointKey = (node: NodeId, id: string): Key => `${toHex(node)}/outpoint/${id}`;
export const allowlistKey = (node: NodeId): Key => `${toHex(node)}/allowlist`;
export const channelKey = (node: NodeId, id: ChannelId): Key => `${toHex(node)}/channel/${id}`;

/** A host with a numbering of its own names the channel that it wants. */
export const channelIn = (body: Request<Name>): ChannelId | undefined => {
  if ("channel" in body) return isKnown(body.channel) ? body.channel : undefined;
  return "wanted" in body && isKnown(body.wanted) ? body.wanted : undefined;
};
