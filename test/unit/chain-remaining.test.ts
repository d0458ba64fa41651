import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { commitmentNumber, height, sat, type Txid } from "../../protocol/units.ts";
import { deep, depthAt, isDeep } from "../../signer/core/chain/depths.ts";
import { fateOf, fundingDepth, offeredGone } from "../../signer/core/chain/fate.ts";
import type { Closer, Onchain, Output, Role, Way } from "../../signer/core/chain/onchain.ts";
import { remainingOf } from "../../signer/core/chain/remaining.ts";
import type { Live } from "../../signer/core/state.ts";
import { htlcOf, preimageOf } from "../scripted/channel.ts";

const txid = new Uint8Array(32).fill(5) as Txid;
const hashes = {
  ours: new Uint8Array(32).fill(1),
  older: new Uint8Array(32).fill(2),
  theirs: new Uint8Array(32).fill(3),
};

const offered = htlcOf("holder", 50_000n, "offered", 500);
const received = htlcOf("counterparty", 60_000n, "received", 500);
const small = htlcOf("holder", 300n, "small", 500);
const dust = htlcOf("counterparty", 200n, "dust", 500);

const variant = (hash: Uint8Array, number: bigint, htlcs: readonly Htlc[], trimmed: unknown = []) => ({
  ...{ hash, number: commitmentNumber(number), htlcs, trimmed, settled: [] },
});

const liveOf = (trimmed: unknown = [small, dust]): Live =>
  ({
    setup: {},
    holder: {
      variants: [
        variant(hashes.older, 4n, [offered]),
        variant(hashes.ours, 5n, [offered, received], trimmed),
      ],
    },
    counterparty: { revoked: 5n, variants: [variant(hashes.theirs, 5n, [offered, received], trimmed)] },
  }) as unknown as Live;

const outputOf = (role: Role, spent?: { readonly way: Way; readonly at: number }, index = 0): Output => ({
  ...{ outpoint: { txid, index }, value: sat(1n), role, height: height(100) },
  spent: spent === undefined ? undefined : { txid, height: height(spent.at), way: spent.way },
});
const htlcAt = (htlc: Htlc, spent?: { readonly way: Way; readonly at: number }): Output =>
  outputOf({ is: "htlc", htlc }, spent);

const closedBy = (closer: Closer, ...outputs: readonly Output[]): Onchain => ({
  funding: { is: "confirmed", height: height(1) },
  close: { txid, height: height(100), closer, delayed: new Uint8Array(0) as never, outputs },
});
const ours = { is: "holder", number: commitmentNumber(5n), content: hashes.ours } as const;
const theirs = { is: "counterparty", number: commitmentNumber(5n), content: hashes.theirs } as const;
const revoked = { is: "counterparty", number: commitmentNumber(3n), content: unknown } as const;
const strange = { is: "unknown", number: commitmentNumber(9n) } as const;

const paid = (label: string, at: number) =>
  ({ way: { is: "preimage", preimage: preimageOf(label) }, at }) as const;
const timeout = (at: number) => ({ way: { is: "timeout" }, at }) as const;
const later = height(400);

describe("a depth", () => {
  test("is 1 in the block itself, and never below 0", () => {
    expect([99, 100, 101].map((tip) => depthAt(height(100), height(tip)))).toEqual([0, 1, 2]);
    expect(depthAt(height(100), height(7))).toBe(0);
    expect([104, 105].map((tip) => isDeep(height(100), height(tip)))).toEqual([false, true]);
    expect(deep).toBe(6);
    expect(
      fundingDepth({ funding: { is: "confirmed", height: height(3) }, close: undefined }, height(4)),
    ).toBe(2);
    expect(fundingDepth({ funding: { is: "false", height: height(3) }, close: undefined }, height(4))).toBe(
      0,
    );
  });
});

