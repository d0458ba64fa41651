/** Red-team 13: what a device lets go without its person, as a stolen signer would use it, and whose word it takes. */

import { describe, expect, test } from "vitest";
import type { DeviceLimits, Statement } from "../../protocol/device/limits.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { type Feerate, feerate, type Msat, msat, type NodeId } from "../../protocol/units.ts";
import { answerTo, approver, limitsOf, questionsOf, setLimits } from "../scripted/approvers.ts";
import { add, ask, htlcOf, keysendOf, plainTerms } from "../scripted/channel.ts";
import { type Core, openCore, outcomeOf, rigOver } from "../scripted/device-rig.ts";
import { plainTime, type Rig } from "../scripted/road.ts";
import { carol, evenTerms, type Scene, scene } from "../scripted/scene.ts";
import { attack, honest } from "../scripted/tally.ts";

const never = (): Promise<never> => Promise.reject(new Error("no restart here"));
const rigOf = (core: Core): Rig => rigOver(core, { proposes: false, withPerson: true }, never);

interface Setting {
  readonly core: Core;
  readonly node: NodeId;
  readonly on: Scene;
  /** The person at the buttons. */
  readonly says: { yes: boolean };
}

const opened = async (changes?: Partial<DeviceLimits>): Promise<Setting> => {
  const says = { yes: true };
  const core = await openCore({ consents: () => says.yes });
  await core.load();
  const on = await scene({ signer: rigOf(core), terms: evenTerms() });
  await on.advance(0n, on.start);
  if (changes !== undefined) expect(await setLimits(core, changes)).toMatchObject({ is: "limits" });
  says.yes = false;
  return { core, node: on.opened.node, on, says };
};

const judged = async <N extends Name>(
  core: Core,
  name: N,
  body: Request<N>,
  now = plainTime,
): Promise<Outcome<Name>> => outcomeOf(await core.judge(ask(name, body), now));

const paying = async (
  { core, node }: Pick<Setting, "core" | "node">,
  label: string,
  amount: bigint,
  now = plainTime,
) => {
  const outcome = await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", amount, label)), now);
  if (outcome.is !== "reply" || !("approval" in outcome.reply)) throw new Error(JSON.stringify(outcome));
  return outcome.reply.approval;
};

/** As a signer goes on from a yes. */
const decided = (core: Core, node: NodeId, id: Uint8Array, now = plainTime) =>
  judged(core, "decideApproval", { node, id, verdict: "approve", by: "the signer" } as never, now);

const consulted = (core: Core, approval: Uint8Array) => core.ask({ is: "consult", approval });
const sat = (n: number): Msat => msat(BigInt(n) * 1000n);
const year = 365 * 86_400;

