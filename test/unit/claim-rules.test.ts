import { describe, expect, test } from "vitest";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import type { Tx, TxOutput } from "../../protocol/bitcoin/tx.ts";
import type { ChannelClaim, ChannelPlan } from "../../protocol/bolt/claim.ts";
import { deriveKey, deriveRevocationKey } from "../../protocol/bolt/derive.ts";
import { delayedScript } from "../../protocol/bolt/scripts.ts";
import { arrange } from "../../protocol/bolt/spend-sign.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Refusal } from "../../protocol/outcome.ts";
import {
  commitmentNumber,
  delay,
  feerate,
  height,
  type Point,
  type Script,
  sat,
} from "../../protocol/units.ts";
import { judge } from "../../signer/core/rule.ts";
import { claimRules, isBreachToUs, misfitRefusal, type SpendView } from "../../signer/core/rules/spend.ts";
import { claimsOf } from "../../signer/core/spend/channel.ts";
import { type ChannelInput, type Input, partyOf } from "../../signer/core/spend/inputs.ts";
import { add, htlcOf, fundingOf as labelled, start } from "../scripted/channel.ts";
import { strangersScript } from "../scripted/spends.ts";
import { alice, bob, curve, testChannel } from "./chain-channel.ts";

const facts = (refusal: Refusal | undefined): string =>
  refusal === undefined
    ? "passes"
    : [refusal.rule, ...refusal.facts.map(({ name, value }) => `${name} ${value}`)].join(", ");

interface Scene {
  readonly inputs: readonly object[];
  readonly at?: number;
  readonly locktime?: number;
  readonly leaving?: bigint;
  readonly others?: bigint;
  readonly foreign?: boolean;
  readonly max?: bigint;
}

const inputOf = (kind: ChannelInput["kind"] | "wallet" | "foreign", changes: object = {}): object => ({
  ...{ from: kind === "wallet" || kind === "foreign" ? kind : "channel", kind, plan: {}, htlc: undefined },
  ...changes,
});

const viewOf = ({
  inputs,
  at,
  locktime = 0,
  leaving = 500n,
  others = 0n,
  foreign = false,
  max = 900n,
}: Scene) =>
  ({
    inputs: inputs.map((input, index) => ({ ...input, index })),
    tx: { version: 2, inputs: [], outputs: [], locktime },
    paid: [{ is: "other", value: others, allowed: true }],
    height: at === undefined ? undefined : height(at),
    sums: {
      ...{ leaving, others, foreign, given: others, claimed: 1n },
      limits: { weight: 400, min: 0n, base: 900n, max },
    },
  }) as unknown as SpendView;

const says = (scene: Scene): string => facts(judge(claimRules, viewOf(scene)));

describe("the locktime of a claim", () => {
  const toRemote = inputOf("toRemote");

  test("is at most two weeks ahead of the chain that the signer knows", () => {
    expect(says({ inputs: [toRemote], at: 1_000, locktime: 3_016 })).toBe("passes");
    expect(says({ inputs: [toRemote], at: 1_000, locktime: 3_017 })).toBe(
      "sweep-locktime, locktime 3017, max 3016",
    );
  });

  test("is a height, where no chain is followed", () => {
    expect(says({ inputs: [toRemote], locktime: 499_999_999 })).toBe("passes");
    expect(says({ inputs: [toRemote], locktime: 500_000_000 })).toContain(
      "sweep-locktime, locktime 500000000",
    );
  });

  test("of HTLC transactions is their expiry, which the counterparty has signed", () => {
    const stage = inputOf("holderHtlc");
    expect(says({ inputs: [stage], at: 1_000, locktime: 3_017 })).toBe("passes");
    expect(says({ inputs: [stage, toRemote], at: 1_000, locktime: 3_017 })).toContain("sweep-locktime");
    expect(says({ inputs: [inputOf("wallet")], at: 1_000, locktime: 3_017 })).toBe("passes");
  });

  test("is not so far ahead that an HTLC that we offered is taken back before anybody can know", () => {
    const htlc = (offeredBy: Htlc["offeredBy"], expiry: number) => htlcOf(offeredBy, 1n, "x", expiry);
    const of = (kind: ChannelInput["kind"], one: Htlc, at: number | undefined = 1_000) =>
      says({
        inputs: [inputOf("wallet"), inputOf(kind, { htlc: one })],
        ...(at === undefined ? {} : { at }),
      });
    expect(of("holderHtlc", htlc("holder", 3_016))).toBe("passes");
    expect(of("holderHtlc", htlc("holder", 3_017))).toBe("htlc-cltv-range, input 1, expiry 3017, max 3016");
    expect(of("holderHtlc", htlc("counterparty", 3_017))).toBe("passes");
    expect(of("counterpartyHtlc", htlc("holder", 3_017))).toBe("passes");
    expect(says({ inputs: [inputOf("holderHtlc", { htlc: htlc("holder", 3_017) })] })).toBe("passes");
  });
});

