import { expect, test } from "vitest";
import { simulateDevice } from "../../firmware-sim/index.ts";
import { unknown } from "../../protocol/codec.ts";
import { Secret } from "../../protocol/secret.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import { journal } from "../../signer/journal.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { curve } from "../scripted/road.ts";

test("the core answers behind a link in memory, through the codec of every other link", async () => {
  const seed = new Secret(new Uint8Array(64).fill(3));
  const keyring = softwareKeyring({ seed, network: "regtest", nodeIndex: 0, curve, style: "native" });
  const device = await simulateDevice({
    settings: {
      network: "regtest",
      tier: "full",
      policy: defaultPolicy("regtest"),
      curve,
      software: "device",
    },
    store: grouped(memoryDisk().open()),
    keyring,
    journal: journal({ now: () => 0 }),
    verify: async (jobs) => curve.verifyBatch(jobs),
    now: () => 1_700_000_000,
    report: () => {},
  });
  const { node } = keyring;
  const outcome = await device.call("new", { node, wanted: unknown });
  expect(outcome).toMatchObject({
    is: "reply",
    reply: { channel: 0n, basepoints: await keyring.basepoints(0n as never) },
  });
  const wrong = await device.call("hello", { node, network: "bitcoin", version: 1, software: "test" });
  expect(wrong).toMatchObject({ is: "refusal", refusal: { rule: "node-network" } });
  await device.close();
});
