import { describe, expect, test } from "vitest";
import { maxAlarms, maxParts, partLength } from "../../protocol/operations/chain.ts";
import { type ChannelId, height, type Txid } from "../../protocol/units.ts";
import { openBook } from "../../signer/core/chain/book.ts";
import { type Onchain, unseen } from "../../signer/core/chain/onchain.ts";
import { packOnchain, packView, unpackOnchain } from "../../signer/core/chain/records.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import type { ChannelState } from "../../signer/core/state.ts";
import { unwatched, type View } from "../../signer/core/step.ts";
import { chainPart, chainTip, heartbeat } from "../../signer/core/steps/chain.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";

const [one, two] = [1n as ChannelId, 2n as ChannelId];
const view = startAt("regtest");
const confirmed: Onchain = { funding: { is: "confirmed", height: height(3) }, close: undefined };
const closed: Onchain = {
  funding: { is: "confirmed", height: height(3) },
  close: {
    ...{ txid: new Uint8Array(32) as Txid, height: height(5), closer: { is: "mutual" } },
    ...{ delayed: new Uint8Array(0) as never, outputs: [] },
  },
};
const open = () => openBook({ network: "regtest", chain: {} });
const upload = { hash: new Uint8Array(32), parts: [Uint8Array.of(1)] };

describe("the book of the chain", () => {
  test("begins at the first block, or with none where no chain is followed", () => {
    expect(open().chain).toEqual({ view, onchain: new Map(), upload: undefined });
    expect(openBook({ network: "regtest" }).chain.view).toBeUndefined();
  });

  test("reads its own records and leaves the others", () => {
    const book = open();
    expect(book.load("chain", undefined, packView(startAt("regtest")))).toBe(true);
    expect(book.load("onchain", "2", packOnchain(confirmed))).toBe(true);
    expect(book.load("channel", "2", new Uint8Array(0))).toBe(false);
    expect(book.load("onchain", undefined, new Uint8Array(0))).toBe(false);
    expect(book.chain.onchain).toEqual(new Map([[two, confirmed]]));
  });

  test("takes no blocks of another network, and believes none that it does not follow", () => {
    const signet = packView(startAt("signet"));
    expect(() => open().load("chain", undefined, signet)).toThrow("its blocks are of signet");
    const idle = openBook({ network: "regtest" });
    expect(idle.load("chain", undefined, packView(view))).toBe(true);
    expect(idle.chain.view).toBeUndefined();
  });

  test("writes what changed, and forgets only what it knew", () => {
    const book = open();
    book.keep(upload);
    expect(book.chain.upload).toBe(upload);
    expect(book.apply({})).toEqual([]);
    expect(book.chain.upload).toBe(upload);
    const records = book.apply({ chain: view, onchain: new Map([[one, closed]]) });
    expect(records.map(([place]) => place)).toEqual(["chain", "onchain/1"]);
    expect(unpackOnchain(records[1]?.[1] ?? new Uint8Array(0))).toEqual(closed);
    // The block that was under way is connected, or another is.
    expect(book.chain.upload).toBeUndefined();
    const gone = new Map([
      [one, undefined],
      [two, undefined],
    ]);
    expect(book.apply({ onchain: gone })).toEqual([["onchain/1", undefined]]);
    expect(book.chain.onchain.size).toBe(0);
  });

  test("touches the hashes of closed and of young channels with each block, and of others where something happened", () => {
    const [offered, settled] = [htlcOf("holder", 1n, "offered"), htlcOf("holder", 2n, "settled")];
    const channel = {
      ...{ phase: "open", setup: { terms: plainTerms() }, counterparty: { variants: [] } },
      holder: {
        variants: [{ htlcs: [offered], trimmed: [], settled: [{ hash: settled.hash, in: 0n, out: 2n }] }],
      },
    } as unknown as ChannelState;
    const touched = (onchain: Onchain, change: object): readonly string[] => {
      const book = open();
      book.apply({
        onchain: new Map([
          [one, onchain],
          [two, onchain],
        ]),
      });
      const found: string[] = [];
      const ledger = { touch: (hash: string) => void found.push(hash) } as never;
      book.touch({ change, channels: new Map([[one, channel]]), ledger });
      return found;
    };
    const all = [offered, settled].map(({ hash }) => Buffer.from(hash).toString("hex"));
    expect(touched(closed, { chain: view })).toEqual(all);
    expect(touched(closed, {})).toEqual([]);
    // What came in on a funding counts from some depth on.
    const [first] = view.blocks;
    const at = (tip: number) => ({ ...view, blocks: [{ ...first, at: { ...first?.at, height: tip } }] });
    expect(touched(confirmed, { chain: at(8) })).toEqual(all);
    expect(touched(confirmed, { chain: at(9) })).toEqual([]);
    expect(touched(confirmed, { chain: at(9), onchain: new Map([[two, unseen]]) })).toEqual([]);
    expect(touched(confirmed, { chain: at(9), onchain: new Map([[one, unseen]]) })).toEqual(all);
    expect(touched(unseen, { chain: at(9) })).toEqual([]);
  });
});

