/**
 * LDK does nothing but in a turn: calls, then all that it makes of them, then one commit, and only then what others may
 * see: bytes, transactions, requests to the signer. What was not stored was never said.
 */

import type { NodeStore } from "./store.ts";

/** What was asked can't be done; LDK is none the worse for it. Everything else that a turn throws ends the worker. */
export class NotDone extends Error {
  override readonly name = "NotDone";
}

export interface TurnParts {
  readonly store: Pick<NodeStore, "transaction" | "unhurried">;
  /** Everything that LDK wants to say or be told because of what was called. */
  readonly settle: () => void;
  /** LDK's state and the keys', inside the transaction. How many rows would come back by themselves after a power failure. */
  readonly write: () => number;
  /** After the commit, before what `afterwards` was given. */
  readonly committed: () => void;
  /** A panic, or state that could not be stored: nothing of this turn was said, and nothing more may be called. */
  readonly fatal: (error: unknown) => void;
}

export interface Turns {
  /** In the next turn, after what was asked before. Resolves once its effects are on disk; rejects with `NotDone` alone. */
  take<T>(action: () => T): Promise<T>;
  /**
   * For what an answer of the signer sets going, if nobody waits for the result. What LDK then says it would say again:
   * it is held to its monitors and to the peer's memory of the channel (BOLT 2, message retransmission), and those are on
   * disk. A turn of such alone does not wait for the disk, unless it comes to more.
   */
  nudge(action: () => void): void;
  /** Of an action or of LDK's callbacks: once this turn is on disk. */
  afterwards(effect: () => void): void;
  /** From now on nothing is taken. */
  stop(): void;
}

interface Asked {
  readonly isNudge: boolean;
  readonly run: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** So that a flood of messages can't keep the commits from coming. */
const most = 256;

export const openTurns = ({ store, settle, write, committed, fatal }: TurnParts): Turns => {
  let asked: Asked[] = [];
  let effects: (() => void)[] = [];
  let isScheduled = false;
  let isStopped = false;

  const act = (batch: readonly Asked[]): (() => void)[] => {
    const answers: (() => void)[] = [];
    for (const { run, resolve, reject } of batch)
      try {
        run();
        answers.push(resolve);
      } catch (error) {
        if (!(error instanceof NotDone)) throw error;
        answers.push(() => reject(error));
      }
    return answers;
  };

  const turn = (): void => {
    isScheduled = false;
    if (isStopped) return;
    const batch = asked.slice(0, most);
    asked = asked.slice(most);
    try {
      const work = () => {
        const result = act(batch);
        settle();
        const remade = write();
        return { result, remade: effects.length === 0 ? remade : 0 };
      };
      const answers = batch.every(({ isNudge }) => isNudge)
        ? store.unhurried(work)
        : store.transaction(work).result;
      const due = effects;
      effects = [];
      committed();
      for (const effect of due) effect();
      for (const answer of answers) answer();
    } catch (error) {
      isStopped = true;
      fatal(error);
      return;
    }
    if (asked.length > 0) schedule();
  };

  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(turn);
  };

  return {
    take: <T>(action: () => T): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        if (isStopped) {
          reject(new NotDone("the node has stopped"));
          return;
        }
        let result: { readonly is: T } | undefined;
        asked.push({
          isNudge: false,
          run: () => {
            result = { is: action() };
          },
          resolve: () => {
            if (result !== undefined) resolve(result.is);
          },
          reject,
        });
        schedule();
      }),
    nudge: (action) => {
      if (isStopped) return;
      asked.push({ isNudge: true, run: action, resolve: () => {}, reject: () => {} });
      schedule();
    },
    afterwards: (effect) => void effects.push(effect),
    stop: () => {
      isStopped = true;
      const left = asked;
      asked = [];
      for (const { reject } of left) reject(new NotDone("the node has stopped"));
    },
  };
};
