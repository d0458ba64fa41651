/** What a place of the host does, from its birth to its next: plain data, from which the next requests follow again. */

import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { NodeId } from "../../protocol/units.ts";
import type { RuleName } from "../../signer/core/rules/table.ts";
import type { SoftwareKeyring } from "../../signer/keys/software.ts";
import { ask } from "../scripted/channel.ts";
import type { Peer } from "../scripted/peer.ts";

export interface World {
  readonly node: NodeId;
  readonly peer: Peer;
  /** A host knows what its wallet's scripts are. */
  readonly keyring: SoftwareKeyring;
  /** Where a person says yes: through an administrator's tool, or at the device that has the keys. */
  readonly person: "admin" | "device";
}

export interface Move {
  readonly request: AnyRequest;
  /** A refusal of what nobody may have: anything else is a theft. `either` where two race for what one alone gets. */
  readonly expects: "reply" | "refusal" | "either";
  /** Sent when those before it were answered, and only if none was refused. */
  readonly waits?: boolean;
  /** The rule that refuses, where what follows builds on it. */
  readonly refusedBy?: RuleName;
  /** What was acknowledged before must show in the answer: why not, if it does not. */
  readonly lacks?: (reply: Reply<Name>) => string | undefined;
}

export type Answer = Reply<Name> | undefined;

export interface Life<S> {
  begin(label: string, person: World["person"]): S;
  /** Sent one behind the other without waiting; the same from the same state. */
  moves(world: World, state: S): Promise<readonly Move[]> | readonly Move[];
  /** What the host remembers after all of them; a refusal has no reply. */
  after(state: S, moves: readonly Move[], answers: readonly Answer[]): S;
  /** After the host's own crash. */
  comeBack?(state: S): S;
  /** Transactions that are mined and deep before the moves are made. */
  publishes?(world: World, state: S): readonly Uint8Array[];
}

/** Whoever keeps many kinds of lives in one table knows nothing of their states. */
export const anyLife = <S>(life: Life<S>): Life<unknown> => life as unknown as Life<unknown>;

export const move = <N extends Name>(
  name: N,
  body: Request<N>,
  lacks?: (reply: Reply<N>) => string | undefined,
): Move => ({
  request: ask(name, body),
  expects: "reply",
  ...(lacks === undefined ? {} : { lacks: lacks as Move["lacks"] & object }),
});

export const theft = <N extends Name>(name: N, body: Request<N>, refusedBy?: RuleName): Move => ({
  request: ask(name, body),
  expects: "refusal",
  ...(refusedBy === undefined ? {} : { refusedBy }),
});

export const either = <N extends Name>(name: N, body: Request<N>): Move => ({
  request: ask(name, body),
  expects: "either",
});

/** A new life for the same place. */
export const reborn = (label: string): string => {
  const [place, life = "0"] = label.split("#");
  return `${place}#${Number(life) + 1}`;
};
