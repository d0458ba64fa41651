/** What the two threads of a line tell each other. Each line has ports of its own. */

import type { MessagePort } from "node:worker_threads";
import type { Name } from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import type { ClientState } from "../../client.ts";

export interface Start {
  readonly bundle: string;
  /** The words of `bell`. */
  readonly shared: SharedArrayBuffer;
  readonly talk: MessagePort;
  /** For answers that the other thread stands still for. */
  readonly blocking: MessagePort;
  readonly watch?: MessagePort;
}

/** Of shared memory: `rung` with each answer on `blocking`, `gone` at the end, `beats` as long as the thread lives. */
export const bell = { rung: 0, gone: 1, beats: 2 } as const;

export interface Asked {
  readonly id: number;
  readonly how: "message" | "bell" | "close";
  readonly packed: Uint8Array;
}

export type Answer =
  | { readonly is: "reply"; readonly packed: Uint8Array }
  | Exclude<Outcome<Name>, { readonly is: "reply" }>;

export type Told =
  | { readonly is: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly is: "state"; readonly state: ClientState }
  /** The line never came about. */
  | { readonly is: "broken"; readonly reason: string };
