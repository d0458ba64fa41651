import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { type ObserveOptions, observe, type Trouble } from "../../chain/observe.ts";
import type { Connected, Disconnected, Follower, Observer } from "../../chain/observer.ts";
import { type ChainSource, SourceError, type Tip } from "../../chain/source.ts";
import { decodeHeader } from "../../protocol/bitcoin/header.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { feerate, height } from "../../protocol/units.ts";

const opened: Observer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

const never = 1_000_000_000;
const watch = (source: ChainSource, more: Partial<ObserveOptions> = {}): Observer => {
  const observer = observe({ source, everyMs: never, ...more });
  opened.push(observer);
  return observer;
};

interface Log {
  readonly follower: Follower;
  /** "+5" and "-5". */
  readonly told: string[];
  readonly at: () => Tip;
}

interface Behaviour {
  readonly connected?: (block: Connected) => Promise<void> | void;
  readonly disconnected?: (block: Disconnected) => Promise<void> | void;
}

/** Follows from a tip on, and fails the test when what it is told does not follow from where it stands. */
const logging = (from: Tip, behaviour: Behaviour = {}): Log => {
  let at = from;
  const told: string[] = [];
  const follower: Follower = {
    at: () => at,
    connected: async (block) => {
      await behaviour.connected?.(block);
      expect(block.height).toBe(at.height + 1);
      expect(decodeHeader(block.header).previous).toEqual(at.hash);
      expect(block.block.subarray(0, 80)).toEqual(block.header);
      told.push(`+${block.height}`);
      at = { height: block.height, hash: block.hash };
    },
    disconnected: async (block) => {
      await behaviour.disconnected?.(block);
      expect(block.hash).toEqual(at.hash);
      expect(block.height).toBe(at.height);
      told.push(`-${block.height}`);
      at = { height: height(at.height - 1), hash: decodeHeader(block.header).previous };
    },
  };
  return { follower, told, at: () => at };
};

const genesis = (chain: EmbeddedChain): Tip => ({
  height: height(0),
  hash: chain.blockAt(0)?.hash ?? new Uint8Array(),
});

type Call = Exclude<keyof ChainSource, "name">;

/** Counts what is asked, and may answer otherwise. */
const spied = (source: ChainSource, change: Partial<ChainSource> = {}) => {
  const calls: string[] = [];
  const note =
    <A extends unknown[], R>(name: Call, real: (...asked: A) => R) =>
    (...asked: A): R => {
      const [what] = asked;
      calls.push(
        what instanceof Uint8Array ? `${name} ${toHex(what)}` : `${name} ${String(what ?? "")}`.trim(),
      );
      return real(...asked);
    };
  const all = { ...source, ...change };
  const spy: ChainSource = {
    name: source.name,
    tip: note("tip", all.tip),
    hashAt: note("hashAt", all.hashAt),
    header: note("header", all.header),
    block: note("block", all.block),
    feerate: note("feerate", all.feerate),
    publish: note("publish", all.publish),
    close: note("close", all.close),
  };
  return { spy, calls, count: (name: Call) => calls.filter((one) => one.split(" ")[0] === name).length };
};

const range = (sign: "+" | "-", from: number, to: number): string[] =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => `${sign}${sign === "+" ? from + i : from - i}`);

