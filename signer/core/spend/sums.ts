/** What a transaction costs us: our inputs, less what comes back to us or becomes our share of a channel. */

import { encodeTx, type Tx } from "../../../protocol/bitcoin/tx.ts";
import { outputLength } from "../../../protocol/bitcoin/writer.ts";
import { expectedWitnessWeight, feeOf } from "../../../protocol/bolt/weight.ts";
import type { Feerate, Height, Sat } from "../../../protocol/units.ts";
import { total as amountOf, listOf, max, min } from "../balance.ts";
import { inclusion } from "../chain/depths.ts";
import type { Costs } from "../outpoints.ts";
import type { Policy } from "../policy.ts";
import type { Live } from "../state.ts";
import type { ChannelInput, Input, OwnInput } from "./inputs.ts";
import type { Paid } from "./outputs.ts";

export interface Spending {
  readonly tx: Tx;
  readonly inputs: readonly Input[];
  readonly paid: readonly Paid[];
}

export const ownOf = ({ inputs }: Pick<Spending, "inputs">): readonly OwnInput[] =>
  inputs.flatMap((input) => (input.from === "foreign" ? [] : [input]));

export const claimsIn = ({ inputs }: Pick<Spending, "inputs">): readonly ChannelInput[] =>
  inputs.flatMap((input) => (input.from === "channel" ? [input] : []));

export type OtherOutput = Paid & { readonly is: "other" };
/** What is worth nothing leaves nothing: `OP_RETURN` mostly. */
export const othersOf = ({ paid }: Pick<Spending, "paid">): readonly OtherOutput[] =>
  paid.flatMap((output) => (output.is === "other" && output.value > 0n ? [output] : []));

/** Its script has a push of 22 bytes, in the input itself. */
const nestedScript = 4 * 23;

const inputWeight = (input: OwnInput): number => {
  const { stack, witnessScript } = input.plan;
  const nested = input.from === "wallet" && input.nested ? nestedScript : 0;
  return nested + expectedWitnessWeight(stack, witnessScript);
};

/** Version, locktime, both counts, marker and flag. */
const frame = 4 * 10 + 2;
const bareInput = 4 * 41;

/** Where others take part, of ours alone: whoever brings an input pays for it (BOLT 2, "Fee Responsibility"). */
export const weightOf = (spending: Spending): number => {
  const { tx, inputs, paid } = spending;
  const own = ownOf(spending);
  const witnesses = own.reduce((sum, input) => sum + inputWeight(input), 0);
  if (own.length === inputs.length) return 4 * encodeTx(tx).length + 2 + witnesses;
  const outputs = tx.outputs.filter((_, i) => paid[i]?.is !== "other");
  return outputs.reduce(
    (sum, output) => sum + 4 * outputLength(output),
    frame + bareInput * own.length + witnesses,
  );
};

/** An anchor is spent to pay for its commitment too (BOLT 3, "Fees" of "Commitment Transaction Outputs"). */
const parentsWeight = (claims: readonly ChannelInput[]): number => {
  const parents = new Set(
    claims.flatMap(({ kind, origin }) => (kind === "anchor" && origin ? [origin] : [])),
  );
  return [...parents].reduce((sum, { weight }) => sum + weight, 0);
};

/** The first block in which somebody else may take it; of a timeout, that in which it is late. */
const deadlineOf = ({ kind, htlc }: ChannelInput): number | undefined => {
  if (htlc === undefined || (kind !== "holderHtlc" && kind !== "counterpartyHtlc")) return undefined;
  return htlc.offeredBy === "counterparty" ? htlc.expiry : htlc.expiry + inclusion;
};

/** So many blocks before the deadline the allowance begins to grow, up to this many times. */
const urgency = 72;
const most = 4;

/** Growth never takes more than half of what it is about. */
const grown = (base: bigint, claims: readonly ChannelInput[], height: Height | undefined): bigint => {
  if (height === undefined) return base;
  let allowed = base;
  for (const claim of claims) {
    const deadline = deadlineOf(claim);
    if (deadline === undefined) continue;
    const gone = urgency - Math.max(0, Math.min(urgency, deadline - height));
    const more = base + (base * BigInt((most - 1) * gone)) / BigInt(urgency);
    allowed = max(allowed, min(more, claim.value / 2n));
  }
  return allowed;
};

/** All that we could still call ours in the channel: fees may not come out of it. */
const dueIn = ({ holder, counterparty }: Live): bigint =>
  [...holder.variants, ...counterparty.variants].reduce<bigint>(
    (most, variant) => max(most, (variant.balance.high + amountOf(listOf(variant))) / 1000n),
    0n,
  );

export const isJustice = ({ kind }: OwnInput): boolean =>
  kind === "justiceToLocal" || kind === "justiceHtlc" || kind === "justiceSecondLevel";

/** Of what a breach forfeits, the part that was never ours. An HTLC that we had offered was. */
const peersShare = (claims: readonly ChannelInput[]): bigint => {
  const taken = new Map<Live, bigint>();
  for (const claim of claims) {
    const theirs =
      claim.kind === "justiceToLocal" || (isJustice(claim) && claim.htlc?.offeredBy === "counterparty");
    if (theirs) taken.set(claim.live, (taken.get(claim.live) ?? 0n) + claim.value);
  }
  return [...taken].reduce((sum, [live, value]) => sum + max(0n, value - dueIn(live)), 0n);
};

