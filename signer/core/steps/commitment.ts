/** signCounterpartyCommitment and validateHolderCommitment: the two halves of every update. */

import { buildCommitment, type Commitment } from "../../../protocol/bolt/commitment.ts";
import { commitmentKeys } from "../../../protocol/bolt/derive.ts";
import { htlcDigests } from "../../../protocol/bolt/htlc.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../../protocol/codec.ts";
import type { VerifyJob } from "../../../protocol/curve/curve.ts";
import { sha256 } from "../../../protocol/hash.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type { CommitmentNumber, Outpoint, Point, Preimage } from "../../../protocol/units.ts";
import { giveCounterparty, takeHolder } from "../advance.ts";
import type { Job } from "../ports.ts";
import { judge, type Rule, refuse } from "../rule.ts";
import { type ContentView, contentRules, successionRules } from "../rules/commitment.ts";
import { compareExpected } from "../rules/expected.ts";
import { signCounterpartyOrder, validateHolderOrder } from "../rules/order.ts";
import { type Content, type Live, other, type Setup, type Variant } from "../state.ts";
import { given, liveOf, noChannel, refused, type Settings, type Step } from "../step.ts";

/** What both operations say of a commitment. */
type Said = Pick<
  Request<"signCounterpartyCommitment">,
  keyof Request<"signCounterpartyCommitment"> & keyof Request<"validateHolderCommitment">
>;

type Indexed = Htlc & { readonly offeredBy: Side };

export interface Built {
  readonly content: Content;
  /** Of the request without the host's own transaction, which is for comparing and no part of the content. */
  readonly refusal: Refusal | undefined;
  /** Undefined where the content breaks a rule of form, and so can't be built. */
  readonly commitment: Commitment | undefined;
  readonly digests: readonly Uint8Array[];
}

const contentOf = ({ number, feerate, toHolder, toCounterparty, htlcs, trimmed }: Said): Content => ({
  number,
  feerate,
  toHolder,
  toCounterparty,
  htlcs,
  trimmed,
});

export interface Rebuild {
  readonly owner: Side;
  readonly setup: Setup;
  readonly point: Point;
  readonly content: Content;
  readonly funding?: Outpoint;
}

/** The whole transaction from what the signer knows and what the content says, never from the host's bytes. */
export const rebuild = (
  { owner, setup, point, content }: Rebuild,
  curve: Settings["curve"],
): { readonly commitment: Commitment; readonly digests: readonly Uint8Array[] } => {
  const { terms, holder, counterparty, funding } = setup;
  const countersigner = other(owner);
  const party = (side: Side) => (side === owner ? "broadcaster" : "countersignatory");
  const keys = commitmentKeys(curve, {
    broadcaster: setup[owner],
    countersignatory: setup[countersigner],
    point,
  });
  const opener = terms.opener === "holder" ? holder : counterparty;
  const accepter = terms.opener === "holder" ? counterparty : holder;
  const commitment = buildCommitment({
    type: terms.type,
    fundingOutpoint: funding,
    fundingValue: terms.value,
    openerPaymentBasepoint: opener.payment,
    accepterPaymentBasepoint: accepter.payment,
    number: content.number,
    keys,
    delay: terms[countersigner].toSelfDelay,
    toBroadcaster: owner === "holder" ? content.toHolder : content.toCounterparty,
    toCountersignatory: owner === "holder" ? content.toCounterparty : content.toHolder,
    htlcs: content.htlcs.map((htlc: Indexed) => ({ ...htlc, offeredBy: party(htlc.offeredBy) })),
  });
  const form = { type: terms.type, feerate: content.feerate, delay: terms[countersigner].toSelfDelay, keys };
  return { commitment, digests: htlcDigests(commitment, form, "countersignatory") };
};

const build = (
  owner: Side,
  said: Said,
  point: Point,
  { setup }: Live,
  { policy, curve }: Settings,
): Built => {
  const content = contentOf(said);
  const view: ContentView = { owner, setup, policy, funding: said.funding, content };
  const refusal = judge(contentRules, view);
  if (refusal?.final === true) return { content, refusal, commitment: undefined, digests: [] };
  const { commitment, digests } = rebuild({ owner, setup, point, content }, curve);
  const differs = isKnown(said.expected) ? compareExpected(said.expected, commitment, view) : undefined;
  return { content, refusal: refusal ?? differs, commitment, digests };
};

const paidBy = (preimages: Maybe<readonly Preimage[]>): ReadonlySet<string> | typeof unknown =>
  isKnown(preimages) ? new Set(preimages.map((preimage) => toHex(sha256(preimage)))) : unknown;

/** The rules that need the state of this moment: against the live contents of the number before. */
const succeeds = (owner: Side, said: Said, live: Live, settings: Settings): Refusal | undefined => {
  const side: { readonly variants: readonly Variant[] } = live[owner];
  return judge(successionRules, {
    owner,
    setup: live.setup,
    policy: settings.policy,
    funding: said.funding,
    content: contentOf(said),
    predecessors: side.variants.filter(({ number }) => number === said.number - 1n),
    paid: paidBy(said.preimages),
  });
};

