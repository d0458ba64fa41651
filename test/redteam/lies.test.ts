/** Red-team 11: lies about values, feerate, HTLCs without outputs, preimages, and which outputs are ours. */

import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, feerate, msat, sat } from "../../protocol/units.ts";
import { add, htlcOf, preimageOf, remove, withFeerate } from "../scripted/channel.ts";
import { closeOf, peerScript } from "../scripted/close.ts";
import type { Balances } from "../scripted/content.ts";
import { rig } from "../scripted/road.ts";
import { bob, evenTerms, type Scene, scene } from "../scripted/scene.ts";

type Sign = Request<"signCounterpartyCommitment">;

const opened = async (options: Parameters<typeof scene>[0] = {}): Promise<Scene> => {
  const on = await scene(options);
  await on.advance(0n, on.start);
  return on;
};

/** Refused whichever of the two sides' commitments it is; the honest one passes afterwards. */
const lie = async (
  on: Scene,
  honest: Balances,
  said: (sign: Sign) => Partial<Sign>,
  rule: string,
): Promise<void> => {
  const { sign, validate } = await on.at(1n, honest);
  expect((await on.signer.refusal("signCounterpartyCommitment", { ...sign, ...said(sign) })).rule).toBe(rule);
  // Countersigned by the colluding peer, so that only the rules stand in the way.
  const ours = {
    ...validate,
    ...said({ ...validate, point: sign.point }),
  } as Request<"validateHolderCommitment">;
  const { points } = await on.signer.call("points", {
    node: on.opened.node,
    channel: on.opened.channel,
    numbers: [ours.number],
  });
  const content = { ...ours, trimmed: ours.trimmed === unknown ? [] : ours.trimmed };
  const signed = (() => {
    try {
      return bob.countersign(on.opened.shared, points[0] as never, content);
    } catch {
      return {};
    }
  })();
  const { point: _, ...body } = { ...ours, ...signed } as typeof ours & { point?: unknown };
  expect((await on.signer.refusal("validateHolderCommitment", body)).rule).toBe(rule);
  await on.signer.call("signCounterpartyCommitment", sign);
  await on.signer.call("validateHolderCommitment", validate);
};

describe("about values", () => {
  test("ours moved to the other side", async () => {
    const on = await opened();
    await lie(
      on,
      on.start,
      ({ toHolder, toCounterparty }) => ({
        toHolder: sat(toHolder - 50_000n),
        toCounterparty: sat(toCounterparty + 50_000n),
      }),
      "routing-deltas-only-htlc",
    );
  });

  test("ours moved to the miners", async () => {
    const on = await opened();
    await lie(
      on,
      on.start,
      ({ toHolder }) => ({ toHolder: sat(toHolder - 50_000n) }),
      "commitment-value-conserved",
    );
  });

  test("an HTLC that we never offered takes it", async () => {
    const on = await opened();
    const invented = htlcOf("holder", 50_000_000n, "invented");
    await lie(
      on,
      on.start,
      ({ toCounterparty }) => ({ toCounterparty: sat(toCounterparty - 50_000n), htlcs: [invented] }),
      "commitment-value-conserved",
    );
  });

  test("outputs that the funding can't pay: nobody could ever broadcast it", async () => {
    // The counterparty opened and is too poor for the anchors that our own output brings with it.
    const terms = evenTerms({ opener: "counterparty", contribution: sat(0n), push: msat(999_000_000n) });
    const on = await opened({ terms });
    const { node, channel, shared } = on.opened;
    const { points } = await on.signer.call("points", { node, channel, numbers: [commitmentNumber(1n)] });
    const poor = htlcOf("counterparty", 999_999n, "poor");
    const body = {
      number: commitmentNumber(1n),
      feerate: on.start.feerate,
      toHolder: sat(999_000n),
      toCounterparty: sat(0n),
      htlcs: [poor],
      trimmed: [],
    };
    const outcome = await on.signer.outcome("validateHolderCommitment", {
      ...{ node, channel, funding: shared.funding, preimages: [], expected: unknown },
      ...body,
      ...bob.countersign(shared, points[0] as never, body),
    });
    expect(outcome).toMatchObject({ is: "refusal", refusal: { rule: "commitment-value-conserved" } });
  });
});

