/** Red-team 13: a stolen signer asks a device directly, with its own key of the link and all that it ever kept. */

import { describe, expect, test } from "vitest";
import { encodeCoreAnswer } from "../../protocol/device/core.ts";
import { forDevice } from "../../protocol/device/requests.ts";
import { keyPair, LinkError } from "../../protocol/link.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point } from "../../protocol/units.ts";
import { random } from "../fuzz/random.ts";
import { add, ask, htlcOf, keysendOf, plainTerms } from "../scripted/channel.ts";
import { deviceBench } from "../scripted/device.ts";
import { type Core, openCore, outcomeOf, rigOver } from "../scripted/device-rig.ts";
import { plainTime, type Rig } from "../scripted/road.ts";
import { carol, evenTerms, type Scene, scene } from "../scripted/scene.ts";
import { attack, honest } from "../scripted/tally.ts";

const never = (): Promise<never> => Promise.reject(new Error("no restart here"));
const rigOf = (core: Core): Rig => rigOver(core, { proposes: false, withPerson: true }, never);

interface Setting {
  readonly core: Core;
  readonly on: Scene;
  readonly says: { yes: boolean };
}
const opened = async (): Promise<Setting> => {
  const says = { yes: true };
  const core = await openCore({ consents: () => says.yes });
  await core.load();
  const on = await scene({ signer: rigOf(core), terms: evenTerms() });
  await on.advance(0n, on.start);
  return { core, on, says };
};

const pagesOf = ({ pages }: Core): Map<string, Uint8Array> => new Map(pages);
const judged = async <N extends Name>(core: Core, name: N, body: Request<N>): Promise<Outcome<Name>> =>
  outcomeOf(await core.judge(ask(name, body)));

describe("records that are put back", () => {
  test("older, mixed, missing, forged, renamed, another device's: nothing is opened with them", async () => {
    const { core, on } = await opened();
    const old = pagesOf(core);
    const flash = core.flash.fork({ int: random(2).int });
    await on.advance(1n, on.start);
    const now = pagesOf(core);
    const stranger = await openCore({ pagesKey: 6 });
    await stranger.load();
    const theirs = await scene({ signer: rigOf(stranger), terms: evenTerms() });
    await theirs.advance(0n, theirs.start);
    await theirs.advance(1n, theirs.start);
    const channel = now.get("channel/0") as Uint8Array;
    const flipped = channel.slice();
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const name = new TextEncoder().encode("channel/0");
    const at = Buffer.from(channel).indexOf(name);
    const renamed = channel.slice();
    renamed[at + name.length - 1] = 0x31;
    const tries: readonly (readonly [string, Iterable<Uint8Array>, string])[] = [
      ["all of them older", old.values(), "pages-old"],
      [
        "the channel's older",
        new Map([...now, ["channel/0", old.get("channel/0") as Uint8Array]]).values(),
        "pages-old",
      ],
      ["one missing", [...now].filter(([key]) => key !== "channel/0").map(([, page]) => page), "pages-old"],
      ["none", [], "pages-missing"],
      ["one bit of it", [flipped], "page-forged"],
      ["another channel's name on it", [renamed], "page-forged"],
      ["another device's", stranger.pages.values(), "page-forged"],
    ];
    for (const [what, pages, why] of tries) {
      await core.powerCycle();
      await attack(what, async () => {
        expect(await core.load(pages)).toEqual({ is: "refused", why });
        // And nothing else is to be had.
        expect(
          await core.judge(ask("signMessage", { node: on.opened.node, message: new Uint8Array(3) } as never)),
        ).toEqual({
          is: "refused",
          why: "order",
        });
      });
    }
    await attack("its own memory put back", async () => {
      const back = await openCore({ flash });
      expect(await back.load(now.values())).toEqual({ is: "refused", why: "pages-ahead" });
    });
    await honest(async () => {
      // In any order, and twice over.
      expect(await core.load([...now.values(), ...[...now.values()].reverse()])).toMatchObject({
        is: "begun",
      });
    });
    expect(core.faults).toEqual([]);
  });

  test("while the last answer is open: nothing but that request is answered", async () => {
    const { core, on } = await opened();
    const before = pagesOf(core);
    const step = core.step;
    const { validate, revoke, sign } = await on.at(1n, on.start);
    const put = async (): Promise<void> => {
      core.pages.clear();
      for (const [key, page] of before) core.pages.set(key, page);
      core.step = step;
    };
    const first = await core.judge(ask("validateHolderCommitment", validate));
    for (const [name, body] of [
      ["revokeHolderCommitment", revoke],
      ["signCounterpartyCommitment", sign],
      ["signHolderCommitment", { ...revoke, funding: validate.funding, txid: new Uint8Array(32) }],
      ["validateHolderCommitment", { ...validate, feerate: (validate.feerate + 1) as never }],
      ["signMessage", { node: on.opened.node, message: new Uint8Array(3) }],
    ] as readonly (readonly [Name, unknown])[]) {
      await put();
      await core.powerCycle();
      expect(await core.load()).toMatchObject({ is: "begun", isBehind: true });
      await attack(`${name} instead`, async () => {
        const answer = await core.judge(ask(name, body as never)).catch((error: unknown) => error);
        if (answer instanceof Error) throw answer;
        expect(answer).toEqual({ is: "refused", why: "page-differs" });
      });
    }
    await put();
    await honest(async () => {
      expect(await core.load()).toMatchObject({ is: "begun", isBehind: true });
      const again = await core.judge(ask("validateHolderCommitment", validate));
      expect(encodeCoreAnswer(again)).toEqual(encodeCoreAnswer(first));
    });
  });
});

