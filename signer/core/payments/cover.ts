/**
 * Whether what a channel has received covers anything. On a funding that is not deep yet, and that others paid into, it
 * may all vanish, also what settled: such channels cover, together, as much as the policy trusts them with.
 */

import type { ChannelId } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";
import type { Live } from "../state.ts";
import { liveOf, type View } from "../step.ts";

const isSure = (id: ChannelId, { setup }: Live, { outlook }: Pick<View, "outlook">): boolean =>
  setup.terms.contribution === setup.terms.value || outlook.isDeep(id);

/** Older ones first, also those that have received nothing yet: what went out already keeps its cover. */
export const covers = (
  id: ChannelId,
  live: Live,
  view: Pick<View, "channels" | "outlook">,
  { maxZeroConfExposure }: Pick<Policy, "maxZeroConfExposure">,
): boolean => {
  if (isSure(id, live, view)) return true;
  let trusted = live.setup.terms.value * 1000n;
  if (trusted > maxZeroConfExposure) return false;
  for (const [other, state] of view.channels) {
    const before = other < id ? liveOf(state) : undefined;
    if (before !== undefined && !isSure(other, before, view)) trusted += before.setup.terms.value * 1000n;
  }
  return trusted <= maxZeroConfExposure;
};
