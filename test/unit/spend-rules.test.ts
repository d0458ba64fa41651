import { describe, expect, test } from "vitest";
import type { Tx } from "../../protocol/bitcoin/tx.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import { msat, type Outpoint, type Sat, type Script, sat, type Txid } from "../../protocol/units.ts";
import { keyOf, maxFunds, type OutpointState } from "../../signer/core/outpoints.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import { judge } from "../../signer/core/rule.ts";
import {
  conflictsOf,
  formatRules,
  isFunding,
  type OnchainView,
  onchainRules,
  outpointsOf,
  toRemember,
} from "../../signer/core/rules/onchain.ts";
import { spliceRules } from "../../signer/core/rules/splice.ts";
import type { ForeignInput, Input, OwnInput } from "../../signer/core/spend/inputs.ts";
import type { Paid } from "../../signer/core/spend/outputs.ts";
import { freshNode } from "../../signer/core/state.ts";
import { strangersScript } from "../scripted/spends.ts";

const outpoint = (label: string): Outpoint => ({
  txid: sha256(new TextEncoder().encode(label)) as Txid,
  index: 2,
});
const now = 1_700_000_000;
const hour = Math.floor(now / 3_600);

const wallet = (label: string, changes: object = {}): OwnInput =>
  ({
    ...{
      from: "wallet",
      kind: "wallet",
      outpoint: outpoint(label),
      plan: { stack: "p2wpkh" },
      value: sat(900n),
    },
    ...{ index: 0, proof: "shown", nested: false, ...changes },
  }) as unknown as OwnInput;
const claim = (label: string, changes: object = {}): OwnInput =>
  wallet(label, { from: "channel", kind: "toRemote", ...changes });
const foreign = (label: string, changes: Partial<ForeignInput> = {}): ForeignInput => ({
  ...{ from: "foreign", index: 0, outpoint: outpoint(label), spent: undefined, proof: "said" },
  ...changes,
});
const indexed = (inputs: readonly Input[]): readonly Input[] =>
  inputs.map((input, index) => ({ ...input, index }));

const funding: Paid = { is: "funding", value: sat(5n), channel: 1n as never, share: sat(5n) };

interface Scene {
  readonly inputs?: readonly Input[];
  readonly paid?: readonly Paid[];
  readonly tx?: Partial<Tx>;
  readonly scriptSigs?: readonly (Script | undefined)[];
  readonly signed?: boolean;
  readonly weight?: number;
  readonly leaving?: bigint;
  readonly foreign?: boolean;
  readonly shared?: bigint;
  readonly costs?: OnchainView["costs"];
  readonly states?: readonly (Partial<OutpointState> & { readonly of: string })[];
  readonly policy?: Partial<Policy>;
  readonly spent?: { readonly fees?: bigint; readonly sent?: bigint };
}

const subject = (scene: Scene = {}): OnchainView => {
  const inputs = indexed(scene.inputs ?? [wallet("a")]);
  const { states = [], spent: { fees = 0n, sent = 0n } = {} } = scene;
  const tx = {
    ...{ version: 2, outputs: [], locktime: 0 },
    inputs: inputs.map(({ outpoint: of }, i) => {
      const scriptSig = scene.scriptSigs?.[i];
      return { outpoint: of, sequence: 0, ...(scriptSig === undefined ? {} : { scriptSig }) };
    }),
    ...scene.tx,
  };
  const outpoints = states.map(({ of, ...state }): [string, OutpointState] => [
    keyOf(outpoint(of)),
    {
      ...{ outpoint: outpoint(of), value: unknown, foreign: false, funds: [], fees: 0n, sent: 0n, at: 0 },
      ...state,
    },
  ]);
  const windows = { ...freshNode.windows, fees: [{ hour, amount: fees }], sent: [{ hour, amount: sent }] };
  const limits = { weight: scene.weight ?? 500, min: 100n, base: 900n, max: 900n };
  return {
    ...{ tx, inputs, paid: scene.paid ?? [], signed: scene.signed ?? false, txid: outpoint("this").txid },
    sums: {
      ...{ ours: 0n, back: 0n, share: 0n, others: 0n, leaving: scene.leaving ?? 500n, claimed: 0n },
      ...{ foreign: scene.foreign ?? false, given: 0n, shared: scene.shared ?? 0n, limits },
    },
    costs: scene.costs ?? { fees: 0n, sent: 0n },
    policy: { ...defaultPolicy("regtest"), ...scene.policy },
    view: { node: { ...freshNode, windows }, now, outpoints: new Map(outpoints) },
  } as unknown as OnchainView;
};

