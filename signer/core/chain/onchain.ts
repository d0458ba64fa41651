/**
 * What the chain says of one channel. Every fact has the height of its block, so that a reorganisation takes back
 * what is above the fork and nothing else.
 */

import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type {
  CommitmentNumber,
  Height,
  Outpoint,
  Preimage,
  Sat,
  Script,
  Txid,
} from "../../../protocol/units.ts";
import type { Live } from "../state.ts";

export type Funding =
  | { readonly is: "unseen" }
  | { readonly is: "confirmed"; readonly height: Height }
  /** The outpoint is there, with another value or script than the channel's. */
  | { readonly is: "false"; readonly height: Height };

/** Whose transaction spent the funding output. Whether a number is revoked is not here: it may be so later. */
export type Closer =
  /** Not of a commitment's form (BOLT 3, "Commitment Transaction"), and we sign no third kind. */
  | { readonly is: "mutual" }
  /** `content` is the hash of the variant. */
  | { readonly is: "holder"; readonly number: CommitmentNumber; readonly content: Uint8Array }
  /** Unknown where the number was revoked before it was seen: its contents were dropped then. */
  | { readonly is: "counterparty"; readonly number: CommitmentNumber; readonly content: Maybe<Uint8Array> }
  /** Of a commitment's form, and neither live nor revoked: this store was rolled back, or another signed. */
  | { readonly is: "unknown"; readonly number: CommitmentNumber };

/** What an output of a closing commitment is. Anchors are not followed. */
export type Role =
  /** `to_local` of the broadcaster. */
  | { readonly is: "delayed" }
  /** `to_remote`: ours where the counterparty broadcast. */
  | { readonly is: "remote" }
  | { readonly is: "htlc"; readonly htlc: Htlc }
  /** Of a revoked commitment: an HTLC of which neither hash nor expiry is known any more. */
  | { readonly is: "unlisted" }
  /** What an HTLC transaction paid out of the output `of`: delayed and revocable as `to_local` is. */
  | { readonly is: "second"; readonly of: number };

export type Way =
  | { readonly is: "preimage"; readonly preimage: Preimage }
  | { readonly is: "timeout" }
  | { readonly is: "revocation" }
  /** After its delay, or by a key alone. */
  | { readonly is: "plain" };

export interface Spent {
  readonly txid: Txid;
  readonly height: Height;
  readonly way: Way;
}

export interface Output {
  readonly outpoint: Outpoint;
  readonly value: Sat;
  readonly role: Role;
  /** Of the block that has it. */
  readonly height: Height;
  readonly spent: Spent | undefined;
}

export interface Close {
  readonly txid: Txid;
  readonly height: Height;
  readonly closer: Closer;
  /** Of a commitment, the script of `to_local` and of all second stages; empty where it is not known. */
  readonly delayed: Script;
  readonly outputs: readonly Output[];
}

export interface Onchain {
  readonly funding: Funding;
  readonly close: Close | undefined;
}

export const unseen: Onchain = { funding: { is: "unseen" }, close: undefined };

/** What the channel's state makes of a close: a commitment is a breach as soon as its number is revoked. */
export type Standing =
  | { readonly is: "mutual" }
  | { readonly is: "holder"; readonly number: CommitmentNumber; readonly content: Uint8Array }
  | { readonly is: "counterparty"; readonly number: CommitmentNumber; readonly content: Uint8Array }
  | { readonly is: "revoked"; readonly number: CommitmentNumber }
  | { readonly is: "unknown"; readonly number: CommitmentNumber };

export const standingOf = ({ closer }: Close, { counterparty }: Live): Standing => {
  if (closer.is !== "counterparty") return closer;
  const { number, content } = closer;
  return isKnown(content) && number >= counterparty.revoked
    ? { is: "counterparty", number, content }
    : { is: "revoked", number };
};
