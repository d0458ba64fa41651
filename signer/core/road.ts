/** What the road of one node needs, and what it is to those who use it. */

import type { AnyRequest, Name } from "../../protocol/operations/index.ts";
import type { Outcome, Fault as Told } from "../../protocol/outcome.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import type { Ends } from "./chain/ends.ts";
import type { Journal, Keyring, Now, Store, Verify } from "./ports.ts";
import type { Settings } from "./step.ts";

export interface Road {
  readonly settings: Settings;
  readonly store: Store;
  readonly keyring: Keyring;
  readonly journal: Journal;
  readonly verify: Verify;
  readonly now: Now;
  /** Hears of every fault, in more words than the host may see. */
  readonly report: (error: unknown) => void;
}

export interface Session {
  readonly node: NodeId;
  respond(request: AnyRequest, host: string): Promise<Outcome<Name>>;
  /** Set once something broke: nothing is signed from then on. */
  fault(): Told | undefined;
  /** How many channels were set up. */
  channels(): number;
  /** Nothing of it can happen any more. */
  isForgotten(channel: ChannelId): boolean;
  /** As of the last decision, which may not be on disk yet. */
  ends(): Ends;
}