describe("about the feerate", () => {
  test("declared lower than what is paid: the difference leaves us", async () => {
    const on = await opened();
    await lie(on, on.start, () => ({ feerate: feerate(253) }), "commitment-value-conserved");
  });

  test("declared higher, and the other side gets the difference", async () => {
    const on = await opened();
    await lie(
      on,
      on.start,
      ({ toCounterparty }) => ({ feerate: feerate(5_000), toCounterparty: sat(toCounterparty + 4_000n) }),
      "commitment-value-conserved",
    );
  });

  test("raised by the other side's commitment alone is judged as ours is", async () => {
    const on = await opened({ signer: await rig({ policy: { maxFeerate: feerate(2_000) } }) });
    const { sign } = await on.at(1n, withFeerate(on.start, feerate(2_001)));
    expect(await on.signer.refusal("signCounterpartyCommitment", sign)).toMatchObject({
      rule: "commitment-fee-range",
      final: false,
    });
    await on.advance(1n, withFeerate(on.start, feerate(2_000)));
  });
});

describe("about HTLCs without outputs", () => {
  test("one with an output is called too small: its value would be the miners'", async () => {
    const on = await opened();
    const htlc = htlcOf("holder", 50_000_000n, "big");
    await lie(on, add(on.start, htlc), () => ({ htlcs: [], trimmed: [htlc] }), "commitment-outputs-trimmed");
  });

  test("one that is too small has an output: the other side could not spend it, and we paid its fee", async () => {
    const on = await opened();
    const htlc = htlcOf("holder", 300_000n, "small");
    await lie(on, add(on.start, htlc), () => ({ htlcs: [htlc], trimmed: [] }), "commitment-outputs-trimmed");
  });

  test("none is listed, in a tier that could", async () => {
    const on = await opened();
    await lie(on, on.start, () => ({ trimmed: unknown }), "node-tier");
  });

  test("a tier that can't list them takes no more than the budget with each commitment", async () => {
    const signer = await rig({ tier: "commitments", policy: { maxTrimmed: msat(400_000n) } });
    const on = await opened({ signer });
    const { sign } = await on.at(1n, add(on.start, htlcOf("holder", 300_000n, "a")));
    const blind = { ...sign, trimmed: unknown, preimages: unknown } as Sign;
    const more = { ...blind, toHolder: sat(blind.toHolder - 200n) };
    expect(await signer.refusal("signCounterpartyCommitment", more)).toMatchObject({
      rule: "trimmed-budget",
      final: false,
    });
    // As the opener's fee, or as the other side's balance, it is no HTLC.
    const given = {
      ...blind,
      toHolder: sat(blind.toHolder - 200n),
      toCounterparty: sat(blind.toCounterparty + 500n),
    };
    expect((await signer.refusal("signCounterpartyCommitment", given)).rule).toBe("routing-deltas-only-htlc");
    await signer.call("signCounterpartyCommitment", blind);
  });
});

