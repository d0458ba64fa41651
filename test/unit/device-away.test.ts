/** What a signer says of a device that it can't ask: nothing is there, or something is and it is not the one. */

import { afterEach, expect, test } from "vitest";
import { type KeyPair, keyPair, type Link, LinkError } from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import type { NodeId } from "../../protocol/units.ts";
import { KeysAway } from "../../signer/core/ports.ts";
import type { Absence } from "../../signer/device/away.ts";
import { type DeviceKeyring, openDeviceKeyring } from "../../signer/device/keyring.ts";
import { openShelf } from "../../signer/device/shelf.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { type Bench, deviceBench } from "../scripted/device.ts";
import { keyringOf } from "../scripted/device-rig.ts";
import { plainTime } from "../scripted/road.ts";

const stranger = (): KeyPair => keyPair(new Secret(new Uint8Array(32).fill(77)));

const closings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).toReversed()) await close();
});

interface Seen {
  readonly states: (Absence | "open")[];
  readonly keyring: DeviceKeyring;
  /** What was said when it came to be so first. */
  reached(state: Absence | "open"): Promise<string>;
}

const watched = async (
  connect: () => Promise<Link>,
  faults: unknown[],
  now: () => number = () => plainTime,
): Promise<Seen> => {
  const states: (Absence | "open")[] = [];
  const reasons = new Map<string, PromiseWithResolvers<string>>();
  const reason = (state: Absence | "open"): PromiseWithResolvers<string> => {
    const known = reasons.get(state) ?? Promise.withResolvers<string>();
    reasons.set(state, known);
    return known;
  };
  const keyring = openDeviceKeyring({
    name: "bench",
    node: keyringOf().node as NodeId,
    network: "regtest",
    tier: "full",
    index: 0,
    passphrase: false,
    connect,
    shelf: await openShelf(memoryDisk().open(), new Uint8Array(32)),
    now,
    witness: () => 0,
    onState: (state, because) => {
      if (state !== "opening") states.push(state);
      reason(state).resolve(because);
    },
    report: (error) => faults.push(error),
    times: { patienceMs: 100, retryMs: 20 },
  });
  closings.push(keyring.close);
  return {
    states,
    keyring,
    reached: (state) => reason(state).promise,
  };
};

const benched = async (): Promise<Bench> => {
  const bench = await deviceBench();
  closings.push(bench.close);
  return bench;
};

test.each<readonly [string, () => Parameters<Bench["connect"]>[0], RegExp]>([
  ["knows this signer and has another key", () => ({ device: stranger().public }), /its key is not that of/],
  ["does not know this signer", () => ({ identity: stranger() }), /does not know this signer's key/],
])(
  "a device that %s is not taken for an empty socket, and the right one is open after it",
  async (_, as, because) => {
    const bench = await benched();
    let isWrong = true;
    const seen = await watched(() => bench.connect(isWrong ? as() : {}), bench.faults);
    expect(await seen.reached("wrong-device")).toMatch(because);
    expect(seen.states).toEqual(["wrong-device"]);
    const asked = await seen.keyring.random(1).catch((error: unknown) => error);
    if (!(asked instanceof KeysAway)) throw new Error(`not away: ${asked}`);
    expect(asked.refusal.facts).toContainEqual({ name: "is", value: "wrong-device" });
    isWrong = false;
    await seen.reached("open");
    expect(seen.states).toEqual(["wrong-device", "open"]);
    expect(bench.faults).toEqual([]);
  },
);

test("where nothing answers it says unplugged, and of a link of no common version that it is one", async () => {
  const faults: unknown[] = [];
  const ends: readonly (readonly ["gone" | "silent" | "version", Absence])[] = [
    ["gone", "unplugged"],
    ["silent", "unplugged"],
    ["version", "other-version"],
  ];
  for (const [why, absence] of ends) {
    let isFirst = true;
    const seen = await watched(async () => {
      if (!isFirst) throw new LinkError("gone", "the end");
      isFirst = false;
      throw new LinkError(why, `because ${why}`);
    }, faults);
    expect(await seen.reached(absence)).toBe(`because ${why}`);
  }
  expect(faults).toEqual([]);
});

test("a clock that leaps is the person's to agree to; meanwhile the device is away, and says why", async () => {
  const time = { signer: plainTime, device: plainTime };
  const asked = Promise.withResolvers<void>();
  const bench = await deviceBench({
    tick: () => time.device * 1_000,
    lingers: (title) => {
      if (title === "Is it this time?") asked.resolve();
      return title === "Is it this time?";
    },
  });
  closings.push(bench.close);
  const { keyring, reached, states } = await watched(bench.connect, bench.faults, () => time.signer);
  await reached("open");
  const { node } = keyring;
  const says = () =>
    keyring.second.judge({ name: "signMessage", body: { node, message: new Uint8Array(4) } } as never);
  expect(await says()).toMatchObject({ is: "reply" });
  time.signer += 30 * 86_400;
  const refused = await says().catch((error: unknown) => error);
  if (!(refused instanceof KeysAway)) throw new Error(`not away: ${JSON.stringify(refused)}`);
  expect(refused.refusal.facts).toContainEqual({ name: "is", value: "clock" });
  expect(refused.refusal).toMatchObject({ final: false, hint: expect.stringContaining("clock") });
  await asked.promise;
  expect(keyring.state()).toBe("clock");
  bench.goOn();
  await expect.poll(says, { timeout: 5_000 }).toMatchObject({ is: "reply" });
  expect(states).toEqual(["open", "clock", "open"]);
  expect(bench.faults).toEqual([]);
});

test("closing does not wait until a device that said no would be asked again", async () => {
  const bench = await deviceBench({ consents: (title) => title !== "Keep node keys" });
  closings.push(bench.close);
  const { keyring, reached } = await watched(bench.connect, bench.faults);
  expect(await reached("busy")).toBe("the person at the device said no");
  const { asked } = bench;
  const before = asked.length;
  await keyring.close();
  expect(asked.length).toBe(before);
  // Half of what it would wait.
}, 10_000);
