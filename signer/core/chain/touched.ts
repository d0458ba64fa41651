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

export interface Survey {
  readonly movement: Movement;
  readonly touched: readonly ChannelId[];
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
      close.outputs.some((output) => output.height > fork || (output.spent?.height ?? 0) > fork)));

const touchedBy = ({ fork, seen }: Moved, { channels, chain }: World): readonly ChannelId[] => {
  const found = new Set(
    seen.flatMap((block) =>
      block.found.flatMap(({ spends, creations }) =>
        [...spends, ...creations].map(({ outpoint: { txid, index } }) => nameOf(txid, index)),
      ),
    ),
  );
  const isBack = chain.view !== undefined && fork < heightOf(chain.view);
  if (found.size === 0 && !isBack) return [];
  const touched: ChannelId[] = [];
  for (const [id, state] of channels) {
    const live = liveOf(state);
    if (live === undefined) continue;
    const onchain = chain.onchain.get(id) ?? unseen;
    const named = outpointsOf(live, onchain).some(({ txid, index }) => found.has(nameOf(txid, index)));
    if (named || (isBack && isAbove(onchain, fork))) touched.push(id);
  }
  return touched;
};

export const surveyOf = (movement: Movement, world: World): Survey => {
  if (movement.is === "refused") return { movement, touched: [], points: [] };
  const touched = touchedBy(movement, world);
  const points = touched.flatMap((channel) => {
    const live = liveOf(world.channels.get(channel));
    const numbers = live === undefined ? [] : pointsWanted(live, movement.seen);
    return numbers.map((number) => ({ channel, number }));
  });
  return { movement, touched, points };
};

/** `points` are those that the survey asked for, in its order. */
export const followAll = (
  survey: Survey,
  { channels, chain }: World,
  points: readonly Point[],
  curve: Curve,
): ReadonlyMap<ChannelId, Onchain> => {
  const result = new Map<ChannelId, Onchain>();
  const { movement } = survey;
  if (movement.is === "refused") return result;
  for (const id of survey.touched) {
    const live = liveOf(channels.get(id));
    if (live === undefined) continue;
    const holderPoints = new Map(
      survey.points.flatMap(({ channel, number }, at) =>
        channel === id ? [[number, given(points[at], "point")] as const] : [],
      ),
    );
    const onchain = chain.onchain.get(id) ?? unseen;
    result.set(id, follow(onchain, movement, { live, curve, holderPoints }));
  }
  return result;
};
