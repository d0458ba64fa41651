/** Red-team 8: whatever a host sends, the signer stays up and serves its other channels. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { packRequest, type Request } from "../../protocol/operations/index.ts";
import { requestShape } from "../../protocol/operations/shapes.ts";
import {
  channelId,
  commitmentNumber,
  feerate,
  height,
  msat,
  type Point,
  paymentHash,
  type Signature,
  sat,
  script,
} from "../../protocol/units.ts";
import { add, ask, htlcOf } from "../scripted/channel.ts";
import { closeOf } from "../scripted/close.ts";
import { curve, rig } from "../scripted/road.ts";
import { carol, evenTerms, type Scene, scene } from "../scripted/scene.ts";
import { asks } from "../scripted/story.ts";
import { steady } from "../steady.ts";
import { arbitraryOf } from "../unit/arbitrary.ts";

const offCurve = Uint8Array.from([2, ...new Uint8Array(31), 5]) as Point;
const names = Object.values(asks);

/** Two channels of one node: the first is attacked, the second must not notice. */
const two = async (): Promise<{ attacked: Scene; other: Scene }> => {
  const attacked = await scene({ label: "attacked" });
  await attacked.advance(0n, attacked.start);
  const other = await scene({ signer: attacked.signer, peer: carol, label: "other" });
  await other.advance(0n, other.start);
  return { attacked, other };
};

const serves = async ({ attacked, other }: { attacked: Scene; other: Scene }, n = 1n): Promise<void> => {
  const htlc = htlcOf("holder", 5_000_000n, `n${n}`);
  await other.advance(n, add(other.start, htlc));
  expect(attacked.signer.session.fault()).toBeUndefined();
  expect(attacked.signer.faults).toEqual([]);
};