/** What a list of rules says, in short. */
const says = (rules: Parameters<typeof judge<OnchainView>>[0], scene: Scene): string => {
  const refusal = judge(rules, subject(scene));
  return refusal === undefined
    ? "passes"
    : [refusal.rule, ...refusal.facts.map(({ name, value }) => `${name} ${value}`)].join(", ");
};
const format = (scene: Scene): string => says(formatRules, scene);
const onchain = (scene: Scene): string => says(onchainRules, scene);

describe("the form of a transaction", () => {
  const no = "onchain-format-standard";

  test("is without signatures, each input once, and at least one of them ours", () => {
    expect(format({})).toBe("passes");
    expect(format({ signed: true })).toBe(`${no}, signed true`);
    const script = strangersScript(1);
    expect(format({ inputs: [wallet("a"), wallet("b")], scriptSigs: [undefined, script] })).toBe(
      `${no}, signed true`,
    );
    expect(format({ inputs: [wallet("a"), foreign("a")] })).toBe(`${no}, repeatedInput true`);
    expect(format({ inputs: [foreign("a")] })).toBe(`${no}, ours 0`);
  });

  test("is of version 2 and locked to no time, unless a claim asks for another", () => {
    expect(format({ tx: { version: 1 } })).toBe(`${no}, version 1`);
    expect(format({ tx: { version: 3 } })).toBe(`${no}, version 3`);
    // BIP 65: below it a height.
    expect(format({ tx: { locktime: 499_999_999 } })).toBe("passes");
    expect(format({ tx: { locktime: 500_000_000 } })).toBe(`${no}, locktime 500000000`);
    const other = { tx: { version: 3, locktime: 500_000_000 }, inputs: [claim("a"), wallet("b")] };
    expect(format(other)).toBe("passes");
  });

  test("is of a size that nodes pass on", () => {
    expect(format({ weight: 400_000 })).toBe("passes");
    expect(format({ weight: 400_001 })).toBe("onchain-max-size, weight 400001, max 400000");
  });
});

