/** forget: a channel of which nothing can happen any more leaves nothing but the word that its id was used. */

import { isKnown } from "../../../protocol/codec.ts";
import type { ChannelId } from "../../../protocol/units.ts";
import { depthAt, irrevocable } from "../chain/depths.ts";
import { isSettled } from "../chain/follow.ts";
import { unseen } from "../chain/onchain.ts";
import { heightOf } from "../chain/view.ts";
import { afterForgetting } from "../payments/forgetting.ts";
import { variantsOf } from "../payments/lines.ts";
import { type Facts, refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import type { Live } from "../state.ts";
import { liveOf, noChannel, refused, type Settings, type Step, type View } from "../step.ts";

/** No commitment that anybody may publish pays us, and none can come: what confirms later is not ours. */
const holdsNothing = (live: Live): boolean => {
  const { contribution } = live.setup.terms;
  const { holder, counterparty } = live;
  // Our inputs are signed only after our first commitment was validated (BOLT 2, `funding_signed`). A second one of
  // theirs before that no honest host has, and HTLCs in it would count.
  if (contribution > 0n && holder.variants.length === 0 && holder.revealed === 0n)
    return counterparty.revoked === 0n && counterparty.variants.every(({ number }) => number === 0n);
  return (
    contribution === 0n &&
    variantsOf(live).every(
      ({ balance, htlcs, trimmed }) =>
        balance.high === 0n && htlcs.length === 0 && (!isKnown(trimmed) || trimmed.length === 0),
    ) &&
    live.setup.terms.push === 0n
  );
};

/** What still stands against it. */
const pending = (view: View, id: ChannelId, live: Live, { isOver }: Settings): Facts | undefined => {
  const onchain = view.chain.onchain.get(id) ?? unseen;
  if (onchain.funding.is === "unseen" && onchain.close === undefined && holdsNothing(live)) return undefined;
  const chain = view.chain.view;
  if (chain === undefined) return isOver?.(id) === true ? undefined : { channel: id, followed: false };
  const tip = heightOf(chain);
  const { funding, close } = onchain;
  if (funding.is === "false" && depthAt(funding.height, tip) >= irrevocable) return undefined;
  if (close === undefined) return { channel: id, funding: funding.is };
  return isSettled(onchain, live, tip) ? undefined : { channel: id, closedAt: close.height, tip };
};

export const forget: Step<"forget", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { channel }, view, settings }) => {
    if (view.channel === undefined) return noChannel(channel, view.channel);
    const reply = () => ({});
    const gone = { channel: { phase: "forgotten" } as const };
    const live = liveOf(view.channel);
    if (live === undefined)
      return { is: "kept", change: view.channel.phase === "forgotten" ? {} : gone, reply };
    const facts = pending(view, channel, live, settings);
    if (facts !== undefined) return refused(refuse(textOf("channel-settled"), facts));
    return {
      is: "kept",
      change: {
        ...afterForgetting({
          ...{ view, policy: settings.policy, id: channel, before: live },
          left: view.outlook.remaining(channel, live),
        }),
        ...gone,
        onchain: new Map([[channel, undefined]]),
      },
      reply,
    };
  },
};
