import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Shape } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import * as f from "../../protocol/operations/fields.ts";
import { paymentKind } from "../../protocol/operations/payment.ts";
import { fact } from "../../protocol/outcome.ts";
import { sat } from "../../protocol/units.ts";
import {
  packApproval,
  packNode,
  packPayment,
  unpackApproval,
  unpackNode,
  unpackPayment,
} from "../../signer/core/node-records.ts";
import { packChannel, unpackChannel } from "../../signer/core/records.ts";
import {
  type Approval,
  type ChannelState,
  freshNode,
  type NodeState,
  type Payment,
} from "../../signer/core/state.ts";
import { readable } from "../frozen/example.ts";
import { approvalStates, channelStates, nodeState, paymentStates } from "../frozen/records.ts";
import { add, htlcOf } from "../scripted/channel.ts";
import { evenTerms, scene } from "../scripted/scene.ts";
import { steady } from "../steady.ts";
import { arbitraryOf, damaged } from "./arbitrary.ts";

interface Frozen {
  readonly state: unknown;
  readonly bytes: string;
}
const read = <T>(version: 1 | 2): T =>
  JSON.parse(readFileSync(new URL(`../frozen/records-v${version}.json`, import.meta.url), "utf8")) as T;

type Named = Readonly<Record<string, Frozen>>;
const first = read<{ readonly node: Frozen; readonly channels: Named }>(1);
const second = read<Readonly<Record<"nodes" | "channels" | "payments" | "approvals", Named>>>(2);

const any = <T>(field: { readonly shape: Shape }): fc.Arbitrary<T> =>
  arbitraryOf(field.shape) as fc.Arbitrary<T>;
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const past = fc.record({ hashes: fc.array(digest, { maxLength: 8 }) }, { noNullPrototype: true });
const msat = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000_000n });

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { noNullPrototype: true });

const variant = {
  hash: digest,
  txid: any(f.txid),
  number: any(f.number),
  feerate: any(f.feerate),
  toHolder: any(f.sat),
  toCounterparty: any(f.sat),
  htlcs: any(f.htlcs),
  trimmed: any(f.commitment.trimmed),
  balance: fc.record({ low: msat, high: msat }, { noNullPrototype: true }),
  settled: fc.array(record({ hash: any(f.hash), in: msat, out: msat }), { maxLength: 4 }),
  hidden: record({ lost: msat, gained: msat }),
};
const live = {
  setup: record({
    content: digest,
    peer: any(f.node),
    terms: any(f.terms),
    holder: any(f.basepoints),
    counterparty: any(f.basepoints),
    funding: any(f.outpoint),
    closingScript: any(f.script),
  }),
  holder: record({
    revealed: any(f.number),
    variants: fc.array(
      record({ ...variant, signature: any(f.signature), htlcSignatures: any(f.signatures) }),
      {
        maxLength: 8,
      },
    ),
    broadcast: fc.array(any(f.number), { maxLength: 2 }),
    past,
  }),
  counterparty: record({
    revoked: any(f.number),
    variants: fc.array(record({ ...variant, point: any(f.point) }), { maxLength: 8 }),
    secrets: fc.array(record({ number: any(f.number), secret: any(f.revocationSecret) }), { maxLength: 49 }),
    past,
  }),
};

const channel = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom({ phase: "stub" as const }, { phase: "forgotten" as const }) },
  { weight: 1, arbitrary: fc.constant({ phase: "forgotten" as const }) },
  { weight: 9, arbitrary: record({ phase: fc.constantFrom("open" as const, "closing" as const), ...live }) },
) as unknown as fc.Arbitrary<ChannelState>;

const seconds = fc.integer({ min: 0, max: 0xffff_ffff });
const window = fc.array(record({ hour: seconds, amount: msat }), { maxLength: 26 });
const node: fc.Arbitrary<NodeState> = record({
  nextChannel: any<NodeState["nextChannel"]>(f.channel),
  time: seconds,
  windows: record({ sent: window, funded: window, trimmed: window, fees: window, lost: window }),
  nextWallet: seconds,
});

