/** What the node key signs was parsed whole, and is of this node. */

import {
  type Bodies,
  type ChannelAnnouncement,
  type ChannelUpdate,
  type GossipName,
  isFrom,
  type NodeAnnouncement,
  namesKeys,
} from "../../../protocol/bolt/gossip/index.ts";
import { type UnsignedInvoice, writerFault } from "../../../protocol/bolt/invoice/invoice.ts";
import { equal } from "../../../protocol/bytes.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Network, Tier } from "../../../protocol/operations/fields.ts";
import type { NodeId, Point } from "../../../protocol/units.ts";
import type { Facts, Rule } from "../rule.ts";
import type { Live } from "../state.ts";
import { given } from "../step.ts";
import { rule } from "./table.ts";

export type Reading<T> = { readonly value: T } | { readonly facts: Facts };

/**
 * What a host brings to be signed comes from others too, and whoever passes something else for it should be found in
 * the audit log: so it is no broken request, but breaks the rule.
 */
export const reading = <T>(parse: () => T): Reading<T> => {
  try {
    return { value: parse() };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { facts: { unread: error.path, reason: error.reason } };
  }
};

export type Gossip = {
  readonly [N in GossipName]: { readonly name: N; readonly body: Bodies[N] };
}[GossipName];

export interface GossipView {
  readonly network: Network;
  readonly node: NodeId;
  readonly live: Live | undefined;
  readonly gossip: Gossip;
}

/** Bytes or flags without a meaning would be signed, and nobody could say what. */
const unparsed = ({ name, body }: Gossip): Facts | undefined => {
  if (body.tail.length > 0) return { tail: body.tail };
  if (name === "node_announcement" && body.addresses.rest.length > 0)
    return { addresses: body.addresses.rest };
  if (name !== "channel_update") return undefined;
  return body.messageFlags > 3 || body.channelFlags > 3
    ? { messageFlags: body.messageFlags, channelFlags: body.channelFlags }
    : undefined;
};

const ofAnother = ({ chain }: ChannelAnnouncement | ChannelUpdate, network: Network): Facts | undefined =>
  chain === network ? undefined : { chain, network };

const announced = (body: ChannelAnnouncement, { node, live, network }: GossipView): Facts | undefined => {
  const { peer, holder, counterparty } = given(live, "channel").setup;
  const ours = { node, funding: holder.funding };
  const theirs = { node: peer, funding: counterparty.funding };
  if (!namesKeys(body, { ours, theirs })) return { peer, ours: ours.funding, theirs: theirs.funding };
  return ofAnother(body, network);
};

const nodeAnnounced = ({ nodeId }: NodeAnnouncement, { node }: GossipView): Facts | undefined =>
  equal(nodeId, node) ? undefined : { nodeId, node };

const updated = (body: ChannelUpdate, { node, live, network }: GossipView): Facts | undefined => {
  if (live !== undefined && !isFrom(body, node, live.setup.peer))
    return { channelFlags: body.channelFlags, peer: live.setup.peer };
  return ofAnother(body, network);
};

export const gossipRules: readonly Rule<GossipView>[] = [
  rule("gossip-parsed", (view) => {
    const { gossip } = view;
    const left = unparsed(gossip);
    if (left !== undefined) return left;
    switch (gossip.name) {
      case "channel_announcement":
        return announced(gossip.body, view);
      case "node_announcement":
        return nodeAnnounced(gossip.body, view);
      case "channel_update":
        return updated(gossip.body, view);
    }
  }),
];

/**
 * With the prefix in front, a message would have to have 19,561 bytes of features to be read as an announcement, by
 * whatever reader: the first two bytes say so. It never begins with a chain's hash, nor with a transaction's version.
 */
export const maxMessage = 4_096;

export const messageRules: readonly Rule<Uint8Array>[] = [
  rule("message-domain", ({ length }) => (length > maxMessage ? { length, max: maxMessage } : undefined)),
];

/** A host that knows the message brings it, and not its root alone. */
export const rootRules: readonly Rule<Tier>[] = [
  rule("message-domain", (tier) => (tier === "full" ? { tier, brought: "root" } : undefined)),
];

export const ecdhRules: readonly Rule<{ readonly node: NodeId; readonly point: Point }>[] = [
  // The opposite point has the same x, and so tells the same secret but for one bit under the hash.
  rule("ecdh-not-own-keys", ({ node, point }) =>
    equal(node.subarray(1), point.subarray(1)) ? { point } : undefined,
  ),
];

export interface InvoiceView {
  readonly network: Network;
  readonly node: NodeId;
  readonly invoice: UnsignedInvoice;
}

export const invoiceRules: readonly Rule<InvoiceView>[] = [
  rule("invoice-is-ours", ({ network, node, invoice }) => {
    if (invoice.network !== network) return { invoice: invoice.network, network };
    const fault = writerFault(invoice);
    if (fault !== undefined) return { fault };
    const payee = invoice.fields.find((field) => field.is === "payee");
    return payee === undefined || equal(payee.key, node) ? undefined : { payee: payee.key, node };
  }),
];

export interface Bolt12View {
  readonly network: Network;
  readonly chain: Uint8Array;
  readonly genesis: Uint8Array;
  /** Whose signature the message wants, and whose it gets. */
  readonly wanted: Point;
  readonly ours: Point;
}

export const bolt12Rules: readonly Rule<Bolt12View>[] = [
  rule("invoice-is-ours", ({ network, chain, genesis, wanted, ours }) => {
    if (!equal(chain, genesis)) return { chain, network };
    return equal(wanted, ours) ? undefined : { wanted, ours };
  }),
];