describe("the fee of a claim", () => {
  const [stage, sweep, justice] = [inputOf("holderHtlc"), inputOf("delayed"), inputOf("justiceHtlc")];
  const fixed = inputOf("holderHtlc", { plan: { countersigned: { alone: true } } });
  const fee = (inputs: readonly object[], leaving = 901n, changes: Partial<Scene> = {}): string =>
    says({ inputs, leaving, ...changes }).split(",")[0] ?? "";

  test("is held by the rule of what is claimed", () => {
    const told = says({ inputs: [sweep], leaving: 901n });
    expect(told).toBe("sweep-fee-range, fee 901, min 0, max 900, weight 400");
    expect(fee([stage])).toBe("htlc-fee-range");
    expect(fee([stage, sweep])).toBe("sweep-fee-range");
    expect(fee([stage, inputOf("wallet")])).toBe("htlc-fee-range");
    expect(fee([justice])).toBe("justice-always-possible");
    expect(fee([justice, sweep])).toBe("justice-always-possible");
    expect(fee([inputOf("wallet")])).toBe("passes");
  });

  test("is at most what the limits say", () => {
    for (const inputs of [[stage], [sweep], [justice], [justice, sweep]]) {
      expect(fee(inputs, 900n)).toBe("passes");
      expect(fee(inputs, 901n)).not.toBe("passes");
      expect(fee(inputs, 901n, { max: 901n })).toBe("passes");
    }
  });

  test("is not less than nothing, unless others pay a part", () => {
    expect(fee([sweep], 0n)).toBe("passes");
    expect(fee([sweep], -1n)).toBe("sweep-fee-range");
    expect(fee([sweep], -1n, { foreign: true })).toBe("passes");
  });

  test("of an HTLC transaction without anchors is not ours to choose", () => {
    expect(fee([fixed])).toBe("passes");
    expect(fee([fixed, fixed])).toBe("htlc-fee-range");
    expect(fee([inputOf("holderHtlc", { plan: { countersigned: { alone: false } } })])).toBe(
      "htlc-fee-range",
    );
    expect(fee([inputOf("delayed", { plan: { countersigned: { alone: true } } })])).toBe("sweep-fee-range");
  });

  test("of a breach is nobody's limit only where all comes home", () => {
    expect(isBreachToUs(viewOf({ inputs: [justice] }))).toBe(true);
    expect(isBreachToUs(viewOf({ inputs: [sweep, justice] }))).toBe(true);
    expect(isBreachToUs(viewOf({ inputs: [sweep] }))).toBe(false);
    expect(isBreachToUs(viewOf({ inputs: [justice], others: 1n }))).toBe(false);
    // To others it is an ordinary sweep, with an ordinary fee.
    expect(fee([justice], 1_901n, { others: 1_000n })).toBe("sweep-fee-range");
  });
});