const isRepeat = (
  side: { variants: readonly Variant[]; past: { hashes: readonly Uint8Array[] } },
  hash: Uint8Array,
) =>
  side.variants.some((variant) => equal(variant.hash, hash)) ||
  side.past.hashes.some((past) => equal(past, hash));

export const signCounterpartyCommitment: Step<"signCounterpartyCommitment", Built> = {
  prepare: (body, live, _known, settings) =>
    live === undefined
      ? undefined
      : { built: build("counterparty", body, body.point, live, settings), checks: [] },
  decide: ({ body, hash, view, settings, prepared }) => {
    const live = liveOf(view.channel);
    if (live === undefined || prepared === undefined) return noChannel({ channel: body.channel });
    const { commitment, digests, content } = prepared;
    const signs = (change: Live | undefined) => {
      const { txid, digest } = given(commitment, "commitment");
      const job: Job & { kind: "counterpartyCommitment" } = {
        kind: "counterpartyCommitment",
        channel: body.channel,
        point: body.point,
        digest,
        htlcDigests: digests,
      };
      return {
        is: "signed" as const,
        change:
          change === undefined
            ? {}
            : {
                channel: {
                  ...change,
                  phase: "open" as const,
                  counterparty: giveCounterparty(change, { ...content, hash, txid, point: body.point }),
                },
              },
        job,
        reply: (_: unknown, signed: unknown) => signed as never,
      };
    };
    if (commitment !== undefined && isRepeat(live.counterparty, hash)) return signs(undefined);
    const closing = view.channel?.phase === "closing";
    const refusal =
      judge(signCounterpartyOrder, { live, closing, number: body.number, point: body.point }) ??
      prepared.refusal ??
      succeeds("counterparty", body, live, settings);
    return refusal === undefined ? signs(live) : refused(refusal);
  },
};

const signedByPeer: Omit<Rule<never>, "check"> = {
  name: "revoke-new-commitment-signed",
  kind: "core",
  sentence: "The counterparty's signatures on our next commitment, and on every HTLC of it, are valid.",
  hint: "The host and the counterparty do not agree on the commitment, or the counterparty cheats.",
};

const verifications = (
  body: Request<"validateHolderCommitment">,
  built: Built,
  live: Live,
  htlcKey: Point,
): readonly VerifyJob[] => {
  if (built.commitment === undefined || body.htlcSignatures.length !== built.digests.length) return [];
  return [
    { digest: built.commitment.digest, signature: body.signature, key: live.setup.counterparty.funding },
    ...built.digests.map((digest, at) => ({
      digest,
      signature: given(body.htlcSignatures[at], "HTLC signature"),
      key: htlcKey,
    })),
  ];
};

const unsigned = (
  body: Request<"validateHolderCommitment">,
  built: Built,
  outcomes: readonly boolean[],
): Refusal | undefined => {
  if (body.htlcSignatures.length !== built.digests.length)
    return refuse(signedByPeer, { htlcSignatures: body.htlcSignatures.length, htlcs: built.digests.length });
  const bad = outcomes.indexOf(false);
  if (bad < 0) return undefined;
  return refuse(
    signedByPeer,
    bad === 0 ? { invalid: "commitment signature" } : { invalid: `HTLC signature ${bad - 1}` },
  );
};

export const validateHolderCommitment: Step<"validateHolderCommitment", Built> = {
  needs: ({ channel, number }) => ({ channel, points: [number as CommitmentNumber] }),
  prepare: (body, live, known, settings) => {
    if (live === undefined) return undefined;
    const point = given(known.points[0], "point");
    const built = build("holder", body, point, live, settings);
    const { curve } = settings;
    const keys = commitmentKeys(curve, {
      broadcaster: live.setup.holder,
      countersignatory: live.setup.counterparty,
      point,
    });
    return { built, checks: verifications(body, built, live, keys.countersignatoryHtlc) };
  },
  decide: ({ body, hash, view, settings, prepared, outcomes }) => {
    const live = liveOf(view.channel);
    if (live === undefined || prepared === undefined) return noChannel({ channel: body.channel });
    const reply = () => ({});
    if (isRepeat(live.holder, hash)) return { is: "kept", change: {}, reply };
    const closing = view.channel?.phase === "closing";
    const refusal =
      judge(validateHolderOrder, { live, closing, number: body.number }) ??
      prepared.refusal ??
      unsigned(body, prepared, outcomes) ??
      succeeds("holder", body, live, settings);
    if (refusal !== undefined) return refused(refusal);
    const { txid } = given(prepared.commitment, "commitment");
    const { signature, htlcSignatures } = body;
    const variant = { ...prepared.content, hash, txid, signature, htlcSignatures };
    return {
      is: "kept",
      change: { channel: { ...live, phase: "open", holder: takeHolder(live, variant) } },
      reply,
    };
  },
};
