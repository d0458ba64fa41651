/** chainTip, chainConnect, chainPart, chainHeaders, chainProof, chainDisconnect, chainWatches, heartbeat. */

import { concat, equal } from "../../../protocol/bytes.ts";
import { doubleSha256 } from "../../../protocol/hash.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { maxAlarms, maxParts, maxWatches, partLength } from "../../../protocol/operations/chain.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import { height, type Outpoint } from "../../../protocol/units.ts";
import type { Upload } from "../chain/book.ts";
import { coinWatches, followCoins, indexAfter } from "../chain/coins.ts";
import {
  type ConnectTerms,
  connectBlocks,
  disconnectBlock,
  type Moved,
  type Movement,
} from "../chain/connect.ts";
import { type Evidence, headerIn } from "../chain/evidence.ts";
import { watchesOf } from "../chain/follow.ts";
import { unseen } from "../chain/onchain.ts";
import { alarmsIn } from "../chain/outlook.ts";
import { toldOf } from "../chain/telling.ts";
import { followAll, type Survey, surveyOf } from "../chain/touched.ts";
import { type ChainView, heightOf, isBehind, oldestOf, tipOf, wholeSince } from "../chain/view.ts";
import { keeping, shownOnChain } from "../payments/preimages.ts";
import { refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import { type Change, type Decision, liveOf, refused, type Settings, type Step, type View } from "../step.ts";

/** Bitcoin Core, MAX_FUTURE_BLOCK_TIME: what it takes for a block of the future, nobody need believe. */
const ahead = 2 * 60 * 60;

/** Passes once the host's configuration and the signer's agree, or the block is brought again from its first part. */
const notNow = (facts: Parameters<typeof refuse>[1]) =>
  refused({ ...refuse(textOf("chain-validated"), facts), final: false });

const unfollowed = () => notNow({ followed: false });

const tipIn = (view: ChainView): Reply<"chainConnect"> => ({
  height: heightOf(view),
  hash: tipOf(view).at.hash,
});

const watchedIn = (view: ChainView, { channels, chain, purse }: View): readonly Outpoint[] => {
  const tip = heightOf(view);
  const ofChannels = [...channels].flatMap(([id, state]) => {
    const live = liveOf(state);
    return live === undefined ? [] : watchesOf(chain.onchain.get(id) ?? unseen, live, tip).outpoints;
  });
  return [...ofChannels, ...coinWatches(purse)];
};

/** What the wallet was paid, and the indices that count as used from then on. */
const walletAfter = (
  moved: Moved,
  { node, purse }: View,
  { policy }: Settings,
): Pick<Change, "coins" | "node"> => {
  const coins = followCoins(purse, moved);
  const nextWallet = indexAfter(coins.values(), node.nextWallet, policy.walletGap);
  return {
    ...(coins.size === 0 ? {} : { coins }),
    ...(nextWallet === node.nextWallet ? {} : { node: { ...node, nextWallet } }),
  };
};

const termsOf = (chain: ChainView, view: View, { curve, chain: settings }: Settings): ConnectTerms => ({
  watches: {
    outpoints: watchedIn(chain, view),
    scripts: [...view.purse.scripts.values()].map(({ key }) => key.script),
  },
  curve,
  challenge: settings?.challenge,
  latest: view.now + ahead,
  inPart: settings?.inPart === true,
});

type Moving = "chainConnect" | "chainHeaders" | "chainProof" | "chainDisconnect";

/** Undefined: nothing to be judged, because no chain is followed or parts are missing. */
type Move<N extends Moving> = (
  body: Request<N>,
  chain: ChainView,
  scene: { readonly view: View; readonly settings: Settings },
) => Movement;

const moving = <N extends Moving>(move: Move<N>): Step<N, Survey | undefined> => ({
  survey: (body, view, settings) => {
    const { view: chain } = view.chain;
    if (chain === undefined) return { built: undefined, needs: undefined };
    const survey = surveyOf(move(body, chain, { view, settings }), view);
    return {
      built: survey,
      needs: survey.points.length === 0 ? undefined : { pointsOf: survey.points, places: [] },
    };
  },
  prepare: () => undefined,
  decide: ({ view, known, settings, prepared }): Decision<N> => {
    if (prepared === undefined) return unfollowed();
    const { movement } = prepared;
    if (movement.is === "refused") return refused(movement.refusal);
    const { view: chain } = movement;
    const onchain = followAll({ ...prepared, movement }, view, known.pointsOf ?? [], settings.curve);
    const shown = new Map([...onchain.values()].flatMap((one) => [...shownOnChain(one)]));
    return {
      is: "kept",
      change: { chain, onchain, ...keeping(view, shown), ...walletAfter(movement, view, settings) },
      reply: () => tipIn(chain) as Reply<N>,
    };
  },
});

const connecting = (
  evidences: readonly Evidence[],
  chain: ChainView,
  { view, settings }: { readonly view: View; readonly settings: Settings },
): Movement => connectBlocks(chain, evidences, termsOf(chain, view, settings));

const partsBefore = (upload: Upload | undefined, hash: Uint8Array, count: number) => {
  if (count === 0) return [];
  if (upload === undefined || !equal(upload.hash, hash)) return undefined;
  return upload.parts.length < count ? undefined : upload.parts.slice(0, count);
};

const missing = (upload: Upload | undefined, wanted: number) =>
  notNow({ partsBefore: wanted, known: upload?.parts.length ?? 0 });

/** `connectBlocks` names a place in its list, and the host brought one block. */
const inBytes = (error: unknown): unknown =>
  error instanceof Malformed
    ? new Malformed(`bytes${error.path.replace(/^\[0\]/, "")}`, error.reason)
    : error;

export const chainConnect = moving<"chainConnect">(({ hash, parts, bytes }, chain, scene) => {
  if (parts >= maxParts)
    throw new Malformed("parts", `${parts} and one more where at most ${maxParts} may be`);
  const { upload } = scene.view.chain;
  const before = partsBefore(upload, hash, parts);
  if (before === undefined) return missing(upload, parts);
  const evidence: Evidence = { is: "block", block: concat(...before, bytes) };
  try {
    if (!equal(doubleSha256(headerIn(evidence)), hash)) throw new Malformed("hash", "not that of the block");
    return connecting([evidence], chain, scene);
  } catch (error) {
    throw error instanceof Malformed && error.path === "hash" ? error : inBytes(error);
  }
});

export const chainHeaders = moving<"chainHeaders">(({ headers }, chain, scene) =>
  connecting(
    headers.map((header) => ({ is: "header", header })),
    chain,
    scene,
  ),
);

export const chainProof = moving<"chainProof">(({ header, coinbase, coinbaseSiblings, txs }, chain, scene) =>
  connecting(
    [
      {
        ...{ is: "proof", header, coinbase, coinbaseSiblings },
        txs: txs.map(({ tx, position, siblings }) => ({ tx, branch: { position, siblings } })),
      },
    ],
    chain,
    scene,
  ),
);

export const chainDisconnect = moving<"chainDisconnect">(({ hash }, chain) => disconnectBlock(chain, hash));

export const chainPart: Step<"chainPart", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { hash, index, bytes }, view }) => {
    if (view.chain.view === undefined) return unfollowed();
    if (index >= maxParts - 1)
      throw new Malformed("index", `at most ${maxParts - 2}, and then the last part`);
    if (bytes.length !== partLength)
      throw new Malformed("bytes", `${bytes.length} where ${partLength} belong`);
    const before = partsBefore(view.chain.upload, hash, index);
    if (before === undefined) return missing(view.chain.upload, index);
    return { is: "told", upload: { hash, parts: [...before, bytes] }, reply: () => ({}) };
  },
};

