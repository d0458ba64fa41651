/** A worker that ends is begun again from disk, but not for ever; who asked it something learns that nobody knows. */

import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { supervise } from "../../host/ldk/supervise.ts";
import type { NodeEvent } from "../../host/ldk/told.ts";

const open = async (mostRestarts: number, firstLife = 0) => {
  const lives = new Int32Array(new SharedArrayBuffer(4));
  let life = firstLife;
  const supervised = await supervise({
    mostRestarts,
    start: () =>
      new Worker(new URL("./ldk-supervise.worker.ts", import.meta.url), {
        workerData: { life: life++, lives },
        stdout: true,
        stderr: true,
      }),
  });
  const events: NodeEvent[] = [];
  const over = (async () => {
    for await (const event of supervised.events()) events.push(event);
  })();
  return { supervised, events, over, lives };
};

const until = async (look: () => boolean): Promise<void> => {
  const end = Date.now() + 5_000;
  while (!look()) {
    if (Date.now() > end) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe("the supervisor", () => {
  test("answers, fails and stops", async () => {
    const { supervised, events, over } = await open(5);
    expect(supervised.id).toBe("02aa");
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
});
