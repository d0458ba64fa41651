/** What a person asks of a signer about the device that has its keys. */

import { afterEach, describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { DeviceLimits, DeviceQuestion, Verdict } from "../../protocol/device/limits.ts";
import type { AnyRequest, Reply } from "../../protocol/operations/index.ts";
import { msat } from "../../protocol/units.ts";
import { refuse } from "../../signer/core/rule.ts";
import { textOf } from "../../signer/core/rules/table.ts";
import type { DeviceKeyring } from "../../signer/device/keyring.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { approver } from "../scripted/approvers.ts";
import { add, ask, htlcOf, keysendOf, plainTerms } from "../scripted/channel.ts";
import { type Bench, deviceBench } from "../scripted/device.ts";
import { deviceTerms } from "../scripted/device-life.ts";
import { type Rig, rig } from "../scripted/road.ts";
import { carol, scene } from "../scripted/scene.ts";

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

interface Setting {
  readonly bench: Bench;
  readonly keyring: DeviceKeyring;
  readonly signer: Rig;
  reply<N extends "deviceStanding" | "deviceLimits" | "deviceAnswer" | "deviceForget">(
    name: N,
    body?: object,
  ): Promise<Reply<N>>;
}

type Now = Exclude<Reply<"deviceStanding">["now"], "unknown">;

interface Person {
  readonly consents?: (title: string) => boolean;
  readonly lingers?: (title: string) => boolean;
}

const setting = async (person: Person = {}): Promise<Setting> => {
  const bench = await deviceBench(person);
  const keyring = await bench.keyring(grouped(memoryDisk().open()));
  open.push(keyring.close, bench.close);
  const signer = await rig({ watch: () => keyring, proposes: false });
  await expect.poll(() => keyring.state(), { timeout: 5_000 }).toBe("open");
  return {
    ...{ bench, keyring, signer },
    reply: async (name, body = {}) => {
      const asked = { name, body: { node: keyring.node, ...body } } as unknown as AnyRequest;
      const replied = await keyring.admin.reply(asked, signer.session.isForgotten);
      if (replied === undefined) throw new Error(name);
      return replied as never;
    },
  };
};

const nowOf = async ({ reply }: Setting): Promise<Now> => {
  const { now } = await reply("deviceStanding");
  if (!isKnown(now)) throw new Error("away");
  return now;
};

const change = async (on: Setting, changes: Partial<DeviceLimits>) =>
  on.reply("deviceLimits", { limits: { ...(await nowOf(on)).limits, ...changes }, signatures: [] });

const [alice, bert] = [approver(1), approver(2)] as const;
const answer = async (on: Setting, question: DeviceQuestion, verdict: Verdict, by = [alice, bert]) => {
  const { mark } = await nowOf(on);
  const statement = { is: "answer", mark, node: on.keyring.node, question, verdict } as const;
  const signatures = by.map((one) => one.sign(statement));
  return on.reply("deviceAnswer", { approval: question.id, verdict, signatures });
};

const waits = async (on: Setting, subject: DeviceQuestion["subject"]): Promise<DeviceQuestion> => {
  let found: DeviceQuestion | undefined;
  await expect
    .poll(
      async () => {
        found = (await nowOf(on)).questions.find((one) => one.subject === subject);
        return found?.subject;
      },
      { timeout: 5_000 },
    )
    .toBe(subject);
  return found as DeviceQuestion;
};

test("how it stands, plugged in and not; and that a sealed seed is none", async () => {
  const on = await setting();
  expect(await on.reply("deviceStanding")).toMatchObject({
    ...{ keys: "device", name: "bench", standing: "open" },
    now: { left: 0n, limits: { approvers: [], allowance: 0n }, questions: [] },
  });
  expect(
    on.keyring.admin.reply(ask("hello", { node: on.keyring.node } as never), () => false),
  ).toBeUndefined();
  on.bench.unplug();
  await expect.poll(async () => (await on.reply("deviceStanding")).standing).not.toBe("open");
  const { standing, now } = await on.reply("deviceStanding");
  expect([standing, now]).toEqual(["unplugged", "unknown"]);
  const plain = await rig();
  const { node } = plain.session;
  expect(await plain.call("deviceStanding", { node })).toMatchObject({ keys: "sealed", now: "unknown" });
  const limits = { ...(await limitsForm()), approvers: [], needed: 0 };
  expect(await plain.call("deviceLimits", { node, limits, signatures: [] })).toMatchObject({
    result: "none",
  });
  const approval = new Uint8Array(32);
  expect(
    await plain.call("deviceAnswer", { node, approval, verdict: "approve", signatures: [] }),
  ).toMatchObject({ result: "none" });
  expect(
    await plain.outcome("deviceLimits", { node, limits: { ...limits, needed: 3 }, signatures: [] }),
  ).toMatchObject({ is: "malformed", malformed: { path: "limits" } });
});

const limitsForm = async (): Promise<DeviceLimits> => (await nowOf(await setting())).limits;

describe("limits", () => {
  test("are set when the person agrees, and not where they do not", async () => {
    const says = { yes: false };
    const on = await setting({ consents: (title) => title !== "Change the limits" || says.yes });
    const wanted = { each: msat(1_000n), allowance: msat(5_000n) };
    expect(await change(on, wanted)).toMatchObject({ result: "denied" });
    says.yes = true;
    expect(await change(on, wanted)).toEqual({ result: "done", because: "" });
    expect(await nowOf(on)).toMatchObject({ left: 5_000n, limits: wanted });
  });

  test("may take their time: what is signed meanwhile is no hindrance", async () => {
    const on = await setting({ lingers: (title) => title === "Change the limits" });
    const changing = change(on, { approvers: [alice.key], needed: 1 });
    await expect.poll(() => on.bench.device().screen.is).toBe("consent");
    const { node } = on.keyring;
    for (const name of ["a", "b", "c"])
      await on.signer.call("signMessage", { node, message: new TextEncoder().encode(name) } as never);
    on.bench.goOn();
    expect(await changing).toMatchObject({ result: "done" });
    expect((await nowOf(on)).limits.approvers.map(toHex)).toEqual([toHex(alice.key)]);
  });
});

describe("approvers", () => {
  test("let a request go on that waits for the person, and another that waits behind it", async () => {
    const on = await setting({ lingers: (title) => title === "Pay" });
    expect(await change(on, { approvers: [alice.key, bert.key], needed: 2 })).toMatchObject({
      result: "done",
    });
    const { node } = on.keyring;
    const pay = (label: string) =>
      on.signer.call("proposePayment", keysendOf(node, htlcOf("holder", 50_000_000n, label)));
    const [first, second] = [pay("a"), pay("b")];
    await expect.poll(async () => (await nowOf(on)).questions.length, { timeout: 5_000 }).toBe(2);
    const [one, two] = (await nowOf(on)).questions as readonly [DeviceQuestion, DeviceQuestion];
    expect(await answer(on, two, "approve", [alice])).toMatchObject({ result: "unsigned" });
    // The one behind first: the screen shows the other.
    expect(await answer(on, two, "approve")).toMatchObject({ result: "done" });
    expect(await second).toMatchObject({ standing: "approved" });
    expect(await answer(on, one, "deny", [bert])).toMatchObject({ result: "done" });
    expect(await first).toMatchObject({ standing: "denied" });
    expect(await answer(on, one, "approve")).toMatchObject({ result: "unknown" });
    expect(on.signer.faults).toEqual([]);
    expect(on.bench.faults).toEqual([]);
  });

  test("hear of a yes that the signer can't keep at the moment, and give it again", async () => {
    const on = await setting({ lingers: (title) => title === "Pay" });
    expect(await change(on, { approvers: [alice.key], needed: 1 })).toMatchObject({ result: "done" });
    const { node } = on.keyring;
    let isTrouble = true;
    on.keyring.onVerdict(async (id, verdict) =>
      isTrouble
        ? { is: "refusal", refusal: refuse(textOf("chain-not-stale"), {}) }
        : on.signer.outcome("decideApproval", { node, id, verdict, by: "approvers" }),
    );
    const payment = keysendOf(node, htlcOf("holder", 5_000_000n, "late"));
    const paying = on.signer.call("proposePayment", payment);
    const question = await waits(on, "payment");
    const busy = { result: "busy", because: expect.stringContaining("can't keep it now") };
    expect(await answer(on, question, "approve", [alice])).toMatchObject(busy);
    expect(await paying).toMatchObject({ standing: "pending" });
    isTrouble = false;
    expect(await answer(on, question, "approve", [alice])).toEqual({ result: "done", because: "" });
    expect(await on.signer.call("checkPayment", payment)).toEqual({ standing: "approved" });
  });

  test("say that a channel is in the chain, for a forward that waits for it", async () => {
    const on = await setting({ lingers: (title) => title === "In the chain?" });
    expect(await change(on, { approvers: [alice.key], needed: 1 })).toMatchObject({ result: "done" });
    const { signer } = on;
    const { holder } = deviceTerms;
    const theirs = plainTerms({ opener: "counterparty", holder });
    const air = await scene({ signer, label: "air", terms: theirs });
    const ours = await scene({ signer, label: "ours", terms: plainTerms({ holder }), peer: carol });
    await air.advance(0n, air.start);
    await ours.advance(0n, ours.start);
    const received = htlcOf("counterparty", 300_000_000n, "h1", 400);
    const offered = htlcOf("holder", 300_000_000n, "h1", 200);
    await air.advance(1n, add(air.start, received));
    await air.advance(2n, add(air.start, received));
    const { sign } = await ours.at(1n, add(ours.start, offered));
    const signing = signer.call("signCounterpartyCommitment", sign);
    expect(await answer(on, await waits(on, "channel"), "approve", [alice])).toMatchObject({
      result: "done",
    });
    expect(await signing).toHaveProperty("signature");
    expect(signer.faults).toEqual([]);
    expect(on.bench.faults).toEqual([]);
  });
});
