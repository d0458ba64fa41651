/** A worker that ends is begun again from disk, but not for ever; who asked it something learns that nobody knows. */

import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { NodeStart } from "../../host/ldk/protocol.ts";
import { type Shard, supervise } from "../../host/ldk/supervise.ts";
import type { NodeEvent } from "../../host/ldk/told.ts";

const openShard = (mostRestarts: number, firstLife = 0) => {
  const lives = new Int32Array(new SharedArrayBuffer(4));
  let life = firstLife;
  const shard = supervise({
    ...{ mostRestarts, pauseMs: 5 },
    start: () =>
      new Worker(new URL("./ldk-supervise.worker.ts", import.meta.url), {
        workerData: { life: life++, lives },
        stdout: true,
        stderr: true,
      }),
  });
  return { shard, lives };
};

const nodeIn = (directory: string): NodeStart => ({
  ...{ directory, listen: undefined, config: {} },
  keys: { kind: "remote", bundle: "" },
});

const begin = async (shard: Shard, directory: () => string = () => "good") => {
  const supervised = await shard.begin(() => nodeIn(directory()));
  const events: NodeEvent[] = [];
  const over = (async () => {
    for await (const event of supervised.events()) events.push(event);
  })();
  return { supervised, events, over };
};

const open = async (mostRestarts: number, firstLife = 0) => {
  const { shard, lives } = openShard(mostRestarts, firstLife);
  return { ...(await begin(shard)), shard, lives };
};