const maybe = <T>(one: fc.Arbitrary<T>) => fc.oneof(fc.constant("unknown" as const), one);
const intent = record({
  content: digest,
  kind: any(paymentKind),
  amount: msat,
  feeLimit: msat,
  payee: maybe(any(f.node)),
  at: seconds,
  until: seconds,
});
const payment = record({
  hash: any(f.hash),
  settledIn: msat,
  settledOut: msat,
  intent: maybe(intent),
  issued: maybe(record({ amount: maybe(msat), until: seconds })),
  preimage: maybe(any(f.preimage)),
}) as fc.Arbitrary<Payment>;
const approval = record({
  id: digest,
  subject: fc.constantFrom("payment", "outputs", "opening"),
  standing: fc.constantFrom("pending", "approved", "denied"),
  amount: msat,
  shown: fc.array(any(fact), { maxLength: 4 }),
  asked: seconds,
  until: seconds,
  by: fc.string({ maxLength: 60 }),
  intent: maybe(record({ hash: any(f.hash), intent })),
  bound: maybe(any(f.outpoint)),
}) as fc.Arbitrary<Approval>;

describe("a record", () => {
  test("of any channel comes back as it was", () => {
    fc.assert(
      fc.property(channel, (state) => {
        const bytes = packChannel(state);
        expect(unpackChannel(bytes)).toEqual(state);
        expect(packChannel(unpackChannel(bytes))).toEqual(bytes);
      }),
      { numRuns: 150 },
    );
  });

  test("of any node, payment and approval comes back as it was", () => {
    const backAndForth = <T>(
      any: fc.Arbitrary<T>,
      pack: (state: T) => Uint8Array,
      unpack: typeof unpackNode,
    ) =>
      fc.assert(
        fc.property(any, (state) => {
          expect(unpack(pack(state))).toEqual(state);
        }),
      );
    backAndForth(node, packNode, unpackNode);
    backAndForth(payment, packPayment, unpackPayment as never);
    backAndForth(approval, packApproval, unpackApproval as never);
  });

  test("says nothing of a channel that a copy with other sums shares with it", () => {
    const open = channelStates["open"] as ChannelState & { phase: "open" };
    packChannel(open);
    const squared: ChannelState = {
      ...open,
      holder: {
        ...open.holder,
        variants: open.holder.variants.map((one) => ({
          ...one,
          settled: [],
          hidden: { lost: 1n, gained: 2n },
        })),
      },
    };
    expect(unpackChannel(packChannel(squared))).toEqual(squared);
  });

  test("that was damaged is Malformed, or another valid one; never anything else", () => {
    let malformed = 0;
    const tried = (
      unpack: (bytes: Uint8Array) => unknown,
      pack: (state: never) => Uint8Array,
      bytes: Uint8Array,
    ) => {
      try {
        const state = unpack(bytes);
        const again = pack(state as never);
        // What an older version wrote is written as the newest, and says the same.
        if (again[0] === bytes[0]) expect(again).toEqual(bytes);
        else expect(unpack(again)).toEqual(state);
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        malformed += 1;
      }
    };
    const good = packChannel(channelStates.open as ChannelState);
    steady(
      fc.property(fc.oneof(damaged(good), fc.uint8Array({ maxLength: 400 })), (bytes) => {
        tried(unpackChannel, packChannel as never, bytes);
        tried(unpackNode, packNode as never, bytes);
      }),
      { numRuns: 400 },
    );
    expect(malformed).toBeGreaterThan(200);
    malformed = 0;
    const records = [
      [packNode(nodeState), unpackNode, packNode],
      ...Object.values(paymentStates).map((one) => [packPayment(one), unpackPayment, packPayment] as const),
      ...Object.values(approvalStates).map(
        (one) => [packApproval(one), unpackApproval, packApproval] as const,
      ),
    ] as const;
    for (const [good, unpack, pack] of records)
      steady(
        fc.property(damaged(good), (bytes) => tried(unpack, pack as never, bytes)),
        { numRuns: 100 },
      );
    expect(malformed).toBeGreaterThan(200);
  });

  test("of another version says so, and one of two bytes is a stub or nothing", () => {
    const later = (bytes: Uint8Array, version: number): Uint8Array => bytes.with(0, version);
    for (const [name, { bytes }] of Object.entries(second.channels)) {
      for (const version of [0, 3])
        expect(() => unpackChannel(later(fromHex(bytes), version)), name).toThrow(
          new RegExp(`version ${version}; this signer reads 1, 2`),
        );
    }
    expect(() => unpackNode(later(packNode(nodeState), 3))).toThrow(/version 3; this signer reads 1, 2/);
    for (const state of Object.values(paymentStates))
      expect(() => unpackPayment(later(packPayment(state), 3))).toThrow(/version 3; this signer reads 1, 2/);
    for (const state of Object.values(approvalStates))
      expect(() => unpackApproval(later(packApproval(state), 2))).toThrow(/version 2; this signer reads 1/);
    expect(() => unpackChannel(Uint8Array.of(2, 2))).toThrow(Malformed);
    expect(() => unpackChannel(new Uint8Array(0))).toThrow(Malformed);
    const stub = fromHex(second.channels["open"]?.bytes ?? "");
    stub[1] = 1;
    expect(() => unpackChannel(stub)).toThrow(/^phase: a stub with state/);
    stub[1] = 4;
    expect(() => unpackChannel(stub)).toThrow(/^phase: a forgotten channel with state/);
  });

  test("of version 1 is read as what it knew; of payments it knew nothing", () => {
    expect(unpackNode(fromHex(first.node.bytes))).toEqual({ ...freshNode, nextChannel: 258n });
    expect(readable(unpackNode(fromHex(first.node.bytes)))).toMatchObject(first.node.state as object);
    const nothing = { settled: [], hidden: { lost: "0", gained: "0" } };
    type Side = { readonly variants: readonly object[] };
    const plus = (side: Side) => ({
      ...side,
      variants: side.variants.map((one) => ({ ...one, ...nothing })),
    });
    expect(Object.keys(first.channels)).toEqual(["stub", "open", "closing"]);
    for (const { state, bytes } of Object.values(first.channels)) {
      const was = state as { readonly holder?: Side; readonly counterparty?: Side };
      const wanted =
        was.holder === undefined || was.counterparty === undefined
          ? was
          : { ...was, holder: plus(was.holder), counterparty: plus(was.counterparty) };
      const channel = unpackChannel(fromHex(bytes));
      expect(readable(channel)).toEqual(wanted);
      // What is written from now on is of version 2, and says the same.
      expect(packChannel(channel)[0]).toBe(2);
      expect(unpackChannel(packChannel(channel))).toEqual(channel);
    }
  });

  test("has the bytes that version 2 always had", () => {
    const holds = <T>(states: Readonly<Record<string, T>>, all: Named, pack: (state: T) => Uint8Array) => {
      expect(Object.keys(states)).toEqual(Object.keys(all));
      for (const [name, state] of Object.entries(states)) {
        expect(readable(state)).toEqual(all[name]?.state);
        expect(toHex(pack(state))).toBe(all[name]?.bytes);
      }
    };
    holds({ node: nodeState }, second.nodes, packNode);
    holds(channelStates, second.channels, packChannel);
    holds(paymentStates, second.payments, packPayment);
    holds(approvalStates, second.approvals, packApproval);
    const reads = (all: Named, unpack: (bytes: Uint8Array) => unknown) => {
      for (const { state, bytes } of Object.values(all))
        expect(readable(unpack(fromHex(bytes)))).toEqual(state);
    };
    reads(second.nodes, unpackNode);
    reads(second.channels, unpackChannel);
    reads(second.payments, unpackPayment);
    reads(second.approvals, unpackApproval);
  });

  test("of a payment without a preimage is what it was before any was kept", () => {
    const versionOf = (state: Payment | undefined) => packPayment(state as Payment)[0];
    for (const [name, state] of Object.entries(paymentStates))
      expect([name, versionOf(state)]).toEqual([name, name === "shown" ? 2 : 1]);
    const { shown, bare } = paymentStates as Record<"shown" | "bare", Payment>;
    const without: Payment = { ...shown, preimage: "unknown" };
    expect(packPayment(shown).length).toBe(packPayment(without).length + 32);
    // Of a forward: what one adds to the store, for a while.
    expect(packPayment({ ...bare, preimage: shown.preimage }).length).toBe(83);
  });

  test("holds the largest channel that rules let through", async () => {
    const value = sat(900_000_000n);
    const on = await scene({ terms: evenTerms({ value, contribution: value }) });
    let now = on.start;
    await on.advance(0n, now);
    for (const side of ["holder", "counterparty"] as const)
      for (let i = 0; i < 483; i++)
        now = add(now, htlcOf(side, 600_000n + BigInt(i), `${side} ${i}`, 700_000 + i));
    const { sign, validate } = await on.at(1n, now);
    await on.signer.call("signCounterpartyCommitment", sign);
    await on.signer.call("validateHolderCommitment", validate);
    const again = await on.signer.restart();
    expect(await again.call("signCounterpartyCommitment", sign)).toHaveProperty("signature");
    expect(((await on.record()) as Uint8Array).length).toBeGreaterThan(100_000);
  });
});
