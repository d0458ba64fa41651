/** signCounterpartyCommitment and validateHolderCommitment: the two halves of every update. */

import { buildCommitment, type Commitment, type CommitmentTerms } from "../../../protocol/bolt/commitment.ts";
import { type CommitmentKeys, commitmentKeys } from "../../../protocol/bolt/derive.ts";
import { htlcDigests } from "../../../protocol/bolt/htlc.ts";
import { compare, equal } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../../protocol/codec.ts";
import type { VerifyJob } from "../../../protocol/curve/curve.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { type ChannelId, type CommitmentNumber, type Point, signature } from "../../../protocol/units.ts";
import { giveCounterparty, takeHolder } from "../advance.ts";
import type { Followed } from "../balance.ts";
import { judgePayments } from "../payments/judge.ts";
import { keeping, type Shown, shownBy } from "../payments/preimages.ts";
import { withHidden } from "../payments/square.ts";
import { judge, refuse } from "../rule.ts";
import { contentRules, dayRules, limitRules, succeed } from "../rules/commitment.ts";
import { compareExpected } from "../rules/expected.ts";
import type { Blueprint } from "../rules/misbuilt.ts";
import { signCounterpartyOrder, validateHolderOrder } from "../rules/order.ts";
import { textOf } from "../rules/table.ts";
import { type Content, type Live, other, type Past, type Setup, type Variant } from "../state.ts";
import {
  type Change,
  type Decision,
  given,
  liveOf,
  noChannel,
  refused,
  type Settings,
  type Step,
  type View,
} from "../step.ts";

/** What both operations say of a commitment. */
type Said = Pick<
  Request<"signCounterpartyCommitment">,
  keyof Request<"signCounterpartyCommitment"> & keyof Request<"validateHolderCommitment">
>;

export interface Rebuilt {
  readonly commitment: Commitment;
  readonly keys: CommitmentKeys;
  readonly blueprint: Blueprint;
  /** What the countersignatory signs of the HTLC transactions, in the order of their outputs. */
  digests(): readonly Uint8Array[];
}

export interface Built {
  readonly content: Content;
  /** By the core rules of form; then there is no transaction. */
  readonly refusal: Refusal | undefined;
  readonly rebuilt: Rebuilt | undefined;
  readonly digests: readonly Uint8Array[];
  /** The host brought another transaction than the rebuilt one. */
  readonly differs: Refusal | undefined;
}

const contentOf = ({ number, feerate, toHolder, toCounterparty, htlcs, trimmed }: Said): Content => ({
  number,
  feerate,
  toHolder,
  toCounterparty,
  htlcs,
  trimmed,
});

const byContent = (a: Htlc, b: Htlc): number => {
  if (a.offeredBy !== b.offeredBy) return a.offeredBy === "holder" ? -1 : 1;
  if (a.amount !== b.amount) return a.amount < b.amount ? -1 : 1;
  return a.expiry - b.expiry || compare(a.hash, b.hash);
};

/** Proofs and the host's own transaction come beside the content, and HTLCs are a set: hosts keep them in tables. */
const essenceOf = <S extends Said>(said: S): S => ({
  ...said,
  htlcs: said.htlcs.toSorted(byContent),
  trimmed: isKnown(said.trimmed) ? said.trimmed.toSorted(byContent) : unknown,
  preimages: unknown,
  expected: unknown,
});

export interface Rebuild {
  readonly owner: Side;
  readonly setup: Setup;
  readonly point: Point;
  readonly content: Content;
}

/** The whole transaction from what the signer knows and what the content says, never from the host's bytes. */
export const rebuild = ({ owner, setup, point, content }: Rebuild, curve: Settings["curve"]): Rebuilt => {
  const { terms, holder, counterparty, funding } = setup;
  const { type } = terms;
  const countersigner = other(owner);
  const delay = terms[countersigner].toSelfDelay;
  const keys = commitmentKeys(curve, {
    broadcaster: setup[owner],
    countersignatory: setup[countersigner],
    point,
  });
  const opener = terms.opener === "holder" ? holder : counterparty;
  const accepter = terms.opener === "holder" ? counterparty : holder;
  const built: CommitmentTerms = {
    type,
    fundingOutpoint: funding,
    fundingValue: terms.value,
    openerPaymentBasepoint: opener.payment,
    accepterPaymentBasepoint: accepter.payment,
    number: content.number,
    keys,
    delay,
    toBroadcaster: owner === "holder" ? content.toHolder : content.toCounterparty,
    toCountersignatory: owner === "holder" ? content.toCounterparty : content.toHolder,
    htlcs: content.htlcs.map(({ offeredBy, amount, hash, expiry }) => ({
      offeredBy: offeredBy === owner ? ("broadcaster" as const) : ("countersignatory" as const),
      amount,
      hash,
      expiry,
    })),
  };
  const commitment = buildCommitment(built);
  const form = { type, feerate: content.feerate, delay, keys };
  const blueprint: Blueprint = {
    curve,
    terms: built,
    owner,
    point,
    broadcaster: setup[owner],
    countersignatory: setup[countersigner],
    ownDelay: terms[owner].toSelfDelay,
  };
  return { commitment, keys, blueprint, digests: () => htlcDigests(commitment, form, "countersignatory") };
};

