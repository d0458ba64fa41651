/**
 * Everything that a Lightning node can take on the chain, as data (BOLT 5 for who takes what): what a claim says, and
 * the plan that follows from it.
 */

import type { Sighash } from "../bitcoin/sighash.ts";
import type { TxOutput } from "../bitcoin/tx.ts";
import type { Curve } from "../curve/curve.ts";
import type { Secret } from "../secret.ts";
import type { Delay, Feerate, Height, Point, RevocationSecret, Sat, Script } from "../units.ts";
import type { Basepoints, ChannelType, Htlc } from "./channel.ts";
import { type BaseSecret, deriveKeySecret, deriveRevocationKeySecret } from "./derive.ts";
import type { WitnessKind } from "./weight.ts";

/** What does not change while the channel lives. */
export interface ClaimedChannel {
  readonly type: ChannelType;
  readonly holder: Basepoints;
  readonly counterparty: Basepoints;
  /** What each waits for its own outputs. */
  readonly delays: { readonly holder: Delay; readonly counterparty: Delay };
}

/**
 * An output that is the holder's to take, and by which right. `point` is the per-commitment point of the commitment
 * that it stems from, and `revealed` the secret of a revoked one. HTLCs are seen from that commitment, whose
 * broadcaster is the holder for `holderHtlc` and else the counterparty.
 */
export type ChannelClaim =
  /** `to_local` of our commitment, or the output of our HTLC transaction. */
  | { readonly kind: "delayed"; readonly point: Point }
  /** `to_remote` of the counterparty's commitment. */
  | { readonly kind: "toRemote" }
  /** By HTLC-timeout or HTLC-success; `feerate` is the commitment's. One that cannot pay for it is Malformed. */
  | { readonly kind: "holderHtlc"; readonly point: Point; readonly feerate: Feerate; readonly htlc: Htlc }
  /** With the preimage where the counterparty offered it, else after its expiry. */
  | { readonly kind: "counterpartyHtlc"; readonly point: Point; readonly htlc: Htlc }
  | { readonly kind: "justiceToLocal"; readonly revealed: RevocationSecret }
  | { readonly kind: "justiceHtlc"; readonly revealed: RevocationSecret; readonly htlc: Htlc }
  /** The output of the counterparty's HTLC transaction. */
  | { readonly kind: "justiceSecondLevel"; readonly revealed: RevocationSecret }
  /** Ours, on either side's commitment. */
  | { readonly kind: "anchor" };

/** An output of our wallet. With `p2tr` the key is BIP 86's internal one. */
export interface WalletClaim {
  readonly kind: "wallet";
  readonly form: "p2wpkh" | "p2tr";
  readonly key: Point;
}

/** How a keyring finds the secret of what signs. */
export type ChannelKey =
  | { readonly base: "payment" | "funding" }
  | { readonly base: "delayed" | "htlc"; readonly point: Point }
  | { readonly base: "revocation"; readonly revealed: RevocationSecret };
export type WalletKey = { readonly base: "wallet"; readonly key: Point; readonly form: WalletClaim["form"] };
export type ClaimKey = ChannelKey | WalletKey;

/** Of the channel's basepoint that `key` names. */
export const claimSecret = (curve: Curve, from: BaseSecret, key: ChannelKey): Secret => {
  switch (key.base) {
    case "payment":
    case "funding":
      return from.secret;
    case "delayed":
    case "htlc":
      return deriveKeySecret(curve, from, key.point);
    case "revocation":
      return deriveRevocationKeySecret(curve, from, key.revealed);
  }
};

/** When the input is valid: what its script asks of the transaction, or what the counterparty has signed. */
export type Timing =
  | {
      readonly is: "open";
      /** Blocks that the output must have been there for (BIP 112). 0 is not the same as absent. */
      readonly wait?: number;
      /** What the locktime must not be below (BIP 65). */
      readonly from?: Height;
    }
  | { readonly is: "fixed"; readonly sequence: number; readonly locktime: number };

/** What the counterparty's signature on a holder's HTLC transaction covers beside the input. */
export interface Countersigned {
  readonly key: Point;
  readonly type: Sighash;
  /** At the input's own index. */
  readonly output: TxOutput;
  /** Nothing else may be in the transaction. */
  readonly alone: boolean;
}

export type Stack = Exclude<WitnessKind, "funding">;

/** What follows from a claim: how its input is signed and completed. */
export interface ClaimPlan {
  readonly stack: Stack;
  /** The script of the output that is spent. */
  readonly output: Script;
  /** Its value, where the claim tells. */
  readonly value?: Sat;
  /** Absent for what pays to a key. */
  readonly witnessScript?: Script;
  readonly key: ClaimKey;
  /** The public half of the key that signs. P2TR: of the internal key. */
  readonly signer: Point;
  readonly timing: Timing;
  readonly countersigned?: Countersigned;
}

/** Of a claim on a channel: one of the channel's keys signs. */
export interface ChannelPlan extends ClaimPlan {
  readonly key: ChannelKey;
}