describe("a follower", () => {
  test("is told of every block in order, and of later ones at the next look", async () => {
    const chain = openChain();
    chain.mine(5);
    const observer = watch(chain.source);
    const log = logging(genesis(chain));
    const following = observer.follow(log.follower);
    expect(await following.caughtUp()).toEqual(chain.tip());
    expect(log.told).toEqual(range("+", 1, 5));
    chain.mine(2);
    expect(observer.tip()?.height).toBe(5);
    await observer.look();
    expect(observer.tip()).toEqual(chain.tip());
    await vi.waitFor(() => expect(log.told).toEqual(range("+", 1, 7)));
  });

  test("is told by the interval alone, too", async () => {
    const chain = openChain();
    const observer = watch(chain.source, { everyMs: 5 });
    const log = logging(genesis(chain));
    observer.follow(log.follower);
    chain.mine(3);
    await vi.waitFor(() => expect(log.told).toEqual(range("+", 1, 3)));
  });

  test("that waits to be caught up sees what the source had when it asked", async () => {
    const chain = openChain();
    const observer = watch(chain.source);
    const log = logging(genesis(chain));
    const following = observer.follow(log.follower);
    for (let i = 0; i < 20; i++) {
      // While a look is under way, which may have asked before.
      void observer.look();
      chain.mine(1);
      const { height } = await following.caughtUp();
      expect(height).toBe(chain.tip().height);
    }
  });

  test("is led from a branch that is gone: newest first, down to the fork, then up", async () => {
    const chain = openChain();
    chain.mine(6);
    const observer = watch(chain.source);
    const log = logging(genesis(chain));
    const following = observer.follow(log.follower);
    await following.caughtUp();
    log.told.length = 0;
    chain.reorganise(3, 5);
    expect(await following.caughtUp()).toEqual(chain.tip());
    expect(log.told).toEqual([...range("-", 6, 4), ...range("+", 4, 8)]);
  });

  test("that stands on a branch from before this process began is led from there", async () => {
    const chain = openChain();
    chain.mine(6);
    const stale = chain.tip();
    chain.reorganise(2, 3);
    chain.reorganise(4, 6);
    const observer = watch(chain.source);
    const log = logging(stale);
    await observer.follow(log.follower).caughtUp();
    expect(log.told).toEqual([...range("-", 6, 4), ...range("+", 4, 9)]);
  });

  test("is led right when the chain changes while it is being led", async () => {
    const chain = openChain();
    chain.mine(8);
    const changes = new Map<string, () => void>([
      ["+5", () => chain.reorganise(5, 7)],
      ["-4", () => chain.reorganise(6, 9)],
      ["+9", () => chain.mine(2)],
    ]);
    const log = logging(genesis(chain));
    const act = (name: string) => {
      const change = changes.get(name);
      changes.delete(name);
      change?.();
    };
    const follower: Follower = {
      at: log.at,
      connected: async (block) => {
        await log.follower.connected(block);
        act(`+${block.height}`);
      },
      disconnected: async (block) => {
        await log.follower.disconnected(block);
        act(`-${block.height}`);
      },
    };
    const observer = watch(chain.source);
    const following = observer.follow(follower);
    await following.caughtUp();
    expect(await following.caughtUp()).toEqual(chain.tip());
    expect(changes.size).toBe(0);
    expect(observer.trouble()).toBeUndefined();
  });

  test("stays where it is while the source is behind on the same chain", async () => {
    const chain = openChain();
    chain.mine(6);
    const { hash, height: at } = chain.blockAt(3) ?? chain.mine(1)[0] ?? genesis(chain);
    let behind = true;
    const { spy } = spied(chain.source, {
      tip: async () => (behind ? { height: at, hash } : chain.source.tip()),
      hashAt: async (asked) => (behind && asked > at ? undefined : chain.source.hashAt(asked)),
    });
    const observer = watch(spy);
    const log = logging(chain.tip());
    const following = observer.follow(log.follower);
    expect((await following.caughtUp()).height).toBe(6);
    chain.mine(1);
    behind = false;
    await following.caughtUp();
    expect(log.told).toEqual(["+7"]);
  });

  test("of another chain is told nothing, and the source is troubled", async () => {
    const chain = openChain();
    chain.mine(3);
    const other = openChain();
    const [, , there] = other.mine(3, { tag: "another" });
    const observer = watch(chain.source);
    const log = logging({ height: height(3), hash: there?.hash ?? new Uint8Array() });
    observer.follow(log.follower);
    await vi.waitFor(() => expect(observer.trouble()).toBe("no such block"));
    expect(log.told).toEqual([]);
    // Also where the source knows its blocks.
    const both = spied(chain.source, {
      header: (hash) => other.source.header(hash),
      hashAt: async () => new Uint8Array(32),
    });
    const second = watch(both.spy);
    second.follow(log.follower);
    await vi.waitFor(() => expect(second.trouble()).toBe("it shows another chain"));
    expect(log.told).toEqual([]);
  });

  test("that throws is asked again at the next look, from where it stands", async () => {
    const chain = openChain();
    chain.mine(4);
    const troubles: Trouble[] = [];
    const observer = watch(chain.source, { onTrouble: (one) => troubles.push(one) });
    let broken = true;
    const log = logging(genesis(chain), {
      connected: ({ height }) => {
        if (height === 3 && broken) throw new Error("disk full");
      },
    });
    await observer.look();
    const following = observer.follow(log.follower);
    await vi.waitFor(() => expect(troubles).toHaveLength(1));
    expect(troubles).toEqual([{ of: "follower", error: new Error("disk full") }]);
    expect(observer.trouble()).toBeUndefined();
    const caughtUp = following.caughtUp();
    await vi.waitFor(() => expect(troubles).toHaveLength(2));
    expect(log.told).toEqual(["+1", "+2"]);
    broken = false;
    await observer.look();
    expect((await caughtUp).height).toBe(4);
    expect(log.told).toEqual(range("+", 1, 4));
  });

  test("that does not move is not told the same for ever", async () => {
    const chain = openChain();
    chain.mine(1);
    const troubles: Trouble[] = [];
    const observer = watch(chain.source, { onTrouble: (one) => troubles.push(one) });
    const connected = vi.fn(async () => {});
    observer.follow({ at: () => genesis(chain), connected, disconnected: async () => {} });
    await vi.waitFor(() => expect(troubles).toHaveLength(1));
    await pause(10);
    expect(connected).toHaveBeenCalledTimes(1);
    expect(String(troubles[0]?.error)).toContain("stood before");
  });

  test("hears nothing after it stopped, not even the end of what it was told", async () => {
    const chain = openChain();
    chain.mine(5);
    const observer = watch(chain.source);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const log = logging(genesis(chain), { connected: ({ height }) => (height === 2 ? held : undefined) });
    const following = observer.follow(log.follower);
    const caughtUp = following.caughtUp();
    await vi.waitFor(() => expect(log.told).toEqual(["+1"]));
    let stopped = false;
    const stop = following.stop().then(() => {
      stopped = true;
    });
    await expect(caughtUp).rejects.toThrow("nobody follows");
    expect(stopped).toBe(false);
    release();
    await stop;
    expect(log.told).toEqual(["+1", "+2"]);
    await observer.look();
    await pause(5);
    expect(log.told).toEqual(["+1", "+2"]);
    await expect(following.caughtUp()).rejects.toThrow("nobody follows");
  });
});

