/**
 * One operation as the road sees it: what it needs of the keyring, what is built and verified before its turn
 * comes, and what is decided when it has come. Everything here is pure; the session brings the effects.
 */

import type { Curve, VerifyJob } from "../../protocol/curve/curve.ts";
import type { Basepoints, Network, Tier } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Place } from "../../protocol/operations/spend.ts";
import type { Refusal } from "../../protocol/outcome.ts";
import type {
  ChannelId,
  CommitmentNumber,
  Height,
  Outpoint,
  Point,
  Sat,
  Script,
  Txid,
} from "../../protocol/units.ts";
import type { ChainSettings, ChainState, Upload } from "./chain/book.ts";
import type { Coin, Purse } from "./chain/coins.ts";
import type { Onchain } from "./chain/onchain.ts";
import type { ChainView } from "./chain/view.ts";
import { Fault } from "./fault.ts";
import type { OutpointState } from "./outpoints.ts";
import type { Ledger } from "./payments/ledger.ts";
import type { Policy } from "./policy.ts";
import type { Identity, Job, Signed, WalletKey } from "./ports.ts";
import { refuse } from "./rule.ts";
import { textOf } from "./rules/table.ts";
import type { Allowlist, Approval, ChannelState, Live, NodeState, Payment } from "./state.ts";

/** Fixed while the session lasts. */
export interface Settings {
  readonly network: Network;
  readonly tier: Tier;
  readonly policy: Policy;
  readonly curve: Curve;
  readonly software: string;
  /** The keys are behind a core of their own, which signs nothing but what a host could ask for. */
  readonly second?: boolean;
  /** Where no chain is followed: whose funding counts as deep. Without it every one does. */
  readonly isDeep?: (channel: ChannelId) => boolean;
  /** Where no chain is followed: which channels somebody said are over. Nothing of them counts any more. */
  readonly isOver?: (channel: ChannelId) => boolean;
  /** Where no clock is: time is what others say, and what it alone makes harmless to forget is kept while there is room. */
  readonly clockless?: boolean;
  /** Undefined: no chain is followed, as `chainTip`, `heartbeat` and `status` say. */
  readonly chain?: ChainSettings;
}

/** What only the keyring knows, and may be told without a commit. */
export type Needs = ChannelNeeds | NodeNeeds | SpendNeeds;

export interface ChannelNeeds {
  readonly channel: ChannelId;
  readonly basepoints?: boolean;
  readonly closingScript?: boolean;
  readonly points?: readonly CommitmentNumber[];
}

export interface NodeNeeds {
  readonly identity?: boolean;
  readonly ecdh?: Point;
  readonly payerKey?: Uint8Array;
  readonly random?: number;
}

/** Of several channels and of the wallet, as one transaction may need. */
export interface SpendNeeds {
  readonly pointsOf: readonly { readonly channel: ChannelId; readonly number: CommitmentNumber }[];
  readonly places: readonly Place[];
}

export interface Known {
  readonly basepoints?: Basepoints;
  readonly closingScript?: Script;
  readonly points: readonly Point[];
  readonly identity?: Identity;
  readonly shared?: Uint8Array;
  readonly payerKey?: Point;
  readonly random?: Uint8Array;
  /** In the order in which they were asked for. */
  readonly pointsOf?: readonly Point[];
  readonly places?: readonly (WalletKey | undefined)[];
}

/** State as the requests before this one leave it. */
export interface View {
  readonly node: NodeState;
  /** Undefined for an id that was never given out. */
  readonly channel: ChannelState | undefined;
  /** All channels, those of other requests too. */
  readonly channels: ReadonlyMap<ChannelId, ChannelState>;
  /** By hash, in hexadecimal. */
  readonly payments: ReadonlyMap<string, Payment>;
  /** By id, in hexadecimal. */
  readonly approvals: ReadonlyMap<string, Approval>;
  /** What was signed or told about outputs of the chain; by txid, as it is hashed, and index. */
  readonly outpoints: ReadonlyMap<string, OutpointState>;
  /** Of an administrator; the settings' policy has it beside what the file lists. */
  readonly allowlist: Allowlist;
  readonly ledger: Ledger;
  /** The holder commitment that was last brought with good signatures and refused by a rule, since the start. */
  readonly refusedHolder: CommitmentNumber | undefined;
  readonly chain: ChainState;
  readonly purse: Purse;
  readonly outlook: Outlook;
  /** Seconds since 1970; never behind what the state has seen. */
  readonly now: number;
}

