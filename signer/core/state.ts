/** What the signer knows of a node and its channels. Plain immutable data; `records.ts` gives it bytes. */

import type { ShachainStore } from "../../protocol/bolt/shachain.ts";
import type { Maybe } from "../../protocol/codec.ts";
import type { Basepoints, Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type {
  ChannelId,
  CommitmentNumber,
  Feerate,
  NodeId,
  Outpoint,
  Point,
  Sat,
  Script,
  Signature,
  Txid,
} from "../../protocol/units.ts";

export interface NodeState {
  /** Ids below were given out, and are never given out again. */
  readonly nextChannel: ChannelId;
}

/** Fixed by `setup`, and immutable from then on. */
export interface Setup {
  /** Of the request that fixed it: the same is answered again, another is refused. */
  readonly content: Uint8Array;
  readonly peer: NodeId;
  readonly terms: Terms;
  readonly holder: Basepoints;
  readonly counterparty: Basepoints;
  readonly funding: Outpoint;
  /** Of the signer's own wallet, for a mutual close. */
  readonly closingScript: Script;
}

/** What a commitment says: values of its outputs, and what leads to them. */
export interface Content {
  readonly number: CommitmentNumber;
  readonly feerate: Feerate;
  readonly toHolder: Sat;
  readonly toCounterparty: Sat;
  readonly htlcs: readonly Htlc[];
  readonly trimmed: Maybe<readonly Htlc[]>;
}

/** In millisatoshi, both ends included. */
export interface Interval {
  readonly low: bigint;
  readonly high: bigint;
}

/** One content of a live number. After a crash BOLT 2 lets a node come back with another one. */
export interface Variant extends Content {
  readonly hash: Uint8Array;
  readonly txid: Txid;
  /**
   * Of the holder, before fee and anchors, as all commitments up to this one tell. Outputs are whole satoshi: what
   * they round off would be lost with each update if every one were held against its predecessor's outputs alone.
   */
  readonly balance: Interval;
}

/** Given to the counterparty with our signature, and not yet revoked by it. */
export interface CounterpartyVariant extends Variant {
  readonly point: Point;
}

/** Countersigned by the counterparty, and not yet revoked by us. */
export interface HolderVariant extends Variant {
  readonly signature: Signature;
  readonly htlcSignatures: readonly Signature[];
}

/** Contents of the number last revoked: their repetition is answered, though nothing else of that number is. */
export interface Past {
  readonly hashes: readonly Uint8Array[];
}

export interface CounterpartySide {
  /** All below are revoked; this one and the next may be live. */
  readonly revoked: CommitmentNumber;
  readonly variants: readonly CounterpartyVariant[];
  readonly secrets: ShachainStore;
  readonly past: Past;
}

export interface HolderSide {
  /** The secrets of all below were released; this one and the next may be live. */
  readonly revealed: CommitmentNumber;
  readonly variants: readonly HolderVariant[];
  /** Signed for broadcast: their secrets stay here. */
  readonly broadcast: readonly CommitmentNumber[];
  readonly past: Past;
}

export interface Live {
  readonly setup: Setup;
  readonly holder: HolderSide;
  readonly counterparty: CounterpartySide;
}

export type ChannelState =
  /** An id was given out, and nothing agreed. */
  | { readonly phase: "stub" }
  | ({ readonly phase: "open" } & Live)
  /** A mutual close was signed, so the counterparty can end the channel at any time: no new state. */
  | ({ readonly phase: "closing" } & Live);

export const stub: ChannelState = { phase: "stub" };

export const other = (side: Side): Side => (side === "holder" ? "counterparty" : "holder");