describe("several followers", () => {
  test("cost the source no more than one", async () => {
    const chain = openChain();
    chain.mine(10);
    const { spy, calls } = spied(chain.source);
    const observer = watch(spy);
    const logs = Array.from({ length: 50 }, () => logging(genesis(chain)));
    const followings = logs.map(({ follower }) => observer.follow(follower));
    await Promise.all(followings.map((one) => one.caughtUp()));
    for (const { told } of logs) expect(told).toEqual(range("+", 1, 10));
    expect(new Set(calls.filter((one) => one !== "tip")).size).toBe(
      calls.filter((one) => one !== "tip").length,
    );
    calls.length = 0;
    chain.reorganise(2, 3);
    await Promise.all(followings.map((one) => one.caughtUp()));
    expect(calls.filter((one) => one.startsWith("block"))).toHaveLength(3);
    // Headers of blocks that were shown before are kept.
    expect(calls.filter((one) => one.startsWith("header"))).toEqual([]);
    expect(logs.every(({ at }) => equal(at().hash, chain.tip().hash))).toBe(true);
  });

  test("stand where they stand: one ahead, one behind, one on a branch that is gone, one at the tip", async () => {
    const chain = openChain();
    chain.mine(6);
    const gone = chain.tip();
    chain.reorganise(3, 6);
    const at = (n: number): Tip => ({ height: height(n), hash: chain.blockAt(n)?.hash ?? new Uint8Array() });
    const observer = watch(chain.source);
    const logs = [at(0), at(7), gone, at(9)].map((from) => logging(from));
    await Promise.all(logs.map(({ follower }) => observer.follow(follower).caughtUp()));
    expect(logs.map(({ told }) => told)).toEqual([
      range("+", 1, 9),
      range("+", 8, 9),
      [...range("-", 6, 4), ...range("+", 4, 9)],
      [],
    ]);
  });

  test("do not wait for a slow one, nor for one that is broken", async () => {
    const chain = openChain();
    chain.mine(5);
    const observer = watch(chain.source);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = logging(genesis(chain), { connected: ({ height }) => (height === 2 ? held : undefined) });
    const broken = logging(genesis(chain), {
      connected: () => {
        throw new Error("no");
      },
    });
    const fast = logging(genesis(chain));
    const following = [slow, broken, fast].map(({ follower }) => observer.follow(follower));
    expect((await following[2]?.caughtUp())?.height).toBe(5);
    chain.reorganise(5, 9);
    expect((await following[2]?.caughtUp())?.height).toBe(9);
    expect(slow.told).toEqual(["+1"]);
    release();
    await following[0]?.caughtUp();
    // What it was being told was on the old branch, and is taken back.
    expect(slow.told).toEqual(["+1", "+2", "-2", "-1", ...range("+", 1, 9)]);
  });
});

