/** Every effect that the core's road needs, by name. Implementations live outside; contract tests hold them. */

import type { ChannelKey } from "../../protocol/bolt/claim.ts";
import type { Maybe, ValueOf } from "../../protocol/codec.ts";
import type { VerifyJob } from "../../protocol/curve/curve.ts";
import type { Basepoints } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name } from "../../protocol/operations/index.ts";
import type { account } from "../../protocol/operations/node.ts";
import type { Place } from "../../protocol/operations/spend.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
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
  /** Nothing: the record is forgotten, and one under its key begins at version 0 again. */
  readonly bytes: Uint8Array | undefined;
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
  /** What the reader of the log should know beside. */
  readonly detail?: string;
}

/** The audit log as the road sees it. Knows the time, which the core does not. */
export interface Journal {
  /** Packed records for the commit that makes the decision durable; refusals that waited come first. */
  decided(asked: Asked): readonly Uint8Array[];
  refused(asked: Asked, rule: string): void;
}

/** Seconds since 1970, as this machine believes. */
export type Now = () => number;

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
  /** The forms of one simple close; at most one of them can confirm. */
  | { readonly kind: "closings"; readonly channel: ChannelId; readonly digests: readonly Uint8Array[] }
  /** Our inputs of one transaction; or, where nobody else takes part, of several that follow from one another. */
  | { readonly kind: "spend"; readonly inputs: readonly SpendKey[] }
  | { readonly kind: "secret"; readonly channel: ChannelId; readonly number: CommitmentNumber }
  /** With the node key; where it announces a channel, with that channel's funding key too. */
  | { readonly kind: "gossip"; readonly digest: Uint8Array; readonly channel: Maybe<ChannelId> }
  | { readonly kind: "invoice"; readonly digest: Uint8Array }
  | { readonly kind: "message"; readonly digest: Uint8Array }
  /** BIP 340, with the node key or one that the tweak leads to: see `payerKey`. */
  | { readonly kind: "bolt12"; readonly digest: Uint8Array; readonly tweak: Maybe<Uint8Array> }
  /** For the host: nothing that is signed or paid follows from it. */
  | { readonly kind: "derivedSecret"; readonly label: Uint8Array }
  | { readonly kind: "inboundPaymentKey" };

/** Which key signs, of the channel or of the wallet; with `p2tr` by BIP 340 and the output key. */
export type SpendKey = { readonly digest: Uint8Array } & (
  | { readonly channel: ChannelId; readonly key: ChannelKey }
  | { readonly place: Place }
);

interface Recoverable {
  readonly signature: Signature;
  readonly recoveryId: number;
}

export interface Signed {
  readonly counterpartyCommitment: {
    readonly signature: Signature;
    readonly htlcSignatures: readonly Signature[];
  };
  readonly holderCommitment: { readonly signature: Signature };
  readonly closing: { readonly signature: Signature };
  readonly closings: { readonly signatures: readonly Signature[] };
  readonly spend: { readonly signatures: readonly Uint8Array[] };
  readonly secret: { readonly secret: RevocationSecret };
  readonly gossip: { readonly nodeSignature: Signature; readonly fundingSignature: Maybe<Signature> };
  readonly invoice: Recoverable;
  readonly message: Recoverable;
  readonly bolt12: { readonly signature: Uint8Array };
  readonly derivedSecret: { readonly secret: Uint8Array };
  readonly inboundPaymentKey: { readonly key: Uint8Array };
}

export type Account = ValueOf<typeof account>;

/** Of the node, in public. */
export interface Identity {
  readonly accounts: readonly Account[];
  readonly payer: Maybe<Point>;
}

/** Public, of one place of the wallet. `p2sh-p2wpkh` is `p2wpkh` behind a hash (BIP 141). */
export interface WalletKey {
  readonly form: Account["branches"][number];
  /** With `p2tr` the internal key. */
  readonly point: Point;
  readonly script: Script;
}

export interface Keyring {
  readonly node: NodeId;
  basepoints(channel: ChannelId): Promise<Basepoints>;
  /** Per-commitment points, of any number below 2^48. */
  points(channel: ChannelId, numbers: readonly CommitmentNumber[]): Promise<readonly Point[]>;
  /** Of the wallet that the seed opens, one for each channel. */
  closingScript(channel: ChannelId): Promise<Script>;
  /** Undefined where the wallet has no such place. */
  walletKey(place: Place): Promise<WalletKey | undefined>;
  identity(): Promise<Identity>;
  /**
   * SHA-256 of the compressed product with the node key. No job: strangers choose the points, as often as they like,
   * and nothing that a record could hold follows from it.
   */
  ecdh(point: Point): Promise<Uint8Array>;
  /** The node key moved by SHA-256 of the derived secret `node-alias-base` and the tweak, as Core Lightning does. */
  payerKey(tweak: Uint8Array): Promise<Point>;
  random(count: number): Promise<Uint8Array>;
  /** The same job gets the same bytes, on every implementation. */
  sign<J extends Job>(job: Durable<J>): Promise<Signed[J["kind"]]>;
  /** Where the keys are behind a core of their own, which signs what it has judged itself: then `sign` is not asked. */
  readonly second?: Second;
}

export interface Second {
  /** Its outcome is the answer. */
  judge(asked: Durable<AnyRequest>): Promise<Outcome<Name>>;
  /** One after the other, until one is not answered with a reply. */
  judgeAll(asked: Durable<readonly AnyRequest[]>): Promise<readonly Outcome<Name>[]>;
}

/** The keys can't be reached at this moment, and may be later: a refusal, not a fault. */
export class KeysAway extends Error {
  override readonly name = "KeysAway";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.sentence);
    this.refusal = refusal;
  }
}
