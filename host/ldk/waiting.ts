/** Commands that wait for a channel to be opened, found by what LDK calls it at the time. */

import { NotDone } from "./turn.ts";

export interface Waiting {
  wait(id: string): Promise<string>;
  /** It has another id from now on. */
  renamed(from: string, to: string): void;
  done(id: string, result: string): void;
  failed(id: string, reason: string): void;
}

interface Entry {
  readonly resolve: (result: string) => void;
  readonly reject: (error: Error) => void;
}

export const openWaiting = (): Waiting => {
  const entries = new Map<string, Entry>();
  const settle = (id: string, action: (entry: Entry) => void): void => {
    const entry = entries.get(id);
    entries.delete(id);
    if (entry !== undefined) action(entry);
  };
  return {
    wait: (id) => new Promise((resolve, reject) => void entries.set(id, { resolve, reject })),
    renamed: (from, to) => {
      const entry = entries.get(from);
      entries.delete(from);
      if (entry !== undefined) entries.set(to, entry);
    },
    done: (id, result) => settle(id, ({ resolve }) => resolve(result)),
    failed: (id, reason) => settle(id, ({ reject }) => reject(new NotDone(reason))),
  };
};
