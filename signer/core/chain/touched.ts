/** Which channels a movement of the chain concerns, and what it makes of them. */

import type { Curve } from "../../../protocol/curve/curve.ts";
import type { ChannelId, CommitmentNumber, Outpoint, Point } from "../../../protocol/units.ts";
import type { ChannelState, Live } from "../state.ts";
import { given, liveOf } from "../step.ts";
import { type ChainState, nameOf } from "./book.ts";
import type { Moved, Movement } from "./connect.ts";
import { follow, pointsWanted } from "./follow.ts";
import { type Onchain, unseen } from "./onchain.ts";
import { heightOf } from "./view.ts";

interface Touched {
  readonly channel: ChannelId;
  readonly live: Live;
}

export interface Survey {
  readonly movement: Movement;
  readonly touched: readonly Touched[];
  /** Of our own commitments that these blocks have. */
  readonly points: readonly { readonly channel: ChannelId; readonly number: CommitmentNumber }[];
}

interface World {
  readonly channels: ReadonlyMap<ChannelId, ChannelState>;
  readonly chain: ChainState;
}

const outpointsOf = ({ setup }: Live, { close }: Onchain): readonly Outpoint[] => [
  setup.funding,
  ...(close?.outputs ?? []).map(({ outpoint }) => outpoint),
];

/** Has anything happened above? */
const isAbove = ({ funding, close }: Onchain, fork: number): boolean =>
  (funding.is !== "unseen" && funding.height > fork) ||
  (close !== undefined &&
    (close.height > fork ||
      close.outputs.some(({ height, spent }) => Math.max(height, spent?.height ?? 0) > fork)));

const touchedBy = ({ fork, seen }: Moved, { channels, chain }: World): readonly Touched[] => {
  const found = new Set(
    seen.flatMap((block) =>
      block.found.flatMap(({ spends, creations }) =>
        [...spends, ...creations].map(({ outpoint: { txid, index } }) => nameOf(txid, index)),
      ),
    ),
  );
  const isBack = chain.view !== undefined && fork < heightOf(chain.view);
  if (found.size === 0 && !isBack) return [];
  const touched: Touched[] = [];
  for (const [channel, state] of channels) {
    const live = liveOf(state);
    if (live === undefined) continue;
    const onchain = chain.onchain.get(channel) ?? unseen;
    const named = outpointsOf(live, onchain).some(({ txid, index }) => found.has(nameOf(txid, index)));
    if (named || (isBack && isAbove(onchain, fork))) touched.push({ channel, live });
  }
  return touched;
};

export const surveyOf = (movement: Movement, world: World): Survey => {
  if (movement.is === "refused") return { movement, touched: [], points: [] };
  const touched = touchedBy(movement, world);
  const points = touched.flatMap(({ channel, live }) =>
    pointsWanted(live, movement.seen).map((number) => ({ channel, number })),
  );
  return { movement, touched, points };
};

/** `points` are those that the survey asked for, in its order. */
export const followAll = (
  { movement, touched, points: asked }: Survey & { readonly movement: Moved },
  { chain }: Pick<World, "chain">,
  points: readonly Point[],
  curve: Curve,
): ReadonlyMap<ChannelId, Onchain> => {
  const followed = ({ channel, live }: Touched): Onchain => {
    const holderPoints = new Map(
      asked.flatMap((one, at) =>
        one.channel === channel ? [[one.number, given(points[at], "point")] as const] : [],
      ),
    );
    return follow(chain.onchain.get(channel) ?? unseen, movement, { live, curve, holderPoints });
  };
  return new Map(touched.map((one) => [one.channel, followed(one)]));
};
