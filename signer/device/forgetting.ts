/**
 * Channels that this signer has forgotten, and that the device still has a place for: it sees no chain, so its person says
 * that one is over, or its approvers do. A channel in which nothing was ever ours it lets go by itself.
 */

import { isKnown } from "../../protocol/codec.ts";
import type { Reply, Request } from "../../protocol/operations/index.ts";
import type { ChannelId } from "../../protocol/units.ts";
import type { Reach } from "./admin.ts";
import { unexpected } from "./consulting.ts";
import { ended, refusedBy } from "./results.ts";

export interface ForgettingParts extends Pick<Reach, "node" | "request" | "judge"> {
  readonly isForgotten: (channel: ChannelId) => boolean;
}

type Told = Reply<"deviceForget">;

const told = (of: Reply<"deviceLimits">, channels: readonly ChannelId[] = []): Told => ({ ...of, channels });

export const forgetting = async (
  { node, request, judge, isForgotten }: ForgettingParts,
  { channel }: Request<"deviceForget">,
): Promise<Told> => {
  const held = await request(() => ({ is: "channels" }));
  if (held.is !== "channels") throw unexpected();
  const over = held.channels.filter(isForgotten);
  if (!isKnown(channel)) return told(ended("done"), over);
  if (!over.includes(channel))
    return told(
      ended("unknown", `Channel ${channel} is not over for this signer, or has no place on the device.`),
    );
  const forget = () => judge({ name: "forget", body: { node, channel } });
  if ((await forget()).is === "reply") return told(ended("done"));
  const answer = await request(() => ({ is: "over", channel }));
  if (answer.is !== "verdict") return told(refusedBy(answer));
  if (answer.verdict === "deny")
    return told(
      ended("denied", "The device was told that it is not over. It is not asked again before it is locked."),
    );
  const outcome = await forget();
  if (outcome.is === "reply") return told(ended("done"));
  return told(
    ended("unknown", outcome.is === "refusal" ? outcome.refusal.sentence : "It was locked meanwhile."),
  );
};
