/** A device says how long a message may be, and gets its records back in messages that are no longer. */

import { expect, test } from "vitest";
import { usualMessage } from "../../protocol/link.ts";
import { KeysAway } from "../../signer/core/ports.ts";
import { openShelf } from "../../signer/device/shelf.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { deviceBench } from "../scripted/device.ts";
import { wholeLife } from "../scripted/device-life.ts";
import { rig } from "../scripted/road.ts";

test("records come back in as many messages as a small device needs, and one that is too long is said to be", async () => {
  let maxMessage = usualMessage;
  const bench = await deviceBench({ maxMessage: () => maxMessage });
  const kept = memoryDisk();
  const own = memoryDisk();
  const start = (patienceMs = 5_000) => bench.keyring(grouped(kept.open()), { patienceMs });
  let keyring = await start();
  const signer = await rig({ disk: own, watch: () => keyring, proposes: false });
  await wholeLife(signer);
  await keyring.close();
  const shelf = await openShelf(kept.open(), bench.device().key);
  const pages = shelf.pages().map(({ length }) => length);
  const [sum, longest] = [pages.reduce((a, b) => a + b), Math.max(...pages)];
  const again = async (most: number, patienceMs?: number): Promise<void> => {
    maxMessage = most;
    await bench.powerCycle();
    keyring = await start(patienceMs);
  };

  // Room for the longest, and not for all of them at once.
  expect(sum).toBeGreaterThan(longest + 64);
  await again(longest + 64);
  expect(await keyring.random(1)).toHaveLength(1);
  await keyring.close();

  await again(Math.floor(longest / 2), 0);
  while (keyring.state() !== "records") await new Promise((done) => setTimeout(done, 5));
  const error = await keyring.random(1).catch((reason: unknown) => reason);
  if (!(error instanceof KeysAway)) throw new Error(`not away: ${error}`);
  expect(error.refusal.facts).toContainEqual({ name: "is", value: "records" });
  expect(error.refusal.facts.find(({ name }) => name === "because")?.value).toMatch(
    /^a record of \d+ bytes is longer than this device takes: \d+ bytes in a message$/,
  );
  expect(bench.faults).toEqual([]);
  await keyring.close();
  await bench.close();
});
