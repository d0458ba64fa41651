/** What the chain means for a request: how high it is, what is deep, what is spent, and what is wrong. */

import { medianTimePast } from "../../../protocol/bitcoin/header.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import type { ChannelId, Outpoint } from "../../../protocol/units.ts";
import type { Ledger } from "../payments/ledger.ts";
import { settledBy, variantsOf } from "../payments/lines.ts";
import { preimagesIn } from "../payments/preimages.ts";
import { refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import type { ChannelState, Live, NodeState, Payment } from "../state.ts";
import { liveOf, type Outlook, type Settings, unwatched } from "../step.ts";
import { type Alarm, alarmsOf, breachOf, deadlinesOf, type Knows, type WatchedChannel } from "./alarms.ts";
import type { ChainState } from "./book.ts";
import { coverDepth, isDeep } from "./depths.ts";
import { fundingDepth } from "./fate.ts";
import { type Onchain, type Output, unseen } from "./onchain.ts";
import { remainingOf } from "./remaining.ts";
import { sentenceOf } from "./telling.ts";
import { type ChainView, heightOf, tipOf } from "./view.ts";

export interface Sight {
  readonly channels: ReadonlyMap<ChannelId, ChannelState>;
  readonly payments: ReadonlyMap<string, Payment>;
  readonly ledger: Ledger;
  readonly chain: ChainState;
  readonly now: number;
}

/** A clock that is set back gains nothing: blocks carry the time too (BIP 113). */
export const latestOf = (told: {
  readonly clock: number;
  readonly node: NodeState;
  readonly chain: ChainState;
}): number => {
  const { clock, node, chain } = told;
  const mined = chain.view === undefined ? 0 : medianTimePast(tipOf(chain.view).at);
  return Math.max(clock, node.time, mined);
};

/**
 * A preimage that was shown: to the signer, or by a host that need not show any as what we paid for. Of an invoice of
 * ours that nobody showed one of, the host may have good reason to wait.
 */
const knowsIn = (sight: Sight): Knows => {
  const { channels, payments, ledger } = sight;
  const preimageOf = preimagesIn(sight);
  return (hash) => {
    const key = toHex(hash);
    if (preimageOf(hash) !== undefined || (payments.get(key)?.settledOut ?? 0n) > 0n) return true;
    return [...ledger.channelsOf(key)].some((id) => {
      const live = liveOf(channels.get(id));
      return (
        live !== undefined &&
        variantsOf(live).some((variant) => (settledBy(variant).get(key)?.out ?? 0n) > 0n)
      );
    });
  };
};

interface Quiet {
  readonly onchain: Onchain;
  /** Below this height there is no alarm of the channel, whatever is known of preimages. */
  readonly until: number;
}

/** State is never changed, so what follows from it alone is worked out once. */
const quiets = new WeakMap<Live, Quiet>();

const quietUntil = (onchain: Onchain, live: Live): number => {
  const known = quiets.get(live);
  if (known?.onchain === onchain) return known.until;
  const loud = onchain.funding.is === "false" || breachOf(onchain, live) !== undefined;
  const first = deadlinesOf(onchain, live, () => true).reduce(
    (least, { alarm }) => Math.min(least, alarm),
    Number.POSITIVE_INFINITY,
  );
  const until = loud ? 0 : first;
  quiets.set(live, { onchain, until });
  return until;
};

const watched = function* ({ channels, chain }: Sight, best: number): Generator<WatchedChannel> {
  for (const [channel, state] of channels) {
    const live = liveOf(state);
    if (live === undefined) continue;
    const onchain = chain.onchain.get(channel) ?? unseen;
    if (quietUntil(onchain, live) <= best) yield { channel, live, onchain };
  }
};

/** All of them, those of the view first; none where no chain is followed. */
export const alarmsIn = (
  sight: Sight,
  { policy, chain }: Pick<Settings, "policy" | "chain">,
): readonly Alarm[] => {
  const { view } = sight.chain;
  if (view === undefined) return [];
  const best = Math.max(heightOf(view), view.best.height);
  const terms = {
    now: sight.now,
    staleAfter: policy.maxChainAge,
    inPart: chain?.inPart === true,
    knows: knowsIn(sight),
  };
  return alarmsOf(view, watched(sight, best), terms);
};

/** A counterparty can make a false funding as often as it likes, and nothing of ours is in it: no reason to stop. */
const stops = ({ kind }: Alarm): boolean => kind !== "funding-false";

const troubleOf = (sight: Sight, settings: Settings): Outlook["trouble"] => {
  const alarm = alarmsIn(sight, settings).find(stops);
  if (alarm === undefined) return undefined;
  const rule = textOf("channel" in alarm ? "chain-deadline-alarm" : "chain-not-stale");
  return refuse(rule, {
    alarm: sentenceOf(alarm),
    ...("channel" in alarm ? { channel: alarm.channel } : {}),
  });
};

const followed = (view: ChainView, sight: Sight, settings: Settings): Outlook => {
  const { onchain } = sight.chain;
  const tip = heightOf(view);
  const of = (id: ChannelId): Onchain => onchain.get(id) ?? unseen;
  const outputAt = (id: ChannelId, { txid, index }: Outpoint): Output | undefined =>
    of(id).close?.outputs.find(({ outpoint }) => outpoint.index === index && equal(outpoint.txid, txid));
  return {
    height: tip,
    get trouble() {
      return troubleOf(sight, settings);
    },
    isDeep: (id) => fundingDepth(of(id), tip) >= coverDepth(settings.network),
    isSpent: (id) => of(id).close !== undefined,
    valueAt: (id, outpoint) => outputAt(id, outpoint)?.value,
    takenBy: (id, outpoint) => {
      const spent = outputAt(id, outpoint)?.spent;
      return spent !== undefined && isDeep(spent.height, tip) ? spent.txid : undefined;
    },
    published: (id) => {
      const closer = of(id).close?.closer;
      return closer?.is === "holder" ? closer.number : undefined;
    },
    remaining: (id, live) => {
      const known = onchain.get(id);
      return known?.close === undefined ? live : remainingOf(known, live, tip);
    },
  };
};

export const outlookOf = (sight: Sight, settings: Settings): Outlook => {
  const { view } = sight.chain;
  if (view !== undefined) return followed(view, sight, settings);
  return settings.isDeep === undefined ? unwatched : { ...unwatched, isDeep: settings.isDeep };
};