describe("a block in parts", () => {
  const hash = new Uint8Array(32).fill(1);
  const part = (
    index: number,
    known: readonly Uint8Array[] = [],
    of = hash,
    bytes = new Uint8Array(partLength),
  ) =>
    chainPart.decide({
      body: { hash, index, bytes },
      view: { chain: { view, upload: { hash: of, parts: known } } },
    } as never);
  const parts = [1, 2, 3].map((n) => new Uint8Array(partLength).fill(n));

  test("is kept part by part, and again from any that is repeated", () => {
    expect(part(0)).toMatchObject({ is: "told", upload: { hash, parts: [{}] } });
    const repeated = part(1, parts);
    expect(repeated.is === "told" && repeated.upload?.parts).toEqual([parts[0], new Uint8Array(partLength)]);
    expect(part(3, parts)).toMatchObject({ is: "told", upload: { parts: { length: 4 } } });
  });

  test("has no gap, and no parts of another block", () => {
    const facts = (decision: ReturnType<typeof part>) => {
      if (decision.is !== "refused") throw new Error(decision.is);
      expect(decision.refusal).toMatchObject({ rule: "chain-validated", final: false });
      return decision.refusal.facts.map(({ name, value }) => `${name} ${value}`).join(", ");
    };
    expect(facts(part(2, parts.slice(0, 1)))).toBe("partsBefore 2, known 1");
    expect(facts(part(1, parts, new Uint8Array(32)))).toBe("partsBefore 1, known 3");
  });

  test("leaves room for the last", () => {
    const many = Array.from({ length: maxParts }, () => new Uint8Array(0));
    expect(part(maxParts - 2, many).is).toBe("told");
    expect(() => part(maxParts - 1, many)).toThrow(`at most ${maxParts - 2}, and then the last part`);
  });
});

describe("a signer that follows no chain", () => {
  const idle = {
    chain: { view: undefined, upload: undefined, onchain: new Map() },
    outlook: unwatched,
    now: 77,
  };

  test("says so, and gives no alarm", () => {
    const tip = chainTip.decide({ view: idle } as never);
    expect(tip.is === "told" && tip.reply({ points: [] })).toEqual({
      ...{ followed: false, height: 0, hash: new Uint8Array(32), oldest: 0, wholeSince: 0, behind: false },
    });
    const heart = heartbeat.decide({ view: idle, settings: { policy: {} } } as never);
    expect(heart.is === "told" && heart.reply({ points: [] })).toEqual({
      ...{ followed: false, height: 0, time: 77n, well: true, alarms: [], more: 0 },
    });
    expect(chainPart.decide({ body: {}, view: idle } as never)).toMatchObject({
      ...{ is: "refused", refusal: { facts: [{ name: "followed", value: "false" }], final: false } },
    });
  });
});

describe("a heartbeat", () => {
  const heart = (channels: number) => {
    const htlc = { ...htlcOf("holder", 1n, "late"), expiry: height(1) };
    const live = {
      ...{ phase: "open", setup: { terms: plainTerms() }, counterparty: { variants: [], revoked: 0n } },
      holder: { variants: [{ htlcs: [htlc], trimmed: [], settled: [] }] },
    };
    const late = {
      ...view,
      blocks: view.blocks.map((block) => ({ ...block, at: { ...block.at, height: height(50) } })),
    };
    const scene = {
      ...{
        payments: new Map(),
        ledger: { channelsOf: () => new Set() },
        now: view.blocks[0]?.header.time ?? 0,
      },
      channels: new Map(Array.from({ length: channels }, (_, i) => [BigInt(i), { ...live }])),
      chain: { view: late, onchain: new Map(), upload: undefined },
      outlook: { ...unwatched, height: height(50) },
    } as unknown as View;
    const decision = heartbeat.decide({ view: scene, settings: { policy: { maxChainAge: 600 } } } as never);
    if (decision.is !== "told") throw new Error(decision.is);
    return decision.reply({ points: [] });
  };

  test("names the first alarms, and how many more there are", () => {
    expect(heart(0)).toMatchObject({ followed: true, height: 50, well: true, alarms: [], more: 0 });
    expect(heart(2)).toMatchObject({ well: false, alarms: { length: 2 }, more: 0 });
    expect(heart(2).alarms.map(({ channel }) => channel)).toEqual([0n, 1n]);
    expect(heart(maxAlarms)).toMatchObject({ alarms: { length: maxAlarms }, more: 0 });
    expect(heart(maxAlarms + 3)).toMatchObject({ alarms: { length: maxAlarms }, more: 3 });
    expect(heart(1).alarms[0]?.kind).toBe("htlcDeadline");
  });
});
