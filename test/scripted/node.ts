/** What an honest node has signed by its own key: gossip of a channel and invoices. */

import { type Bodies, encodeGossip } from "../../protocol/bolt/gossip/index.ts";
import type { Field } from "../../protocol/bolt/invoice/fields.ts";
import {
  buildUnsignedInvoice,
  type UnsignedInvoice,
  unsignedWords,
} from "../../protocol/bolt/invoice/invoice.ts";
import { compare } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { msat, type NodeId, paymentHash } from "../../protocol/units.ts";
import type { Opened } from "./channel.ts";
import type { Peer } from "./peer.ts";
import { plainTime } from "./road.ts";

const none = new Uint8Array(0);
const shortChannelId = { block: 800_000, transaction: 3, output: 1 };

export const announcementOf = (
  { node, shared: { holder, counterparty } }: Pick<Opened, "node" | "shared">,
  peer: Peer,
): Bodies["channel_announcement"] => {
  const ours = { node, funding: holder.funding };
  const theirs = { node: peer.id, funding: counterparty.funding };
  const [first, second] = compare(node, peer.id) < 0 ? [ours, theirs] : [theirs, ours];
  return {
    ...{ features: none, chain: "regtest", shortChannelId, tail: none },
    ...{ nodeId1: first.node, nodeId2: second.node, bitcoinKey1: first.funding, bitcoinKey2: second.funding },
  };
};

export const updateOf = (node: NodeId, peer: Peer): Bodies["channel_update"] => ({
  ...{ chain: "regtest", shortChannelId, timestamp: plainTime, messageFlags: 1, cltvExpiryDelta: 40 },
  channelFlags: compare(node, peer.id) < 0 ? 0 : 1,
  ...{ htlcMinimum: msat(1n), htlcMaximum: msat(900_000_000n) },
  ...{ feeBaseMsat: 1_000, feeProportionalMillionths: 100, tail: none },
});

export const selfOf = (nodeId: NodeId): Bodies["node_announcement"] => {
  const alias = new Uint8Array(32);
  alias.set(new TextEncoder().encode("countersign"));
  return {
    ...{ features: none, timestamp: plainTime, nodeId, rgbColor: new Uint8Array(3), alias, tail: none },
    addresses: { known: [{ is: "ipv4", address: Uint8Array.of(127, 0, 0, 1), port: 9735 }], rest: none },
  };
};

export const askAnnouncement = (
  opened: Pick<Opened, "node" | "channel" | "shared">,
  body: Bodies["channel_announcement"],
): Request<"signGossip"> => ({
  ...{ node: opened.node, kind: "channelAnnouncement", channel: opened.channel },
  message: encodeGossip("channel_announcement", body),
});

export const askUpdate = (
  { node, channel }: Pick<Opened, "node" | "channel">,
  body: Bodies["channel_update"],
): Request<"signGossip"> => ({
  ...{ node, kind: "channelUpdate", channel, message: encodeGossip("channel_update", body) },
});

export const askSelf = (node: NodeId, body: Bodies["node_announcement"]): Request<"signGossip"> => ({
  ...{ node, kind: "nodeAnnouncement", channel: unknown },
  message: encodeGossip("node_announcement", body),
});

export interface InvoiceParts {
  readonly label?: string;
  readonly amount?: bigint;
  readonly expiry?: bigint;
  readonly timestamp?: number;
  readonly network?: UnsignedInvoice["network"];
  readonly more?: readonly Field[];
}

export const hashOf = (label: string) => paymentHash(sha256(new TextEncoder().encode(label)));

export const invoiceOf = ({
  label = "tea",
  amount,
  expiry,
  timestamp = plainTime,
  network = "regtest",
  more = [],
}: InvoiceParts = {}): UnsignedInvoice =>
  buildUnsignedInvoice({
    network,
    timestamp,
    ...(amount === undefined ? {} : { amount: msat(amount) }),
    fields: [
      { is: "paymentHash", hash: hashOf(label) },
      { is: "paymentSecret", bytes: sha256(new TextEncoder().encode("secret")) },
      { is: "description", text: label },
      ...(expiry === undefined ? [] : [{ is: "expiry" as const, seconds: expiry }]),
      ...more,
    ],
  });

export const askInvoice = (node: NodeId, invoice: UnsignedInvoice): Request<"signInvoice"> => ({
  ...{ node, hrp: invoice.hrp, words: unsignedWords(invoice) },
});
