import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import { type Outpoint, type Sat, type Script, sat, type Txid } from "../../protocol/units.ts";
import { keyOf, type OutpointState } from "../../signer/core/outpoints.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { OnchainView } from "../../signer/core/rules/onchain.ts";
import { type Consent, consentTo } from "../../signer/core/spend/consent.ts";
import type { Approval } from "../../signer/core/state.ts";
import type { Change, View } from "../../signer/core/step.ts";
import { strangersScript } from "../scripted/spends.ts";

const txidOf = (label: string): Txid => sha256(new TextEncoder().encode(label)) as Txid;
const outpoint = (label: string): Outpoint => ({ txid: txidOf(label), index: 1 });
const now = 1_700_000_000;

interface Scene {
  readonly inputs?: readonly string[];
  readonly pays?: readonly (readonly [value: bigint, script?: Script])[];
  readonly leaving?: bigint;
  /** Inputs that were signed into another funding transaction. */
  readonly promised?: readonly string[];
  readonly approvals?: ReadonlyMap<string, Approval>;
  readonly txid?: string;
}

const stranger = strangersScript(0x44);

const subject = (scene: Scene): OnchainView => {
  const { inputs = ["a"], pays = [[1_000n]], leaving = 1_100n, promised = [], approvals = new Map() } = scene;
  const states = promised.map((label): [string, OutpointState] => [
    keyOf(outpoint(label)),
    {
      ...{ outpoint: outpoint(label), value: unknown, foreign: false, funds: [txidOf("another")] },
      ...{ fees: 0n, sent: 0n, at: now },
    },
  ]);
  const others = pays.reduce((sum, [value]) => sum + value, 0n);
  return {
    inputs: inputs.map((label) => ({ from: "wallet", outpoint: outpoint(label) })),
    paid: pays.map(([value, script = stranger]) => ({
      is: "other",
      value: sat(value),
      script,
      allowed: false,
    })),
    sums: { others, given: others, leaving, foreign: false, claimed: 0n },
    txid: txidOf(scene.txid ?? "tx"),
    policy: { ...defaultPolicy("regtest"), unattendedFunding: 0n as Sat },
    view: { approvals, outpoints: new Map(states), now } as unknown as View,
  } as unknown as OnchainView;
};

const changeOf = (consent: Consent): Change => (consent.is === "refused" ? {} : consent.change);
const factsOf = (consent: Consent): Readonly<Record<string, string>> =>
  consent.is === "agreed"
    ? {}
    : Object.fromEntries(consent.refusal.facts.map(({ name, value }) => [name, value]));

const questionOf = (consent: Consent): Approval => {
  const [question] = [...(changeOf(consent).approvals?.values() ?? [])];
  if (consent.is !== "asked" || question === undefined) throw new Error(`not asked but ${consent.is}`);
  return question;
};

const merged = (
  approvals: ReadonlyMap<string, Approval>,
  changes: Change["approvals"] = new Map(),
): ReadonlyMap<string, Approval> =>
  new Map(
    [...approvals, ...changes].flatMap(([key, one]) => (one === undefined ? [] : [[key, one] as const])),
  );

/** Asked, and approved by a person. */
const approved = (scene: Scene): ReadonlyMap<string, Approval> => {
  const question = questionOf(consentTo(subject(scene)));
  const answer: Approval = { ...question, standing: "approved", by: "a person" };
  return merged(scene.approvals ?? new Map(), new Map([[toHex(question.id), answer]]));
};

describe("what a person is shown", () => {
  const shown = (scene: Scene) => questionOf(consentTo(subject(scene))).shown;
  const paying = (count: number) => Array.from({ length: count }, (_, i) => [BigInt(i + 1)] as const);
  const to = toHex(stranger);

  test("is every output that is nobody's we know, and what leaves us with the fee", () => {
    expect(shown({ pays: [[1_000n], [7n]], leaving: 1_234n })).toEqual([
      { name: "pays", value: `1000 sat to script ${to}` },
      { name: "pays", value: `7 sat to script ${to}` },
      { name: "leaves", value: "1234 sat with the fee" },
    ]);
  });

  test("is the first of many outputs, and how many more there are", () => {
    expect(shown({ pays: paying(24) }).map(({ name }) => name)).toEqual([
      ...Array(24).fill("pays"),
      "leaves",
    ]);
    const many = shown({ pays: paying(27) });
    expect(many.slice(0, 24).map(({ value }) => value.split(" ")[0])).toEqual(paying(24).map(String));
    expect(many.slice(24).map(({ name, value }) => `${name} ${value}`)).toEqual([
      "andMore 3 outputs",
      "leaves 1100 sat with the fee",
    ]);
    expect(shown({ pays: paying(25) })[24]).toEqual({ name: "andMore", value: "1 outputs" });
  });

  test("is of a long script its beginning, as far as a fact can be long", () => {
    const long = new Uint8Array(500).fill(0x6a) as Script;
    const [{ value = "" } = {}] = shown({ pays: [[1_000n, long]] });
    expect(value).toBe(`1000 sat to script ${toHex(long)}`.slice(0, 256));
    expect(value.length).toBe(256);
  });

  test("is which money was to fund another channel", () => {
    const labels = ["a", "b", "c", "d", "e"];
    const conflicts = (count: number) => {
      const inputs = labels.slice(0, count);
      return shown({ inputs, promised: inputs, pays: [], leaving: 9n });
    };
    const names = (count: number) =>
      labels.slice(0, count).map((label) => ({ name: "wasToFundAChannel", value: keyOf(outpoint(label)) }));
    const leaves = { name: "leaves", value: "9 sat with the fee" };
    expect(conflicts(1)).toEqual([leaves, ...names(1)]);
    expect(conflicts(4)).toEqual([leaves, ...names(4)]);
    expect(conflicts(5)).toEqual([leaves, ...names(4)]);
  });

  test("has an amount: what leaves us, in millisatoshi, and never what no chain has", () => {
    const amount = (leaving: bigint) => questionOf(consentTo(subject({ leaving }))).amount;
    expect(amount(1_100n)).toBe(1_100_000n);
    expect(amount(0n)).toBe(0n);
    expect(amount(-1n)).toBe(0n);
    const all = 21_000_000n * 100_000_000n;
    expect([amount(all - 1n), amount(all), amount(all + 1n), amount(2n ** 70n)]).toEqual([
      ...[(all - 1n) * 1000n, all * 1000n, all * 1000n, all * 1000n],
    ]);
  });
});

