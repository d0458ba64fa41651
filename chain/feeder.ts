/**
 * Shows a signer's session the blocks of a source: the host's, or the signer's own. What the source says is proved or
 * refused there. Nothing that it says is taken on trust, and nothing that it hides is missed for long.
 */

import { equal } from "../protocol/bytes.ts";
import { type chainOperations, maxHeaders, partLength } from "../protocol/operations/chain.ts";
import type { Name, Reply, Request } from "../protocol/operations/index.ts";
import type { Outcome } from "../protocol/outcome.ts";
import { type Height, height } from "../protocol/units.ts";
import type { Connected, Disconnected, Follower, Observer } from "./observer.ts";
import { patience } from "./patience.ts";
import type { ChainSource, Tip } from "./source.ts";

type ChainName = keyof typeof chainOperations;
export type ChainAsk = <N extends ChainName>(name: N, body: Omit<Request<N>, "node">) => Promise<Outcome<N>>;

export type FeederEvent =
  /** The session has what the source had when it was asked. */
  | { readonly is: "followed"; readonly height: Height }
  | { readonly is: "takenBack"; readonly height: Height }
  /** It is tried again. */
  | { readonly is: "trouble"; readonly reason: string };

export interface FeederParts {
  readonly ask: ChainAsk;
  readonly source: Pick<ChainSource, "tip" | "hashAt" | "header" | "block">;
  readonly observer: Pick<Observer, "follow">;
  /** No channel was ever set up: nothing can be hidden in the blocks so far, and their headers are enough. */
  readonly isFresh: () => boolean;
  /** Somebody else shows the session its blocks, or nobody has to: asked before any is shown, and now and then. */
  readonly isWanted?: () => Promise<boolean>;
  readonly connected?: (block: Connected) => void;
  readonly disconnected?: (block: Pick<Disconnected, "height">) => void;
  readonly told?: (event: FeederEvent) => void;
  /** After the source has shown what is no chain, or nothing; doubled each time, up to the most. */
  readonly retry?: { readonly firstMs: number; readonly mostMs: number };
  readonly patienceMs?: number;
}

