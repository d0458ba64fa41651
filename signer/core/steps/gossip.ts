/** signGossip: parsed whole, encoded anew, and that is what is signed. */

import { decodeGossip, type GossipName, gossipDigest } from "../../../protocol/bolt/gossip/index.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Signed } from "../ports.ts";
import { judge, refuse } from "../rule.ts";
import { type Gossip, gossipRules, reading } from "../rules/node.ts";
import { textOf } from "../rules/table.ts";
import { liveOf, noChannel, refused, type Step } from "../step.ts";

type Kind = Request<"signGossip">["kind"];

const names = {
  channelAnnouncement: "channel_announcement",
  nodeAnnouncement: "node_announcement",
  channelUpdate: "channel_update",
} as const satisfies Record<Kind, GossipName>;

/** What is signed is what was judged: the digest is of the body, whatever bytes it was read from. */
const parse = (name: GossipName, message: Uint8Array): Gossip =>
  ({ name, body: decodeGossip(name, message) }) as Gossip;

const digestOf = ({ name, body }: Gossip): Uint8Array => gossipDigest(name, body as never);

export const signGossip: Step<"signGossip", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { node, kind, message, channel }, view, settings: { network } }) => {
    const announces = kind === "channelAnnouncement";
    if (announces && !isKnown(channel))
      throw new Malformed("channel", "an announcement is of one that is known");
    if (kind === "nodeAnnouncement" && isKnown(channel))
      throw new Malformed("channel", "a node is announced alone");
    const live = liveOf(view.channel);
    if (isKnown(channel) && live === undefined) return noChannel(channel, view.channel);
    const read = reading(() => parse(names[kind], message));
    if ("facts" in read) return refused(refuse(textOf("gossip-parsed"), read.facts));
    const refusal = judge(gossipRules, { network, node, live, gossip: read.value });
    if (refusal !== undefined) return refused(refusal);
    return {
      is: "signed",
      change: {},
      job: { kind: "gossip", digest: digestOf(read.value), channel: announces ? channel : unknown },
      reply: (_, signed) => signed as Signed["gossip"],
    };
  },
};
