/**
 * HTLC transactions of our commitment. With anchors they pay no fee (BOLT 3): a coin of our wallet is added to each, as
 * long as there is one for each, so that none is void because the counterparty took another one's HTLC. What finds no
 * coin joins one of the same locktime that has one: it is built again without whatever was taken.
 */

import { encodeTx, type Tx, txidOf } from "../../../protocol/bitcoin/tx.ts";
import type { ChannelPlan } from "../../../protocol/bolt/claim.ts";
import { htlcSighash } from "../../../protocol/bolt/htlc.ts";
import { claimDigest, claimWitness } from "../../../protocol/bolt/spend-sign.ts";
import { toHex } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type {
  CommitmentNumber,
  Height,
  Outpoint,
  Point,
  Preimage,
  Sat,
  Signature,
  Txid,
} from "../../../protocol/units.ts";
import { type Coin, maxBatch } from "../chain/coins.ts";
import { wholeSince } from "../chain/view.ts";
import { type Charge, keyOf } from "../outpoints.ts";
import { given } from "../step.ts";
import type { Pocket } from "./coins.ts";
import { type Draft, type Home, type Owed, silent, timeOf } from "./homeward.ts";
import { agreedTo, alone, type Claimed, neededFor, type Paid, pay, promised, type Unpaid } from "./paying.ts";

/** One HTLC that is ours to take now or later: what the counterparty has countersigned, and what completes it. */
export interface Stage {
  readonly name: string;
  readonly isTimeout: boolean;
  readonly outpoint: Outpoint;
  readonly value: Sat;
  readonly expiry: Height;
  readonly plan: ChannelPlan;
  /** By itself, with one input and one output. */
  readonly tx: Tx;
  readonly countersignature: Signature;
  readonly preimage: Preimage | undefined;
}

export interface Staged {
  readonly drafts: readonly Draft[];
  /** What they will have paid out, once their delay is over. */
  readonly owed: readonly Owed[];
  readonly left: readonly string[];
  readonly coins: ReadonlyMap<string, Coin>;
  readonly charges: readonly Charge[];
}

export interface StageHome extends Home {
  readonly number: CommitmentNumber;
  readonly commitmentPoint: Point;
  readonly txid: Txid;
  /** Of the block that has the commitment. */
  readonly since: Height | undefined;
}

/** Those of them that one transaction takes. */
interface Batch {
  readonly stages: readonly Stage[];
  readonly paid: Paid;
}

const inputOf = ({ tx }: Stage): Tx["inputs"][number] => given(tx.inputs[0], "input");
const outputOf = ({ tx }: Stage): Tx["outputs"][number] => given(tx.outputs[0], "output");

const unpaidOf = (stages: readonly Stage[], { number }: StageHome): Unpaid => ({
  claims: stages.map((stage): Claimed => {
    const { outpoint, value, plan, countersignature, preimage } = stage;
    return {
      ...{ outpoint, value, plan, sequence: inputOf(stage).sequence, said: { kind: "holderHtlc", number } },
      shown: { countersignature, ...(preimage === undefined ? {} : { preimage }) },
    };
  }),
  outputs: stages.map(outputOf),
  locktime: Math.max(0, ...stages.map(({ tx }) => tx.locktime)),
  parent: alone,
});

const verbOf = ({ isTimeout }: Stage): string => (isTimeout ? "takes back" : "claims");

const delayedOf = (stage: Stage, tx: Tx, index: number, said: string, home: StageHome): Owed => ({
  claim: { kind: "delayed", point: home.commitmentPoint },
  what: `what the transaction of the ${stage.name} pays${said}`,
  outpoint: { txid: txidOf(tx), index },
  value: outputOf(stage).value,
  since: undefined,
  said: { number: home.number, prevTx: encodeTx(tx) },
});

const askedOf = ({ tx, outpoint, value }: Stage, { node, channel, number }: StageHome): Request<"spend"> => ({
  node,
  tx: encodeTx(tx),
  inputs: [{ ...silent, outpoint, kind: "holderHtlc", channel, number, value }],
  outputs: [{ kind: "closing", place: unknown, channel }],
});

/** As BOLT 3 has it: with anchors signed as the counterparty did, so that an input of any wallet may be added. */
const bareOf = (stage: Stage, home: StageHome): Pick<Staged, "drafts" | "owed"> => {
  const { tx, plan, countersignature, preimage, value } = stage;
  const { type } = home.live.setup.terms;
  const signedAs = htlcSighash(type, "countersignatory");
  const paysItself = type !== "anchors";
  const digest = claimDigest({ tx, index: 0, plan }, [{ value, script: plan.output }], signedAs);
  const more = paysItself ? "" : "; it pays no fee: add an input that does, after ours";
  const draft: Draft = {
    what: `${verbOf(stage)} the ${stage.name}${more}`,
    ...{ tx, after: home.txid, ...timeOf(tx, home.since) },
    // A spend is signed over everything, and so never what others may add to.
    asked: paysItself ? askedOf(stage, home) : undefined,
    inputs: [
      {
        key: { digest, channel: home.channel, key: plan.key },
        witness: (signature) =>
          claimWitness(plan, {
            ...{ signature, type: signedAs, countersignature },
            ...(preimage === undefined ? {} : { preimage }),
          }),
      },
    ],
  };
  return {
    drafts: [draft],
    owed: [delayedOf(stage, tx, 0, paysItself ? "" : ", if no input was added,", home)],
  };
};