describe("a source that fails", () => {
  test("is trouble until it answers again, with longer and longer pauses", async () => {
    const chain = openChain();
    chain.mine(2);
    let broken = true;
    const times: number[] = [];
    const { spy } = spied(chain.source, {
      tip: async () => {
        times.push(performance.now());
        if (broken) throw new SourceError("connection refused");
        return chain.source.tip();
      },
    });
    const troubles: Trouble[] = [];
    const observer = watch(spy, {
      retry: { firstMs: 10, mostMs: 80 },
      onTrouble: (one) => troubles.push(one),
    });
    const log = logging(genesis(chain));
    const following = observer.follow(log.follower);
    const caughtUp = following.caughtUp();
    await observer.look();
    expect(observer.trouble()).toBe("connection refused");
    expect(observer.tip()).toBeUndefined();
    await vi.waitFor(() => expect(times.length).toBeGreaterThan(5));
    const gaps = times.slice(2).map((time, i) => time - (times[i + 1] ?? 0));
    expect(gaps[2]).toBeGreaterThan(35);
    expect(troubles.every(({ of }) => of === "source")).toBe(true);
    broken = false;
    expect((await caughtUp).height).toBe(2);
    expect(observer.trouble()).toBeUndefined();
    expect(log.told).toEqual(["+1", "+2"]);
  });

  test("on the way leaves the follower where it stands, and goes on from there", async () => {
    const chain = openChain();
    chain.mine(6);
    let left = 3;
    const { spy } = spied(chain.source, {
      block: async (hash) => {
        if (left-- === 0) throw new SourceError("timed out");
        return chain.source.block(hash);
      },
    });
    const observer = watch(spy, { retry: { firstMs: 5, mostMs: 5 }, everyMs: 20 });
    const log = logging(genesis(chain));
    expect((await observer.follow(log.follower).caughtUp()).height).toBe(6);
    expect(log.told).toEqual(range("+", 1, 6));
  });

  test.each([
    ["shows one block at every height", (tip: Tip) => tip.hash, "it shows another chain"],
    ["lacks what is below its tip", () => undefined, "its blocks do not follow one another"],
    ["shows blocks in another order", (tip: Tip) => tip.hash, "its blocks do not follow one another"],
  ] as const)("that %s is trouble, and not asked without a pause", async (what, answer, reason) => {
    const chain = openChain();
    chain.mine(3);
    const first = genesis(chain);
    const { spy, count } = spied(chain.source, {
      hashAt: async (at) => (at === 0 && !what.includes("every") ? first.hash : answer(chain.tip())),
    });
    const observer = watch(spy, { retry: { firstMs: 30, mostMs: 60 } });
    const log = logging(first);
    observer.follow(log.follower);
    await vi.waitFor(() => expect(observer.trouble()).toBe(reason));
    const asked = count("tip");
    await pause(10);
    expect(count("tip")).toBe(asked);
    expect(asked).toBeLessThan(6);
    expect(log.told).toEqual([]);
  });

  test("can't be told of fees is no error either", async () => {
    const chain = openChain();
    const { spy, count } = spied(chain.source);
    const observer = watch(spy);
    await observer.look();
    expect(await observer.feerate(6)).toBeUndefined();
    chain.suggest(feerate(1234));
    expect(await observer.feerate(6)).toBeUndefined();
    expect(await observer.feerate(12)).toBe(1234);
    await observer.look();
    const asked = await Promise.all([observer.feerate(6), observer.feerate(6), observer.feerate(12)]);
    expect(asked).toEqual([1234, 1234, 1234]);
    expect(count("feerate")).toBe(4);
    const failing = watch({ ...chain.source, feerate: () => Promise.reject(new SourceError("no")) });
    await failing.look();
    expect(await failing.feerate(6)).toBeUndefined();
    expect(failing.trouble()).toBe("no");
  });
});

test("a closed observer is quiet", async () => {
  const chain = openChain();
  chain.mine(1);
  const { spy, calls } = spied(chain.source);
  const observer = watch(spy, { everyMs: 1 });
  const log = logging(genesis(chain));
  const following = observer.follow(log.follower);
  await following.caughtUp();
  await observer.close();
  calls.length = 0;
  chain.mine(1);
  await observer.look();
  await pause(10);
  expect(calls).toEqual([]);
  expect(log.told).toEqual(["+1"]);
  await expect(observer.follow(log.follower).caughtUp()).rejects.toThrow("nobody follows");
  await observer.close();
});
