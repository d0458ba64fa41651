/** spend and walletAddress. */

import { decodeTx, txidOf } from "../../../protocol/bitcoin/tx.ts";
import { claimDigest } from "../../../protocol/bolt/spend-sign.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import { Malformed, within } from "../../../protocol/malformed.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import type { Place } from "../../../protocol/operations/spend.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type { ChannelId, CommitmentNumber, Outpoint, Preimage, Sat } from "../../../protocol/units.ts";
import { afterSigning, keyOf, type OutpointState, placeName } from "../outpoints.ts";
import { keeping, shownBy } from "../payments/preimages.ts";
import type { Job, Signed, SpendKey, WalletKey } from "../ports.ts";
import { judge, refuse } from "../rule.ts";
import {
  formatRules,
  isFunding,
  type OnchainView,
  onchainRules,
  outpointsOf,
  toRemember,
} from "../rules/onchain.ts";
import { claimRules, misfitRefusal } from "../rules/spend.ts";
import { textOf } from "../rules/table.ts";
import { type ChannelClaims, claimsOf } from "../spend/channel.ts";
import { consentTo } from "../spend/consent.ts";
import { type Input, inputOf, nothingSpent, type OwnInput, spentBy } from "../spend/inputs.ts";
import { isWithinGap, type Paid, paidOf } from "../spend/outputs.ts";
import { claimsIn, costsOf, ownOf, paysOthers, sumsOf } from "../spend/sums.ts";
import type { NodeState } from "../state.ts";
import {
  type Change,
  given,
  liveOf,
  refused,
  type SpendNeeds,
  type Step,
  type Turn,
  type View,
} from "../step.ts";

type SpendTurn = Pick<Turn<"spend", undefined>, "body" | "view" | "known" | "settings">;

/** Points of our commitments that were signed for broadcast, and every place that is named: each once. */
const needsOf = ({ inputs, outputs }: Request<"spend">, channels: View["channels"]): SpendNeeds => {
  const places = new Map<string, Place>();
  for (const { place } of [...inputs, ...outputs]) if (isKnown(place)) places.set(placeName(place), place);
  const named = new Set(inputs.flatMap(({ channel }) => (isKnown(channel) ? [channel] : [])));
  return {
    places: [...places.values()],
    pointsOf: [...named].flatMap((channel) =>
      (liveOf(channels.get(channel))?.holder.broadcast ?? []).map((number) => ({ channel, number })),
    ),
  };
};

const placesOf = ({ body, view, known }: SpendTurn): ReadonlyMap<string, WalletKey | undefined> => {
  const { places } = needsOf(body, view.channels);
  const keys = given(known.places, "places");
  return new Map(places.map((place, i) => [placeName(place), keys[i]]));
};

const pointsOf = ({ body, view, known }: SpendTurn) => {
  const asked = needsOf(body, view.channels).pointsOf;
  const points = given(known.pointsOf, "points");
  return (channel: ChannelId, number: CommitmentNumber) =>
    points[asked.findIndex((one) => one.channel === channel && one.number === number)];
};

const isRefusal = (value: Input | Paid | Refusal): value is Refusal => "sentence" in value;

const all = <T, R extends Input | Paid>(
  items: readonly T[],
  read: (item: T, index: number) => R | Refusal,
): readonly R[] | Refusal => {
  const found: R[] = [];
  for (const [i, item] of items.entries()) {
    const one = read(item, i);
    if (isRefusal(one)) return one;
    found.push(one);
  }
  return found;
};

const isList = <T>(value: readonly T[] | Refusal): value is readonly T[] => Array.isArray(value);

const decoded = ({ tx: bytes, inputs, outputs }: Request<"spend">) => {
  const { tx, witnesses } = within("tx", () => decodeTx(bytes));
  if (inputs.length !== tx.inputs.length)
    throw new Malformed("inputs", `${inputs.length} where the transaction has ${tx.inputs.length}`);
  if (outputs.length !== tx.outputs.length)
    throw new Malformed("outputs", `${outputs.length} where the transaction has ${tx.outputs.length}`);
  for (const [i, { outpoint }] of tx.inputs.entries()) {
    const named = inputs[i]?.outpoint;
    if (named === undefined || named.index !== outpoint.index || !equal(named.txid, outpoint.txid))
      throw new Malformed(`inputs[${i}].outpoint`, "not the one that the transaction spends");
  }
  return { tx, signed: witnesses.some((witness) => witness.length > 0) };
};

/** Everything that the transaction is, by what the signer knows. */
const readOf = (turn: SpendTurn, built: ChannelClaims | undefined): OnchainView | Refusal => {
  const { body, view, settings } = turn;
  const { curve, policy } = settings;
  const { tx, signed } = decoded(body);
  const places = placesOf(turn);
  const point = pointsOf(turn);
  const wallet = (place: Place) => places.get(placeName(place));
  const live = (channel: ChannelId) => liveOf(view.channels.get(channel));
  const claims = new Map<ChannelId, ChannelClaims | undefined>(
    built === undefined ? [] : [[built.channel, built]],
  );
  const claimsFor = (channel: ChannelId): ChannelClaims | undefined => {
    const of = live(channel);
    if (!claims.has(channel))
      claims.set(
        channel,
        of === undefined ? undefined : claimsOf(channel, of, curve, (number) => point(channel, number)),
      );
    return claims.get(channel);
  };
  const { outlook } = view;
  const coin = (outpoint: Outpoint) => view.purse.coins.get(keyOf(outpoint));
  const context = { curve, outlook, claims: claimsFor, point, wallet, coin };
  const inputs = all(body.inputs, (input, i) => inputOf(input, i, context));
  if (!isList(inputs)) return inputs;
  const txid = txidOf(tx);
  const outputContext = { txid, policy, nextWallet: view.node.nextWallet, live, wallet };
  const paid = all(tx.outputs, (output, i) =>
    paidOf(output, given(body.outputs[i], "output"), i, inputs, outputContext),
  );
  if (!isList(paid)) return paid;
  const { height } = outlook;
  const sums = sumsOf({ tx, inputs, paid }, policy, height);
  // Hosts go on asking for claims that came too late. None of them confirms, so none costs anything.
  const isLate = inputs.some((input) => {
    const taken = input.from === "channel" ? outlook.takenBy(input.channel, input.outpoint) : undefined;
    return taken !== undefined && !equal(taken, txid);
  });
  const costs = isLate ? { fees: 0n, sent: 0n } : costsOf(sums);
  return { tx, txid, signed, inputs, paid, sums, costs, policy, curve, height, view };
};