describe("no request breaks the session", () => {
  test("of any operation, with any values that a decoder lets through", async () => {
    const channels = await two();
    const { signer, opened } = channels.attacked;
    const seen = { reply: 0, refusal: 0, malformed: 0, fault: 0 };
    await steady(
      fc.asyncProperty(
        fc
          .constantFrom(...names)
          .chain((name) => fc.tuple(fc.constant(name), arbitraryOf(requestShape(name)))),
        fc.constantFrom(0n, 0n, 1n, 7n),
        fc.boolean(),
        async ([name, any], channel, ours) => {
          const body = {
            ...(any as Record<string, unknown>),
            node: opened.node,
            ...(name === "new" || name === "hello" ? {} : { channel }),
            ...(ours && "funding" in (any as object) ? { funding: opened.shared.funding } : {}),
            ...("number" in (any as object) ? { number: commitmentNumber(ours ? 1n : 1n << 47n) } : {}),
          };
          const outcome = await signer.outcome(name, body as never);
          seen[outcome.is] += 1;
          expect(outcome.is).not.toBe("fault");
        },
      ),
      { numRuns: 300, endOnFailure: true },
    );
    expect(seen.malformed + seen.refusal).toBeGreaterThan(100);
    await serves(channels);
  });

  const sign = async (on: Scene): Promise<Request<"signCounterpartyCommitment">> =>
    (await on.at(1n, on.start)).sign;
  const huge = (n: number) =>
    Array.from({ length: n }, (_, i) => ({
      offeredBy: i % 2 === 0 ? ("holder" as const) : ("counterparty" as const),
      amount: msat(2_100_000_000_000_000_000n),
      hash: paymentHash(new Uint8Array(32).fill(i)),
      expiry: height(499_999_999),
    }));

  const attacks: Record<string, (on: Scene) => Promise<readonly ReturnType<typeof ask>[]>> = {
    "a point off the curve": async (on) => [
      ask("signCounterpartyCommitment", { ...(await sign(on)), point: offCurve }),
    ],
    "keys off the curve": async (on) => {
      const { channel } = await on.signer.call("new", { node: on.opened.node, wanted: unknown });
      return Object.keys(on.peer.basepoints).map((key) =>
        ask("setup", {
          node: on.opened.node,
          channel,
          peer: on.peer.id,
          terms: evenTerms(),
          counterparty: { ...on.peer.basepoints, [key]: offCurve },
          funding: on.opened.shared.funding,
        }),
      );
    },
    "our own funding key as the other side's": async (on) => {
      const { channel, basepoints } = await on.signer.call("new", { node: on.opened.node, wanted: unknown });
      const counterparty = { ...on.peer.basepoints, funding: basepoints.funding };
      const { funding } = on.opened.shared;
      return [
        ask("setup", {
          node: on.opened.node,
          channel,
          peer: on.peer.id,
          terms: evenTerms(),
          counterparty,
          funding,
        }),
      ];
    },
    "no transaction at all": async (on) => {
      const body = await sign(on);
      return [new Uint8Array(0), new Uint8Array(60), new Uint8Array(100_000).fill(1)].map((expected) =>
        ask("signCounterpartyCommitment", { ...body, expected }),
      );
    },
    "as many HTLCs as the codec takes, each worth all bitcoin there is": async (on) => {
      const body = await sign(on);
      return [
        ask("signCounterpartyCommitment", { ...body, htlcs: huge(966), trimmed: huge(966) }),
        ask("signCounterpartyCommitment", { ...body, htlcs: huge(966), trimmed: unknown }),
        ask("signCounterpartyCommitment", { ...body, toHolder: sat(2_100_000_000_000_000n) }),
      ];
    },
    "a feerate without measure": async (on) => [
      ask("signCounterpartyCommitment", { ...(await sign(on)), feerate: feerate(0xffff_ffff) }),
      ask("signCounterpartyCommitment", { ...(await sign(on)), feerate: feerate(0), toHolder: sat(1n) }),
    ],
    "HTLCs of nothing": async (on) => {
      const none = { ...htlcOf("holder", 0n, "none"), expiry: height(0) };
      return [ask("signCounterpartyCommitment", { ...(await sign(on)), htlcs: [none] })];
    },
    "the last numbers that there are": async (on) => {
      const number = commitmentNumber((1n << 48n) - 1n);
      const { node, channel, shared } = on.opened;
      const { validate, revocation } = await on.at(1n, on.start);
      return [
        ask("points", { node, channel, numbers: Array.from({ length: 64 }, () => number) }),
        ask("signCounterpartyCommitment", { ...(await sign(on)), number }),
        ask("validateHolderCommitment", { ...validate, number }),
        ask("revokeHolderCommitment", { node, channel, number }),
        ask("validateCounterpartyRevocation", { ...(revocation as NonNullable<typeof revocation>), number }),
        ask("signHolderCommitment", {
          node,
          channel,
          number,
          funding: shared.funding,
          txid: shared.funding.txid,
        }),
      ];
    },
    "signatures that are none": async (on) => {
      const { validate } = await on.at(1n, on.start);
      const none = new Uint8Array(64) as Signature;
      const full = new Uint8Array(64).fill(0xff) as Signature;
      return [
        ask("validateHolderCommitment", { ...validate, signature: none }),
        ask("validateHolderCommitment", { ...validate, signature: full }),
        ask("validateHolderCommitment", {
          ...validate,
          htlcSignatures: Array.from({ length: 966 }, () => none),
        }),
      ];
    },
    "channel ids as high as they go": async (on) => [
      ask("new", { node: on.opened.node, wanted: channelId((1n << 63n) - 1n) }),
      ask("new", { node: on.opened.node, wanted: channelId(1n << 62n) }),
      ask("points", { node: on.opened.node, channel: channelId((1n << 63n) - 1n), numbers: [] }),
    ],
    "a close that pays at no script, or at one of 520 bytes": async (on) => {
      const close = closeOf(on.opened, on.start, 400n) as Request<"signClosing">;
      const none = script(new Uint8Array(0));
      return [
        ask("signClosing", { ...close, holderScript: none, counterpartyScript: none }),
        ask("signClosing", { ...close, holderScript: script(new Uint8Array(520)) }),
        ask("signClosing", { ...close, expected: new Uint8Array(3) }),
      ];
    },
    "a version before the first": async (on) => [
      ask("hello", { node: on.opened.node, version: 0, network: "regtest", software: "" }),
    ],
  };

  test.each(Object.keys(attacks))("%s", async (name) => {
    const channels = await two();
    const requests = (await attacks[name]?.(channels.attacked)) ?? [];
    expect(requests.length).toBeGreaterThan(0);
    const before = await channels.attacked.record();
    for (const { name: operation, body } of requests) {
      // What no encoder writes, no host can send.
      expect(() => packRequest(operation, body as never)).not.toThrow();
      const { is } = await channels.attacked.signer.outcome(operation, body as never);
      expect(is).not.toBe("fault");
      if (operation !== "points") expect(is).not.toBe("reply");
    }
    expect(await channels.attacked.record()).toEqual(before);
    await serves(channels);
    // The honest neighbour: the attacked channel itself goes on.
    await channels.attacked.advance(1n, channels.attacked.start);
  });

  test("static_remotekey: HTLCs too small for their own transaction's fee", async () => {
    const on = await scene({ terms: evenTerms({ type: "static_remotekey" }) });
    await on.advance(0n, on.start);
    const { sign } = await on.at(1n, on.start);
    for (const rate of [1_000, 100_000, 0xffff_ffff]) {
      const body = { ...sign, feerate: feerate(rate), htlcs: [htlcOf("holder", 400_000n, "tiny")] };
      expect((await on.signer.refusal("signCounterpartyCommitment", body)).rule).toBe(
        "commitment-outputs-trimmed",
      );
    }
    await on.advance(1n, on.start);
  });

  test("requests that are refused leave nothing behind, however many", async () => {
    const channels = await two();
    const { signer, opened } = channels.attacked;
    const { sign } = await channels.attacked.at(1n, channels.attacked.start);
    const before = await signer.store.load(opened.node);
    for (let i = 0; i < 500; i++)
      await signer.outcome("signCounterpartyCommitment", {
        ...sign,
        number: commitmentNumber(BigInt(i + 2)),
      });
    expect(await signer.store.load(opened.node)).toEqual(before);
    expect(signer.session.channels()).toBe(2);
    await serves(channels);
  });
});

