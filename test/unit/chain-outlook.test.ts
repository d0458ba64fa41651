import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import {
  type ChannelId,
  commitmentNumber,
  height,
  type Outpoint,
  sat,
  type Txid,
} from "../../protocol/units.ts";
import { coverDepth } from "../../signer/core/chain/depths.ts";
import type { Onchain, Output } from "../../signer/core/chain/onchain.ts";
import { alarmsIn, outlookOf, type Sight } from "../../signer/core/chain/outlook.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import type { ChainView } from "../../signer/core/chain/view.ts";
import type { Settings } from "../../signer/core/step.ts";
import { htlcOf, plainTerms, preimageOf } from "../scripted/channel.ts";

const [id, sister, gone] = [1n, 2n, 3n] as ChannelId[] as [ChannelId, ChannelId, ChannelId];
const txid = new Uint8Array(32).fill(6) as Txid;
const received = htlcOf("counterparty", 60_000n, "received", 1_000);
const key = toHex(received.hash);

const begin = startAt("regtest");
const time = begin.blocks[0]?.header.time ?? 0;
const viewAt = (tip: number): ChainView => ({
  ...begin,
  blocks: begin.blocks.map((block) => ({ ...block, at: { ...block.at, height: height(tip) } })),
});

const liveOf = (htlcs: readonly object[], settled: readonly object[] = []) => ({
  ...{ phase: "open", setup: { terms: plainTerms(), funding: { txid, index: 0 } } },
  holder: { variants: [{ htlcs, trimmed: [], settled }], revealed: 0n, broadcast: [] },
  counterparty: { variants: [], revoked: 0n },
});
const spentBy = (way: NonNullable<Output["spent"]>["way"]): Output => ({
  ...{ outpoint: { txid, index: 4 }, value: sat(77n), role: { is: "unlisted" }, height: height(9) },
  spent: { txid, height: height(10), way },
});
const closed = (...outputs: readonly Output[]): Onchain => ({
  funding: { is: "confirmed", height: height(5) },
  close: {
    ...{ txid, height: height(9), closer: { is: "holder", number: commitmentNumber(8n), content: txid } },
    ...{ delayed: new Uint8Array(0) as never, outputs },
  },
});

interface Scene {
  readonly tip?: number;
  readonly now?: number;
  readonly settledOut?: bigint;
  readonly sister?: object;
  readonly onchain?: ReadonlyMap<ChannelId, Onchain>;
  readonly speaks?: readonly ChannelId[];
}
const sightOf = ({
  tip = 991,
  now = time,
  settledOut,
  sister: beside,
  onchain = new Map(),
  speaks = [],
}: Scene): Sight =>
  ({
    channels: new Map<ChannelId, object>([
      [id, liveOf([received])],
      [gone, { phase: "stub" }],
      ...(beside === undefined ? [] : [[sister, beside] as const]),
    ]),
    payments: new Map(settledOut === undefined ? [] : [[key, { settledOut }]]),
    ledger: { channelsOf: (hash: string) => new Set(hash === key ? speaks : []) },
    chain: { view: viewAt(tip), onchain, upload: undefined },
    now,
  }) as unknown as Sight;
const settings = { network: "regtest", policy: { maxChainAge: 600 } } as unknown as Settings;
const alarms = (scene: Scene) => alarmsIn(sightOf(scene), settings).map(({ kind }) => kind);

describe("a received HTLC is claimed in time once its preimage was shown", () => {
  const due = ["htlc-deadline"];

  test("by what was paid for it: in a payment that is settled, or in a live commitment", () => {
    expect(alarms({})).toEqual([]);
    expect(alarms({ settledOut: 0n })).toEqual([]);
    expect(alarms({ settledOut: 1n })).toEqual(due);
    const paid = (out: bigint, hash = received.hash) => liveOf([], [{ hash, in: 5n, out }]);
    expect(alarms({ sister: paid(1n), speaks: [sister] })).toEqual(due);
    expect(alarms({ sister: paid(0n), speaks: [sister] })).toEqual([]);
    expect(alarms({ sister: paid(1n, htlcOf("holder", 1n, "x").hash), speaks: [sister] })).toEqual([]);
    expect(alarms({ sister: paid(1n), speaks: [] })).toEqual([]);
    expect(alarms({ speaks: [gone, sister] })).toEqual([]);
  });

  test("by the chain, in whatever channel", () => {
    const shown = (label: string) =>
      new Map([
        [
          sister,
          closed(spentBy({ is: "timeout" }), spentBy({ is: "preimage", preimage: preimageOf(label) })),
        ],
      ]);
    const scene = { sister: liveOf([]), speaks: [sister] };
    expect(alarms({ ...scene, onchain: shown("received") })).toEqual(due);
    expect(alarms({ ...scene, onchain: shown("another") })).toEqual([]);
    expect(alarms({ ...scene, onchain: new Map([[sister, closed(spentBy({ is: "timeout" }))]]) })).toEqual(
      [],
    );
  });

  test("and not before its own height", () => {
    expect([990, 991].map((tip) => alarms({ tip, settledOut: 1n }))).toEqual([[], due]);
  });
});