/** A taproot digest commits to what every input spends. */
const digestsOf = ({ tx, inputs }: OnchainView, own: readonly OwnInput[]): readonly Uint8Array[] => {
  const taproot = own.some(({ plan }) => plan.stack === "p2tr");
  const spent = inputs.map((input) => {
    const output = spentBy(input);
    if (output === undefined && taproot)
      throw new Malformed(`inputs[${input.index}].value`, "needed with its script beside a taproot input");
    return output ?? nothingSpent;
  });
  return own.map(({ index, plan }) => claimDigest({ tx, index, plan }, spent));
};

const jobOf = (subject: OnchainView, own: readonly OwnInput[]): Job & { readonly kind: "spend" } => {
  const digests = digestsOf(subject, own);
  return {
    kind: "spend",
    inputs: own.map((input, i): SpendKey => {
      const digest = given(digests[i], "digest");
      if (input.from === "wallet") return { digest, place: input.place };
      return { digest, channel: input.channel, key: input.plan.key };
    }),
  };
};

const withUsed = (node: NodeState, places: readonly Place[]): NodeState => ({
  ...node,
  nextWallet: places.reduce((next, { index }) => Math.max(next, index + 1), node.nextWallet),
});

const changeOf = (subject: OnchainView, agreed: Change): Change | Refusal => {
  const { view, inputs, paid, costs, txid } = subject;
  const own = ownOf(subject);
  const after = afterSigning(view, {
    inputs: outpointsOf(subject),
    costs,
    said: new Map(
      toRemember(own, view).map(({ outpoint, value }): [OutpointState["outpoint"], Sat] => [outpoint, value]),
    ),
    foreign: inputs.flatMap((input) => (input.from === "foreign" ? [input.outpoint] : [])),
    ...(isFunding(subject) ? { funds: txid } : {}),
  });
  if (after === undefined)
    return refuse(textOf("onchain-input-value-proven"), { remembered: view.outpoints.size });
  const places = paid.flatMap((output) => (output.is === "ours" && output.place ? [output.place] : []));
  return { ...agreed, outpoints: after.outpoints, node: withUsed(after.node, places) };
};

/** By every rule, whoever asks. Consent comes after. `built`: of the same state, where a commitment was rebuilt before. */
export const judgeSpend = (turn: SpendTurn, built?: ChannelClaims): OnchainView | Refusal => {
  const subject = readOf(turn, built);
  if ("sentence" in subject) return subject;
  const begins = claimsIn(subject).length === 0 && paysOthers(subject.sums);
  return (
    judge(formatRules, subject) ??
    misfitRefusal(subject) ??
    judge(onchainRules, subject) ??
    judge(claimRules, subject) ??
    (begins ? turn.view.outlook.trouble : undefined) ??
    subject
  );
};

const preimagesIn = ({ inputs }: Request<"spend">): readonly Preimage[] =>
  inputs.flatMap(({ preimage }) => (isKnown(preimage) ? [preimage] : []));

export const spend: Step<"spend", undefined> = {
  needs: needsOf,
  prepare: () => undefined,
  decide: (turn) => {
    const subject = judgeSpend(turn);
    if ("sentence" in subject) return refused(subject);
    const own = ownOf(subject);
    const job = jobOf(subject, own);
    const consent = consentTo(subject);
    if (consent.is !== "agreed") return consent;
    const change = changeOf(subject, consent.change);
    if ("sentence" in change) return refused(change);
    const at = new Map(own.map(({ index }, i) => [index, i]));
    return {
      is: "signed",
      change: { ...change, ...keeping(turn.view, shownBy(preimagesIn(turn.body))) },
      job,
      reply: (_, signed): Reply<"spend"> => {
        const { signatures } = signed as Signed["spend"];
        return {
          signatures: subject.inputs.map(({ index }) => {
            const i = at.get(index);
            return i === undefined ? unknown : given(signatures[i], "signature");
          }),
        };
      },
    };
  },
};

export const walletAddress: Step<"walletAddress", undefined> = {
  needs: ({ place }) => ({ pointsOf: [], places: [place] }),
  prepare: () => undefined,
  decide: ({ body: { place }, view, known, settings: { policy } }) => {
    const key = known.places?.[0];
    const { nextWallet } = view.node;
    if (key === undefined || !isWithinGap(place, { policy, nextWallet }))
      return refused(refuse(textOf("onchain-wallet-path-predictable"), { ...place, used: nextWallet }));
    return {
      is: "kept",
      change: { node: withUsed(view.node, [place]) },
      reply: () => ({ script: key.script }),
    };
  },
};
