/** Keys behind a core of their own: what this signer's core does with what is said there. */

import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import type { AnyRequest, Name } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import { feerate, msat, type Signature, sat } from "../../protocol/units.ts";
import type { Keyring, Second } from "../../signer/core/ports.ts";
import { refuse } from "../../signer/core/rule.ts";
import { textOf } from "../../signer/core/rules/table.ts";
import { questionIn, signaturesIn, twiceOf } from "../../signer/core/second.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { htlcOf, keysendOf } from "../scripted/channel.ts";
import { deviceBench } from "../scripted/device.ts";
import { deviceTerms } from "../scripted/device-life.ts";
import { rig } from "../scripted/road.ts";
import { scene } from "../scripted/scene.ts";

const no: Refusal = { rule: "a-rule", kind: "core", final: true, sentence: "No.", facts: [], hint: "" };
const refusal = (changes: Partial<Refusal> = {}): Outcome<Name> => ({
  is: "refusal",
  refusal: { ...no, ...changes },
});
const pending: Refusal = {
  ...no,
  final: false,
  facts: [
    { name: "standing", value: "pending" },
    { name: "approval", value: "aa" },
  ],
};
const asked = { name: "signMessage", body: {} } as AnyRequest;
const signed = (n: number): Signature => new Uint8Array(64).fill(n) as Signature;

describe("what was said there", () => {
  test("bears its name, where there is room for it", () => {
    const outcome = twiceOf({ is: "told", reply: () => ({}) as never }, asked)?.outcome;
    expect(outcome?.(refusal())).toEqual(refusal({ facts: [{ name: "by", value: "device" }] }));
    const full = refusal({ facts: Array.from({ length: 32 }, () => ({ name: "a", value: "b" })) });
    expect(outcome?.(full)).toEqual(full);
    const reply: Outcome<Name> = { is: "reply", reply: {} as never };
    expect(outcome?.(reply)).toBe(reply);
  });

  test("is not asked for where this signer has refused, unless a person may change that", () => {
    expect(twiceOf({ is: "refused", refusal: no }, asked)).toBeUndefined();
    const change = { node: undefined } as never;
    expect(twiceOf({ is: "refused", refusal: pending }, asked)?.change).toEqual({});
    expect(twiceOf({ is: "asked", refusal: pending, change }, asked)?.change).toBe(change);
    // Its own word stands, whatever is said there.
    expect(
      twiceOf({ is: "refused", refusal: pending }, asked)?.outcome({ is: "reply", reply: {} as never }),
    ).toEqual({
      is: "refusal",
      refusal: pending,
    });
  });

  test("waits for a person only where it says so", () => {
    expect(questionIn(pending)).toBe("aa");
    expect(questionIn({ ...pending, final: true })).toBeUndefined();
    expect(questionIn(no)).toBeUndefined();
    expect(questionIn({ ...pending, facts: [{ name: "standing", value: "denied" }] })).toBeUndefined();
  });

  test("are signatures in the order in which they were asked for, or the first outcome that is no reply", () => {
    const one: Outcome<Name> = { is: "reply", reply: { signature: signed(1) } as never };
    const two: Outcome<Name> = {
      is: "reply",
      reply: { signatures: [signed(2), unknown, signed(3)] } as never,
    };
    const none: Outcome<Name> = { is: "reply", reply: {} as never };
    expect(signaturesIn([one, none, two])).toEqual({ signatures: [signed(1), signed(2), signed(3)] });
    expect(signaturesIn([one, refusal(), two])).toEqual({
      other: refusal({ facts: [{ name: "by", value: "device" }] }),
    });
  });
});

test("an exit that is refused there is refused here", async () => {
  const disk = memoryDisk();
  const on = await scene({ signer: await rig({ disk }), terms: deviceTerms });
  await on.advance(0n, on.start);
  const second: Second = { judge: async () => refusal(), judgeAll: async () => [refusal()] };
  const after = await rig({ disk, watch: (keyring: Keyring): Keyring => ({ ...keyring, second }) });
  const { node, channel } = on.opened;
  const ask = { node, channel, feerate: feerate(1_000), confirmed: unknown, preimages: [] } as const;
  expect(await after.refusal("exit", ask)).toMatchObject({
    rule: "a-rule",
    facts: [{ name: "by", value: "device" }],
  });
});

describe("where both have to ask a person", () => {
  test("one yes at the device is heard here too", async () => {
    const says = { yes: false };
    const bench = await deviceBench({ consents: (title) => title !== "Open a channel" || says.yes });
    const keyring = await bench.keyring(grouped(memoryDisk().open()));
    const signer = await rig({ watch: () => keyring, policy: { unattendedFunding: sat(0n) } });
    const heard: string[] = [];
    keyring.onVerdict(async (id, verdict) => {
      heard.push(verdict);
      return signer.outcome("decideApproval", { node: signer.session.node, id, verdict, by: "device" });
    });
    const opening = () => scene({ signer, terms: deviceTerms, label: says.yes ? "second" : "first" });
    await expect(opening()).rejects.toThrow("onchain-no-fund-inbound");
    expect(heard).toEqual(["deny"]);
    says.yes = true;
    // This time the answer is yes, and the host hears of it when it asks again.
    await expect(opening()).rejects.toThrow("onchain-no-fund-inbound");
    expect(heard).toEqual(["deny", "approve"]);
    await keyring.close();
    await bench.close();
  });

  test("a yes that can't be kept here at the moment stays open at the device, and its person is not asked again", async () => {
    const bench = await deviceBench();
    const keyring = await bench.keyring(grouped(memoryDisk().open()));
    const signer = await rig({
      watch: () => keyring,
      policy: { unattendedPayment: msat(0n) },
      proposes: false,
    });
    let isTrouble = true;
    keyring.onVerdict(async (id, verdict) => {
      if (!isTrouble)
        return signer.outcome("decideApproval", { node: signer.session.node, id, verdict, by: "device" });
      isTrouble = false;
      return { is: "refusal", refusal: refuse(textOf("chain-not-stale"), {}) };
    });
    const payment = keysendOf(signer.session.node, htlcOf("holder", 5_000_000n, "late"));
    expect(await signer.call("proposePayment", payment)).toMatchObject({ standing: "pending" });
    expect(await signer.call("proposePayment", payment)).toMatchObject({ standing: "approved" });
    expect(await signer.call("checkPayment", payment)).toEqual({ standing: "approved" });
    expect(bench.asked.filter(({ title }) => title === "Pay")).toHaveLength(1);
    await keyring.close();
    await bench.close();
  });

  test("what there is no room for at the device is refused by it, and says so", async () => {
    const bench = await deviceBench();
    const keyring = await bench.keyring(grouped(memoryDisk().open()));
    const signer = await rig({ watch: () => keyring });
    const terms = { ...deviceTerms, holder: { ...deviceTerms.holder, maxAcceptedHtlcs: 71 } };
    await expect(scene({ signer, terms })).rejects.toThrow(/device-room.*"by","value":"device"/);
    await keyring.close();
    await bench.close();
  });
});