const build = (owner: Side, said: Said, point: Point, { setup }: Live, settings: Settings): Built => {
  const content = contentOf(said);
  const { funding, preimages, expected } = said;
  const { tier, curve } = settings;
  const refusal = judge(contentRules, { owner, setup, tier, funding, preimages, content });
  if (refusal !== undefined) return { content, refusal, rebuilt: undefined, digests: [], differs: undefined };
  const rebuilt = rebuild({ owner, setup, point, content }, curve);
  const differs = isKnown(expected)
    ? compareExpected(expected, rebuilt.commitment, rebuilt.blueprint)
    : undefined;
  return { content, refusal, rebuilt, digests: rebuilt.digests(), differs };
};

const shownIn = ({ preimages }: Said): Maybe<Shown> => (isKnown(preimages) ? shownBy(preimages) : unknown);

const paidBy = (shown: Maybe<Shown>): Maybe<ReadonlySet<string>> =>
  isKnown(shown) ? new Set(shown.keys()) : unknown;

/** Where the commitment leaves our balance, or why it does not follow from a live one. */
const succession = (
  owner: Side,
  said: Said,
  content: Content,
  shown: Maybe<Shown>,
  live: Live,
  { policy }: Settings,
): Refusal | Borne => {
  const { setup } = live;
  const { variants }: { readonly variants: readonly Variant[] } = live[owner];
  const followed = succeed({
    owner,
    setup,
    content,
    predecessors: variants.filter(({ number }) => number === said.number - 1n),
    paid: paidBy(shown),
  });
  if (followed.is === "broken") return refuse(textOf(followed.rule), followed.facts);
  const standing = [...live.holder.variants, ...live.counterparty.variants];
  const { charge, settled } = followed;
  return judge(limitRules, { setup, policy, content, charge, standing, settled: settled.length }) ?? followed;
};

type Borne = Followed & { readonly is: "borne" };

const isRefusal = (result: Refusal | Borne): result is Refusal => "rule" in result;

/** The step as a whole: what it lets out and gives up, and what it hides. */
const judged = (
  { view, settings }: { readonly view: View; readonly settings: Settings },
  id: ChannelId,
  before: Live,
  next: Live,
  variant: Variant,
  shown: Maybe<Shown>,
): Refusal | Change => {
  const refusal = judgePayments({ view, settings, id, next }, { before, variant });
  if (refusal !== undefined) return refusal;
  const node = withHidden(view.node, view.now, before, next);
  const change: Change = { ...kept(view, shown, next), channel: { ...next, phase: "open" } };
  if (node === view.node) return change;
  const hidden = judge(dayRules, { node, now: view.now, policy: settings.policy });
  return hidden ?? { ...change, node };
};

const kept = (view: View, shown: Maybe<Shown>, next?: Live): Change =>
  isKnown(shown) ? keeping(view, shown, next) : {};

interface Remembered {
  readonly variants: readonly Variant[];
  readonly past: Past;
}

const isRepeat = ({ variants, past }: Remembered, hash: Uint8Array): boolean =>
  variants.some((variant) => equal(variant.hash, hash)) || past.hashes.some((one) => equal(one, hash));

