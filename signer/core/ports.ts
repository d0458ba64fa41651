/** Every effect that the core's road needs, by name. Implementations live outside; contract tests hold them. */

import type { Maybe } from "../../protocol/codec.ts";
import type { VerifyJob } from "../../protocol/curve/curve.ts";
import type { Basepoints } from "../../protocol/operations/fields.ts";
import type {
  ChannelId,
  CommitmentNumber,
  NodeId,
  Point,
  RevocationSecret,
  Script,
  Signature,
} from "../../protocol/units.ts";

declare const durable: unique symbol;
/** A job whose state is on disk. Only `commit` makes one, hence it is the only road to a signature. */
export type Durable<T> = T & { readonly [durable]: true };

/** A record's place in the store: `<node in hex>/node` or `<node in hex>/channel/<id>`. */
export type Key = string;
/** 0 before the first write; one more with each. */
export type Version = number;
/** Who holds the store: grows by one with each opening, so that an older holder is fenced off. */
export type Epoch = number;

export interface Stored {
  readonly version: Version;
  readonly bytes: Uint8Array;
}

export interface Write {
  readonly key: Key;
  readonly was: Version;
  readonly bytes: Uint8Array;
}

export interface Group {
  readonly epoch: Epoch;
  readonly writes: readonly Write[];
  /** Packed audit records, in order; the store chains them. */
  readonly audit: readonly Uint8Array[];
}

export interface Store {
  readonly epoch: Epoch;
  /** Every record of one node. */
  load(node: NodeId): Promise<ReadonlyMap<Key, Stored>>;
  /** All or nothing; on disk when it resolves. `stale` is a fault, never to be retried. */
  commit(group: Group): Promise<"done" | { readonly stale: Key }>;
  close(): Promise<void>;
}

export interface Asked {
  /** From the client's certificate. */
  readonly host: string;
  readonly node: NodeId;
  readonly operation: number;
  readonly channel: Maybe<ChannelId>;
  readonly content: Uint8Array;
}

/** The audit log as the road sees it. Knows the time, which the core does not. */
export interface Journal {
  /** Packed records for the commit that makes the decision durable; refusals that waited come first. */
  decided(asked: Asked): readonly Uint8Array[];
  refused(asked: Asked, rule: string): void;
}

/** Verifies a batch, perhaps on other threads. */
export type Verify = (jobs: readonly VerifyJob[]) => Promise<readonly boolean[]>;

/** What a keyring may be asked for: never "sign this digest", always what it is for. */
export type Job =
  | {
      readonly kind: "counterpartyCommitment";
      readonly channel: ChannelId;
      readonly point: Point;
      readonly digest: Uint8Array;
      readonly htlcDigests: readonly Uint8Array[];
    }
  | { readonly kind: "holderCommitment"; readonly channel: ChannelId; readonly digest: Uint8Array }
  | { readonly kind: "closing"; readonly channel: ChannelId; readonly digest: Uint8Array }
  | { readonly kind: "secret"; readonly channel: ChannelId; readonly number: CommitmentNumber };

export interface Signed {
  readonly counterpartyCommitment: {
    readonly signature: Signature;
    readonly htlcSignatures: readonly Signature[];
  };
  readonly holderCommitment: { readonly signature: Signature };
  readonly closing: { readonly signature: Signature };
  readonly secret: { readonly secret: RevocationSecret };
}

export interface Keyring {
  readonly node: NodeId;
  basepoints(channel: ChannelId): Promise<Basepoints>;
  /** Per-commitment points, of any number below 2^48. */
  points(channel: ChannelId, numbers: readonly CommitmentNumber[]): Promise<readonly Point[]>;
  /** Of the wallet that the seed opens, one for each channel. */
  closingScript(channel: ChannelId): Promise<Script>;
  /** The same job gets the same bytes, on every implementation. */
  sign<J extends Job>(job: Durable<J>): Promise<Signed[J["kind"]]>;
}
