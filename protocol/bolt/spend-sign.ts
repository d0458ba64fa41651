/** From the plan of a claim to an input that is signed: the transaction held against it, digest, witness, weight. */

import { witnessSignature } from "../bitcoin/der.ts";
import { p2wpkhScriptCode } from "../bitcoin/script.ts";
import { inputDigest, type Sighash, sighash } from "../bitcoin/sighash.ts";
import { taprootDigest, taprootSighash } from "../bitcoin/taproot.ts";
import { encodeTx, type Tx, type TxOutput, type Witness } from "../bitcoin/tx.ts";
import { equal } from "../bytes.ts";
import type { VerifyJob } from "../curve/curve.ts";
import { type Height, type Preimage, type Signature, signature } from "../units.ts";
import type { ClaimPlan, Timing } from "./claim.ts";
import { expectedWitnessWeight } from "./weight.ts";

/** Where an input stands. */
export interface ClaimedInput {
  readonly tx: Tx;
  readonly index: number;
  readonly plan: ClaimPlan;
}

/** What of a transaction keeps an input from being what its plan says. */
export type Misfit = "version" | "locktime" | "sequence" | "other";

/** Above it a locktime is a time (BIP 65), and a sequence says nothing or says seconds (BIP 68). */
const locktimeThreshold = 500_000_000;
const finalSequence = 0xffff_ffff;
const sequenceDisabled = 0x8000_0000;
const sequenceSeconds = 0x0040_0000;
const sequenceBlocks = 0xffff;

const waits = (sequence: number, blocks: number): boolean =>
  (sequence & (sequenceDisabled | sequenceSeconds)) === 0 && (sequence & sequenceBlocks) >= blocks;

const untimely = (timing: Timing, locktime: number, sequence: number): Misfit | undefined => {
  switch (timing.is) {
    case "fixed":
      if (locktime !== timing.locktime) return "locktime";
      return sequence === timing.sequence ? undefined : "sequence";
    case "open": {
      const { wait, from } = timing;
      if (from !== undefined && (locktime < from || locktime >= locktimeThreshold)) return "locktime";
      if (from !== undefined && sequence === finalSequence) return "sequence";
      return wait === undefined || waits(sequence, wait) ? undefined : "sequence";
    }
  }
};

const sameOutput = (a: TxOutput | undefined, b: TxOutput): boolean =>
  a !== undefined && a.value === b.value && equal(a.script, b.script);

/** Undefined where the transaction fits. Version 2 is that of everything in BOLT 3, and the least that BIP 68 acts on. */
export const misfitOf = ({ tx, index, plan }: ClaimedInput): Misfit | undefined => {
  const input = tx.inputs[index];
  if (input === undefined) throw new RangeError(`no input ${index}`);
  if (tx.version !== 2) return "version";
  const late = untimely(plan.timing, tx.locktime, input.sequence);
  if (late !== undefined) return late;
  // Segregated witness: anything here makes the spend invalid (BIP 141).
  if (input.scriptSig !== undefined) return "other";
  const { countersigned } = plan;
  if (countersigned === undefined) return undefined;
  if (!sameOutput(tx.outputs[index], countersigned.output)) return "other";
  return countersigned.alone && (tx.inputs.length > 1 || tx.outputs.length > 1) ? "other" : undefined;
};

export interface Arrangement {
  readonly locktime: number;
  /** One for each plan. */
  readonly sequences: readonly number[];
}

/** BIP 125: may be replaced by what pays more, and leaves the locktime in force. */
const replaceable = 0xffff_fffd;

/**
 * Locktime and sequences under which the inputs of these plans are valid together, not before `tip`; undefined where
 * there are none, because two HTLCs have been countersigned for different locktimes.
 */
