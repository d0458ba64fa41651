/**
 * What brings outputs of a channel to our wallet without a host. Each is a request as a host would make it, judged by the
 * same rules. One transaction for each output: none waits for another one's delay, and none is void because the
 * counterparty took another one's output.
 */

import { encodeTx, encodeWitnessTx, type Tx, txidOf, type Witness } from "../../../protocol/bitcoin/tx.ts";
import type { ChannelClaim } from "../../../protocol/bolt/claim.ts";
import { dustThreshold } from "../../../protocol/bolt/simple-close.ts";
import { arrange, claimDigest, claimWitness, expectedWeight } from "../../../protocol/bolt/spend-sign.ts";
import { feeOf } from "../../../protocol/bolt/weight.ts";
import { type Maybe, unknown } from "../../../protocol/codec.ts";
import type { Homeward } from "../../../protocol/operations/admin.ts";
import type { AnyRequest, Request } from "../../../protocol/operations/index.ts";
import type { SpendInput } from "../../../protocol/operations/spend.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import {
  type ChannelId,
  type CommitmentNumber,
  delay,
  type Feerate,
  type Height,
  height,
  type Outpoint,
  type Point,
  type Preimage,
  type Sat,
  sat,
} from "../../../protocol/units.ts";
import type { SpendKey } from "../ports.ts";
import type { Live } from "../state.ts";
import { given, type Known, liveOf, type Needs, type Settings, type View } from "../step.ts";
import { judgeSpend } from "../steps/spend.ts";
import type { ChannelClaims } from "./channel.ts";

/** Numbers of our own commitments that may have to be named. */
export const numbersOf = (live: Live | undefined): readonly CommitmentNumber[] => [
  ...new Set([
    ...(live?.holder.variants ?? []).map(({ number }) => number),
    ...(live?.holder.broadcast ?? []),
  ]),
];

export const surveyHome = (channel: ChannelId, view: View): { readonly built: undefined; needs: Needs } => ({
  built: undefined,
  needs: {
    places: [],
    pointsOf: numbersOf(liveOf(view.channel)).map((number) => ({ channel, number })),
  },
});

/** As `surveyHome` asked for them. */
export const pointsIn =
  (live: Live, { pointsOf }: Known) =>
  (number: CommitmentNumber): Point =>
    given(given(pointsOf, "points")[numbersOf(live).indexOf(number)], "point");

/** Not signed yet. */
export interface Draft extends Omit<Homeward, "txid" | "tx"> {
  readonly tx: Tx;
  /** One for each input. */
  readonly inputs: readonly DraftInput[];
  /** As a host would ask for it, with all values; undefined for what no host can ask for. */
  readonly asked: Request<"spend"> | undefined;
}

export interface DraftInput {
  readonly key: SpendKey;
  witness(signature: Uint8Array): Witness;
}

/** From here on a sequence asks for no depth (BIP 68). */
const noDepth = 2 ** 31;

/** `since` is the height of what it spends. */
export const timeOf = (
  { inputs, locktime }: Tx,
  since: Height | undefined,
): Pick<Homeward, "from" | "wait"> => {
  const depth = Math.max(...inputs.map(({ sequence }) => (sequence < noDepth ? sequence : 0)));
  return since === undefined
    ? { from: height(locktime), wait: delay(depth) }
    : { from: height(Math.max(locktime, since + depth - 1)), wait: delay(0) };
};

/** An output of a channel that is ours to take. */
export interface Owed {
  readonly what: string;
  readonly claim: ChannelClaim;
  readonly outpoint: Outpoint;
  readonly value: Sat;
  /** Of the block that has it, where that is known. */
  readonly since: Height | undefined;
  readonly said: Partial<Pick<SpendInput, "number" | "htlc" | "prevTx">>;
  /** Of an HTLC that the counterparty offered, in its own commitment. */
  readonly preimage?: Preimage;
}

export interface Home {
  readonly node: Point;
  readonly channel: ChannelId;
  readonly live: Live;
  readonly feerate: Feerate;
  readonly claims: ChannelClaims;
  readonly view: View;
  readonly settings: Settings;
  point(number: CommitmentNumber): Point;
}

export interface Brought {
  readonly drafts: readonly Draft[];
  readonly left: readonly string[];
  /** For the windows of a day. */
  readonly outpoints: readonly Outpoint[];
  /** In millisatoshi. */
  readonly fees: bigint;
}