describe("an allowance", () => {
  const small = { each: sat(10_000), allowance: sat(25_000) };

  test("is used up, whatever the signer's clock says, and over every restart", async () => {
    const setting = await opened(small);
    const { core, node } = setting;
    for (const label of ["a", "b"])
      await honest(async () => {
        const id = await paying(setting, label, sat(10_000));
        expect(await consulted(core, id)).toEqual({ is: "verdict", verdict: "approve", by: "allowance" });
        expect(await decided(core, node, id)).toMatchObject({ is: "reply" });
      });
    const asked = core.asked.length;
    const third = await paying(setting, "c", sat(10_000));
    await attack("more than is left", async () => {
      expect(await consulted(core, third)).toEqual({ is: "verdict", verdict: "deny", by: "person" });
      expect(core.asked.length).toBe(asked + 1);
    });
    await attack("years later, as the signer says", async () => {
      const id = await paying(setting, "d", sat(10_000), plainTime + 10 * year);
      expect(await consulted(core, id)).toMatchObject({ verdict: "deny", by: "person" });
    });
    await core.powerCycle();
    await core.load();
    await attack("after a restart", async () => {
      const id = await paying(setting, "e", sat(10_000), plainTime + 10 * year);
      expect(await consulted(core, id)).toMatchObject({ verdict: "deny", by: "person" });
    });
    await honest(async () => {
      const id = await paying(setting, "f", sat(5_000), plainTime + 10 * year);
      expect(await consulted(core, id)).toMatchObject({ verdict: "approve", by: "allowance" });
    });
    expect((await limitsOf(core)).left).toBe(0n);
  });

  test("takes nothing that is more than each may be, and nothing to an address of others", async () => {
    const setting = await opened(small);
    const { core } = setting;
    await attack("one millisatoshi more", async () => {
      const id = await paying(setting, "a", sat(10_000) + 1n);
      expect(await consulted(core, id)).toMatchObject({ verdict: "deny", by: "person" });
    });
    expect((await limitsOf(core)).left).toBe(sat(25_000));
  });

  test("is charged once for a question whose answer was lost, and again when it is asked anew", async () => {
    const setting = await opened(small);
    const { core, node } = setting;
    const id = await paying(setting, "a", sat(10_000));
    for (let i = 0; i < 3; i++) expect(await consulted(core, id)).toMatchObject({ verdict: "approve" });
    await core.powerCycle();
    await core.load();
    await attack("a yes from before it was switched off, without asking", async () => {
      expect(await decided(core, node, id)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    expect(await consulted(core, id)).toMatchObject({ verdict: "approve", by: "allowance" });
    expect((await limitsOf(core)).left).toBe(sat(15_000));
    // Its time is over before it is used: the next asking is another one.
    const later = plainTime + 3 * 86_400;
    const again = await paying(setting, "a", sat(10_000), later);
    await attack("a yes to the question as it was asked before", async () => {
      expect(again).toEqual(id);
      expect(await decided(core, node, id, later)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    await consulted(core, again);
    expect((await limitsOf(core)).left).toBe(sat(5_000));
  });

  test("pays for a channel of our own money, up to what each may be", async () => {
    const setting = await opened({ each: sat(1_000_000), allowance: sat(1_000_000) });
    const { core } = setting;
    await honest(async () => {
      const other = await scene({ signer: rigOf(core), label: "two", terms: plainTerms(), peer: carol });
      expect(other.opened.channel).toBeDefined();
    });
    expect((await limitsOf(core)).left).toBe(0n);
    expect(core.asked.at(-1)).not.toContain("Open a channel");
    await attack("a second one", async () => {
      await expect(
        scene({ signer: rigOf(core), label: "three", terms: plainTerms(), peer: carol }),
      ).rejects.toThrow();
    });
  });
});

describe("the limits of a device", () => {
  test("are changed by its person, and by nobody who only has its signer", async () => {
    const { core, node } = await opened();
    const before = await limitsOf(core);
    const mine = approver(1);
    const wanted = { approvers: [mine.key], needed: 1 };
    await attack("where its person says no", async () => {
      expect(await setLimits(core, wanted)).toEqual({ is: "refused", why: "denied" });
    });
    await attack("signed by somebody whom it does not know", async () => {
      const limits = { ...before.limits, ...wanted };
      const statement: Statement = { is: "limits", mark: before.mark, node, limits };
      expect(await setLimits(core, wanted, [mine.sign(statement)])).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    for (const nonsense of [
      { approvers: [], needed: 1 },
      { approvers: [mine.key], needed: 0 },
      { approvers: [mine.key], needed: 2 },
      { approvers: [mine.key, mine.key], needed: 1 },
      { each: sat(2), allowance: sat(1) },
    ])
      await attack("what contradicts itself", async () => {
        await expect(setLimits(core, nonsense)).rejects.toThrow("limits");
      });
    expect(await limitsOf(core)).toEqual(before);
  });

  test("are changed by as many approvers as they say, once, and on this device alone", async () => {
    const [one, two, three] = [approver(1), approver(2), approver(3)] as const;
    const pinned = { approvers: [one.key, two.key, three.key], needed: 2 };
    const { core, node } = await opened(pinned);
    const { mark, limits } = await limitsOf(core);
    const wanted = { each: sat(5), allowance: sat(500) };
    const statement: Statement = { is: "limits", mark, node, limits: { ...limits, ...wanted } };
    const good = [one.sign(statement), three.sign(statement)];
    const asked = core.asked.length;
    const other = approver(4);
    for (const [what, signatures] of [
      ["one of two", [one.sign(statement)]],
      ["one, twice", [one.sign(statement), one.sign(statement)]],
      ["a stranger", [one.sign(statement), other.sign(statement)]],
      ["a stranger under another's key", [one.sign(statement), { ...other.sign(statement), key: two.key }]],
      ["for another node", [one, two].map((by) => by.sign({ ...statement, node: carol.id as never }))],
      ["for other limits", [one, two].map((by) => by.sign({ ...statement, limits }))],
      ["for another device", [one, two].map((by) => by.sign({ ...statement, mark: new Uint8Array(16) }))],
    ] as const)
      await attack(what, async () => {
        expect(await setLimits(core, wanted, signatures)).toEqual({ is: "refused", why: "unsigned" });
      });
    await honest(async () => {
      expect(await setLimits(core, wanted, good)).toMatchObject({ is: "limits", left: sat(500) });
    });
    await attack("the same again, to fill the allowance", async () => {
      expect(await setLimits(core, wanted, good)).toEqual({ is: "refused", why: "unsigned" });
    });
    expect(core.asked.length).toBe(asked);
  });

  test("are those that the person saw, or nothing is changed", async () => {
    const mine = approver(1);
    const { core, node, says } = await opened({ approvers: [mine.key], needed: 1 });
    const { mark, limits } = await limitsOf(core);
    says.yes = true;
    core.holdScreen();
    const atButtons = setLimits(core, { each: sat(1), allowance: sat(1) });
    await core.onScreen();
    const next = { ...limits, forwarding: false };
    const statement: Statement = { is: "limits", mark, node, limits: next };
    await honest(async () => {
      expect(await setLimits(core, { forwarding: false }, [mine.sign(statement)])).toMatchObject({
        is: "limits",
      });
    });
    core.goOn();
    await attack("limits in the place of others than those they were shown over", async () => {
      expect(await atButtons).toEqual({ is: "refused", why: "busy" });
    });
    expect((await limitsOf(core)).limits).toEqual(next);
  });

  test("are not changed while a step is open that the old ones judged", async () => {
    const says = { yes: true };
    const core = await openCore({ consents: () => says.yes });
    await core.load();
    const on = await scene({ signer: rigOf(core), terms: evenTerms() });
    const { validate } = await on.at(0n, on.start);
    const [pages, step] = [new Map(core.pages), core.step];
    const taken = await core.judge(ask("validateHolderCommitment", validate));
    core.pages.clear();
    for (const [key, page] of pages) core.pages.set(key, page);
    core.step = step;
    // Still on: what the signer did not hear of comes first.
    expect(await setLimits(core, { maxFeerate: feerate(253) })).toMatchObject({ is: "pages" });
    core.pages.clear();
    for (const [key, page] of pages) core.pages.set(key, page);
    core.step = step;
    await core.powerCycle();
    expect(await core.load()).toMatchObject({ is: "begun", isBehind: true });
    await attack("other limits for a step that is taken again", async () => {
      expect(await setLimits(core, { maxFeerate: feerate(253) })).toEqual({ is: "refused", why: "order" });
    });
    await honest(async () => {
      expect(await core.judge(ask("validateHolderCommitment", validate))).toEqual(taken);
      expect(await setLimits(core, { maxFeerate: feerate(30_000) })).toMatchObject({ is: "limits" });
    });
  });

  test("hold from the next request on, and after a restart", async () => {
    const setting = await opened();
    const { core, on, says } = setting;
    says.yes = true;
    const [high, low]: readonly Feerate[] = [feerate(5_000), feerate(500)];
    const { sign } = await on.at(1n, { ...on.start, feerate: high as Feerate });
    await setLimits(core, { maxFeerate: low as Feerate });
    const refused = async () =>
      attack("a fee above the limit", async () => {
        expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({
          is: "refusal",
          refusal: { rule: "commitment-fee-range" },
        });
      });
    await refused();
    await core.powerCycle();
    await core.load();
    await refused();
    await setLimits(core, { maxFeerate: high as Feerate });
    await honest(async () =>
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({ is: "reply" }),
    );
  });
});

describe("a power cut", () => {
  /** Each word until one write is whole; what the flash had before, and what it has after. */
  const cutting = async (
    prepare: (core: Core, node: NodeId) => Promise<() => Promise<{ readonly is: string }>>,
  ) => {
    const seen: { readonly told: string; readonly left: bigint }[] = [];
    for (let word = 0; ; word++) {
      const { core, node, says } = await opened(small);
      says.yes = true;
      const act = await prepare(core, node);
      core.flash.cutAfter(word);
      const told = await act().catch(() => ({ is: "fault" }));
      await core.powerCycle();
      await core.load();
      seen.push({ told: told.is, left: (await limitsOf(core)).left });
      if (told.is !== "fault") return seen;
    }
  };
  const small = { each: sat(10_000), allowance: sat(25_000) };

  test("leaves an allowance that is charged or not, and never a yes that is not", async () => {
    const seen = await cutting(async (core, node) => {
      const id = await paying({ core, node }, "a", sat(10_000));
      return () => consulted(core, id);
    });
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.at(-1)).toEqual({ told: "verdict", left: sat(15_000) });
    await attack("what is neither", () => {
      for (const { left } of seen) expect([sat(25_000), sat(15_000)]).toContain(left);
    });
    expect(new Set(seen.map(({ told }) => told))).toEqual(new Set(["fault", "verdict"]));
  });

  test("leaves the limits from before or after", async () => {
    const seen = await cutting(async (core) => {
      // Something of it is gone: they begin anew with what is set.
      return () => setLimits(core, { each: sat(1), allowance: sat(7) });
    });
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.at(-1)).toEqual({ told: "limits", left: sat(7) });
    await attack("what is neither", () => {
      for (const { left } of seen) expect([sat(25_000), sat(7)]).toContain(left);
    });
  });
});

describe("approvers", () => {
  const [one, two] = [approver(1), approver(2)] as const;
  const pinned = { approvers: [one.key, two.key], needed: 2 };

  const waiting = async (setting: Setting, label: string, amount: bigint, now?: number) => {
    const id = await paying(setting, label, amount, now);
    const question = (await questionsOf(setting.core)).find((each) => Buffer.compare(each.id, id) === 0);
    if (question === undefined) throw new Error("it does not wait");
    return question;
  };

  test("answer in the place of the person, for what they read and nothing else", async () => {
    const setting = await opened(pinned);
    const { core, node } = setting;
    const asked = core.asked.length;
    const question = await waiting(setting, "a", 50_000_000n);
    const { mark } = await limitsOf(core);
    const good: Statement = { is: "answer", mark, node, question, verdict: "approve" };
    const signed = (statement: Statement) =>
      core.ask({
        ...{ is: "answer", step: core.step, approval: question.id, verdict: "approve" },
        signatures: [one, two].map((by) => by.sign(statement)),
      });
    for (const [what, changed] of [
      ["less than it is", { amount: msat(1n) }],
      ["other words", { shown: [{ name: "description", value: "tea" }] }],
      ["something else", { subject: "opening" }],
      ["another time", { asked: question.asked + 1n }],
    ] as const)
      await attack(`they were shown ${what}`, async () => {
        expect(await signed({ ...good, question: { ...question, ...changed } })).toEqual({
          is: "refused",
          why: "unsigned",
        });
      });
    await attack("a no that is called a yes", async () => {
      expect(await signed({ ...good, verdict: "deny" })).toEqual({ is: "refused", why: "unsigned" });
    });
    await attack("one of the two", async () => {
      expect(await answerTo(core, node, question, "approve", [one])).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    await attack("their word for a question that is none", async () => {
      expect(
        await answerTo(core, node, { ...question, id: new Uint8Array(32) }, "approve", [one, two]),
      ).toEqual({ is: "refused", why: "unknown" });
    });
    await attack("the signer's own yes", async () => {
      expect(await decided(core, node, question.id)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    await honest(async () => {
      expect(await signed(good)).toEqual({ is: "verdict", verdict: "approve", by: "approvers" });
      expect(await decided(core, node, question.id)).toMatchObject({ is: "reply" });
    });
    expect(core.asked.length).toBe(asked);
  });

  test("are not taken at a word of yesterday", async () => {
    const setting = await opened(pinned);
    const { core, node } = setting;
    const question = await waiting(setting, "a", 50_000_000n);
    const { mark } = await limitsOf(core);
    const statement: Statement = { is: "answer", mark, node, question, verdict: "approve" };
    const old = {
      is: "answer",
      step: core.step,
      approval: question.id,
      verdict: "approve",
      signatures: [one, two].map((by) => by.sign(statement)),
    } as const;
    const later = plainTime + 3 * 86_400;
    await waiting(setting, "a", 50_000_000n, later);
    await attack("for the same payment, asked again after its time", async () => {
      expect(await core.ask(old)).toEqual({ is: "refused", why: "unsigned" });
    });
    const now = (await questionsOf(core)).find(({ id }) => Buffer.compare(id, question.id) === 0);
    if (now === undefined) throw new Error("it does not wait");
    const other = [one, two].map((by) => by.sign({ ...statement, question: now }));
    setting.says.yes = true;
    await setLimits(core, { approvers: [one.key, two.key, approver(9).key] });
    await attack("after the limits were changed", async () => {
      expect(await core.ask({ ...old, signatures: other })).toEqual({ is: "refused", why: "unsigned" });
    });
    await honest(async () => {
      expect(await answerTo(core, node, now, "approve", [one, two])).toMatchObject({ verdict: "approve" });
      expect(await decided(core, node, now.id, later)).toMatchObject({ is: "reply" });
    });
  });

  test("say no one by one, and it stays so", async () => {
    const setting = await opened(pinned);
    const { core, node } = setting;
    const question = await waiting(setting, "a", 50_000_000n);
    await attack("a stranger's no", async () => {
      expect(await answerTo(core, node, question, "deny", [approver(7)])).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    expect(await answerTo(core, node, question, "deny", [two])).toEqual({
      ...{ is: "verdict", verdict: "deny", by: "approvers" },
    });
    await attack("the signer's yes after it", async () => {
      expect(await decided(core, node, question.id)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
  });

  test("are heard while the question is on the screen, which goes dark", async () => {
    const setting = await opened(pinned);
    const { core, node } = setting;
    const question = await waiting(setting, "a", 50_000_000n);
    core.holdScreen();
    const shown = consulted(core, question.id);
    await core.onScreen();
    await honest(async () => {
      expect(await answerTo(core, node, question, "approve", [one, two])).toMatchObject({ by: "approvers" });
      expect(await shown).toEqual({ is: "verdict", verdict: "approve", by: "approvers" });
      expect(await decided(core, node, question.id)).toMatchObject({ is: "reply" });
    });
  });

  test("say that a channel is in the chain", async () => {
    const setting = await opened(pinned);
    const { core, node } = setting;
    const terms = plainTerms({ opener: "counterparty" });
    const theirs = await scene({ signer: rigOf(core), label: "air", terms });
    await theirs.advance(0n, theirs.start);
    const received = htlcOf("counterparty", 300_000n, "h1", 400);
    await theirs.advance(1n, add(theirs.start, received));
    const question = (await questionsOf(core)).find(({ subject }) => subject === "channel");
    if (question === undefined) throw new Error("nobody is asked about it");
    await attack("a stranger", async () => {
      expect(await answerTo(core, node, question, "approve", [approver(7), approver(8)])).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    await honest(async () => {
      expect(await answerTo(core, node, question, "approve", [one, two])).toMatchObject({
        verdict: "approve",
      });
    });
    const left = (await questionsOf(core)).filter(({ subject }) => subject === "channel");
    expect(left.map(({ id }) => id)).not.toContainEqual(question.id);
    await core.powerCycle();
    await core.load();
    expect((await questionsOf(core)).map(({ id }) => id)).not.toContainEqual(question.id);
  });
});