describe("what became of an HTLC", () => {
  const fate = (onchain: Onchain, htlc: Htlc, tip = later) => fateOf(onchain, liveOf(), htlc, tip);

  test("is open while there is no close, or one that nobody knows", () => {
    expect(fate({ funding: { is: "unseen" }, close: undefined }, offered)).toEqual({ is: "pending" });
    expect(fate(closedBy(strange), offered)).toEqual({ is: "pending" });
  });

  test("is paid as soon as its preimage is seen, wherever the commitment is from", () => {
    const way = paid("offered", 101);
    for (const closer of [ours, theirs, revoked, strange])
      expect(fate(closedBy(closer, htlcAt(offered, way)), offered, height(101))).toEqual({
        ...{ is: "paid", preimage: preimageOf("offered"), height: 101 },
      });
    expect(fate(closedBy(revoked, outputOf({ is: "unlisted" }, way)), offered)).toMatchObject({ is: "paid" });
    // Another's preimage opens nothing, and a timeout shows none.
    expect(fate(closedBy(ours, htlcAt(offered, paid("received", 101))), offered)).toEqual({
      is: "gone",
      height: 101,
    });
  });

  test("is gone once all that may have held it is deep", () => {
    const spent = closedBy(theirs, htlcAt(offered, timeout(110)));
    expect(fate(spent, offered, height(114))).toEqual({ is: "pending" });
    expect(fate(spent, offered, height(115))).toEqual({ is: "gone", height: 110 });
    expect(fate(closedBy(theirs, htlcAt(offered)), offered)).toEqual({ is: "pending" });
    const absent = closedBy(theirs, htlcAt(received));
    expect(fate(absent, offered, height(104))).toEqual({ is: "pending" });
    expect(fate(absent, offered, height(105))).toEqual({ is: "gone", height: 100 });
  });

  test("is shared by all that are alike, and each that differs has its own", () => {
    const two = closedBy(theirs, htlcAt(offered, timeout(110)), htlcAt(offered, timeout(120)));
    expect(fate(two, offered, height(124))).toEqual({ is: "pending" });
    expect(fate(two, offered, height(125))).toEqual({ is: "gone", height: 120 });
    for (const change of [
      { offeredBy: "counterparty" },
      { amount: 50_001n as Htlc["amount"] },
      { expiry: height(501) },
      { hash: received.hash },
    ] as const) {
      const other = closedBy(theirs, htlcAt({ ...offered, ...change }));
      expect(fate(other, offered)).toEqual({ is: "gone", height: 100 });
    }
    // What nobody can name may be it.
    const unlisted = closedBy(revoked, outputOf({ is: "unlisted" }));
    expect(fate(unlisted, offered)).toEqual({ is: "pending" });
  });

  test("of several alike is the worst: of ours that one was taken, of theirs that one was not", () => {
    type Way = ReturnType<typeof paid> | ReturnType<typeof timeout>;
    const all = (htlc: Htlc, ways: readonly Way[]) =>
      fate(closedBy(theirs, ...ways.map((way) => htlcAt(htlc, way))), htlc);
    const mine = (...ways: readonly Way[]) => all(offered, ways);
    const yours = (...ways: readonly Way[]) => all(received, ways);
    expect(mine(paid("offered", 112), paid("offered", 107))).toMatchObject({ is: "paid", height: 107 });
    expect(mine(timeout(110), paid("offered", 107))).toMatchObject({ is: "paid", height: 107 });
    expect(yours(paid("received", 112), paid("received", 107))).toMatchObject({ is: "paid", height: 112 });
    expect(yours(paid("received", 107), timeout(110))).toEqual({ is: "gone", height: 110 });
    const open = closedBy(theirs, htlcAt(received, paid("received", 107)), htlcAt(received));
    expect(fate(open, received)).toEqual({ is: "pending" });
  });

  test("is nothing to fail back where it was not ours", () => {
    const gone = closedBy(theirs);
    expect(offeredGone(gone, liveOf(), offered, later)).toBe(true);
    expect(offeredGone(gone, liveOf(), received, later)).toBe(false);
    expect(offeredGone(gone, liveOf(), offered, height(104))).toBe(false);
  });
});