export interface Feeder {
  /** Undefined while blocks are shown, or there are none to be shown. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

class Unshown extends Error {
  override readonly name = "Unshown";
}

/** Requests to a source at a time. */
const abreast = 16;
const unwantedMs = 60_000;
const usual = { firstMs: 30_000, mostMs: 30_000 };

/** For logs and for people: what came instead of a reply. */
export const reasonOf = (outcome: Exclude<Outcome<Name>, { is: "reply" }>): string => {
  switch (outcome.is) {
    case "refusal": {
      const { rule, facts } = outcome.refusal;
      const told = facts.map(({ name, value }) => `${name} ${value}`).join(", ");
      return told === "" ? rule : `${rule}: ${told}`;
    }
    case "malformed":
      return `${outcome.malformed.path}: ${outcome.malformed.reason}`;
    case "fault":
      return `the signer has a fault: ${outcome.fault.sentence}`;
  }
};

const must = <N extends Name>(outcome: Outcome<N>): Reply<N> => {
  if (outcome.is === "reply") return outcome.reply;
  throw new Unshown(`what it shows is not the chain: ${reasonOf(outcome)}`);
};

const nothing = (): void => {};

export const openFeeder = (parts: FeederParts): Feeder => {
  const { ask, source, observer, told = nothing, retry = usual, patienceMs = 60_000 } = parts;
  const { connected = nothing, disconnected = nothing, isWanted = async () => true } = parts;
  let at: Tip | undefined;
  let trouble: string | undefined;
  let failures = 0;
  const { wait, stop } = patience(patienceMs);
  const { promise: stopped, resolve: stopAll } = Promise.withResolvers<void>();
  let closed = false;

  const takeBack = async (tip: Tip): Promise<Tip> => {
    const before = must(await ask("chainDisconnect", { hash: tip.hash }));
    told({ is: "takenBack", height: tip.height });
    disconnected(tip);
    return before;
  };

  /** The source may have gone on along another branch while the signer was off. */
  const leaveFork = async (tip: Tip): Promise<Tip> => {
    const there = await wait(source.hashAt(tip.height));
    // It is behind us, and may catch up.
    if (there === undefined || equal(there, tip.hash) || closed) return tip;
    return leaveFork(await takeBack(tip));
  };

  const headerAt = async (at: Height): Promise<Uint8Array> => {
    const hash = await wait(source.hashAt(at));
    if (hash === undefined) throw new Unshown(`no block at height ${at}, which is below its tip`);
    return wait(source.header(hash));
  };

  const headersFrom = async (first: number, count: number): Promise<readonly Uint8Array[]> => {
    const all: Uint8Array[] = [];
    while (all.length < count && !closed) {
      const heights = Array.from({ length: Math.min(abreast, count - all.length) }, (_, i) =>
        height(first + all.length + i),
      );
      all.push(...(await Promise.all(heights.map(headerAt))));
    }
    return all;
  };

  /** Up to the block before the source's last: that one is shown whole, like all after it. */
  const passHeaders = async (from: Tip): Promise<Tip> => {
    let tip = from;
    const last = (await wait(source.tip())).height - 1;
    while (tip.height < last && !closed) {
      const headers = await headersFrom(tip.height + 1, Math.min(maxHeaders, last - tip.height));
      const outcome = await ask("chainHeaders", { headers });
      // Whole blocks were shown before, and nothing less does from there on.
      if (outcome.is === "refusal" && outcome.refusal.facts.some(({ value }) => value === "coverage")) break;
      tip = must(outcome);
    }
    return tip;
  };

  const begin = async (): Promise<Tip> => {
    const { followed, wholeSince, ...tipOfSession } = must(await ask("chainTip", {}));
    if (!followed) throw new Unshown("no chain is followed");
    const tip = await leaveFork(tipOfSession);
    return wholeSince > tipOfSession.height && parts.isFresh() ? passHeaders(tip) : tip;
  };

  const show = async ({ hash, block }: Pick<Connected, "hash" | "block">): Promise<Tip> => {
    const count = Math.max(1, Math.ceil(block.length / partLength));
    const part = (index: number): Uint8Array => block.subarray(index * partLength, (index + 1) * partLength);
    for (let index = 0; index < count - 1; index++)
      must(await ask("chainPart", { hash, index, bytes: part(index) }));
    return must(await ask("chainConnect", { hash, parts: count - 1, bytes: part(count - 1) }));
  };

  /** A block may have been damaged on its way, and kept by the observer since; or the signer forgot its first parts. */
  const showAnew = async (shown: Connected): Promise<Connected> => {
    try {
      at = await show(shown);
      return shown;
    } catch {
      const block = await wait(source.block(shown.hash));
      at = await show({ hash: shown.hash, block });
      return { ...shown, block };
    }
  };

  /** Until the session refuses what is shown, or nobody is to be shown anything any more. */
  const follow = async (): Promise<void> => {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(nothing);
    let broken = false;
    const guarded = async (action: () => Promise<void>): Promise<void> => {
      if (broken || closed) throw new Unshown("not followed any more");
      try {
        await action();
        trouble = undefined;
        failures = 0;
      } catch (error) {
        broken = true;
        failed.reject(error);
        throw error;
      }
    };
    const follower: Follower = {
      at: () => at as Tip,
      connected: (block) =>
        guarded(async () => {
          const shown = await showAnew(block);
          // Somebody else moves it: whatever is shown changes nothing.
          if (at !== undefined && !equal(at.hash, block.hash)) throw new Unshown("its tip is another's");
          connected(shown);
        }),
      disconnected: (block) =>
        guarded(async () => {
          at = await takeBack(block);
        }),
    };
    const following = observer.follow(follower);
    void following.caughtUp().then((tip) => told({ is: "followed", height: tip.height }), nothing);
    try {
      trouble = undefined;
      await Promise.race([failed.promise, stopped]);
    } finally {
      await following.stop();
    }
  };

  const pause = async (ms: number): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((done) => {
      timer = setTimeout(done, ms);
      timer.unref();
    });
    await Promise.race([over, stopped]);
    clearTimeout(timer);
  };

  const run = async (): Promise<void> => {
    while (!closed) {
      try {
        if (!(await isWanted())) {
          trouble = undefined;
          await pause(unwantedMs);
          continue;
        }
        at = await begin();
        await follow();
      } catch (error) {
        if (closed) return;
        trouble = error instanceof Error ? error.message : "it failed";
        told({ is: "trouble", reason: trouble });
        await pause(Math.min(retry.firstMs * 2 ** failures++, retry.mostMs));
      }
    }
  };
  const running = run();

  return {
    trouble: () => trouble,
    close: async () => {
      closed = true;
      stop();
      stopAll();
      await running;
    },
  };
};