/** Coins of ours that a claim may take along to be paid for, and outputs in which the rest comes back. */
const companions = 16;

/** No day's sum holds a claim's fee, so what rides along beyond its needs gives no room for one. */
const surplusIn = ({ tx, inputs, paid }: Spending, claims: number): number => {
  const most = claims + companions;
  const coins = inputs.flatMap((input) => (input.from === "wallet" ? [bareInput + inputWeight(input)] : []));
  const outputs = tx.outputs.flatMap((output, i) =>
    paid[i]?.is === "ours" ? [4 * outputLength(output)] : [],
  );
  return [...coins.slice(most), ...outputs.slice(most)].reduce((sum, weight) => sum + weight, 0);
};

export interface Limits {
  readonly weight: number;
  readonly min: bigint;
  /** By the policy's feerate alone. */
  readonly base: bigint;
  readonly max: bigint;
}

/** Hosts estimate signatures and scripts by other figures; a tenth is more than any of them differs. */
const leastOf = (weight: number, feerate: Feerate): bigint => (feeOf(weight, feerate) * 9n) / 10n;

export const limitsOf = (spending: Spending, policy: Policy, height: Height | undefined): Limits => {
  const claims = claimsIn(spending);
  const weight = weightOf(spending);
  if (claims.length === 0) {
    const base = feeOf(weight, policy.maxOnchainFeerate);
    return { weight, min: leastOf(weight, policy.minOnchainFeerate), base, max: base };
  }
  const counted = weight - surplusIn(spending, claims.length);
  const base = feeOf(counted + parentsWeight(claims), policy.maxSweepFeerate);
  // What is allowed beyond the policy is the miners', and nobody else's.
  const alone =
    othersOf(spending).length === 0 && claims.length + walletsIn(spending) === spending.inputs.length;
  const max = alone ? grown(base, claims, height) + peersShare(claims) : base;
  return { weight: counted, min: 0n, base, max };
};

const walletsIn = ({ inputs }: Spending): number => inputs.filter(({ from }) => from === "wallet").length;

export interface Sums {
  readonly ours: bigint;
  readonly back: bigint;
  readonly share: bigint;
  /** To others, by the outputs. */
  readonly others: bigint;
  /** What we are poorer by; negative where others pay us. */
  readonly leaving: bigint;
  /** Of it, at most: what others take out, by outputs and shares of channels, beyond what theirs is proven to bring in. */
  readonly given: bigint;
  /** Of that, what becomes others' share of channels, whose first commitments nobody was shown. */
  readonly shared: bigint;
  readonly foreign: boolean;
  /** What the inputs are worth that are claims on channels. */
  readonly claimed: bigint;
  readonly limits: Limits;
}

const total = (values: readonly Sat[]): bigint => values.reduce((sum, value) => sum + value, 0n);

/**
 * What inputs of others are worth, as far as it is proven: by previous transactions, or because each signature of ours
 * commits to it (BIP 341).
 */
const broughtIn = (spending: Spending): bigint => {
  const committed = ownOf(spending).every(({ plan }) => plan.stack === "p2tr");
  return total(
    spending.inputs.flatMap((input) =>
      input.from === "foreign" && input.spent !== undefined && (input.proof === "shown" || committed)
        ? [input.spent.value]
        : [],
    ),
  );
};

export const sumsOf = (spending: Spending, policy: Policy, height: Height | undefined): Sums => {
  const { inputs, paid } = spending;
  const ours = total(ownOf(spending).map(({ value }) => value));
  const back = total(paid.flatMap((output) => (output.is === "ours" ? [output.value] : [])));
  const fundings = paid.flatMap((output) => (output.is === "funding" ? [output] : []));
  const share = total(fundings.map((output) => output.share));
  const theirs = total(fundings.map(({ value }) => value)) - share;
  const others = total(othersOf(spending).map(({ value }) => value));
  const leaving = ours - back - share;
  const brought = broughtIn(spending);
  const foreign = inputs.some(({ from }) => from === "foreign");
  // What is not proven may be there all the same, so that others get no more than we lose.
  const beyond = (taken: bigint): bigint => max(0n, foreign ? min(leaving, taken - brought) : taken);
  return {
    ...{ ours, back, share, others, leaving, foreign },
    given: beyond(others + theirs),
    shared: beyond(theirs),
    claimed: total(claimsIn(spending).map(({ value }) => value)),
    limits: limitsOf(spending, policy, height),
  };
};

/** Others' outputs that others' inputs pay for need nobody's word: what we lose then is a fee. */
export const paysOthers = ({ others, given }: Sums): boolean => others > 0n && given > 0n;

/** What we lose beyond what others get: the miners' by all that we know. */
export const feeIn = ({ leaving, given }: Sums): bigint => leaving - given;

/**
 * In millisatoshi. What was claimed goes where the allowlist or a person says, as a mutual close does: no day's limit
 * holds it back.
 */
export const costsOf = ({ claimed, leaving, given }: Sums): Costs => ({
  sent: max(0n, given - claimed) * 1000n,
  fees: max(0n, leaving - given) * 1000n,
});
