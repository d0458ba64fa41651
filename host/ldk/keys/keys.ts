/** What LDK is given for keys, and what the engine needs of whoever holds them. All of it runs in LDK's worker. */

import type * as ldk from "lightningdevkit";
import type { NodeId, Outpoint } from "../../../protocol/units.ts";
import type { Feeder, FeedOptions } from "../../feeder.ts";

export interface Keys {
  readonly nodeId: NodeId;
  readonly entropy: ldk.EntropySource;
  readonly nodeSigner: ldk.NodeSigner;
  readonly signerProvider: ldk.SignerProvider;
  /** Asked before LDK is let near anything: fills pools (channel keys, points, scripts). Between turns; may await. */
  prepare(): Promise<void>;
  /**
   * Inside the engine's transaction: what must be stored with LDK's own state (outbox, key pools, points). How many of the
   * rows that it changed would come back by themselves after a power failure.
   */
  store(): number;
  /** After the commit: sends what was stored. */
  flush(): void;
  /** `start` is called, from a fresh task, when answers came in that LDK must be told of by `signer_unblocked`. */
  onUnblocked(start: () => void): void;
  /** `end` is called when a channel that is being opened will never be signed for; it has no money in it yet. */
  onOpeningRefused(end: (funding: Outpoint, reason: string) => void): void;
  readonly observe: Observed;
  readonly wallet: Wallet;
  /** Before a payment is sent: the signer's consent. Rejects with an error that names the rule. */
  propose(payment: ProposedPayment): Promise<void>;
  /** BOLT 11, of the human-readable part and the data in five-bit words. */
  signInvoice(hrp: string, data: Uint8Array): Promise<{ signature: Uint8Array; recovery: number }>;
  /** Shows the node's blocks to whoever has the keys, and is closed before they are. */
  feed?(chain: Pick<FeedOptions, "source" | "observer">): Pick<Feeder, "close">;
  readonly limits: { readonly minFeerate?: number; readonly maxFeerate?: number };
  close(): Promise<void>;
}

/** Handshake messages and monitor updates: what LDK's signer traits do not say. */
export interface Observed {
  openChannel(from: "us" | "peer", peer: Uint8Array, msg: ldk.OpenChannel | ldk.OpenChannelV2): void;
  acceptChannel(from: "us" | "peer", peer: Uint8Array, msg: ldk.AcceptChannel): void;
  monitorUpdate(funding: ldk.OutPoint, update: ldk.ChannelMonitorUpdate): void;
  newMonitor(funding: ldk.OutPoint, monitor: ldk.ChannelMonitor): void;
  /** A channel that never came about; nothing is signed for it any more. */
  discarded(funding: ldk.OutPoint): void;
  /** One that is at its end for good: LDK has resolved all of its outputs, weeks ago. */
  archived(funding: ldk.OutPoint): void;
}

/** Everything that is signed outside of channels. */
export interface Wallet {
  /** A fresh address' script and its place, for receiving, change and sweeps. A place survives `structuredClone`. */
  address(): Promise<{ script: Uint8Array; place: unknown }>;
  /**
   * Signs our inputs: coins of the wallet and LDK's SpendableOutputDescriptors, mixed. Finished bytes, with witnesses.
   * A funding transaction is signed only once the peer has signed our first commitment (rule
   * `onchain-initial-commitment-countersigned`): LDK gets its outpoint by `unsafe_manual_funding_transaction_generated`
   * (the txid is that of the unsigned transaction), and this is asked at `FundingTxBroadcastSafe`.
   */
  spend(tx: {
    inputs: readonly SpendInput[];
    outputs: readonly { script: Uint8Array; value: bigint }[];
    locktime: number;
    version?: number;
  }): Promise<Uint8Array>;
}

/**
 * Fee bumps of anchor channels are spends too: LDK's sign_holder_anchor_input (and for anchors sign_holder_htlc_transaction)
 * is never called by the engine, which builds these transactions itself and asks here, as often as it takes.
 * HTLC input i has output i (SIGHASH_SINGLE of the counterparty, BOLT 3); `tx_input_witness` of the descriptors finishes them.
 */
export type SpendInput =
  | {
      readonly kind: "wallet";
      readonly outpoint: Outpoint;
      readonly value: bigint;
      readonly script: Uint8Array;
      readonly place: unknown;
      readonly prevTx?: Uint8Array;
      readonly sequence?: number;
    }
  | {
      readonly kind: "descriptor";
      readonly descriptor: ldk.SpendableOutputDescriptor;
      readonly sequence?: number;
    }
  | { readonly kind: "anchor"; readonly descriptor: ldk.AnchorDescriptor; readonly sequence?: number }
  | { readonly kind: "htlc"; readonly descriptor: ldk.HTLCDescriptor; readonly sequence?: number };

/** Enough for a BOLT 11 invoice, keysend and BOLT 12. */
export type ProposedPayment =
  | {
      readonly kind: "bolt11";
      readonly invoice: string;
      readonly amountMsat: bigint;
      readonly feeLimitMsat: bigint;
    }
  | {
      readonly kind: "keysend";
      readonly payee: Uint8Array;
      readonly hash: Uint8Array;
      readonly amountMsat: bigint;
      readonly feeLimitMsat: bigint;
    }
  | {
      readonly kind: "bolt12";
      readonly invoice: Uint8Array;
      readonly offer?: string;
      readonly amountMsat: bigint;
      readonly feeLimitMsat: bigint;
    };