describe("what a person has to agree to at the device", () => {
  const out = htlcOf("holder", 50_000_000n, "a");
  const other = htlcOf("holder", 50_000_000n, "b");
  const decided = (core: Core, id: Uint8Array) =>
    judged(core, "decideApproval", {
      node: rigOf(core).session.node,
      id,
      verdict: "approve",
      by: "the thief",
    } as never);

  const asking = async (core: Core, htlc = out): Promise<Uint8Array> => {
    const outcome = await judged(core, "proposePayment", keysendOf(rigOf(core).session.node, htlc));
    if (outcome.is !== "reply" || !("approval" in outcome.reply)) throw new Error(outcome.is);
    return outcome.reply.approval;
  };

  test("nobody else agrees to: not a signer, not for another payment, not after the device was locked", async () => {
    const { core, on, says } = await opened();
    const { sign } = await on.at(1n, add(on.start, out));
    await attack("a payment that nobody asked about", async () => {
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({ is: "refusal" });
    });
    const [one, two] = [await asking(core), await asking(core, other)];
    await attack("the signer's own yes", async () => {
      expect(await decided(core, one)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    expect(await core.ask({ is: "consult", approval: two })).toMatchObject({ verdict: "approve" });
    await attack("a yes to another question", async () => {
      expect(await decided(core, one)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    await core.powerCycle();
    await core.load();
    await attack("a yes from before it was switched off", async () => {
      expect(await decided(core, two)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    says.yes = false;
    expect(await core.ask({ is: "consult", approval: one })).toMatchObject({ verdict: "deny" });
    await attack("a no that is called a yes", async () => {
      expect(await decided(core, one)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
    await attack("a question that there is not", async () => {
      expect(await core.ask({ is: "consult", approval: new Uint8Array(32) })).toMatchObject({
        why: "unknown",
      });
    });
    says.yes = true;
    await honest(async () => {
      expect(await core.ask({ is: "consult", approval: one })).toMatchObject({ verdict: "approve" });
      expect(await decided(core, one)).toMatchObject({ is: "reply" });
      // Its answer was lost: asked again, it is what it was.
      expect(await decided(core, one)).toMatchObject({ is: "reply" });
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({ is: "reply" });
    });
    const dear = await on.at(1n, add(on.start, { ...out, amount: (out.amount + 1n) as never }));
    const second = await on.at(1n, add(on.start, other));
    for (const [what, body] of [
      ["more than was agreed to", dear.sign],
      ["another payment on its yes", second.sign],
    ] as const)
      await attack(what, async () => {
        expect(await judged(core, "signCounterpartyCommitment", body)).toMatchObject({ is: "refusal" });
      });
  });

  test("is asked once for a yes that the signer did not hear", async () => {
    const { core } = await opened();
    const id = await asking(core);
    const before = core.asked.length;
    for (let i = 0; i < 3; i++) await core.ask({ is: "consult", approval: id });
    expect(core.asked.length).toBe(before + 1);
    await honest(async () => expect(await decided(core, id)).toMatchObject({ is: "reply" }));
  });
});

describe("requests out of order", () => {
  test("twice at once, before the beginning, for a signer that is gone", async () => {
    const core = await openCore();
    const { node } = rigOf(core).session;
    const wanted = ask("new", { node, wanted: "unknown" } as never);
    await attack("judged before it is open", async () => {
      expect(await core.judge(wanted)).toEqual({ is: "refused", why: "order" });
    });
    const now = BigInt(plainTime);
    await core.ask({ is: "open", network: "regtest", tier: "full", index: 0, now });
    await attack("begun twice over the same records", async () => {
      const answers = await Promise.all([core.ask({ is: "begin" }), core.ask({ is: "begin" })]);
      expect(answers.map((one) => one.is)).toEqual(["begun", "refused"]);
    });
    await attack("loaded when it is open", async () => {
      expect(await core.ask({ is: "load", pages: [] })).toEqual({ is: "refused", why: "order" });
    });
    await attack("another network, tier or index", async () => {
      for (const kept of [
        { network: "bitcoin", tier: "full", index: 0 },
        { network: "regtest", tier: "full", index: 1 },
      ] as const)
        expect(await core.ask({ is: "open", ...kept, now })).toEqual({ is: "refused", why: "network" });
      const lesser = { is: "open", network: "regtest", tier: "commitments", index: 0, now } as const;
      expect(await core.ask(lesser)).toEqual({ is: "refused", why: "tier" });
    });
    await attack("judged though its session ended", async () => {
      const { request, answer } = await core.shown(wanted);
      expect(answer.is).toBe("reply");
      const gone = { ...request, step: core.step };
      const ended = new AbortController();
      const late = core.ask({ ...gone, request: request.request }, ended.signal);
      ended.abort();
      expect(await late).toEqual({ is: "refused", why: "order" });
      expect(core.pages.size).toBe(1);
    });
    await honest(async () => expect((await core.judge(wanted)).is).toBe("reply"));
  });

  test("more than there is room for is refused before anything is signed", async () => {
    const core = await openCore();
    await core.load();
    const signer = rigOf(core);
    const { node } = signer.session;
    const { channel } = await signer.call("new", { node, wanted: "unknown" } as never);
    const peer = new Uint8Array(33).fill(2) as unknown as Point;
    const terms = plainTerms({ contribution: 0n as never, opener: "counterparty" });
    await attack("a channel of 483 HTLCs", async () => {
      expect(await judged(core, "check", { node, channel, peer, terms } as never)).toMatchObject({
        refusal: { rule: "device-room" },
      });
    });
    const { on } = await opened();
    const htlcs = Array.from({ length: 101 }, (_, i) => htlcOf("counterparty", 1_000n, `many ${i}`));
    const { sign } = await on.at(1n, on.start);
    await attack("a commitment of 101", async () => {
      expect(
        await on.signer.refusal("signCounterpartyCommitment", { ...sign, htlcs } as never),
      ).toMatchObject({
        rule: "device-room",
        final: false,
      });
    });
    await honest(async () => on.signer.call("signCounterpartyCommitment", sign));
  });

  test("hostile bytes are no fault of the device's", async () => {
    const { core } = await opened();
    await attack("what is not on the curve", async () => {
      await expect(
        core.ask({ is: "ecdh", point: new Uint8Array(33).fill(255).fill(2, 0, 1) as Point }),
      ).rejects.toThrow();
    });
    await attack("more chance than it gives", async () => {
      await expect(core.ask({ is: "random", count: 2_000 })).rejects.toThrow();
    });
    expect(core.faults).toEqual([]);
    await honest(async () =>
      expect(await core.ask({ is: "random", count: 32 })).toMatchObject({ is: "bytes" }),
    );
  });
});

test("over a cable: neither a signer that is not paired nor a device that is another one is spoken with", async () => {
  const bench = await deviceBench();
  const info = Uint8Array.of(forDevice, 1);
  const stranger = keyPair(new Secret(random(7).bytes(32)));
  await attack("a signer that is not paired", async () => {
    const link = await bench.connect({ identity: stranger, patienceMs: 300 });
    await expect(link.ask(info)).rejects.toThrow(LinkError);
    await link.close();
  });
  await attack("another device in its place", async () => {
    const link = await bench.connect({ device: stranger.public, patienceMs: 300 });
    await expect(link.ask(info)).rejects.toThrow(LinkError);
    await link.close();
  });
  await honest(async () => {
    const link = await bench.connect();
    expect((await link.ask(info))[0]).toBe(forDevice);
  });
  expect(bench.faults).toEqual([]);
  await bench.close();
});

describe("a channel that only the thief paid into", () => {
  /** Made up, with the thief as its other side: no chain has it, and a device sees none. */
  const madeUp = async (says: { yes: boolean }) => {
    const core = await openCore({ consents: (title) => title !== "In the chain?" || says.yes });
    await core.load();
    const rig = rigOf(core);
    const air = await scene({ signer: rig, label: "air", terms: plainTerms({ opener: "counterparty" }) });
    const ours = await scene({ signer: rig, label: "ours", terms: plainTerms(), peer: carol });
    await air.advance(0n, air.start);
    await ours.advance(0n, ours.start);
    const received = htlcOf("counterparty", 300_000_000n, "h1", 400);
    const offered = htlcOf("holder", 300_000_000n, "h1", 200);
    await air.advance(1n, add(air.start, received));
    await air.advance(2n, add(air.start, received));
    const { sign } = await ours.at(1n, add(ours.start, offered));
    return { core, sign: () => judged(core, "signCounterpartyCommitment", sign) };
  };
  const rule = "commitment-htlc-received-spends-active-utxo";

  test("covers nothing that leaves another one, until a person says that it is in the chain", async () => {
    const says = { yes: false };
    const { core, sign } = await madeUp(says);
    await attack("a forward that it covers", async () => {
      expect(await sign()).toMatchObject({ is: "refusal", refusal: { rule, final: false } });
    });
    await attack("after a person said no", async () => {
      expect(await core.ask({ is: "vouch", step: core.step })).toEqual({
        is: "verdict",
        verdict: "deny",
        by: "person",
      });
      expect(await sign()).toMatchObject({ is: "refusal", refusal: { rule } });
    });
    const asked = core.asked.length;
    await attack("asking until they say yes", async () => {
      says.yes = true;
      expect(await core.ask({ is: "vouch", step: core.step })).toEqual({ is: "refused", why: "unknown" });
      expect(core.asked.length).toBe(asked);
    });
    // After the next unlocking they may have looked.
    await core.powerCycle();
    await core.load();
    await honest(async () => {
      expect(await core.ask({ is: "vouch", step: core.step })).toEqual({
        is: "verdict",
        verdict: "approve",
        by: "person",
      });
      expect(await sign()).toMatchObject({ is: "reply" });
    });
    // It is remembered, over a power cut too.
    await core.powerCycle();
    await core.load();
    await honest(async () => {
      expect(await core.ask({ is: "vouch", step: core.step })).toEqual({ is: "refused", why: "unknown" });
      expect(await sign()).toMatchObject({ is: "reply" });
    });
  });
});
