/**
 * One operation as the road sees it: what it needs of the keyring, what is built and verified before its turn
 * comes, and what is decided when it has come. Everything here is pure; the session brings the effects.
 */

import type { Curve, VerifyJob } from "../../protocol/curve/curve.ts";
import type { Basepoints, Network, Tier } from "../../protocol/operations/fields.ts";
import type { Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Refusal } from "../../protocol/outcome.ts";
import type { ChannelId, CommitmentNumber, Point, Script } from "../../protocol/units.ts";
import { Fault } from "./fault.ts";
import type { Policy } from "./policy.ts";
import type { Job, Signed } from "./ports.ts";
import { type Facts, refuse } from "./rule.ts";
import { textOf } from "./rules/table.ts";
import type { ChannelState, Live, NodeState } from "./state.ts";

/** Fixed while the session lasts. */
export interface Settings {
  readonly network: Network;
  readonly tier: Tier;
  readonly policy: Policy;
  readonly curve: Curve;
  readonly software: string;
}

/** What only the keyring knows, and anybody may. */
export interface Needs {
  readonly channel: ChannelId;
  readonly basepoints?: boolean;
  readonly closingScript?: boolean;
  readonly points?: readonly CommitmentNumber[];
}

export interface Known {
  readonly basepoints?: Basepoints;
  readonly closingScript?: Script;
  readonly points: readonly Point[];
}

/** State as the requests before this one leave it. */
export interface View {
  readonly node: NodeState;
  /** Undefined for an id that was never given out. */
  readonly channel: ChannelState | undefined;
}

export interface Change {
  readonly node?: NodeState;
  readonly channel?: ChannelState;
}

export type Decision<N extends Name> =
  | { readonly is: "refused"; readonly refusal: Refusal }
  /** Answered from what everybody may know: nothing changes, nothing is signed, nothing is audited. */
  | { readonly is: "told"; readonly needs?: Needs; reply(known: Known): Reply<N> }
  /** Durable first: the change and its audit record, and then the reply. */
  | { readonly is: "kept"; readonly change: Change; readonly needs?: Needs; reply(known: Known): Reply<N> }
  | {
      readonly is: "signed";
      readonly change: Change;
      readonly job: Job;
      readonly needs?: Needs;
      reply(known: Known, signed: Signed[Job["kind"]]): Reply<N>;
    };

export interface Prepared<P> {
  readonly built: P;
  /** Run by the session, perhaps on other threads; `decide` gets an answer to each. */
  readonly checks: readonly VerifyJob[];
}

export interface Step<N extends Name, P> {
  /**
   * What makes two requests the same: a request with everything left out that does not change what is agreed to.
   * A host that comes back after a crash may bring it in another order, or with other proofs of the same.
   */
  essence?(body: Request<N>): Request<N>;
  /** Before anything is built. */
  needs?(body: Request<N>): Needs;
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
  channel === undefined || channel.phase === "stub" ? undefined : channel;

export const refused = (refusal: Refusal): { readonly is: "refused"; readonly refusal: Refusal } => ({
  is: "refused",
  refusal,
});

export const noChannel = (facts: Facts): { readonly is: "refused"; readonly refusal: Refusal } =>
  refused(refuse(textOf("channel-known"), facts));

/** What `needs` asked for and the keyring did not bring: a defect, never a host's doing. */
export const given = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Fault("internal", `the keyring brought no ${what}`);
  return value;
};