const nowhere = { height: height(0), hash: new Uint8Array(32) };

export const chainTip: Step<"chainTip", undefined> = {
  prepare: () => undefined,
  decide: ({ view: { chain } }) => {
    const { view } = chain;
    return {
      is: "told",
      reply: () =>
        view === undefined
          ? { followed: false, ...nowhere, oldest: nowhere.height, wholeSince: nowhere.height, behind: false }
          : {
              ...{ followed: true, ...tipIn(view), oldest: oldestOf(view).at.height },
              ...{ wholeSince: wholeSince(view), behind: isBehind(view) },
            },
    };
  },
};

export const chainWatches: Step<"chainWatches", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { from }, view }) => {
    const all = view.chain.view === undefined ? [] : watchedIn(view.chain.view, view);
    return {
      is: "told",
      reply: () => ({ outpoints: all.slice(from, from + maxWatches), total: all.length }),
    };
  },
};

export const heartbeat: Step<"heartbeat", undefined> = {
  prepare: () => undefined,
  decide: ({ view, settings }) => {
    const alarms = alarmsIn(view, settings);
    const { height: tip } = view.outlook;
    return {
      is: "told",
      reply: () => ({
        followed: tip !== undefined,
        height: tip ?? nowhere.height,
        time: BigInt(view.now),
        well: alarms.length === 0,
        alarms: alarms.slice(0, maxAlarms).map(toldOf),
        more: Math.min(Math.max(0, alarms.length - maxAlarms), 0xffff),
      }),
    };
  },
};
