/** exit: our last commitment and everything that follows from it, for a person whose host is gone or not to be trusted. */

import { encodeWitnessTx, txidOf } from "../../../protocol/bitcoin/tx.ts";
import { type HtlcTerms, htlcTransaction } from "../../../protocol/bolt/htlc.ts";
import { fundingWitness } from "../../../protocol/bolt/witness.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import { signature, toSat } from "../../../protocol/units.ts";
import { broadcast } from "../advance.ts";
import { type Close, type Output, standingOf } from "../chain/onchain.ts";
import { afterCharges, afterCosts } from "../outpoints.ts";
import { keeping, type PreimageOf, preimagesIn, shownBy } from "../payments/preimages.ts";
import type { Signed } from "../ports.ts";
import { refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import { type Bump, bumpOf } from "../spend/bump.ts";
import { claimsOf } from "../spend/channel.ts";
import { openPocket } from "../spend/coins.ts";
import {
  asksOf,
  type Brought,
  bringHome,
  keysOf,
  type Owed,
  pointsIn,
  surveyHome,
  toldHome,
} from "../spend/homeward.ts";
import { type Stage, type StageHome, stagesOf } from "../spend/stages.ts";
import { owedByTheirs } from "../spend/theirs.ts";
import type { HolderVariant, Live } from "../state.ts";
import {
  type Change,
  type Decision,
  given,
  liveOf,
  noChannel,
  refused,
  type Step,
  type Turn,
  type View,
} from "../step.ts";
import { rebuild } from "./commitment.ts";

/**
 * What has confirmed decides. Before that the highest number: the counterparty has signed it, so it has every HTLC that
 * we may hold a preimage of, and of two live numbers it is the lower one whose secret a host may still have asked for.
 * Of one number the content that was validated last.
 */
const choose = (
  { holder }: Live,
  { confirmed }: Request<"exit">,
  close: Close | undefined,
): HolderVariant | undefined => {
  const txid = close?.txid ?? (isKnown(confirmed) ? confirmed : undefined);
  if (txid !== undefined) return holder.variants.findLast((variant) => equal(variant.txid, txid));
  return holder.variants.reduce<HolderVariant | undefined>(
    (best, one) => (best === undefined || one.number >= best.number ? one : best),
    undefined,
  );
};

const closedBy = {
  mutual: "a mutual close",
  counterparty: "a commitment of the counterparty",
  revoked: "a revoked commitment, which `justice` punishes,",
  unknown: "a commitment that is not known here",
} as const;

type ExitTurn = Turn<"exit", undefined>;

const preimagesFor = ({ preimages }: Request<"exit">, view: View): PreimageOf => {
  const [brought, known] = [shownBy(preimages), preimagesIn(view)];
  return (hash) => brought.get(toHex(hash)) ?? known(hash);
};

interface Rebuilt {
  readonly live: Live;
  readonly variant: HolderVariant;
  readonly close: Close | undefined;
}

const rebuiltOf = (turn: ExitTurn, { live, variant, close }: Rebuilt) => {
  const { body, view, known, settings } = turn;
  const { curve } = settings;
  const { node, channel, feerate } = body;
  const { setup } = live;
  const { number } = variant;
  const pointAt = pointsIn(live, known);
  const commitmentPoint = pointAt(number);
  const content = { owner: "holder", setup, point: commitmentPoint, content: variant } as const;
  const { commitment, keys } = rebuild(content, curve);
  const { txid, tx } = commitment;
  const { type, counterparty } = setup.terms;
  const claims = claimsOf(channel, live, curve, pointAt);
  const home: StageHome = {
    ...{ node, channel, live, feerate, claims, view, settings, point: pointAt },
    ...{ number, commitmentPoint, txid, since: close?.height },
  };
  const seen = (index: number): Output | undefined =>
    close?.outputs.find(({ outpoint }) => outpoint.index === index && equal(outpoint.txid, txid));
  const isSpent = (index: number): boolean => seen(index)?.spent !== undefined;
  const delayed = { claim: { kind: "delayed", point: commitmentPoint }, said: { number } } as const;

  const own = tx.outputs.flatMap(({ value, script }, index): Owed[] => {
    if (isSpent(index) || !equal(script, claims.plan(delayed.claim).output)) return [];
    const outpoint = { txid, index };
    return [{ ...delayed, what: "our balance", outpoint, value, since: close?.height }];
  });
  const seconds = (close?.outputs ?? []).flatMap(({ role, spent, outpoint, value, height }): Owed[] =>
    role.is !== "second" || spent !== undefined
      ? []
      : [{ ...delayed, what: "what an HTLC transaction paid", outpoint, value, since: height }],
  );

  const left: string[] = [];
  const preimageOf = preimagesFor(body, view);
  const form: HtlcTerms = { type, feerate: variant.feerate, delay: counterparty.toSelfDelay, keys };
  const stages = commitment.htlcs.flatMap((committed, i): Stage[] => {
    const { htlc, index } = committed;
    const name = `HTLC of ${toSat(htlc.amount)} sat with hash ${toHex(htlc.hash)}`;
    const isTimeout = htlc.offeredBy === "broadcaster";
    const preimage = isTimeout ? undefined : preimageOf(htlc.hash);
    if (isSpent(index)) return [];
    if (!isTimeout && preimage === undefined) {
      left.push(`${name}: received, and no preimage of it is known`);
      return [];
    }
    return [
      {
        ...{ name, isTimeout, preimage, outpoint: { txid, index }, value: toSat(htlc.amount) },
        ...{ expiry: htlc.expiry, tx: htlcTransaction(txid, committed, form) },
        plan: claims.plan({ kind: "holderHtlc", point: commitmentPoint, feerate: variant.feerate, htlc }),
        countersignature: given(variant.htlcSignatures[i], "HTLC signature"),
      },
    ];
  });

  const complete = (signed: Uint8Array): Reply<"exit">["commitment"] => {
    const witness = fundingWitness(
      { key: setup.holder.funding, signature: signature(signed) },
      { key: setup.counterparty.funding, signature: variant.signature },
    );
    return { number, txid, tx: encodeWitnessTx(tx, [witness]) };
  };
  const fee = tx.outputs.reduce<bigint>((rest, { value }) => rest - value, setup.terms.value);
  return {
    ...{ home, stages, left, complete },
    parent: { txid, tx, htlcs: commitment.htlcs.length, fee },
    fee: setup.terms.opener === "holder" ? fee : 0n,
    funding: { digest: commitment.digest, channel, key: { base: "funding" } } as const,
    owed: { own, seconds },
  };
};

const noBump: Bump = { drafts: [], left: [], coins: new Map(), charges: [] };

/** With what coins of our wallet have to pay for, which without anchors is nothing. */
const broughtBy = (turn: ExitTurn, of: Rebuilt) => {
  const { view } = turn;
  const { home, stages, left, parent, owed, ...rest } = rebuiltOf(turn, of);
  const { height } = view.outlook;
  const anchors = of.live.setup.terms.type === "anchors";
  const pocket = anchors && height !== undefined ? openPocket(view, height) : undefined;
  const bump = anchors && of.close === undefined ? bumpOf(parent, pocket, home) : noBump;
  if ("sentence" in bump) return bump;
  const staged = stagesOf(stages, pocket, home);
  if ("sentence" in staged) return staged;
  const brought = bringHome([...owed.own, ...staged.owed, ...owed.seconds], home);
  if ("sentence" in brought) return brought;
  return {
    ...rest,
    ...{ outpoints: brought.outpoints, fees: brought.fees },
    drafts: [...bump.drafts, ...staged.drafts, ...brought.drafts],
    left: [...bump.left, ...left, ...staged.left, ...brought.left],
    coins: new Map([...bump.coins, ...staged.coins]),
    charges: [...bump.charges, ...staged.charges],
  };
};

/** No commitment of ours can be published any more: what is ours in the other one is. */
const afterTheirs = (
  turn: ExitTurn,
  live: Live,
  close: Close,
  standing: keyof typeof closedBy,
): Decision<"exit"> => {
  const { body, view, known, settings } = turn;
  const { channel, node, feerate } = body;
  const ended = `our commitment: ${closedBy[standing]} has ended the channel`;
  const point = pointsIn(live, known);
  const claims = claimsOf(channel, live, settings.curve, point);
  const theirs =
    standing === "revoked" ? { owed: [], left: [] } : owedByTheirs(close, live, preimagesFor(body, view));
  const home = { node, channel, live, feerate, claims, view, settings, point };
  const brought = bringHome(theirs.owed, home);
  if ("sentence" in brought) return refused(brought);
  const { drafts, outpoints, fees } = brought;
  const left = [ended, ...theirs.left, ...brought.left];
  const told = (signatures: readonly Uint8Array[]): Reply<"exit"> => ({
    commitment: unknown,
    ...toldHome({ drafts, left }, signatures, view),
  });
  const kept = keeping(view, shownBy(body.preimages));
  if (drafts.length === 0)
    return kept.payments === undefined
      ? { is: "told", reply: () => told([]) }
      : { is: "kept", change: kept, reply: () => told([]) };
  return {
    is: "signed",
    change: { ...afterCosts(view, outpoints, { fees, sent: 0n }), ...kept },
    job: { kind: "spend", inputs: keysOf(drafts) },
    asked: asksOf(drafts),
    reply: (_, signed) => told((signed as Signed["spend"]).signatures),
  };
};

/** Keys behind a core of their own sign no transaction that others may add to, and so nothing that follows from one. */
const withoutBare = ({
  drafts,
  left,
}: Pick<Brought, "drafts" | "left">): Pick<Brought, "drafts" | "left"> => {
  const bare = drafts.filter(({ asked }) => asked === undefined);
  const gone = bare.map(({ tx }) => txidOf(tx));
  return {
    drafts: drafts.filter(({ asked, after }) => asked !== undefined && !gone.some((id) => equal(id, after))),
    left: [
      ...left,
      ...bare.map(
        ({ what }) => `what ${what.replace(/;.*$/, "")}: it is signed when a coin of ours pays for it`,
      ),
    ],
  };
};

const ownOf = (
  { node, channel }: Request<"exit">,
  { setup: { funding } }: Live,
  { number, txid }: HolderVariant,
): Request<"signHolderCommitment"> => ({ node, channel, number, txid, funding });

export const exit: Step<"exit", undefined> = {
  survey: ({ channel }, view) => surveyHome(channel, view),
  prepare: () => undefined,
  decide: (turn) => {
    const { body, view, settings } = turn;
    const { channel } = body;
    const before = liveOf(view.channel);
    if (before === undefined || view.channel === undefined) return noChannel(channel, view.channel);
    const close = view.chain.onchain.get(channel)?.close;
    if (close !== undefined) {
      const { is } = standingOf(close, before);
      if (is !== "holder") return afterTheirs(turn, before, close, is);
    }
    const variant = choose(before, body, close);
    if (variant === undefined)
      return refused(refuse(textOf("commitment-other"), { channel, live: before.holder.variants.length }));
    const live: Live = { ...before, holder: broadcast(before, variant.number) };
    const brought = broughtBy(turn, { live, variant, close });
    if ("sentence" in brought) return refused(brought);
    const { coins, charges, fee, fees, funding, outpoints, complete } = brought;
    const { drafts, left } = settings.second ? withoutBare(brought) : brought;
    const costs = { fees: fees + fee * 1000n, sent: 0n };
    const change: Change = {
      ...afterCharges(view, [{ inputs: [live.setup.funding, ...outpoints], costs }, ...charges]),
      ...keeping(view, shownBy(body.preimages)),
      ...(coins.size === 0 ? {} : { coins }),
      channel: { ...view.channel, ...live },
    };
    return {
      is: "signed",
      change,
      job: { kind: "spend", inputs: [funding, ...keysOf(drafts)] },
      asked: [{ name: "signHolderCommitment", body: ownOf(body, live, variant) }, ...asksOf(drafts)],
      reply: (_, signed) => {
        const [first, ...others] = (signed as Signed["spend"]).signatures;
        return {
          commitment: close === undefined ? complete(given(first, "signature")) : unknown,
          ...toldHome({ drafts, left }, others, view),
        };
      },
    };
  },
};
