/** What completes a transaction once it is signed (BOLT 3). */

import { witnessSignature } from "../bitcoin/der.ts";
import { sighash } from "../bitcoin/sighash.ts";
import type { Witness } from "../bitcoin/tx.ts";
import { compare } from "../bytes.ts";
import type { Point, Preimage, Script, Signature } from "../units.ts";
import type { ChannelType } from "./channel.ts";
import { htlcSighash } from "./htlc.ts";
import { fundingScript } from "./scripts.ts";

const empty = new Uint8Array(0);

export interface FundingSignature {
  readonly key: Point;
  readonly signature: Signature;
}

/** The signatures stand in the order of the keys in the script, whichever comes first here. */
export const fundingWitness = (a: FundingSignature, b: FundingSignature): Witness => {
  const [lesser, greater] = compare(a.key, b.key) <= 0 ? [a, b] : [b, a];
  return [
    empty,
    witnessSignature(lesser.signature, sighash.all),
    witnessSignature(greater.signature, sighash.all),
    fundingScript(a.key, b.key),
  ];
};

export interface HtlcWitnessTerms {
  readonly type: ChannelType;
  readonly countersignatory: Signature;
  readonly broadcaster: Signature;
  /** For HTLC-success; HTLC-timeout has none. */
  readonly preimage?: Preimage;
  readonly script: Script;
}

export const htlcWitness = (terms: HtlcWitnessTerms): Witness => [
  empty,
  witnessSignature(terms.countersignatory, htlcSighash(terms.type, "countersignatory")),
  witnessSignature(terms.broadcaster, htlcSighash(terms.type, "broadcaster")),
  terms.preimage ?? empty,
  terms.script,
];
