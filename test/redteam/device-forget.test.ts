/** Red-team 13: what a stolen signer, with its host and peers, gains by channels that a device forgets. */

import { describe, expect, test } from "vitest";
import { type AnyRequest, packRequest } from "../../protocol/operations/index.ts";
import { commitmentNumber, msat } from "../../protocol/units.ts";
import { answerTo, approver, questionsOf, setLimits } from "../scripted/approvers.ts";
import { add, ask, htlcOf, keysendOf, plainTerms, preimageOf, remove } from "../scripted/channel.ts";
import { closeOf } from "../scripted/close.ts";
import { type Core, outcomeOf } from "../scripted/device-rig.ts";
import { judged, opened, pays, rigOf, type Setting, sat } from "../scripted/device-setting.ts";
import { carol, evenTerms, type Scene, scene } from "../scripted/scene.ts";
import { attack, honest } from "../scripted/tally.ts";

const theirs = plainTerms({ opener: "counterparty" });
const another = (core: Core, label: string, terms = theirs): Promise<Scene> =>
  scene({ signer: rigOf(core), label, terms, peer: carol });
const forget = (core: Core, { opened: { node, channel } }: Scene) =>
  judged(core, "forget", { node, channel });
const over = (core: Core, { opened: { channel } }: Scene) => core.ask({ is: "over", channel });
const settled = { is: "refusal", refusal: { rule: "channel-settled" } };

/** With the person's word. */
const forgotten = async ({ core, says }: Setting, one: Scene): Promise<void> => {
  says.yes = true;
  expect(await over(core, one)).toMatchObject({ verdict: "approve" });
  says.yes = false;
  await honest(async () => expect((await forget(core, one)).is).toBe("reply"));
};

