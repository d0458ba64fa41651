/** What every store offers beside the core's port, and how one fails. */

import type { AuditRow, ChainEnd } from "../audit/chain.ts";
import type { Store } from "../core/ports.ts";

/** How far the store has come. Whoever keeps a copy elsewhere notices a store that was rolled back. */
export interface Head extends ChainEnd {
  /** Commits since the store was made. */
  readonly version: number;
}

export interface OpenStore extends Store {
  /** 32 random bytes, given when the store was made. */
  readonly id: Uint8Array;
  /** As of the last commit that resolved. */
  head(): Head;
  /** At most `limit` records behind number `after`, in order. */
  audit(after: number, limit: number): Promise<readonly AuditRow[]>;
}

export type StoreTrouble =
  /** When it is opened: there is none; another process has it; it is no store of ours; of a later version; damaged;
   * readable by others; or the system does not let us. */
  | "missing"
  | "held"
  | "foreign"
  | "newer"
  | "corrupt"
  | "exposed"
  | "unreachable"
  /** In use: the disk failed or is full; a write on top of another version than the stored one; another signer
   * opened it since; broken earlier; closed. */
  | "io"
  | "stale"
  | "fenced"
  | "poisoned"
  | "closed";

/** A fault: the signer stops signing. The sentence says what to do. */
export class StoreFault extends Error {
  override readonly name = "StoreFault";
  readonly trouble: StoreTrouble;

  constructor(trouble: StoreTrouble, sentence: string, cause?: unknown) {
    super(sentence, cause === undefined ? undefined : { cause });
    this.trouble = trouble;
  }
}

/** Where a crash test may stop a commit. */
export type CommitPoint = "before-transaction" | "before-commit" | "after-commit";
export type CommitHook = (point: CommitPoint) => void;

/**
 * After a failed commit nobody knows what is on the disk, so nothing may build on it: only a new opening reads
 * what is really there.
 */
export const poison = (): { check(): void; with<T>(action: () => T): T; set(cause: unknown): void } => {
  let cause: { readonly was: unknown } | undefined;
  return {
    check: () => {
      if (cause === undefined) return;
      const why = cause.was instanceof Error ? cause.was.message : String(cause.was);
      const sentence = `the store failed earlier and takes nothing more until the signer is restarted: ${why}`;
      throw new StoreFault("poisoned", sentence, cause.was);
    },
    with: (action) => {
      try {
        return action();
      } catch (error) {
        cause ??= { was: error };
        throw error;
      }
    },
    set: (error) => {
      cause ??= { was: error };
    },
  };
};

/** Keys of a node begin so; no node's prefix begins another's. */
export const prefixOf = (nodeHex: string): string => `${nodeHex}/`;
