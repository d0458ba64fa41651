/**
 * Fees for the closes of anchor channels (BOLT 3, "Fees"): a child for the commitment, and wallet inputs for HTLC transactions.
 * LDK has a handler of its own, but that one needs its signatures at once and never asks again; this one asks until it has them.
 */

import {
  type BumpTransactionEvent,
  BumpTransactionEvent_ChannelClose,
  BumpTransactionEvent_HTLCResolution,
  Option_ThirtyTwoBytesZ_Some,
} from "lightningdevkit";
import { rangeOfTx, strippedLength } from "../../protocol/bitcoin/tx-range.ts";
import { toHex } from "../../protocol/bytes.ts";
import { type Coin, type Coins, outputWeight, walletInput } from "./coins.ts";
import type { Jobs } from "./jobs.ts";
import type { SpendInput, Wallet } from "./keys/keys.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Turns } from "./turn.ts";

export interface Bumps {
  /** LDK repeats the event as long as it matters, with more to pay. */
  handle(event: BumpTransactionEvent): void;
  connected(height: number): void;
}

export interface BumpsParts {
  readonly turns: Turns;
  readonly jobs: Jobs;
  readonly coins: Coins;
  readonly wallet: Pick<Wallet, "spend">;
  readonly outgoing: Outgoing;
  readonly height: () => number;
}

/** BOLT 3, Appendix A: witnesses of an anchor, of an HTLC-success and an HTLC-timeout with anchors; with their lengths. */
const anchorWitness = 116;
const successWitness = 329;
const timeoutWitness = 290;
const inputBase = 4 * 41;
/** Version, locktime, counts, marker and flag. */
const txBase = 4 * 10 + 2 + 8;

const weightOf = (transaction: Uint8Array): number =>
  3 * strippedLength(rangeOfTx(transaction)) + transaction.length;

/** Coins that a claim used before are used again, so that what replaces it conflicts with it. */
interface Claim {
  readonly coins: readonly Coin[];
  readonly changeScript: Uint8Array;
  /** At this height LDK asked last. */
  readonly seen: number;
}

/** Blocks after which LDK, which asks twice a minute, has no more use for a claim. */
const patience = 12;

interface Plan {
  readonly fixed: readonly SpendInput[];
  readonly outputs: readonly { readonly script: Uint8Array; readonly value: bigint }[];
  /** Negative where the fixed inputs bring more than the outputs need. */
  readonly value: bigint;
  readonly weight: number;
  readonly feerate: number;
  readonly locktime: number;
  readonly parents: readonly Uint8Array[];
}

const closePlan = (event: BumpTransactionEvent_ChannelClose): Plan => {
  const descriptor = event.anchor_descriptor;
  const anchor = descriptor.previous_utxo().value;
  return {
    fixed: [{ kind: "anchor", descriptor, sequence: 0xffff_fffd }],
    outputs: [],
    // What the commitment pays itself counts for the package.
    value: -anchor - event.commitment_tx_fee_satoshis,
    weight: txBase + inputBase + anchorWitness + weightOf(event.commitment_tx),
    feerate: event.package_target_feerate_sat_per_1000_weight,
    locktime: 0,
    parents: [Uint8Array.from(event.commitment_tx)],
  };
};

const htlcPlan = (event: BumpTransactionEvent_HTLCResolution): Plan => {
  const outputs = event.htlc_descriptors.map((descriptor) => {
    const { script_pubkey: script, value } = descriptor.tx_output();
    return { script, value };
  });
  const spent = event.htlc_descriptors.reduce((sum, one) => sum + one.previous_utxo().value, 0n);
  const weight = event.htlc_descriptors.reduce((sum, descriptor, at) => {
    const isSuccess = descriptor.get_preimage() instanceof Option_ThirtyTwoBytesZ_Some;
    const output = outputs[at];
    return (
      sum +
      inputBase +
      (isSuccess ? successWitness : timeoutWitness) +
      (output === undefined ? 0 : outputWeight(output.script))
    );
  }, txBase);
  return {
    fixed: event.htlc_descriptors.map((descriptor) => ({
      kind: "htlc",
      descriptor,
      // BOLT 3, "HTLC-Timeout and HTLC-Success Transactions": 1 with anchors; the counterparty has signed it.
      sequence: descriptor.unsigned_tx_input().sequence,
    })),
    outputs,
    value: outputs.reduce((sum, { value }) => sum + value, 0n) - spent,
    weight,
    feerate: event.target_feerate_sat_per_1000_weight,
    locktime: event.tx_lock_time,
    parents: [],
  };
};

export const openBumps = ({ turns, jobs, coins, wallet, outgoing, height }: BumpsParts): Bumps => {
  const claims = new Map<string, Claim>();

  const bump = async (id: string, plan: Plan): Promise<void> => {
    const before = claims.get(id);
    const changeScript = before?.changeScript ?? (await coins.address());
    const chosen = coins.choose({
      value: plan.value,
      weight: plan.weight,
      feerate: plan.feerate,
      changeScript,
      needsChange: plan.outputs.length === 0,
      first: before?.coins.map(({ outpoint }) => outpoint) ?? [],
    });
    claims.set(id, { coins: chosen.coins, changeScript, seen: height() });
    const paid = chosen.change > 0n ? [{ script: changeScript, value: chosen.change }] : [];
    const bytes = await wallet.spend({
      inputs: [...plan.fixed, ...chosen.coins.map((coin) => walletInput(coin))],
      outputs: [...plan.outputs, ...paid],
      locktime: plan.locktime,
      version: 2,
    });
    await turns.take(() => outgoing.send([...plan.parents, bytes]));
  };

  return {
    handle: (event) => {
      const plan =
        event instanceof BumpTransactionEvent_ChannelClose
          ? closePlan(event)
          : event instanceof BumpTransactionEvent_HTLCResolution
            ? htlcPlan(event)
            : undefined;
      if (plan === undefined) return;
      const { claim_id } = event as BumpTransactionEvent_ChannelClose | BumpTransactionEvent_HTLCResolution;
      const claim = toHex(claim_id);
      jobs.start(`bump ${claim}`, () => bump(claim, plan));
    },
    connected: (at) => {
      for (const [id, claim] of claims) {
        if (claim.seen + patience > at) continue;
        claims.delete(id);
        coins.release(claim.coins);
      }
    },
  };
};