const batchName = (stages: readonly Stage[], fee: bigint): string => {
  const cost = `for ${fee} sat of our wallet's`;
  const sum = stages.reduce((all, { value }) => all + value, 0n);
  const [verb] = stages.map(verbOf);
  return stages.length === 1
    ? stages.map((one) => `${verbOf(one)} the ${one.name}, ${cost}`).join()
    : `${verb} ${stages.length} HTLCs of ${sum} sat, ${cost}`;
};

const isDue = ({ tx }: Stage, { since }: StageHome, { tip }: Pocket): boolean =>
  timeOf(tx, since).from <= tip + 1;

/** Worth less than what it would cost by itself: nobody should pay to take it. */
const isWorthIt = (stage: Stage, home: StageHome): boolean =>
  neededFor(unpaidOf([stage], home), home).fee < stage.value;

const byUrgency = (a: Stage, b: Stage): number => a.expiry - b.expiry || Number(b.value - a.value);

const outpointsOf = (stages: readonly Stage[]): readonly Outpoint[] => stages.map(({ outpoint }) => outpoint);

/** What was signed together before stays together: it is replaced by what pays more, and not by its parts. */
const again = (stages: readonly Stage[], pocket: Pocket, home: StageHome): readonly Batch[] => {
  const batches: Batch[] = [];
  const done = new Set<Stage>();
  for (const set of pocket.together(outpointsOf(stages))) {
    const names = new Set(set.map(keyOf));
    const those = stages.filter((one) => !done.has(one) && names.has(keyOf(one.outpoint)));
    // At a higher feerate it may be that not all of it can be paid for any more.
    for (let count = those.length; count > 0; count--) {
      const some = those.slice(0, count);
      const paid = pay(unpaidOf(some, home), pocket.of(set), pocket, home);
      if (paid === undefined) continue;
      batches.push({ stages: some, paid });
      for (const one of some) done.add(one);
      pocket.take(paid.coins);
      break;
    }
  }
  return batches;
};

/** `full`: those that could not take a further one are not asked again. */
const joined = (
  stage: Stage,
  batches: Batch[],
  full: Set<number>,
  pocket: Pocket,
  home: StageHome,
): boolean => {
  for (const [i, { stages, paid }] of batches.entries()) {
    if (full.has(i) || stages.length >= maxBatch || stages[0]?.tx.locktime !== stage.tx.locktime) continue;
    const both = [...stages, stage];
    const more = pay(unpaidOf(both, home), paid.coins, pocket, home);
    if (more === undefined) {
      full.add(i);
      continue;
    }
    batches[i] = { stages: both, paid: more };
    pocket.take(more.coins);
    return true;
  }
  return false;
};

const lacking = (stage: Stage, home: StageHome): string => {
  const { coin } = neededFor(unpaidOf([stage], home), home);
  const to = toHex(home.live.setup.closingScript);
  return `${stage.name}: no coin pays its fee; ${coin} sat at script ${to} would do`;
};

/** Where coins may have been missed. */
const unseenOf = ({ view: { chain } }: StageHome): string =>
  `coins from before block ${wholeSince(given(chain.view, "chain"))} are not known here`;

/** Without anchors, or without a chain, every one by itself. */
export const stagesOf = (
  stages: readonly Stage[],
  pocket: Pocket | undefined,
  home: StageHome,
): Staged | Refusal => {
  const left: string[] = [];
  const batches: Batch[] = [];
  if (pocket !== undefined) {
    const worth = stages.filter((one) => isWorthIt(one, home));
    for (const one of stages)
      if (!worth.includes(one)) left.push(`${one.name}: worth no more than its fee at this feerate`);
    const sorted = worth.toSorted(byUrgency);
    const due = sorted.filter((one) => isDue(one, home, pocket));
    batches.push(...again(due, pocket, home));
    const full = new Set<number>();
    const lack: string[] = [];
    const has = (stage: Stage): boolean => batches.some((batch) => batch.stages.includes(stage));
    for (const stage of [...due, ...sorted.filter((one) => !due.includes(one))]) {
      if (has(stage)) continue;
      const paid = pay(unpaidOf([stage], home), [], pocket, home);
      if (paid !== undefined) {
        batches.push({ stages: [stage], paid });
        pocket.take(paid.coins);
      } else if (due.includes(stage) && !joined(stage, batches, full, pocket, home))
        lack.push(lacking(stage, home));
    }
    left.push(...lack, ...(lack.length === 0 ? [] : [unseenOf(home)]));
  }
  const drafts: Draft[] = [];
  const owed: Owed[] = [];
  const coins = new Map<string, Coin>();
  const charges: Charge[] = [];
  for (const stage of stages) {
    const batch = batches.find((one) => one.stages.includes(stage));
    if (batch === undefined) {
      const bare = bareOf(stage, home);
      drafts.push(...bare.drafts);
      owed.push(...bare.owed);
      continue;
    }
    const { tx, fee } = batch.paid;
    const index = batch.stages.indexOf(stage);
    owed.push(delayedOf(stage, tx, index, "", home));
    if (index > 0) continue;
    const agreed = agreedTo(unpaidOf(batch.stages, home), batch.paid, home);
    if ("sentence" in agreed) return agreed;
    charges.push(agreed.charge);
    drafts.push({
      what: batchName(batch.stages, fee),
      ...{ tx, after: home.txid, ...timeOf(tx, home.since), inputs: agreed.inputs, asked: agreed.asked },
    });
    // What can't be published yet binds no coin: it may be needed before.
    if (pocket !== undefined && isDue(stage, home, pocket))
      for (const one of promised(batch.paid.coins, outpointsOf(batch.stages), pocket.tip)) coins.set(...one);
  }
  return { drafts, owed, left, coins, charges };
};