describe("an input that is not what BOLT 3 says", () => {
  const channel = testChannel();
  const offered = htlcOf("holder", 50_000_000n, "offered", 600);
  const now = add(start(channel.terms), offered);
  const live = channel.live({ holder: [[3n, now]] });
  const point = alice.point(commitmentNumber(3n));
  const { plan } = claimsOf(7n as never, live, curve, () => point);

  const htlc: ChannelClaim = {
    kind: "holderHtlc",
    point,
    feerate: feerate(1_000),
    htlc: partyOf(offered, "holder"),
  };
  const delayed: ChannelClaim = { kind: "delayed", point };
  const inputFor = (claim: ChannelClaim, of: ChannelPlan, index = 0, origin: unknown = { point }): Input =>
    ({
      ...{ from: "channel", index, kind: claim.kind, plan: of, live },
      origin: origin === "none" ? undefined : origin,
    }) as unknown as Input;
  const good = (of: ChannelPlan, outputs: readonly TxOutput[] = []): Tx => {
    const arranged = arrange([of], height(0));
    if (arranged === undefined) throw new Error("no arrangement");
    const { sequences, locktime } = arranged;
    const inputs = sequences.map((sequence) => ({ outpoint: labelled("x"), sequence }));
    return {
      version: 2,
      inputs,
      outputs: [...(of.countersigned ? [of.countersigned.output] : []), ...outputs],
      locktime,
    };
  };
  const misfit = (claim: ChannelClaim, change: (tx: Tx) => Tx, origin: unknown = { point }) => {
    const of = plan(claim);
    const inputs = [inputFor(claim, of, 0, origin)];
    const view = { tx: change(good(of)), inputs, curve } as unknown as SpendView;
    return misfitRefusal(view);
  };

  test("is named by what is wrong, for an HTLC transaction and for a sweep", () => {
    const late = (tx: Tx): Tx => ({
      ...tx,
      inputs: tx.inputs.map((input) => ({ ...input, sequence: 0xffff_ffff })),
    });
    const scriptSig = (tx: Tx): Tx => ({
      ...{ ...tx, inputs: tx.inputs.map((input) => ({ ...input, scriptSig: strangersScript(1) })) },
    });
    for (const [claim, name] of [
      [htlc, "htlc"],
      [delayed, "sweep"],
    ] as const) {
      expect(misfit(claim, (tx) => tx)).toBeUndefined();
      expect(misfit(claim, (tx) => ({ ...tx, version: 1 }))?.rule).toBe(`${name}-version`);
      expect(misfit(claim, late)?.rule).toBe(`${name}-sequence`);
      expect(misfit(claim, scriptSig)?.rule).toBe(`${name}-other`);
    }
    expect(misfit(htlc, (tx) => ({ ...tx, locktime: tx.locktime - 1 }))?.rule).toBe("htlc-locktime");
    const back = partyOf(offered, "counterparty");
    const theirs: ChannelClaim = {
      kind: "counterpartyHtlc",
      point: bob.point(commitmentNumber(3n)),
      htlc: back,
    };
    expect(misfit(theirs, (tx) => tx)).toBeUndefined();
    expect(misfit(theirs, (tx) => ({ ...tx, locktime: tx.locktime - 1 }))?.rule).toBe("sweep-locktime");
  });

  test("comes with what the transaction has there", () => {
    const output = { value: sat(5n), script: strangersScript(2) };
    const told = facts(misfit(delayed, (tx) => ({ ...tx, version: 1, outputs: [output] })));
    expect(told).toBe(
      `sweep-version, input 0, version 1, locktime 0, sequence 720, value 5, script ${toHex(output.script)}`,
    );
    expect(facts(misfit(delayed, (tx) => ({ ...tx, version: 3 })))).toBe(
      "sweep-version, input 0, version 3, locktime 0, sequence 720",
    );
  });

  test("is the first of several, wherever it stands", () => {
    const [first, second] = [plan(delayed), plan(htlc)];
    const inputs = [inputFor(delayed, first), inputFor(htlc, second, 1)];
    const tx = good(first);
    const both = { ...tx, inputs: [...tx.inputs, { outpoint: labelled("y"), sequence: 9 }] };
    expect(facts(misfitRefusal({ tx: both, inputs, curve } as unknown as SpendView))).toContain("input 1");
    const wallet = { from: "wallet", index: 0, plan: {} } as unknown as Input;
    expect(misfitRefusal({ tx, inputs: [wallet], curve } as unknown as SpendView)).toBeUndefined();
  });

  describe("in the output of our HTLC transaction", () => {
    const { terms, holder, counterparty } = live.setup;
    const stage = plan(htlc).countersigned?.output;
    if (stage === undefined) throw new Error("no second stage");
    const keys = {
      revocation: deriveRevocationKey(curve, counterparty.revocation, point),
      broadcasterDelayed: deriveKey(curve, holder.delayed, point),
    };
    const built = (change: Partial<typeof keys>, blocks = terms.counterparty.toSelfDelay): Script =>
      p2wsh(delayedScript({ keys: { ...keys, ...change }, delay: blocks }));
    const named = (output: Partial<TxOutput>, origin?: unknown) =>
      misfit(htlc, (tx) => ({ ...tx, outputs: [{ ...stage, ...output }] }), origin)?.rule;

    test("is named by the part that was built otherwise", () => {
      expect(built({})).toEqual(stage.script);
      expect(named({ value: sat(stage.value - 1n) })).toBe("htlc-fee-range");
      expect(named({ script: built({}, terms.holder.toSelfDelay) })).toBe("htlc-to-self-delay");
      const revocations: readonly Point[] = [
        deriveRevocationKey(curve, holder.revocation, point),
        counterparty.revocation,
        holder.revocation,
        deriveKey(curve, counterparty.revocation, point),
      ];
      for (const revocation of revocations)
        expect(named({ script: built({ revocation }) })).toBe("htlc-revocation-pubkey");
      const delayedKeys = [
        holder.delayed,
        counterparty.delayed,
        deriveKey(curve, counterparty.delayed, point),
      ];
      for (const broadcasterDelayed of delayedKeys)
        expect(named({ script: built({ broadcasterDelayed }) })).toBe("htlc-delayed-pubkey");
    });

    test("is another, where it follows from no usual mistake", () => {
      expect(named({ script: strangersScript(3) })).toBe("htlc-other");
      expect(named({ script: built({}, delay(5)) })).toBe("htlc-other");
      expect(misfit(htlc, (tx) => ({ ...tx, outputs: [] }))?.rule).toBe("htlc-other");
      // Nothing is told of a commitment that nobody here has.
      expect(named({ script: built({}, terms.holder.toSelfDelay) }, "none")).toBe("htlc-other");
    });
  });
});