/** What a request says of an input where it says nothing. */
export const silent = {
  number: unknown,
  point: unknown,
  htlc: unknown,
  preimage: unknown,
  value: unknown,
  script: unknown,
  prevTx: unknown,
  place: unknown,
} as const;

const sweepOf = ({ outpoint, value, claim }: Owed, { claims, feerate, live }: Home) => {
  const plan = claims.plan(claim);
  const { closingScript } = live.setup;
  // No height in it: asked again, it is the same transaction.
  const { sequences, locktime } = given(arrange([plan], height(0)), "arrangement");
  const pay = (to: Sat): Tx => ({
    version: 2,
    inputs: sequences.map((sequence) => ({ outpoint, sequence })),
    outputs: [{ value: to, script: closingScript }],
    locktime,
  });
  const left = value - feeOf(expectedWeight(pay(value), [plan]), feerate);
  return left < dustThreshold(closingScript) ? undefined : { plan, tx: pay(sat(left)) };
};

const bodyOf = ({ outpoint, claim, said }: Owed, tx: Tx, { node, channel }: Home): Request<"spend"> => ({
  node,
  tx: encodeTx(tx),
  inputs: [{ ...silent, outpoint, kind: claim.kind, channel, ...said }],
  outputs: [{ kind: "closing", place: unknown, channel }],
});

/** For a signer that has no chain: of another value a signature would be void (BIP 143). */
export const withValues = (body: Request<"spend">, values: readonly Sat[]): Request<"spend"> => ({
  ...body,
  inputs: body.inputs.map((input, i) => ({ ...input, value: given(values[i], "value") })),
});

/** The first rule that refuses one of them refuses all. */
export const bringHome = (owed: readonly Owed[], home: Home): Brought | Refusal => {
  const { channel, live, settings, point } = home;
  const view: View = { ...home.view, channels: new Map([[channel, { phase: "open", ...live }]]) };
  const known: Known = { points: [], places: [], pointsOf: live.holder.broadcast.map(point) };
  const drafts: Draft[] = [];
  const left: string[] = [];
  const outpoints: Outpoint[] = [];
  let fees = 0n;
  for (const one of owed) {
    const sweep = sweepOf(one, home);
    if (sweep === undefined) {
      left.push(`${one.value} sat, ${one.what}: worth no more than its fee at this feerate`);
      continue;
    }
    const { plan, tx } = sweep;
    const body = bodyOf(one, tx, home);
    const subject = judgeSpend({ body, view, known, settings }, home.claims);
    if ("sentence" in subject) return subject;
    const digest = claimDigest({ tx, index: 0, plan }, [{ value: one.value, script: plan.output }]);
    outpoints.push(one.outpoint);
    fees += subject.costs.fees;
    drafts.push({
      ...{ what: `brings ${one.what} to our wallet`, tx, after: one.outpoint.txid },
      ...timeOf(tx, one.since),
      asked: withValues(body, [one.value]),
      inputs: [
        {
          key: { digest, channel, key: plan.key },
          witness: (signature) =>
            claimWitness(plan, {
              signature,
              ...(one.preimage === undefined ? {} : { preimage: one.preimage }),
            }),
        },
      ],
    });
  }
  return { drafts, left, outpoints, fees };
};

export interface Told {
  readonly transactions: readonly Homeward[];
  readonly left: readonly string[];
  readonly height: Maybe<Height>;
}

/** In the order in which `toldHome` takes the signatures. */
export const keysOf = (drafts: readonly Draft[]): readonly SpendKey[] =>
  drafts.flatMap(({ inputs }) => inputs.map(({ key }) => key));

/** What a core that has the keys is asked in place of the job. */
export const asksOf = (drafts: readonly Draft[]): readonly AnyRequest[] =>
  drafts.flatMap(({ asked }): AnyRequest[] => (asked === undefined ? [] : [{ name: "spend", body: asked }]));

export const toldHome = (
  { drafts, left }: Pick<Brought, "drafts" | "left">,
  signatures: readonly Uint8Array[],
  { outlook }: View,
): Told => {
  const each = signatures.values();
  return {
    transactions: drafts.map(({ tx, inputs, ...draft }) => ({
      ...draft,
      txid: txidOf(tx),
      tx: encodeWitnessTx(
        tx,
        inputs.map(({ witness }) => witness(given(each.next().value, "signature"))),
      ),
    })),
    left,
    height: outlook.height ?? unknown,
  };
};