describe("a funding transaction", () => {
  const no = "onchain-funding-non-malleable";
  const segwit = { spent: { value: sat(7n), script: strangersScript(1) }, proof: "shown" } as const;

  test("is one whose id cannot change: every input is proven to have a witness", () => {
    const fund = (...inputs: readonly Input[]) => onchain({ inputs, paid: [funding] });
    expect(fund(wallet("a"), foreign("b", segwit))).toBe("passes");
    expect(fund(wallet("a"), wallet("b", { nested: true }))).toBe(`${no}, input 1, nested true`);
    expect(fund(wallet("a"), foreign("b", { ...segwit, proof: "said" }))).toBe(
      `${no}, input 1, unproven true`,
    );
    expect(fund(wallet("a"), foreign("b", { proof: "shown" }))).toBe(`${no}, input 1, unproven true`);
    const old = Uint8Array.from([0x76, 0xa9, 0x14, ...new Uint8Array(20), 0x88, 0xac]) as Script;
    const legacy = foreign("b", { ...segwit, spent: { value: sat(7n), script: old } });
    expect(fund(wallet("a"), legacy)).toContain(`${no}, input 1, script`);
    expect(onchain({ inputs: [wallet("a", { nested: true }), legacy] })).toBe("passes");
  });

  test("may be replaced by another that a person agreed to, up to a bound", () => {
    const funds = (count: number) => Array.from({ length: count }, (_, i) => outpoint(`funding ${i}`).txid);
    const again = (count: number, paid: readonly Paid[] = [funding]) =>
      onchain({ paid, inputs: [wallet("a"), wallet("b")], states: [{ of: "b", funds: funds(count) }] });
    expect(again(maxFunds - 1)).toBe("passes");
    expect(again(maxFunds)).toBe(`onchain-no-double-fund, input ${keyOf(outpoint("b"))}, fundings 8`);
    expect(again(maxFunds, [])).toBe("passes");
  });

  test("is in conflict with what its inputs were signed into before, and not with itself", () => {
    const conflicts = (...states: NonNullable<Scene["states"]>) =>
      conflictsOf(subject({ inputs: [wallet("a"), foreign("c"), wallet("b")], states }));
    const [self, other] = [outpoint("this").txid, outpoint("other").txid];
    expect(conflicts()).toEqual([]);
    expect(conflicts({ of: "b", funds: [other] }, { of: "c", funds: [other] })).toEqual([outpoint("b")]);
    expect(conflicts({ of: "b", funds: [other, self] }, { of: "a", value: sat(3n) })).toEqual([]);
    expect(isFunding(subject({ paid: [funding] }))).toBe(true);
    expect(isFunding(subject())).toBe(false);
    expect(outpointsOf(subject({ inputs: [foreign("c"), claim("a")] }))).toEqual([outpoint("a")]);
  });
});

describe("the value of an input", () => {
  const no = "onchain-input-value-proven";
  const said = { proof: "said" } as const;

  test("that was said once stays what it was said to be", () => {
    const before = [{ of: "b", value: sat(900n) }];
    const of = (changes: object) => onchain({ inputs: [wallet("a"), wallet("b", changes)], states: before });
    expect(of(said)).toBe("passes");
    expect(of({ ...said, value: sat(901n) })).toBe(`${no}, input 1, value 901, before 900`);
    expect(of({ value: sat(901n) })).toBe("passes");
    expect(of({ proof: "known", value: sat(901n) })).toBe("passes");
  });

  test("of somebody else's is never signed, and what was ours is never somebody else's", () => {
    const inputs = [wallet("a"), wallet("b")];
    expect(onchain({ inputs, states: [{ of: "b", foreign: true }] })).toBe(
      `${no}, input 1, saidToBeForeign true`,
    );
    const theirs = [wallet("a"), foreign("b")];
    expect(onchain({ inputs: theirs, states: [{ of: "b", foreign: true }] })).toBe("passes");
    // Of claims the rules see the whole.
    const known = { proof: "known" } as const;
    const beside = (...others: readonly Input[]) =>
      onchain({ inputs: [claim("b", known), ...others], states: [{ of: "b", foreign: true }] });
    expect(beside()).toBe("passes");
    expect(beside(claim("c", known))).toBe("passes");
    for (const other of [claim("c", said), wallet("c", known), foreign("c")])
      expect(beside(other)).toBe(`${no}, input 0, saidToBeForeign true`);
    for (const was of [{ value: sat(0n) }, { funds: [outpoint("x").txid] }, { fees: 1n }, { sent: 1n }])
      expect(onchain({ inputs: theirs, states: [{ of: "b", ...was }] })).toBe(`${no}, input 1, ours true`);
  });

  test("is remembered of all inputs where one is only said and another is signed beside it", () => {
    const kept = (inputs: readonly OwnInput[], states: Scene["states"] = []) =>
      toRemember(inputs, subject({ states }).view).map(({ outpoint: of }) => of);
    const [a, b, unsure] = [wallet("a"), wallet("b"), wallet("c", said)];
    expect(kept([a, unsure])).toEqual([a.outpoint, unsure.outpoint]);
    expect(kept([unsure])).toEqual([]);
    expect(kept([a, b])).toEqual([]);
    expect(
      kept(
        [a, b],
        [
          { of: "b", value: sat(1n) },
          { of: "a", fees: 5n },
        ],
      ),
    ).toEqual([b.outpoint]);
    // A taproot digest commits to what every input is worth (BIP 341).
    const p2tr = { plan: { stack: "p2tr" } };
    expect(kept([wallet("d", p2tr), wallet("e", { ...said, ...p2tr })])).toEqual([]);
    expect(kept([wallet("d", p2tr), unsure])).toEqual([outpoint("d"), unsure.outpoint]);
  });
});