describe("alarms", () => {
  test("are none where no chain is followed, and those of the view come first", () => {
    const blind = {
      ...sightOf({ settledOut: 1n }),
      chain: { view: undefined, onchain: new Map(), upload: undefined },
    };
    expect(alarmsIn(blind, settings)).toEqual([]);
    expect(alarms({ now: time + 601, settledOut: 1n })).toEqual(["stale", "htlc-deadline"]);
    expect(alarms({ now: time + 600 })).toEqual([]);
  });

  test("are told of a channel as soon as its own state or its part of the chain changes", () => {
    const sight = sightOf({ settledOut: 1n, tip: 10 });
    expect(alarmsIn(sight, settings)).toEqual([]);
    const false_ = { funding: { is: "false", height: height(3) }, close: undefined } as const;
    const changed = { ...sight, chain: { ...sight.chain, onchain: new Map([[id, false_]]) } };
    expect(alarmsIn(changed, settings).map(({ kind }) => kind)).toEqual(["funding-false"]);
    expect(alarmsIn(sight, settings)).toEqual([]);
  });
});

describe("what the chain means for a request", () => {
  const outlook = (scene: Scene, network: Settings["network"] = "regtest") =>
    outlookOf(sightOf(scene), { ...settings, network });

  test("is trouble for what is new, by the rule and in the words of the first alarm", () => {
    expect(outlook({}).trouble).toBeUndefined();
    const stale = outlook({ now: time + 601 }).trouble;
    expect([stale?.rule, stale?.facts.map(({ name }) => name)]).toEqual(["chain-not-stale", ["alarm"]]);
    const late = outlook({ settledOut: 1n }).trouble;
    expect([late?.rule, late?.facts[1]]).toEqual(["chain-deadline-alarm", { name: "channel", value: "1" }]);
    expect(late?.facts[0]?.value).toMatch(/^Before height 982 publish our commitment/);
  });

  test("is no trouble where a counterparty's funding is false: nothing of ours is in it", () => {
    const onchain = new Map([
      [id, { funding: { is: "false", height: height(3) }, close: undefined } as const],
    ]);
    expect(alarms({ onchain, tip: 10 })).toEqual(["funding-false"]);
    expect(outlook({ onchain, tip: 10 }).trouble).toBeUndefined();
    expect(outlook({ onchain, settledOut: 1n }).trouble?.rule).toBe("chain-deadline-alarm");
  });

  test("is what is deep, spent, published, and worth", () => {
    const onchain = new Map([[id, closed(spentBy({ is: "plain" }))]]);
    const now = outlook({ onchain, tip: 20 });
    expect(now.height).toBe(20);
    expect([now.isSpent(id), now.isSpent(sister)]).toEqual([true, false]);
    expect([now.published(id), now.published(sister)]).toEqual([8n, undefined]);
    const valueAt = (of: Outpoint) => now.valueAt(id, of);
    expect(valueAt({ txid, index: 4 })).toBe(77n);
    expect(valueAt({ txid, index: 3 })).toBeUndefined();
    expect(valueAt({ txid: new Uint8Array(32) as Txid, index: 4 })).toBeUndefined();
    expect(now.valueAt(sister, { txid, index: 4 })).toBeUndefined();
    const { spent } = spentBy({ is: "plain" });
    const takenAt = (tip: number) => outlook({ onchain, tip }).takenBy(id, { txid, index: 4 });
    expect([takenAt((spent?.height ?? 0) + 4), takenAt((spent?.height ?? 0) + 5)]).toEqual([
      undefined,
      spent?.txid,
    ]);
    expect(now.takenBy(id, { txid, index: 3 })).toBeUndefined();
    expect(outlook({ onchain: new Map([[id, closed()]]), tip: 20 }).takenBy(id, { txid, index: 4 })).toBe(
      undefined,
    );
    const theirs = { ...closed().close, closer: { is: "mutual" } } as NonNullable<Onchain["close"]>;
    const other = outlook({ onchain: new Map([[id, { ...closed(), close: theirs }]]) });
    expect(other.published(id)).toBeUndefined();
    const live = liveOf([received]) as never;
    expect(now.remaining(sister, live)).toBe(live);
  });

  test("takes a funding for deep after three blocks of bitcoin, and after one elsewhere", () => {
    const onchain = new Map([[id, closed()]]);
    const deepAt = (network: Settings["network"]) =>
      [4, 5, 6, 7].map((tip) => outlook({ onchain, tip }, network).isDeep(id));
    expect(deepAt("bitcoin")).toEqual([false, false, false, true]);
    expect(deepAt("regtest")).toEqual([false, true, true, true]);
    expect([coverDepth("bitcoin"), coverDepth("testnet")]).toEqual([3, 1]);
    expect(outlook({ tip: 20 }).isDeep(sister)).toBe(false);
  });
});