const until = async (look: () => boolean): Promise<void> => {
  const end = Date.now() + 5_000;
  while (!look()) {
    if (Date.now() > end) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const names = (events: readonly NodeEvent[]): readonly string[] => events.map(({ is }) => is);

describe("the supervisor of one node", () => {
  test("answers, fails and stops", async () => {
    const { supervised, events, over, shard, lives } = await open(5);
    expect(supervised.id).toBe("02a0");
    expect(await supervised.ask("info", undefined)).toBe(0);
    await expect(supervised.ask("claim", {})).rejects.toMatchObject({
      name: "Refused",
      message: "by a rule",
    });
    const left = supervised.ask("pay", {});
    const stopping = supervised.stop();
    await expect(left).rejects.toMatchObject({ name: "Interrupted" });
    await stopping;
    await over;
    expect(events).toEqual([{ is: "stopped" }]);
    await expect(supervised.ask("info", undefined)).rejects.toMatchObject({ name: "Interrupted" });
    // Without nodes there is no worker; the next node has one of its own.
    expect(shard.load()).toBe(0);
    expect(await (await begin(shard)).supervised.ask("info", undefined)).toBe(1);
    expect(Atomics.load(lives, 0)).toBe(2);
    await shard.stop();
  });

  test("begins anew after a panic, and says with what words it came", async () => {
    const { supervised, events } = await open(5);
    const panicked = supervised.ask("sync", undefined);
    await expect(panicked).rejects.toMatchObject({ name: "Interrupted" });
    await until(() => events.some(({ is }) => is === "started"));
    expect(await supervised.ask("info", undefined)).toBe(1);
    expect(events[0]).toMatchObject({
      is: "restarted",
      reason: expect.stringMatching(/unreachable.*channel\.rs:6316/s),
      times: 1,
    });
    await supervised.stop();
  });

  test("stays down when it ends too often, or can't begin", async () => {
    const { supervised, events, over, lives } = await open(1);
    await supervised.ask("sync", undefined).catch(() => undefined);
    await until(() => events.some(({ is }) => is === "started"));
    await supervised.ask("sync", undefined).catch(() => undefined);
    await over;
    expect(events.at(-1)).toMatchObject({ is: "failed" });
    expect(Atomics.load(lives, 0)).toBe(2);
    await supervised.stop();

    await expect(open(5, 3)).rejects.toThrow(/could not begin: the file is gone/);
  });

  test("what can't begin again is tried as often as it may, then given up", async () => {
    const { supervised, events, over } = await open(2, 2);
    await supervised.ask("sync", undefined).catch(() => undefined);
    await until(() => events.some((event) => event.is === "started" && event.height === 4));
    expect(events.filter(({ is }) => is === "restarted").length).toBe(2);
    await supervised.ask("sync", undefined).catch(() => undefined);
    await over;
    expect(events.at(-1)).toMatchObject({ is: "failed" });
  });

  test("one that has not begun can be stopped", async () => {
    const { shard } = openShard(5);
    const beginning = begin(shard, () => "slow");
    const failed = expect(beginning).rejects.toThrow(/was stopped/);
    await shard.stop();
    await failed;
    expect(shard.load()).toBe(0);
  });
});

describe("the supervisor of several nodes", () => {
  test("one that can't begin says why, and the others don't hear of it", async () => {
    const { shard, lives } = openShard(5);
    const good = await begin(shard);
    await expect(begin(shard, () => "bad")).rejects.toThrow(/could not begin: no such directory/);
    const slow = begin(shard, () => "slow");
    slow.catch(() => undefined);
    expect(shard.load()).toBe(2);
    expect(await good.supervised.ask("info", undefined)).toBe(0);
    expect(good.events).toEqual([]);
    await shard.stop();
    await expect(slow).rejects.toThrow(/was stopped/);
    expect(Atomics.load(lives, 0)).toBe(1);
  });

  test("all begin anew with the worker, and who ended it too often is left behind", async () => {
    const { shard } = openShard(2, 10);
    const [good, bad] = [await begin(shard), await begin(shard)];
    const starts = (events: readonly NodeEvent[]): number =>
      names(events).filter((is) => is === "started").length;
    for (let times = 1; times <= 3; times++) {
      const left = good.supervised.ask("pay", {}).catch(({ name }) => name);
      // The second is to blame.
      await bad.supervised.ask("sync", 1).catch(() => undefined);
      expect(await left).toBe("Interrupted");
      await until(() => starts(good.events) === times && starts(bad.events) === Math.min(times, 2));
    }
    await bad.over;
    expect(names(bad.events)).toEqual(["restarted", "started", "restarted", "started", "failed"]);
    expect(good.events.at(-2)).toMatchObject({ is: "restarted", times: 3 });
    expect(await good.supervised.ask("info", undefined)).toBe(13);
    // Nobody knows who: all pay.
    await good.supervised.ask("sync", undefined).catch(() => undefined);
    await until(() => starts(good.events) === 4);
    await shard.stop();
  });

  test("one whose first beginning ends the worker fails, and the others go on in another", async () => {
    const { shard } = openShard(2);
    const good = await begin(shard);
    await expect(begin(shard, () => "deadly")).rejects.toThrow(/could not begin: unreachable/);
    await until(() => names(good.events).includes("started"));
    expect(await good.supervised.ask("info", undefined)).toBe(1);
    await shard.stop();
  });

  test("one that ends by itself begins anew by itself: for its signer without end, else as often as it may", async () => {
    const { shard, lives } = openShard(2);
    const [good, other] = [await begin(shard), await begin(shard)];
    const starts = (): number => names(other.events).filter((is) => is === "started").length;
    for (let times = 1; times <= 4; times++) {
      await other.supervised.ask("balance", undefined).catch(() => undefined);
      await until(() => starts() === times);
    }
    for (let times = 5; times <= 6; times++) {
      await other.supervised.ask("channels", undefined).catch(() => undefined);
      await until(() => starts() === times);
    }
    await other.supervised.ask("channels", undefined).catch(() => undefined);
    await other.over;
    expect(other.events.at(-1)).toEqual({ is: "failed", reason: "the disk is full" });
    expect(good.events).toEqual([]);
    expect(Atomics.load(lives, 0)).toBe(1);
    await other.supervised.stop();
    await shard.stop();
  });

  test("one that was there and can't begin again is given up, and the others go on", async () => {
    const { shard, lives } = openShard(2);
    const good = await begin(shard);
    let directory = "good";
    const other = await begin(shard, () => directory);
    directory = "bad";
    await good.supervised.ask("sync", 0).catch(() => undefined);
    await other.over;
    expect(other.events.at(-1)).toEqual({ is: "failed", reason: "no such directory" });
    expect(await good.supervised.ask("info", undefined)).toBe(1);
    expect(Atomics.load(lives, 0)).toBe(2);
    await shard.stop();
  });
});