describe("what leaves the wallet", () => {
  test("pays into no channel more than what was agreed: others pay for their share", () => {
    expect(onchain({ shared: 1n })).toBe("onchain-no-fund-inbound, agreed 0, beyond 1");
  });

  test("pays a fee within the range, of which the lower end is ours alone to keep", () => {
    const fee = (leaving: bigint, changes: Scene = {}) => onchain({ leaving, ...changes });
    expect([100n, 900n].map((one) => fee(one))).toEqual(["passes", "passes"]);
    expect(fee(99n)).toBe("onchain-fee-range, fee 99, min 100, max 900, weight 500");
    expect(fee(901n)).toContain("onchain-fee-range, fee 901");
    expect(fee(99n, { foreign: true })).toBe("passes");
    expect(fee(901n, { foreign: true })).toContain("onchain-fee-range");
    expect(fee(901n, { inputs: [claim("a"), wallet("b")] })).toBe("passes");
  });

  test("pays no more fees in a day than the policy allows, unless it claims", () => {
    const policy = { maxFeesPerDay: 10n as Sat };
    const day = (fees: bigint, changes: Scene = {}) =>
      onchain({ policy, costs: { fees, sent: 0n }, ...changes });
    expect(day(10_000n)).toBe("passes");
    expect(day(10_001n)).toBe("fee-exposure, withThis 10001, maxPerDay 10000");
    expect(day(5_000n, { spent: { fees: 5_000n } })).toBe("passes");
    expect(day(5_001n, { spent: { fees: 5_000n } })).toContain("withThis 10001");
    expect(day(1n, { spent: { fees: 10_000n } })).toContain("fee-exposure");
    // What was charged already is no more than it was, also where the policy has become stricter.
    expect(day(0n, { spent: { fees: 20_000n } })).toBe("passes");
    expect(day(7_000n, { spent: { fees: 20_000n }, states: [{ of: "a", fees: 7_000n }] })).toBe("passes");
    expect(day(10_001n, { inputs: [claim("a")] })).toBe("passes");
  });

  test("pays no more to others in a day than the policy allows, also where it claims", () => {
    const policy = { maxSentPerDay: msat(10_000n) };
    const day = (sent: bigint, changes: Scene = {}) =>
      onchain({ policy, costs: { fees: 0n, sent }, ...changes });
    expect(day(10_000n)).toBe("passes");
    expect(day(10_001n)).toBe("velocity-transferred, withThis 10001, maxPerDay 10000");
    expect(day(1n, { spent: { sent: 10_000n } })).toContain("velocity-transferred");
    expect(day(0n, { spent: { sent: 20_000n } })).toBe("passes");
    expect(day(7_000n, { spent: { sent: 20_000n }, states: [{ of: "a", sent: 7_000n }] })).toBe("passes");
    expect(day(10_001n, { inputs: [claim("a")] })).toContain("velocity-transferred");
  });
});

test("a splice leaves us what we had and add, less what leaves and its fee", () => {
  const splice = { before: 600_000n, added: 100_000n, leaving: 20_000n, fee: 500n };
  const of = (after: bigint) =>
    judge(spliceRules, { live: {} as never, splice: { ...splice, after } as never })?.facts.map(
      ({ value }) => value,
    );
  expect(of(679_500n)).toBeUndefined();
  expect(of(679_499n)).toEqual(["679499", "679500"]);
  expect(of(679_501n)).toEqual(["679501", "679500"]);
});
