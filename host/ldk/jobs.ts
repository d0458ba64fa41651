/** What goes on between turns, because it waits for the signer or the wallet: one at a time a name, and never an unhandled rejection. */

export interface Jobs {
  /** Nothing happens where one of that name is under way, but that it runs once more after it. */
  start(name: string, job: () => Promise<void>): void;
  /** Resolves when none is under way. */
  idle(): Promise<void>;
}

export const openJobs = (failed: (name: string, error: unknown) => void): Jobs => {
  const running = new Map<string, Promise<void>>();
  const again = new Map<string, () => Promise<void>>();
  const start = (name: string, job: () => Promise<void>): void => {
    if (running.has(name)) {
      again.set(name, job);
      return;
    }
    const done = job()
      .catch((error: unknown) => failed(name, error))
      .then(() => {
        running.delete(name);
        const next = again.get(name);
        again.delete(name);
        if (next !== undefined) start(name, next);
      });
    running.set(name, done);
  };
  return {
    start,
    idle: async () => {
      while (running.size > 0) await Promise.all(running.values());
    },
  };
};
