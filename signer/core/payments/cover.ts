/**
 * Whether what a channel has received covers anything. On a funding that is not deep yet, and that others paid into, it
 * may all vanish, also what settled: such channels cover, together, as much as the policy trusts them with.
 */

import type { ChannelId } from "../../../protocol/units.ts";
import { by, listOf, max, openingBalance, total } from "../balance.ts";
import type { Policy } from "../policy.ts";
import type { Live } from "../state.ts";
import { liveOf, type View } from "../step.ts";
import { variantsOf } from "./lines.ts";

const isSure = (id: ChannelId, { setup }: Live, { outlook }: Pick<View, "outlook">): boolean =>
  setup.terms.contribution === setup.terms.value || outlook.isDeep(id);

/** What came in at most, on its way or for good, beyond what we had when it opened. */
export const gainedIn = (live: Live): bigint =>
  variantsOf(live)
    .map((variant) => variant.balance.high + total(by(listOf(variant), "counterparty")))
    .reduce((most, had) => max(most, had - openingBalance(live.setup.terms)), 0n);

/**
 * Older ones first, also those that have received nothing yet: what went out already keeps its cover. Of younger ones
 * what they have received: ids are given out long before they are set up, and so an older one may come later.
 */
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
    const one = other === id ? undefined : liveOf(state);
    if (one === undefined || isSure(other, one, view)) continue;
    trusted += other < id ? one.setup.terms.value * 1000n : gainedIn(one);
  }
  return trusted <= maxZeroConfExposure;
};