describe("what of a channel can still happen", () => {
  const left = (onchain: Onchain, tip: number = later, live = liveOf()) => {
    const remaining = remainingOf(onchain, live, height(tip));
    const of = (side: "holder" | "counterparty") =>
      remaining[side].variants.map(({ htlcs, trimmed, settled }) => ({ htlcs, trimmed, settled }));
    return { same: remaining === live, holder: of("holder"), counterparty: of("counterparty") };
  };

  test("is all, until the close is deep", () => {
    const live = liveOf();
    for (const onchain of [closedBy(ours), { funding: { is: "unseen" }, close: undefined } as const])
      expect(remainingOf(onchain, live, height(104))).toBe(live);
    expect(left(closedBy(ours), 105).same).toBe(false);
  });

  test("is the one commitment that confirmed", () => {
    const open = [htlcAt(offered), htlcAt(received)];
    expect(left(closedBy(ours, ...open))).toEqual({
      ...{ same: false, counterparty: [] },
      holder: [{ htlcs: [offered, received], trimmed: [], settled: [] }],
    });
    expect(left(closedBy(theirs, ...open))).toEqual({
      ...{ same: false, holder: [] },
      counterparty: [{ htlcs: [offered, received], trimmed: [], settled: [] }],
    });
  });

  test("is without what is gone, and with what was paid as settled, once that is deep", () => {
    const outputs = [htlcAt(offered, paid("offered", 200)), htlcAt(received, paid("received", 300))];
    const at = (tip: number) => left(closedBy(ours, ...outputs), tip).holder[0];
    const out = { hash: offered.hash, in: 0n, out: 50_000n };
    const into = { hash: received.hash, in: 60_000n, out: 0n };
    expect(at(204)).toEqual({ htlcs: [offered, received], trimmed: [], settled: [] });
    expect(at(205)).toEqual({ htlcs: [received], trimmed: [], settled: [out] });
    expect(at(305)).toEqual({ htlcs: [], trimmed: [], settled: [out, into] });
    const back = closedBy(ours, htlcAt(offered, timeout(200)), htlcAt(received, timeout(200)));
    expect(left(back).holder).toEqual([{ htlcs: [], trimmed: [], settled: [] }]);
  });

  test("of what was too small for an output is nothing, where the host listed it", () => {
    const onchain = closedBy(ours, htlcAt(offered), htlcAt(received));
    expect(left(onchain, later, liveOf(unknown)).holder).toEqual([
      { htlcs: [offered, received], trimmed: unknown, settled: [] },
    ]);
    expect(left(onchain, later, liveOf([small])).holder[0]?.trimmed).toEqual([]);
  });

  test("of a breach may be what every output holds that nobody can name", () => {
    const open = closedBy(revoked, outputOf({ is: "unlisted" }));
    const { holder, counterparty } = left(open);
    expect([...holder, ...counterparty].map(({ trimmed }) => trimmed)).toEqual([
      [],
      [small, dust],
      [small, dust],
    ]);
    const taken = closedBy(revoked, outputOf({ is: "unlisted" }, paid("small", 200)));
    expect(left(taken).holder[1]).toEqual({
      ...{ htlcs: [], trimmed: [], settled: [{ hash: small.hash, in: 0n, out: 300n }] },
    });
  });

  test("after a mutual close is nothing of any HTLC", () => {
    const { holder, counterparty } = left(closedBy({ is: "mutual" }));
    expect([...holder, ...counterparty]).toEqual(
      Array.from({ length: 3 }, () => ({ htlcs: [], trimmed: [], settled: [] })),
    );
  });

  test("is all, where nobody knows what confirmed", () => {
    const live = liveOf();
    const otherContent = { ...ours, content: new Uint8Array(32).fill(9) };
    for (const closer of [strange, otherContent, { ...theirs, content: otherContent.content }]) {
      const remaining = remainingOf(closedBy(closer), live, later);
      expect(remaining).toBe(live);
    }
  });

  test("is worked out once for one tip, and anew for another", () => {
    const live = liveOf();
    const onchain = closedBy(ours, htlcAt(offered, timeout(200)), htlcAt(received));
    const first = remainingOf(onchain, live, height(204));
    expect(remainingOf(onchain, live, height(204))).toBe(first);
    const next = remainingOf(onchain, live, height(205));
    expect(next.holder.variants[0]?.htlcs).toEqual([received]);
    expect(remainingOf({ ...onchain, close: undefined }, live, height(205))).toBe(live);
    const other = closedBy(ours, htlcAt(offered), htlcAt(received));
    expect(remainingOf(other, live, height(205)).holder.variants[0]?.htlcs).toEqual([offered, received]);
  });
});
