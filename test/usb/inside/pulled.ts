/** Cables that are pulled while a device signs. */

import { strict as assert } from "node:assert";
import { feerate } from "../../../protocol/units.ts";
import { add, htlcOf, keysendOf, withFeerate } from "../../scripted/channel.ts";
import { verifyOf } from "../../scripted/checks.ts";
import { curve } from "../../scripted/road.ts";
import { bob } from "../../scripted/scene.ts";
import type { Device, Kind } from "./bus.ts";
import { type Case, sleep } from "./harness.ts";
import type { Owner, Running } from "./owner.ts";
import { channelOn, type Owners, running } from "./signing.ts";

/** Whether the cable was pulled before piece `at`; false where it was answered without. */
const pulledAt = async (device: Device, at: number, isAnswered: () => boolean): Promise<boolean> => {
  for (;;) {
    const isOver = isAnswered();
    if (Number(await device.tell({ do: "counted" })) >= at) return true;
    if (isOver) return false;
    await sleep(10);
  }
};

interface Ended {
  readonly pulls: number;
  readonly pieces: number;
}

/** Commitments of one channel, each signed while the cable is pulled before these pieces: of the request, and of each coming back. */
const signerOf = async (signer: Running, device: Device, label: string) => {
  const on = await channelOn(signer, label);
  const out = htlcOf("holder", 50_000_000n, label);
  await on.advance(0n, on.start);
  await signer.call("proposePayment", keysendOf(on.opened.node, out));
  const held = add(on.start, out);
  let n = 0n;
  return async (...pulls: readonly number[]): Promise<Ended> => {
    n += 1n;
    const balances = withFeerate(held, feerate(1_000 + Number(n % 2n)));
    const { sign } = await on.at(n, balances);
    const [first = 0, ...later] = pulls;
    await device.tell({ do: "count", at: first });
    let isAnswered = false;
    const asked = signer.call("signCounterpartyCommitment", sign).finally(() => {
      isAnswered = true;
    });
    let count = 0;
    for (const [i, at] of pulls.entries()) {
      if (!(await pulledAt(device, at, () => isAnswered))) break;
      count += 1;
      await device.tell({ do: "count", at: later[i] ?? 0 });
      await device.insert();
    }
    const reply = await asked;
    const pieces = Number(await device.tell({ do: "counted" }));
    await device.tell({ do: "count", at: 0 });
    assert.deepEqual(verifyOf(curve, on.opened, bob, sign, reply), []);
    // All four, and so this one once more.
    assert.deepEqual(await on.advance(n, balances), reply);
    return { pulls: count, pieces };
  };
};

interface Plan {
  readonly kind: Kind;
  readonly from: "battery" | "cable";
  /** Each so many of the pieces of an exchange, and the last one. */
  readonly step: number;
  /** The same of the pieces that it takes to come back; 0 where that is left in peace. */
  readonly back: number;
}

const eachOf = (pieces: number, step: number): readonly number[] =>
  Array.from({ length: pieces }, (_, i) => i + 1).filter((at) => (at - 1) % step === 0 || at === pieces);

const pulledWhileSigning = async (owner: Owner, { kind, from, step, back }: Plan): Promise<void> => {
  const { device } = owner;
  await device.tell({ do: "supply", from });
  try {
    await running(owner.over(kind), async (signer) => {
      const signs = await signerOf(signer, device, `pulled from ${kind}, on its ${from}`);
      const { pieces } = await signs();
      assert.ok(pieces >= 2, `only ${pieces} pieces`);
      let pulls = 0;
      for (const at of eachOf(pieces, step)) {
        let [once, twice] = [0, 0];
        // Until it is back before the next pull would come.
        for (let later = 1; once === 0; later += back) {
          const ended = await signs(at, ...(back === 0 ? [] : [later]));
          pulls += ended.pulls;
          assert.ok(ended.pulls > 0, `piece ${at} was never reached`);
          if (ended.pulls === 1) once += 1;
          else twice += 1;
        }
        assert.ok(back === 0 || twice * back >= 4, `it came back through ${twice} pulls`);
      }
      process.stdout.write(`        ${pieces} pieces of an exchange, pulled ${pulls} times\n`);
    });
  } finally {
    await device.tell({ do: "supply", from: "battery" });
  }
};

/** A frame goes into one piece of a serial line or of USB, and into many reports of HID. */
const plans: readonly Plan[] = [
  { kind: "serial", from: "battery", step: 1, back: 3 },
  { kind: "serial", from: "cable", step: 1, back: 12 },
  { kind: "usb", from: "cable", step: 1, back: 0 },
  { kind: "hid", from: "battery", step: 1, back: 0 },
];

export const pulledCases = ([first]: Owners): readonly Case[] => {
  if (first === undefined) throw new RangeError("one owner at least");
  return plans.map((plan) => ({
    name: `pulled while signing over ${plan.kind}, power from the ${plan.from}`,
    limit: 240_000,
    run: async () => pulledWhileSigning(await first(), plan),
  }));
};
