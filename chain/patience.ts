import { SourceError } from "./source.ts";

export interface Patience {
  /** Of a source: late is never, and so is what comes after the stop. */
  wait<T>(answer: Promise<T>): Promise<T>;
  /** Whoever waits is let go. */
  stop(): void;
}

/** A source that never answers is one that failed: whoever waits for it for ever gets nothing done any more. */
export const patience = (ms: number): Patience => {
  const waiting = new Set<(error: unknown) => void>();
  let stopped = false;
  return {
    wait: (answer) =>
      new Promise((resolve, reject) => {
        const over = (): void => {
          clearTimeout(timer);
          waiting.delete(fail);
        };
        const fail = (error: unknown): void => {
          over();
          reject(error);
        };
        const timer = setTimeout(() => fail(new SourceError(`no answer within ${ms} ms`)), ms);
        waiting.add(fail);
        answer.then((value) => {
          over();
          resolve(value);
        }, fail);
        if (stopped) fail(new SourceError("nobody waits any more"));
      }),
    stop: () => {
      stopped = true;
      for (const fail of waiting) fail(new SourceError("nobody waits any more"));
    },
  };
};