describe("a person's word", () => {
  const facts = (scene: Scene) => factsOf(consentTo(subject(scene)));

  test("is asked for by the rule that needs it", () => {
    expect(facts({ pays: [[1n], [2n]], leaving: 5n })).toMatchObject({
      ...{ outputs: "2", leaving: "5", conflicts: "0", standing: "pending" },
    });
    expect(facts({ promised: ["a"], pays: [] })).toMatchObject({ outputs: "0", conflicts: "1" });
  });

  const ruleOf = (scene: Scene, changes: Partial<OnchainView> = {}): string => {
    const consent = consentTo({ ...subject(scene), ...changes });
    return consent.is === "agreed" ? "agreed" : consent.refusal.rule;
  };

  test("is not needed for the allowlist, nor for little, unless a channel's money pays it", () => {
    const policy = { ...defaultPolicy("regtest"), unattendedFunding: sat(1_000n) };
    expect(ruleOf({ pays: [[600n], [400n]] }, { policy })).toBe("agreed");
    expect(ruleOf({ pays: [[600n], [401n]] }, { policy })).toBe("onchain-no-unknown-outputs");
    const claim = { from: "channel", outpoint: outpoint("claim") } as never;
    expect(ruleOf({ pays: [[1n]] }, { policy, inputs: [claim] })).toBe("sweep-destination-allowlisted");
    const listed = { is: "other", value: sat(5_000n), script: stranger, allowed: true } as const;
    const { sums } = subject({ pays: [[5_000n]] });
    expect(ruleOf({}, { sums, paid: [listed] })).toBe("agreed");
    const beside = factsOf(
      consentTo({ ...subject({ pays: [[7n]] }), sums, paid: [listed, { ...listed, allowed: false }] }),
    );
    expect(beside).toMatchObject({ outputs: "1" });
  });

  test("is not needed where others pay each other, and we a fee", () => {
    const { sums } = subject({ pays: [[5_000n]], leaving: 100n });
    const shared = { ...sums, foreign: true };
    expect(ruleOf({ pays: [[5_000n]] }, { sums: { ...shared, given: 0n } })).toBe("agreed");
    expect(ruleOf({ pays: [[5_000n]] }, { sums: { ...shared, given: 1n } })).toBe(
      "onchain-no-unknown-outputs",
    );
  });

  test("holds for one input that the transaction spends, and whatever spends that again", () => {
    const approvals = approved({ inputs: ["a", "b"] });
    const first = consentTo(subject({ inputs: ["a", "b"], approvals }));
    expect(first.is).toBe("agreed");
    const bound = merged(approvals, changeOf(first).approvals);
    expect([...bound.values()].map((one) => one.bound)).toEqual([outpoint("a")]);
    // With another fee, or other inputs beside it: only one of these transactions can confirm.
    for (const inputs of [["a"], ["c", "a"], ["b", "a"]])
      expect(consentTo(subject({ inputs, approvals: bound, leaving: 1_200n }))).toEqual({
        ...{ is: "agreed", change: {} },
      });
    expect(consentTo(subject({ inputs: ["b"], approvals: bound })).is).toBe("asked");
  });

  test("is of exactly these outputs, and of the transaction where inputs are promised to another", () => {
    const approvals = approved({ pays: [[1_000n]] });
    for (const pays of [[[1_001n]], [[1_000n, strangersScript(0x45)]], [[1_000n], [1n]]] as const)
      expect(consentTo(subject({ pays, approvals })).is).toBe("asked");
    const free = approved({ promised: ["a"] });
    expect(consentTo(subject({ promised: ["a"], approvals: free })).is).toBe("agreed");
    expect(consentTo(subject({ promised: ["a"], approvals: free, txid: "other" })).is).toBe("asked");
    expect(consentTo(subject({ approvals, txid: "other" })).is).toBe("agreed");
  });

  test("is asked for again where the same is paid again, up to sixteen times at once", () => {
    let approvals: ReadonlyMap<string, Approval> = new Map();
    for (let i = 0; i < 16; i++) {
      const scene = { inputs: [`coin ${i}`] };
      approvals = approved({ ...scene, approvals });
      expect(approvals.size).toBe(i + 1);
      const agreed = consentTo(subject({ ...scene, approvals }));
      expect(agreed.is).toBe("agreed");
      approvals = merged(approvals, changeOf(agreed).approvals);
    }
    const more = consentTo(subject({ inputs: ["coin 16"], approvals }));
    expect(more.is).toBe("refused");
    const [last = ""] = [...approvals.keys()].slice(-1);
    expect(factsOf(more)).toMatchObject({ approval: last, standing: "approved" });
    expect(consentTo(subject({ inputs: ["coin 15"], approvals }))).toEqual({ is: "agreed", change: {} });
  });

  test("is needed for no transaction that spends nothing of ours", () => {
    expect(() => consentTo(subject({ inputs: [] }))).toThrow("nothing of ours is spent");
    expect(consentTo(subject({ inputs: [], pays: [] }))).toEqual({ is: "agreed", change: {} });
  });
});