describe("about preimages", () => {
  const held = async () => {
    const on = await opened();
    const htlc = htlcOf("holder", 50_000_000n, "paid");
    await on.advance(1n, add(on.start, htlc));
    return { on, htlc, before: add(on.start, htlc) };
  };

  test.each([
    ["none", []],
    ["another's", [preimageOf("other")]],
    ["its own hash", [htlcOf("holder", 1n, "paid").hash as never]],
  ])("%s: a payment is not given up", async (_, preimages) => {
    const { on, htlc, before } = await held();
    const settled = remove(before, htlc, "fulfil");
    const { sign } = await on.at(2n, settled, preimages);
    expect((await on.signer.refusal("signCounterpartyCommitment", sign)).rule).toBe(
      "commitment-payment-settled-preimage",
    );
    await on.advance(2n, settled, [preimageOf("paid")]);
  });

  test("one preimage settles HTLCs of its own hash alone", async () => {
    const on = await opened();
    const [one, other] = [htlcOf("holder", 20_000_000n, "one"), htlcOf("holder", 30_000_000n, "other")];
    const both = add(add(on.start, one), other);
    await on.advance(1n, both);
    const settled = [one, other].reduce((now: Balances, htlc: Htlc) => remove(now, htlc, "fulfil"), both);
    const { sign } = await on.at(2n, settled, [preimageOf("one")]);
    expect((await on.signer.refusal("signCounterpartyCommitment", sign)).rule).toBe(
      "commitment-payment-settled-preimage",
    );
    await on.advance(2n, settled, [preimageOf("one"), preimageOf("other")]);
  });

  test("shown for what was offered to us, it is credited to us", async () => {
    const on = await opened();
    const htlc = htlcOf("counterparty", 50_000_000n, "received");
    const before = add(on.start, htlc);
    await on.advance(1n, before);
    const { sign } = await on.at(2n, remove(before, htlc, "fail"), [preimageOf("received")]);
    expect((await on.signer.refusal("signCounterpartyCommitment", sign)).rule).toBe(
      "commitment-value-conserved",
    );
    await on.advance(2n, remove(before, htlc, "fulfil"), [preimageOf("received")]);
  });
});

describe("about which outputs are ours", () => {
  test("a mutual close pays our balance to a stranger, or to the other side", async () => {
    const on = await opened();
    const close = closeOf(on.opened, on.start, 400n) as Request<"signClosing">;
    const refusal = (changes: Partial<typeof close>) =>
      on.signer.refusal("signClosing", { ...close, ...changes });
    expect(await refusal({ holderScript: bob.basepoints.payment as never })).toMatchObject({
      rule: "mutual-destination-allowlisted",
      final: false,
    });
    expect((await refusal({ holderScript: peerScript })).rule).toBe("mutual-other");
    expect(
      (
        await refusal({
          toHolder: close.toCounterparty,
          toCounterparty: close.toHolder,
        })
      ).rule,
    ).toBe("mutual-value-matches-commitment");
    // Sides exchanged: our script is named as the other side's.
    expect(
      (
        await refusal({
          holderScript: close.counterpartyScript,
          counterpartyScript: close.holderScript,
        })
      ).rule,
    ).toBe("mutual-destination-allowlisted");
    await on.signer.call("signClosing", close);
  });

  test("our balance is called dust", async () => {
    const on = await opened();
    const close = closeOf(on.opened, on.start, 400n) as Request<"signClosing">;
    expect(
      (await on.signer.refusal("signClosing", { ...close, toHolder: sat(0n), toCounterparty: sat(999_000n) }))
        .rule,
    ).toBe("mutual-value-matches-commitment");
    // As a fee it would be too much.
    expect(await on.signer.refusal("signClosing", { ...close, toHolder: sat(0n) })).toMatchObject({
      rule: "mutual-fee-range",
      final: false,
    });
    await on.signer.call("signClosing", close);
  });

  test("the close is judged by what gives us most of all that is live", async () => {
    const on = await opened();
    const htlc = htlcOf("counterparty", 50_000_000n, "in");
    const held = add(on.start, htlc);
    await on.advance(1n, held);
    const settled = remove(held, htlc, "fulfil");
    await on.advance(2n, settled, [preimageOf("in")]);
    // A content in which we spend it again is signed, and no payment was ever made.
    const spent = await on.at(3n, add(settled, htlcOf("holder", 50_000_000n, "out")));
    await on.signer.call("signCounterpartyCommitment", spent.sign);
    const close = closeOf(on.opened, settled, 400n) as Request<"signClosing">;
    const poor = {
      toHolder: sat(close.toHolder - 50_000n),
      toCounterparty: sat(close.toCounterparty + 50_000n),
    };
    expect((await on.signer.refusal("signClosing", { ...close, ...poor })).rule).toBe(
      "mutual-value-matches-commitment",
    );
    await on.signer.call("signClosing", close);
  });
});