export const arrange = (plans: readonly ClaimPlan[], tip: Height): Arrangement | undefined => {
  const timings = plans.map(({ timing }) => timing);
  const fixed = timings.flatMap((timing) => (timing.is === "fixed" ? [timing.locktime] : []));
  const least = Math.max(0, ...timings.map((timing) => (timing.is === "open" ? (timing.from ?? 0) : 0)));
  const [locktime = Math.max(tip, least)] = fixed;
  if (fixed.some((other) => other !== locktime) || locktime < least) return undefined;
  const sequences = timings.map((timing) =>
    timing.is === "fixed" ? timing.sequence : (timing.wait ?? replaceable),
  );
  return { locktime, sequences };
};

const scriptCodeOf = ({ witnessScript, signer }: ClaimPlan) => witnessScript ?? p2wpkhScriptCode(signer);

/** `spent` is what all inputs spend, in their order. ECDSA of the key itself, but for P2TR Schnorr of the tweaked one. */
export const claimDigest = (
  { tx, index, plan }: ClaimedInput,
  spent: readonly TxOutput[],
  type: Sighash = sighash.all,
): Uint8Array => {
  if (plan.stack === "p2tr") return taprootDigest({ tx, index, spent, type: taprootSighash.default });
  const output = spent[index];
  if (output === undefined) throw new RangeError(`no input ${index}`);
  return inputDigest({
    tx,
    index,
    scriptCode: scriptCodeOf(plan),
    value: output.value,
    type,
  });
};

/** Whether the counterparty has signed this; undefined where it need not. */
export const countersignatureCheck = (
  { tx, index, plan }: ClaimedInput,
  signature: Signature,
): VerifyJob | undefined => {
  const { countersigned, value } = plan;
  if (countersigned === undefined || value === undefined) return undefined;
  const { key, type } = countersigned;
  return { digest: inputDigest({ tx, index, scriptCode: scriptCodeOf(plan), value, type }), signature, key };
};

export interface Completion {
  /** Of `claimDigest`. */
  readonly signature: Uint8Array;
  /** Of the signature; over everything where it is not said. */
  readonly type?: Sighash;
  /** Of the holder's HTLC transactions. */
  readonly countersignature?: Signature;
  /** Of HTLCs that are taken with one. */
  readonly preimage?: Preimage;
}

const empty = new Uint8Array(0);
const one = Uint8Array.of(1);

const given = <T>(part: T | undefined, what: string): T => {
  if (part === undefined) throw new Error(`a witness without its ${what}`);
  return part;
};

/** What goes before the witness script. */
const itemsOf = ({ stack, signer, countersigned }: ClaimPlan, completion: Completion): Witness => {
  if (stack === "p2tr") return [completion.signature];
  const ours = witnessSignature(signature(completion.signature), completion.type ?? sighash.all);
  const theirs = (): Uint8Array => {
    const { type } = given(countersigned, "countersigned part");
    return witnessSignature(given(completion.countersignature, "countersignature"), type);
  };
  const preimage = (): Uint8Array => given(completion.preimage, "preimage");
  switch (stack) {
    case "delayed":
      return [ours, empty];
    case "delayed-penalty":
      return [ours, one];
    case "to_remote":
    case "anchor":
      return [ours];
    case "htlc-timeout":
      return [empty, theirs(), ours, empty];
    case "htlc-success":
      return [empty, theirs(), ours, preimage()];
    case "htlc-claim-preimage":
      return [ours, preimage()];
    case "htlc-claim-timeout":
      return [ours, empty];
    case "htlc-penalty":
    case "p2wpkh":
      return [ours, signer];
  }
};

export const claimWitness = (plan: ClaimPlan, completion: Completion): Witness => [
  ...itemsOf(plan, completion),
  ...(plan.witnessScript === undefined ? [] : [plan.witnessScript]),
];

/** At its longest, of the transaction with one plan for each input. Marker and flag count as witness (BIP 144). */
export const expectedWeight = (tx: Tx, plans: readonly ClaimPlan[]): number => {
  if (plans.length !== tx.inputs.length)
    throw new RangeError(`${tx.inputs.length} inputs have ${plans.length} plans`);
  const witnesses = plans.map(({ stack, witnessScript }) => expectedWitnessWeight(stack, witnessScript));
  return witnesses.reduce((sum, weight) => sum + weight, 4 * encodeTx(tx).length + 2);
};