describe("a channel with money of ours", () => {
  test("is forgotten with nobody's word but a person's, and who said no is asked once", async () => {
    const { core, on } = await opened();
    await attack("without a word", async () => expect(await forget(core, on)).toMatchObject(settled));
    const before = core.asked.length;
    await attack("after a no, and asked again and again", async () => {
      for (let i = 0; i < 5; i++) {
        expect(await over(core, on)).toMatchObject({ verdict: "deny" });
        expect(await forget(core, on)).toMatchObject(settled);
      }
      expect(core.asked.length).toBe(before + 1);
    });
    await honest(async () => {
      const { sign } = await on.at(1n, on.start);
      expect((await judged(core, "signCounterpartyCommitment", sign)).is).toBe("reply");
    });
  });

  test("is not the one that a person said yes to, if it is another, went on, or the device was locked since", async () => {
    const { core, on, says } = await opened();
    const given = plainTerms({ opener: "counterparty", push: msat(1_000_000n) });
    const [one, two] = [await another(core, "one", given), await another(core, "two", given)];
    says.yes = true;
    await over(core, one);
    for (const other of [two, on])
      await attack("a yes to another channel", async () =>
        expect(await forget(core, other)).toMatchObject(settled),
      );
    await over(core, on);
    await on.advance(1n, on.start);
    await attack("a yes to a channel that went on", async () =>
      expect(await forget(core, on)).toMatchObject(settled),
    );
    await over(core, on);
    await core.powerCycle();
    await core.load();
    for (const each of [one, on])
      await attack("a yes from before it was locked", async () =>
        expect(await forget(core, each)).toMatchObject(settled),
      );
    await over(core, on);
    await setLimits(core, { each: sat(1), allowance: sat(1) });
    await attack("a yes from before the limits were changed", async () =>
      expect(await forget(core, on)).toMatchObject(settled),
    );
  });

  test("which we opened is kept though we never had a commitment of it, once the peer's went on without one", async () => {
    const { core, says } = await opened();
    says.yes = true;
    const ours = await another(core, "ours", evenTerms());
    says.yes = false;
    const { sign } = await ours.at(0n, ours.start);
    await judged(core, "signCounterpartyCommitment", sign);
    const next = await ours.at(1n, add(ours.start, htlcOf("counterparty", 300_000_000n, "h", 400)));
    expect((await judged(core, "signCounterpartyCommitment", next.sign)).is).toBe("reply");
    await attack("with what came in through it", async () =>
      expect(await forget(core, ours)).toMatchObject(settled),
    );
  });

  test("is in the chain or not, an approver said: that it is over is another question", async () => {
    const [alice] = [approver(1)];
    const { core, on, node } = await opened({ approvers: [alice.key], needed: 1 });
    core.holdScreen();
    const gone = new AbortController();
    const waiting = core.ask({ is: "over", channel: on.opened.channel }, gone.signal).catch(() => undefined);
    await core.onScreen();
    const [question] = await questionsOf(core);
    if (question === undefined) throw new Error("it does not wait");
    await attack("with words for the chain", async () => {
      const words = { ...question, subject: "channel" } as const;
      expect(await answerTo(core, node, words, "approve", [alice])).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    await on.advance(1n, on.start);
    await attack("with words about how it stood before", async () => {
      expect(await answerTo(core, node, question, "approve", [alice])).toEqual({
        is: "refused",
        why: "unknown",
      });
      expect(await forget(core, on)).toMatchObject(settled);
    });
    gone.abort(new Error("taken back"));
    await waiting;
  });
});

describe("an id whose channel is forgotten", () => {
  const everything = async (one: Scene): Promise<readonly AnyRequest[]> => {
    const { node, channel, shared } = one.opened;
    const { sign, validate, revoke, revocation } = await one.at(1n, one.start);
    const close = closeOf(one.opened, one.start, 400n);
    if (revoke === undefined || revocation === undefined || close === undefined) throw new Error("nothing");
    const terms = { ...shared.terms, holder: { ...shared.terms.holder, maxAcceptedHtlcs: 50 } };
    const setup = { node, channel, peer: carol.id, terms };
    return [
      ask("new", { node, wanted: channel }),
      ask("check", setup),
      ask("setup", { ...setup, counterparty: carol.basepoints, funding: shared.funding }),
      ask("signCounterpartyCommitment", sign),
      ask("validateHolderCommitment", validate),
      ask("revokeHolderCommitment", revoke),
      ask("validateCounterpartyRevocation", revocation),
      ask("signHolderCommitment", {
        node,
        channel,
        funding: shared.funding,
        number: commitmentNumber(0n),
        txid: shared.funding.txid,
      }),
      ask("signClosing", close),
    ];
  };

  test.each(["never used", "over"])(
    "is used for nothing any more, after a restart neither: %s",
    async (which) => {
      const setting = await opened();
      const { core, on } = setting;
      const one = which === "over" ? on : await another(core, "one");
      if (which !== "over") await one.advance(0n, one.start);
      const all = await everything(one);
      const before = new Map(core.pages);
      if (which === "over") await forgotten(setting, one);
      else expect((await forget(core, one)).is).toBe("reply");
      for (const restart of [false, true]) {
        if (restart) {
          await core.powerCycle();
          await core.load();
        }
        for (const request of all)
          await attack(request.name, async () => {
            const outcome = outcomeOf(await core.judge(request));
            expect(outcome, request.name).toMatchObject({
              is: "refusal",
              refusal: { rule: expect.stringMatching(/^channel-(known|original-channel-id-reuse)$/) },
            });
          });
      }
      await judged(core, "proposePayment", keysendOf(setting.node, htlcOf("holder", 1_000n, "later")));
      await attack("its record of before, put back", async () => {
        await core.powerCycle();
        const key = `channel/${one.opened.channel}`;
        const pages = new Map([...core.pages, [key, before.get(key) ?? new Uint8Array(0)]]);
        expect(await core.load(pages.values())).toEqual({ is: "refused", why: "pages-old" });
      });
      await attack("no record of it at all", async () => {
        await core.powerCycle();
        const pages = [...core.pages].filter(([key]) => key !== `channel/${one.opened.channel}`);
        expect(await core.load(pages.map(([, page]) => page))).toEqual({ is: "refused", why: "pages-old" });
      });
      expect(core.faults).toEqual([]);
    },
  );
});

describe("what a forgotten channel leaves of payments", () => {
  test("is that they were made: none is made again through another", async () => {
    const setting = await opened();
    const { core, on, says, node } = setting;
    says.yes = true;
    const two = await another(core, "two", evenTerms());
    await two.advance(0n, two.start);
    const htlc = htlcOf("holder", 50_000_000n, "a");
    await on.signer.call("proposePayment", keysendOf(node, htlc));
    says.yes = false;
    await on.advance(1n, add(on.start, htlc));
    await forgotten(setting, on);
    await attack("the same yes, spent again in another channel", async () => {
      expect(
        (await pays({ ...setting, on: two }, { n: 1n, now: two.start }, htlc, "a")).outcome,
      ).toMatchObject({
        is: "refusal",
      });
    });
  });

  test("is no cover: what was on its way in through it lets nothing more out", async () => {
    const setting = await opened();
    const { core, on, says } = setting;
    says.yes = true;
    const two = await another(core, "two", evenTerms());
    says.yes = false;
    await two.advance(0n, two.start);
    const received = htlcOf("counterparty", 100_000_000n, "h1", 400);
    const half = htlcOf("holder", 40_000_000n, "h1", 200);
    const more = htlcOf("holder", 41_000_000n, "h1", 201);
    await on.advance(1n, add(on.start, received));
    await on.advance(2n, add(on.start, received));
    const first = add(two.start, half);
    await honest(() => two.advance(1n, first));
    await forgotten(setting, on);
    await attack("what it covered before", async () => {
      const { sign } = await two.at(2n, add(first, more));
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({ is: "refusal" });
    });
    expect(core.faults).toEqual([]);
  });

  test("is what settled in it, once: not again with every channel that comes and goes", async () => {
    const setting = await opened();
    const { core, on } = setting;
    const received = htlcOf("counterparty", 90_000_000n, "h1", 400);
    const held = add(on.start, received);
    await on.advance(1n, held);
    const after = remove(held, received, "fulfil");
    await on.advance(2n, after, [preimageOf("h1")]);
    await forgotten(setting, on);
    setting.says.yes = true;
    const two = await another(core, "two", evenTerms());
    await two.advance(0n, two.start);
    setting.says.yes = false;
    await attack("more of its hash than came in", async () => {
      const { sign } = await two.at(1n, add(two.start, htlcOf("holder", 90_001_000n, "h1", 200)));
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({ is: "refusal" });
    });
  });
});

describe("a step that is to be taken again", () => {
  test("is that one: no other channel is forgotten in its place, though nobody is asked then", async () => {
    const setting = await opened();
    const { core, on, says } = setting;
    says.yes = true;
    const two = await another(core, "two", evenTerms());
    await over(core, two);
    says.yes = false;
    const before = new Map(core.pages);
    const { request, answer } = await core.shown(
      ask("forget", { node: setting.node, channel: two.opened.channel }),
    );
    expect(answer.is).toBe("reply");
    const back = async () => {
      core.pages.clear();
      for (const [key, page] of before) core.pages.set(key, page);
      await core.powerCycle();
      expect(await core.load()).toMatchObject({ isBehind: true });
    };
    await back();
    await attack("another channel", async () => {
      const { node, channel } = on.opened;
      const wrong = await core.ask({ ...request, request: packRequest("forget", { node, channel }) });
      expect(wrong).toEqual({ is: "refused", why: "page-differs" });
    });
    await back();
    await honest(async () => expect((await core.ask(request)).is).toBe("reply"));
    await attack("afterwards", async () => expect(await forget(core, on)).toMatchObject(settled));
  });
});