/** What the chain tells of this node. Where none is followed every funding counts as deep: `status` says so. */
export interface Outlook {
  readonly height: Height | undefined;
  /** Why nothing new may be begun, if so. */
  readonly trouble: Refusal | undefined;
  /** Deep enough for what is received on it to cover something. */
  isDeep(channel: ChannelId): boolean;
  isSpent(channel: ChannelId): boolean;
  /** Of an output of the transaction that closed the channel, or of what followed from it. */
  valueAt(channel: ChannelId, outpoint: Outpoint): Sat | undefined;
  /** Of the same: what spends it in a block that is deep already. Nothing else will. */
  takenBy(channel: ChannelId, outpoint: Outpoint): Txid | undefined;
  /** The number of our own commitment that is on the chain. */
  published(channel: ChannelId): CommitmentNumber | undefined;
  /** Only what can still happen, where the channel's end is on the chain. */
  remaining(channel: ChannelId, live: Live): Live;
}

export const unwatched: Outlook = {
  height: undefined,
  trouble: undefined,
  isDeep: () => true,
  isSpent: () => false,
  valueAt: () => undefined,
  takenBy: () => undefined,
  published: () => undefined,
  remaining: (_, live) => live,
};

/** Undefined: forgotten. */
export type Changes<T> = ReadonlyMap<string, T | undefined>;

export interface Change {
  readonly node?: NodeState;
  readonly channel?: ChannelState;
  readonly payments?: Changes<Payment>;
  readonly approvals?: Changes<Approval>;
  readonly outpoints?: Changes<OutpointState>;
  readonly allowlist?: Allowlist;
  readonly chain?: ChainView;
  /** Undefined: nothing of the channel is followed any more. */
  readonly onchain?: ReadonlyMap<ChannelId, Onchain | undefined>;
  readonly coins?: Changes<Coin>;
}

export type Decision<N extends Name> =
  | { readonly is: "refused"; readonly refusal: Refusal }
  /** A person is asked: the question is durable, and the same request may pass once it is answered. */
  | { readonly is: "asked"; readonly refusal: Refusal; readonly change: Change }
  /** Answered from what its asker may know: nothing changes, nothing is signed, nothing is audited. */
  | {
      readonly is: "told";
      readonly needs?: Needs;
      /** Remembered until the signer stops. */
      readonly upload?: Upload;
      reply(known: Known): Reply<N>;
    }
  /** Durable first: the change and its audit record, and then the reply. */
  | {
      readonly is: "kept";
      readonly change: Change;
      readonly needs?: Needs;
      /** For the audit log: what its hash can't tell. */
      readonly detail?: string;
      reply(known: Known): Reply<N>;
    }
  | {
      readonly is: "signed";
      readonly change: Change;
      readonly job: Job;
      /** As a host would ask for the same, for keys behind a core of their own: one or more signatures each, in the job's order. */
      readonly asked?: readonly AnyRequest[];
      readonly needs?: Needs;
      reply(known: Known, signed: Signed[Job["kind"]]): Reply<N>;
    };

export interface Prepared<P> {
  readonly built: P;
  /** Run by the session, perhaps on other threads; `decide` gets an answer to each. */
  readonly checks: readonly VerifyJob[];
}

export interface Surveyed<P> {
  readonly built: P;
  readonly needs: Needs | undefined;
}

export interface Step<N extends Name, P> {
  /**
   * What makes two requests the same: a request with everything left out that does not change what is agreed to.
   * A host that comes back after a crash may bring it in another order, or with other proofs of the same.
   */
  essence?(body: Request<N>): Request<N>;
  /** Before anything is built. */
  needs?(body: Request<N>, channels: View["channels"]): Needs;
  /** In place of `prepare` where what is needed follows from the state: then it waits for its turn. */
  survey?(body: Request<N>, view: View, settings: Settings): Surveyed<P>;
  /**
   * Builds from what never changes once a channel is set up, so it need not wait for its turn.
   * Undefined where there is no such channel: `decide` says so.
   */
  prepare(
    body: Request<N>,
    live: Live | undefined,
    known: Known,
    settings: Settings,
  ): Prepared<P> | undefined;
  decide(turn: Turn<N, P>): Decision<N>;
}

export interface Turn<N extends Name, P> {
  readonly body: Request<N>;
  readonly hash: Uint8Array;
  readonly view: View;
  readonly known: Known;
  readonly settings: Settings;
  readonly prepared: P | undefined;
  readonly outcomes: readonly boolean[];
}

export const liveOf = (channel: ChannelState | undefined): Live | undefined =>
  channel === undefined || !("setup" in channel) ? undefined : channel;

export const refused = (refusal: Refusal): { readonly is: "refused"; readonly refusal: Refusal } => ({
  is: "refused",
  refusal,
});

/** One that was given out may still be set up: its opening may wait for a person. */
export const noChannel = (
  channel: ChannelId,
  state: ChannelState | undefined,
): { readonly is: "refused"; readonly refusal: Refusal } =>
  refused(refuse({ ...textOf("channel-known"), later: state?.phase === "stub" }, { channel }));

/** What `needs` asked for and the keyring did not bring: a defect, never a host's doing. */
export const given = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Fault("internal", `the keyring brought no ${what}`);
  return value;
};
