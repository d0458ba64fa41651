/** The observer: one poll, one cache, and a way of its own for each follower. */

import type { Feerate } from "../protocol/units.ts";
import { advance, FollowerError } from "./advance.ts";
import type { Follower, Following, Observer } from "./observer.ts";
import { type ChainSource, SourceError, type Tip } from "./source.ts";
import { viewOf } from "./view.ts";

/** Nobody is thrown at; this is for a log. A source's is over when it answers again. */
export interface Trouble {
  readonly of: "source" | "follower";
  readonly error: unknown;
}

export interface ObserveOptions {
  /** Its owner closes it. */
  readonly source: ChainSource;
  readonly everyMs: number;
  /** After a failure: the first pause, doubled each time. */
  readonly retry?: { readonly firstMs: number; readonly mostMs: number };
  readonly onTrouble?: (trouble: Trouble) => void;
}

/** What one look found; looks are counted so that whoever waits for a later one can tell. */
interface Seen {
  readonly number: number;
  readonly tip: Tip;
}

interface Waiter {
  /** Satisfied by this look or a later one. */
  readonly number: number;
  readonly resolve: (tip: Tip) => void;
  readonly reject: (error: Error) => void;
}

interface Follow extends Following {
  wake(): void;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : "unknown");

export const observe = (options: ObserveOptions): Observer => {
  const { source, everyMs, onTrouble, retry = { firstMs: 1_000, mostMs: 60_000 } } = options;
  const view = viewOf(source);
  const follows = new Set<Follow>();
  let seen: Seen | undefined;
  let begun = 0;
  let running: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  /** A failure between looks: the pause must not be shorter because the tip can be had. */
  let failedSince = false;
  let reason: string | undefined;
  let isClosed = false;

  const failed = (error: unknown): void => {
    failedSince = true;
    reason = reasonOf(error);
    onTrouble?.({ of: "source", error });
  };

  const schedule = (): void => {
    clearTimeout(timer);
    if (isClosed) return;
    const pause = failures === 0 ? everyMs : Math.min(retry.firstMs * 2 ** (failures - 1), retry.mostMs);
    timer = setTimeout(() => void look(), pause);
  };

  const lookOnce = async (): Promise<void> => {
    const number = ++begun;
    try {
      const tip = await view.look();
      failures = failedSince ? failures + 1 : 0;
      failedSince = false;
      reason = undefined;
      seen = { number, tip };
    } catch (error) {
      failures++;
      failed(error);
      failedSince = false;
    }
    schedule();
    if (!isClosed) for (const follow of follows) follow.wake();
  };

  const begin = (): Promise<void> => {
    clearTimeout(timer);
    running = lookOnce().finally(() => {
      running = undefined;
    });
    return running;
  };

  /** One that is under way may have asked already: then another comes after it. */
  const look = (): Promise<void> => {
    if (isClosed) return Promise.resolve();
    if (running === undefined) return begin();
    queued ??= running.then(() => {
      queued = undefined;
      return isClosed ? undefined : begin();
    });
    return queued;
  };

  const follow = (follower: Follower): Following => {
    const waiters = new Set<Waiter>();
    let isStopped = false;
    let isWalking = false;
    let done = 0;
    let stumbles = 0;
    let telling: Promise<void> | undefined;

    const tell = (action: () => Promise<void>): Promise<void> => {
      stumbles = 0;
      const told = Promise.resolve().then(action);
      telling = told.then(
        () => {},
        () => {},
      );
      return told;
    };

    const arrived = (number: number): void => {
      for (const waiter of waiters) {
        if (waiter.number > number) continue;
        waiters.delete(waiter);
        waiter.resolve(follower.at());
      }
    };

    const walk = async ({ number, tip }: Seen): Promise<void> => {
      try {
        const result = await advance({ follower, view, goal: tip, tell, goesOn: () => !isStopped });
        if (result === "there") arrived(number);
        if (result !== "changed" || isStopped) return;
        view.doubt();
        // A new tip is on its way. A source that says so again and again does not know its own chain.
        if (++stumbles > 2) throw new SourceError("its blocks do not follow one another");
        void look();
      } catch (error) {
        if (isStopped) return;
        if (error instanceof FollowerError) onTrouble?.({ of: "follower", error: error.cause ?? error });
        else failed(error);
      }
    };

    const wake = (): void => {
      if (isWalking) return;
      isWalking = true;
      void (async () => {
        while (!isStopped && seen !== undefined && seen.number > done) {
          done = seen.number;
          await walk(seen);
        }
        isWalking = false;
      })();
    };

    const self: Follow = {
      wake,
      caughtUp: () =>
        new Promise<Tip>((resolve, reject) => {
          if (isStopped) return reject(new Error("nobody follows any more"));
          waiters.add({ number: begun + 1, resolve, reject });
          void look();
        }),
      stop: async () => {
        isStopped = true;
        follows.delete(self);
        for (const { reject } of waiters) reject(new Error("nobody follows any more"));
        waiters.clear();
        await telling;
      },
    };
    if (isClosed) isStopped = true;
    else {
      follows.add(self);
      wake();
    }
    return self;
  };

  void look();

  return {
    follow,
    look,
    tip: () => seen?.tip,
    feerate: async (blocks): Promise<Feerate | undefined> => {
      try {
        return await view.feerate(blocks);
      } catch (error) {
        failed(error);
        return undefined;
      }
    },
    trouble: () => reason,
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await Promise.all([...follows].map((one) => one.stop()));
    },
  };
};