export const signCounterpartyCommitment: Step<"signCounterpartyCommitment", Built> = {
  essence: essenceOf,
  prepare: (body, live, _known, settings) =>
    live === undefined
      ? undefined
      : { built: build("counterparty", body, body.point, live, settings), checks: [] },
  decide: ({ body, hash, view, settings, prepared }) => {
    const live = liveOf(view.channel);
    if (live === undefined || prepared === undefined) return noChannel(body.channel, view.channel);
    const { rebuilt, digests, content, differs } = prepared;
    const signs = (change: (Decision<"signCounterpartyCommitment"> & { is: "signed" })["change"]) => ({
      is: "signed" as const,
      change,
      job: {
        kind: "counterpartyCommitment" as const,
        channel: body.channel,
        point: body.point,
        digest: given(rebuilt, "commitment").commitment.digest,
        htlcDigests: digests,
      },
      reply: (_: unknown, signed: unknown) => signed as never,
    });
    const shown = shownIn(body);
    const repeats = rebuilt !== undefined && isRepeat(live.counterparty, hash);
    // Its proofs are beside the content, so the repetition may show one that came since.
    if (repeats) return differs === undefined ? signs(kept(view, shown)) : refused(differs);
    const closing = view.channel?.phase === "closing";
    const { number, point } = body;
    const refusal =
      judge(signCounterpartyOrder, { live, closing, number, point }) ?? prepared.refusal ?? differs;
    if (refusal !== undefined) return refused(refusal);
    const followed = succession("counterparty", body, content, shown, live, settings);
    if (isRefusal(followed)) return refused(followed);
    const { txid } = given(rebuilt, "commitment").commitment;
    const { balance, settled, hidden } = followed;
    const variant = { ...content, hash, txid, balance, settled, hidden, point };
    const next = { ...live, counterparty: giveCounterparty(live, variant) };
    const change = judged({ view, settings }, body.channel, live, next, variant, shown);
    return "rule" in change ? refused(change) : signs(change);
  },
};

const verifications = (
  { signature, htlcSignatures }: Request<"validateHolderCommitment">,
  { rebuilt, digests }: Built,
  { setup }: Live,
): readonly VerifyJob[] => {
  if (rebuilt === undefined || htlcSignatures.length !== digests.length) return [];
  const key = rebuilt.keys.countersignatoryHtlc;
  return [
    { digest: rebuilt.commitment.digest, signature, key: setup.counterparty.funding },
    ...digests.map((digest, at) => ({
      digest,
      signature: given(htlcSignatures[at], "HTLC signature"),
      key,
    })),
  ];
};

const unsigned = (
  { htlcSignatures }: Request<"validateHolderCommitment">,
  { digests }: Built,
  outcomes: readonly boolean[],
): Refusal | undefined => {
  const rule = textOf("revoke-new-commitment-signed");
  if (htlcSignatures.length !== digests.length)
    return refuse(rule, { htlcSignatures: htlcSignatures.length, htlcs: digests.length });
  const bad = outcomes.indexOf(false);
  if (bad < 0) return undefined;
  return refuse(rule, { invalid: bad === 0 ? "commitment signature" : `HTLC signature ${bad - 1}` });
};

const noSignature = signature(new Uint8Array(64));

export const validateHolderCommitment: Step<"validateHolderCommitment", Built> = {
  // A counterparty need not sign deterministically: what it sends again after a reconnection may be other bytes.
  essence: (body) => ({ ...essenceOf(body), signature: noSignature, htlcSignatures: [] }),
  needs: ({ channel, number }) => ({ channel, points: [number as CommitmentNumber] }),
  prepare: (body, live, known, settings) => {
    if (live === undefined) return undefined;
    const built = build("holder", body, given(known.points[0], "point"), live, settings);
    return { built, checks: verifications(body, built, live) };
  },
  decide: ({ body, hash, view, settings, prepared, outcomes }) => {
    const live = liveOf(view.channel);
    if (live === undefined || prepared === undefined) return noChannel(body.channel, view.channel);
    const { rebuilt, content, differs } = prepared;
    const invalid = prepared.refusal ?? differs ?? unsigned(body, prepared, outcomes);
    const reply = () => ({});
    const shown = shownIn(body);
    if (isRepeat(live.holder, hash))
      return invalid === undefined ? { is: "kept", change: kept(view, shown), reply } : refused(invalid);
    const closing = view.channel?.phase === "closing";
    const refusal = judge(validateHolderOrder, { live, closing, number: body.number }) ?? invalid;
    if (refusal !== undefined) return refused(refusal);
    const followed = succession("holder", body, content, shown, live, settings);
    if (isRefusal(followed)) return refused(followed);
    const { txid } = given(rebuilt, "commitment").commitment;
    const { signature, htlcSignatures } = body;
    const { balance, settled, hidden } = followed;
    const variant = { ...content, hash, txid, balance, settled, hidden, signature, htlcSignatures };
    const next = { ...live, holder: takeHolder(live, variant) };
    const change = judged({ view, settings }, body.channel, live, next, variant, shown);
    return "rule" in change ? refused(change) : { is: "kept", change, reply };
  },
};
