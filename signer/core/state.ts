/** What the signer knows of a node and its channels. Plain immutable data; `records.ts` gives it bytes. */

import type { ShachainStore } from "../../protocol/bolt/shachain.ts";
import { type Maybe, unknown } from "../../protocol/codec.ts";
import type { Basepoints, Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type { PaymentKind } from "../../protocol/operations/payment.ts";
import type { Fact } from "../../protocol/outcome.ts";
import type {
  ChannelId,
  CommitmentNumber,
  Feerate,
  NodeId,
  Outpoint,
  PaymentHash,
  Point,
  Preimage,
  Sat,
  Script,
  Signature,
  Txid,
} from "../../protocol/units.ts";
import type { Window } from "./velocity.ts";

/** What leaves the node, by what it leaves for: each has a limit of a day. */
export interface Windows {
  /** Approved payments with their fee limits, and what goes on chain to others. */
  readonly sent: Window;
  /** Put into channels. */
  readonly funded: Window;
  /** Hidden by hosts that can't list every HTLC. */
  readonly trimmed: Window;
  /** On-chain fees. */
  readonly fees: Window;
  /** Forwards that went out and never came in. */
  readonly lost: Window;
}

export interface NodeState {
  /** Ids below were given out, and are never given out again. */
  readonly nextChannel: ChannelId;
  /** The latest second since 1970 at which a window was touched: time never falls behind it. */
  readonly time: number;
  readonly windows: Windows;
  /** Wallet indices below it were used. */
  readonly nextWallet: number;
}

const untouched: Window = [];
export const freshNode: NodeState = {
  nextChannel: 0n as ChannelId,
  time: 0,
  windows: { sent: untouched, funded: untouched, trimmed: untouched, fees: untouched, lost: untouched },
  nextWallet: 0,
};

/** A payment that was approved, by a limit or by a person. It covers HTLCs of its hash, once. */
export interface Intent {
  /** Of the proposal: a person's word holds for exactly that. */
  readonly content: Uint8Array;
  readonly kind: PaymentKind;
  readonly amount: bigint;
  readonly feeLimit: bigint;
  readonly payee: Maybe<NodeId>;
  /** When it was charged to the window, and from when on no HTLC is added for it; seconds since 1970. */
  readonly at: number;
  readonly until: number;
}

/** An invoice of ours: who pays it brings no cover for anything. */
export interface Issued {
  readonly amount: Maybe<bigint>;
  readonly until: number;
}

/** What the node knows of one payment hash, over all its channels. */
export interface Payment {
  readonly hash: PaymentHash;
  /** Left the live commitments of a channel as settled; kept while HTLCs of the hash or an intent are there. */
  readonly settledIn: bigint;
  readonly settledOut: bigint;
  readonly intent: Maybe<Intent>;
  readonly issued: Maybe<Issued>;
  /** That was shown: kept while something received under the hash may have to be claimed with it. */
  readonly preimage: Maybe<Preimage>;
}

export const freshPayment = (hash: PaymentHash): Payment => ({
  hash,
  settledIn: 0n,
  settledOut: 0n,
  intent: unknown,
  issued: unknown,
  preimage: unknown,
});

/** A question to a person, and the answer. It is bound to what was asked: nothing else can use it. */
export interface Approval {
  /** Over what is asked for, so that the same question has the same name. */
  readonly id: Uint8Array;
  readonly subject: "payment" | "outputs" | "opening";
  readonly standing: "pending" | "approved" | "denied";
  /** What can leave us by it, in millisatoshi. */
  readonly amount: bigint;
  /** What a person is shown. */
  readonly shown: readonly Fact[];
  readonly asked: number;
  readonly until: number;
  /** Who decided; empty while nobody has. */
  readonly by: string;
  /** The payment that it would let out. */
  readonly intent: Maybe<{ readonly hash: PaymentHash; readonly intent: Intent }>;
  /** The input that its first use spent: a later use must spend it too, so that no two can both confirm. */
  readonly bound: Maybe<Outpoint>;
}

/** What an administrator allowed beside the policy file. */
export interface Allowlist {
  readonly scripts: readonly Script[];
  readonly payees: readonly NodeId[];
}

export const noAllowlist: Allowlist = { scripts: [], payees: [] };

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

/** What HTLCs of one hash settled in this channel, as far as it is not yet counted for the node. */
export interface Settled {
  readonly hash: PaymentHash;
  readonly in: bigint;
  readonly out: bigint;
}

/** Value that came or went without an HTLC that anybody listed, since the channel opened. */
export interface Hidden {
  readonly lost: bigint;
  readonly gained: bigint;
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
  readonly settled: readonly Settled[];
  readonly hidden: Hidden;
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
  | ({ readonly phase: "closing" } & Live)
  /** Nothing of it can happen any more: only that its id was used. */
  | { readonly phase: "forgotten" };

export const stub: ChannelState = { phase: "stub" };

export const other = (side: Side): Side => (side === "holder" ? "counterparty" : "holder");