describe("the order of requests", () => {
  test("is that of their decisions, however long one of them is verified", async () => {
    let slow = 0;
    let answer: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const verify = async (jobs: Parameters<typeof curve.verifyBatch>[0]) => {
      slow += 1;
      if (slow === 2) await gate;
      return curve.verifyBatch(jobs);
    };
    const on = await scene({ signer: await rig({ verify }) });
    await on.advance(0n, on.start);
    const { validate, revoke } = await on.at(1n, on.start);
    // The secret may leave only because of the commitment that is still being verified.
    const first = on.signer.outcome("validateHolderCommitment", validate);
    const second = on.signer.outcome("revokeHolderCommitment", revoke as never);
    let settled = false;
    void second.then(() => {
      settled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(settled).toBe(false);
    answer?.();
    expect((await first).is).toBe("reply");
    expect((await second).is).toBe("reply");
  });

  test("holds when an earlier request fails before its turn", async () => {
    let answer: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let calls = 0;
    const verify = async (jobs: Parameters<typeof curve.verifyBatch>[0]) => {
      calls += 1;
      if (calls === 2) await gate;
      return curve.verifyBatch(jobs);
    };
    const on = await scene({ signer: await rig({ verify }) });
    await on.advance(0n, on.start);
    const { validate, revoke, sign } = await on.at(1n, on.start);
    const first = on.signer.outcome("validateHolderCommitment", validate);
    const failing = on.signer.outcome("signCounterpartyCommitment", { ...sign, point: offCurve });
    const third = on.signer.outcome("revokeHolderCommitment", revoke as never);
    await new Promise((resolve) => setTimeout(resolve, 20));
    answer?.();
    expect([(await first).is, (await failing).is, (await third).is]).toEqual(["reply", "malformed", "reply"]);
  });

  test("a setup and what follows it may be sent at once", async () => {
    const calm = await scene();
    const { sign, validate } = await calm.at(0n, calm.start);
    const { node, channel, shared } = calm.opened;
    const signer = await rig();
    const outcomes = await Promise.all([
      signer.outcome("new", { node, wanted: unknown }),
      signer.outcome("setup", {
        node,
        channel,
        peer: calm.peer.id,
        terms: calm.terms,
        counterparty: shared.counterparty,
        funding: shared.funding,
      }),
      signer.outcome("signCounterpartyCommitment", sign),
      signer.outcome("validateHolderCommitment", validate),
    ]);
    expect(outcomes.map(({ is }) => is)).toEqual(["reply", "reply", "reply", "reply"]);
  });
});

describe("a fault", () => {
  test("of a verifier that does not answer for every signature signs nothing more", async () => {
    const on = await scene({ signer: await rig({ verify: async () => [] }) });
    const { sign, validate } = await on.at(0n, on.start);
    // What was already under way behind it is not decided any more.
    const [broken, behind] = await Promise.all([
      on.signer.outcome("validateHolderCommitment", validate),
      on.signer.outcome("signCounterpartyCommitment", sign),
    ]);
    expect(broken).toMatchObject({ is: "fault", fault: { code: "internal" } });
    expect(behind.is).toBe("fault");
    expect((await on.signer.outcome("signCounterpartyCommitment", sign)).is).toBe("fault");
    expect(on.signer.session.fault()).toMatchObject({ code: "internal" });
  });
});
