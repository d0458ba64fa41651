/** exit: our last commitment and everything that follows from it, for a person whose host is gone or not to be trusted. */

import { encodeTx, encodeWitnessTx, txidOf } from "../../../protocol/bitcoin/tx.ts";
import { type HtlcTerms, htlcSighash, htlcTransaction } from "../../../protocol/bolt/htlc.ts";
import { claimDigest, claimWitness } from "../../../protocol/bolt/spend-sign.ts";
import { fundingWitness } from "../../../protocol/bolt/witness.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import { type Outpoint, signature, toSat } from "../../../protocol/units.ts";
import { broadcast } from "../advance.ts";
import { type Close, type Output, standingOf } from "../chain/onchain.ts";
import { afterCosts } from "../outpoints.ts";
import { keeping, type PreimageOf, preimagesIn, shownBy } from "../payments/preimages.ts";
import type { Signed } from "../ports.ts";
import { refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import { claimsOf } from "../spend/channel.ts";
import {
  bringHome,
  type Coin,
  type Draft,
  pointsIn,
  surveyHome,
  timeOf,
  toldHome,
} from "../spend/homeward.ts";
import { coinsOfTheirs } from "../spend/theirs.ts";
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

interface Stages {
  readonly drafts: readonly Draft[];
  readonly coins: readonly Coin[];
  readonly left: readonly string[];
}

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

const stagesOf = (
  { body, view, known, settings: { curve } }: ExitTurn,
  live: Live,
  variant: HolderVariant,
  close: Close | undefined,
) => {
  const { channel } = body;
  const { setup } = live;
  const { number, feerate } = variant;
  const pointAt = pointsIn(live, known);
  const point = pointAt(number);
  const { commitment, keys } = rebuild({ owner: "holder", setup, point, content: variant }, curve);
  const { txid, tx } = commitment;
  const { type } = setup.terms;
  const form: HtlcTerms = { type, feerate, delay: setup.terms.counterparty.toSelfDelay, keys };
  // With anchors it pays no fee: signed as the counterparty did, it takes an input of any wallet that pays one (BOLT 3).
  const alone = type !== "anchors";
  const signedAs = htlcSighash(type, "countersignatory");
  const claims = claimsOf(channel, live, curve, pointAt);
  const at = (index: number): Outpoint => ({ txid, index });
  const seen = (index: number): Output | undefined =>
    close?.outputs.find(({ outpoint }) => outpoint.index === index && equal(outpoint.txid, txid));
  const isSpent = (index: number): boolean => seen(index)?.spent !== undefined;
  const delayed = { claim: { kind: "delayed", point }, said: { number } } as const;

  const own = tx.outputs.flatMap(({ value, script }, index): Coin[] => {
    if (isSpent(index) || !equal(script, claims.plan(delayed.claim).output)) return [];
    return [{ ...delayed, what: "our balance", outpoint: at(index), value, since: close?.height }];
  });

  const preimageOf = preimagesFor(body, view);
  const stages = commitment.htlcs.map((committed, i): Stages => {
    const { htlc, index } = committed;
    const name = `HTLC of ${toSat(htlc.amount)} sat with hash ${toHex(htlc.hash)}`;
    const isTimeout = htlc.offeredBy === "broadcaster";
    const preimage = isTimeout ? undefined : preimageOf(htlc.hash);
    if (isSpent(index)) return { drafts: [], coins: [], left: [] };
    if (!isTimeout && preimage === undefined)
      return { drafts: [], coins: [], left: [`${name}: received, and no preimage of it is known`] };
    const plan = claims.plan({ kind: "holderHtlc", point, feerate, htlc });
    const second = htlcTransaction(txid, committed, form);
    const countersignature = given(variant.htlcSignatures[i], "HTLC signature");
    const spent = { value: toSat(htlc.amount), script: plan.output };
    const digest = claimDigest({ tx: second, index: 0, plan }, [spent], signedAs);
    const bare = alone ? "" : "; it pays no fee: add an input that does, after ours";
    const draft: Draft = {
      what: `${isTimeout ? "takes back" : "claims"} the ${name}${bare}`,
      ...{ tx: second, after: txid, key: { digest, channel, key: plan.key } },
      ...timeOf(second, close?.height),
      witness: (signed) =>
        claimWitness(plan, {
          ...{ signature: signed, type: signedAs, countersignature },
          ...(preimage === undefined ? {} : { preimage }),
        }),
    };
    const coin: Coin = {
      ...delayed,
      what: `what the transaction of the ${name} pays${alone ? "" : ", if no input was added,"}`,
      outpoint: { txid: txidOf(second), index: 0 },
      value: given(second.outputs[0], "output").value,
      since: undefined,
      said: { number, prevTx: encodeTx(second) },
    };
    return { drafts: [draft], coins: [coin], left: [] };
  });

  const seconds = (close?.outputs ?? []).flatMap(({ role, spent, outpoint, value, height }): Coin[] =>
    role.is !== "second" || spent !== undefined
      ? []
      : [{ ...delayed, what: "what an HTLC transaction paid", outpoint, value, since: height }],
  );

  const complete = (signed: Uint8Array): Reply<"exit">["commitment"] => {
    const witness = fundingWitness(
      { key: setup.holder.funding, signature: signature(signed) },
      { key: setup.counterparty.funding, signature: variant.signature },
    );
    return { number, txid, tx: encodeWitnessTx(tx, [witness]) };
  };
  const fee = tx.outputs.reduce<bigint>((rest, { value }) => rest - value, setup.terms.value);
  return {
    claims,
    pointAt,
    fee: setup.terms.opener === "holder" ? fee : 0n,
    funding: { digest: commitment.digest, channel, key: { base: "funding" } } as const,
    complete,
    drafts: stages.flatMap(({ drafts }) => drafts),
    coins: [...own, ...stages.flatMap(({ coins }) => coins), ...seconds],
    left: [
      ...(type === "anchors" && close === undefined
        ? ["our anchor: spend it where the commitment needs a higher fee to confirm"]
        : []),
      ...stages.flatMap(({ left }) => left),
    ],
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
    standing === "revoked" ? { coins: [], left: [] } : coinsOfTheirs(close, live, preimagesFor(body, view));
  const home = { node, channel, live, feerate, claims, view, settings, point };
  const brought = bringHome(theirs.coins, home);
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
    job: { kind: "spend", inputs: drafts.map(({ key }) => key) },
    reply: (_, signed) => told((signed as Signed["spend"]).signatures),
  };
};

export const exit: Step<"exit", undefined> = {
  survey: ({ channel }, view) => surveyHome(channel, view),
  prepare: () => undefined,
  decide: (turn) => {
    const { body, view, settings } = turn;
    const { channel, node, feerate } = body;
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
    const stages = stagesOf(turn, live, variant, close);
    const { claims, pointAt, drafts, coins, left, fee, funding, complete } = stages;
    const brought = bringHome(coins, {
      node,
      channel,
      live,
      feerate,
      claims,
      view,
      settings,
      point: pointAt,
    });
    if ("sentence" in brought) return refused(brought);
    const all = [...drafts, ...brought.drafts];
    const costs = { fees: brought.fees + fee * 1000n, sent: 0n };
    const inputs = [live.setup.funding, ...brought.outpoints];
    const change: Change = {
      ...afterCosts(view, inputs, costs),
      ...keeping(view, shownBy(body.preimages)),
      channel: { ...view.channel, ...live },
    };
    return {
      is: "signed",
      change,
      job: { kind: "spend", inputs: [funding, ...all.map(({ key }) => key)] },
      reply: (_, signed) => {
        const [first, ...others] = (signed as Signed["spend"]).signatures;
        return {
          commitment: close === undefined ? complete(given(first, "signature")) : unknown,
          ...toldHome({ drafts: all, left: [...left, ...brought.left] }, others, view),
        };
      },
    };
  },
};
