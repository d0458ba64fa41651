import { expect, test } from "vitest";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { add, htlcOf, preimageOf, remove } from "../scripted/channel.ts";
import { verifyOf } from "../scripted/checks.ts";
import { deviceBench } from "../scripted/device.ts";
import { deviceTerms } from "../scripted/device-life.ts";
import { curve, rig } from "../scripted/road.ts";
import { bob, scene } from "../scripted/scene.ts";

test("a channel opens and advances with its keys on a device", async () => {
  const bench = await deviceBench();
  const keyring = await bench.keyring(grouped(memoryDisk().open()));
  const signer = await rig({ watch: () => keyring });
  const on = await scene({ signer, terms: deviceTerms });
  const sent = htlcOf("holder", 50_000_000n, "a");
  const held = add(on.start, sent);
  for (const [n, balances] of [on.start, held, remove(held, sent, "fulfil")].entries()) {
    const { sign } = await on.at(BigInt(n), balances, n === 2 ? [preimageOf("a")] : []);
    const reply = await on.advance(BigInt(n), balances, n === 2 ? [preimageOf("a")] : []);
    expect(verifyOf(curve, on.opened, bob, sign, reply)).toEqual([]);
  }
  expect(signer.faults).toEqual([]);
  expect(bench.faults).toEqual([]);
  await keyring.close();
  await bench.close();
});
