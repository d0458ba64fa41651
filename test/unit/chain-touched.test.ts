/** Which channels a movement of the chain concerns, and what it makes of each. */

import { describe, expect, test } from "vitest";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { blockHash, decodeHeader } from "../../protocol/bitcoin/header.ts";
import { defaultChallenge } from "../../protocol/bitcoin/signet.ts";
import { encodeWitnessTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { equal, fromHex } from "../../protocol/bytes.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { type ChannelId, commitmentNumber, height, type Outpoint, sat } from "../../protocol/units.ts";
import type { Moved } from "../../signer/core/chain/connect.ts";
import type { Onchain, Output, Spent } from "../../signer/core/chain/onchain.ts";
import { packOnchain, unpackOnchain } from "../../signer/core/chain/records.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import { followAll, surveyOf } from "../../signer/core/chain/touched.ts";
import type { ChainView } from "../../signer/core/chain/view.ts";
import { refuse } from "../../signer/core/rule.ts";
import { textOf } from "../../signer/core/rules/table.ts";
import type { ChannelState } from "../../signer/core/state.ts";
import type { Settings, View } from "../../signer/core/step.ts";
import { chainConnect } from "../../signer/core/steps/chain.ts";
import type { MadeTx } from "../scripted/chain.ts";
import { start } from "../scripted/channel.ts";
import { strangersScript } from "../scripted/spends.ts";
import { publicChains } from "./bitcoin-blocks.ts";
import { alice, curve, testChannel } from "./chain-channel.ts";

const [one, two, stub] = [1n, 2n, 3n] as ChannelId[] as [ChannelId, ChannelId, ChannelId];
const [first, second] = [testChannel(), testChannel({ value: sat(2_000_000n) })];
const lives = {
  one: first.live({ holder: [[3n, start(first.terms)]] }),
  two: second.live({ holder: [[4n, start(second.terms)]] }),
};
const channels = new Map<ChannelId, ChannelState>([
  [one, { phase: "open", ...lives.one }],
  [stub, { phase: "stub" }],
  [two, { phase: "open", ...lives.two }],
]);
const begin = startAt("regtest");
const viewAt = (tip: number): ChainView => ({
  ...begin,
  blocks: begin.blocks.map((block) => ({ ...block, at: { ...block.at, height: height(tip) } })),
});

type Facts = Partial<Moved["seen"][number]["found"][number]>;

const [fork, tip] = [8, 10];
/** To a block above the fork, which has these transactions. */
const movedTo = (found: readonly Facts[], from = fork): Moved => ({
  ...{ is: "moved", view: viewAt(from + 1), fork: height(from) },
  seen: [{ height: height(from + 1), hash: new Uint8Array(32), coverage: "whole", found: found as never }],
});
const touched = (
  movement: Moved,
  onchain: ReadonlyMap<ChannelId, Onchain> = new Map(),
  view: ChainView | undefined = viewAt(tip),
) =>
  surveyOf(movement, { channels, chain: { view, onchain, upload: undefined } }).touched.map(
    ({ channel }) => channel,
  );

const out = first.publish("holder", 3n, start(first.terms)).outpoint(0);
const outputAt = (at: number, spent?: number): Output => ({
  ...{ outpoint: out, value: sat(9n), role: { is: "delayed" }, height: height(at) },
  spent:
    spent === undefined
      ? undefined
      : ({ txid: out.txid, height: height(spent), way: { is: "plain" } } as Spent),
});
const closedAt = (at: number, ...outputs: readonly Output[]): Onchain => ({
  funding: { is: "confirmed", height: height(1) },
  close: {
    ...{ txid: out.txid, height: height(at), closer: { is: "mutual" }, delayed: strangersScript(1) },
    outputs,
  },
});

describe("a channel is concerned", () => {
  test("by a block that creates or spends its funding, or spends what followed from it", () => {
    const { funding } = lives.one.setup;
    const spends = (outpoint: Outpoint): Facts => ({
      txid: out.txid,
      spends: [{ outpoint, input: 0 }],
      creations: [],
    });
    const creates = (outpoint: Outpoint): Facts => ({
      spends: [],
      creations: [{ outpoint, output: { value: sat(1n), script: strangersScript(1) } }],
    });
    const closed = new Map([[one, closedAt(5, outputAt(5))]]);
    for (const by of [spends, creates]) {
      expect(touched(movedTo([by(funding)], tip))).toEqual([one]);
      expect(touched(movedTo([by({ ...funding, index: funding.index + 1 })], tip))).toEqual([]);
      expect(touched(movedTo([by(lives.two.setup.funding), by(funding)], tip))).toEqual([one, two]);
      expect(touched(movedTo([by(out)], tip), closed)).toEqual([one]);
      expect(touched(movedTo([by(out)], tip))).toEqual([]);
      // Where nothing was followed before there is nothing to take back.
      expect(
        surveyOf(movedTo([by(funding)]), {
          ...{ channels, chain: { view: undefined, onchain: new Map(), upload: undefined } },
        }).touched.map(({ channel }) => channel),
      ).toEqual([one]);
    }
  });

  const unseen: Onchain = { funding: { is: "unseen" }, close: undefined };
  const funded = (at: number, is: "confirmed" | "false" = "confirmed"): Onchain => ({
    ...{ funding: { is, height: height(at) }, close: undefined },
  });

  test.each<[string, (at: number) => Onchain]>([
    ["its funding", (at) => funded(at)],
    ["a false funding", (at) => funded(at, "false")],
    ["its end", (at) => closedAt(at)],
    ["a second stage", (at) => closedAt(5, outputAt(5), outputAt(at))],
    ["what spent an output", (at) => closedAt(5, outputAt(5), outputAt(5, at), outputAt(5))],
  ])("where blocks are taken back that had %s, and no lower ones", (_, made) => {
    const at = (from: number, above: number) => touched(movedTo([], from), new Map([[one, made(above)]]));
    expect([at(fork, fork + 1), at(fork, fork)]).toEqual([[one], []]);
    // Nothing is taken back by what goes on from the tip.
    expect(at(tip, tip + 1)).toEqual([]);
    const others = {
      txid: out.txid,
      spends: [{ outpoint: lives.two.setup.funding, input: 0 }],
      creations: [],
    };
    expect(touched(movedTo([others], tip), new Map([[one, made(tip + 1)]]))).toEqual([two]);
    expect(touched(movedTo([]), new Map([[one, unseen]]))).toEqual([]);
  });
});

test("each commitment of ours that one block has is read with its own point", () => {
  const made = [
    { tx: first.publish("holder", 3n, start(first.terms)).tx, funding: lives.one.setup.funding },
    { tx: second.publish("holder", 4n, start(second.terms)).tx, funding: lives.two.setup.funding },
  ].map(({ tx: { tx, witnesses }, funding }: { tx: MadeTx; funding: Outpoint }) => ({
    ...{ txid: txidOf(tx), position: 1, raw: encodeWitnessTx(tx, witnesses), creations: [] },
    spends: [{ outpoint: funding, input: 0 }],
  }));
  const chain = { view: viewAt(tip), onchain: new Map(), upload: undefined };
  const movement = movedTo(made, tip);
  const survey = surveyOf(movement, { channels, chain });
  expect(survey.points).toEqual([
    { channel: one, number: 3n },
    { channel: two, number: 4n },
  ]);
  const points = [3n, 4n].map((n) => alice.point(commitmentNumber(n)));
  const all = followAll({ ...survey, movement }, { chain }, points, curve);
  expect([...all.keys()]).toEqual([one, two]);
  for (const [id, number] of [
    [one, 3n],
    [two, 4n],
  ] as const) {
    const close = all.get(id)?.close;
    expect(close).toMatchObject({ height: tip + 1, closer: { is: "holder", number } });
    expect(close?.outputs.map(({ role }) => role.is).toSorted()).toEqual(["delayed", "remote"]);
  }
  expect(() => followAll({ ...survey, movement }, { chain }, [], curve)).toThrow("no point");
});

test("what is refused concerns nobody", () => {
  const movement = { is: "refused", refusal: refuse(textOf("chain-validated"), {}) } as const;
  const chain = { view: viewAt(tip), onchain: new Map(), upload: undefined };
  expect(surveyOf(movement, { channels, chain })).toEqual({ movement, touched: [], points: [] });
});

test("a defect of the signer is no fault of the block that it was found by", () => {
  const blocks = publicChains.signet.map(fromHex);
  const block = blocks.find((raw) => equal(raw.subarray(4, 36), chains.signet.genesisHash)) as Uint8Array;
  const body = { hash: blockHash(decodeHeader(block.subarray(0, 80))), parts: 0, bytes: block };
  const view = {
    now: 4_000_000_000,
    channels: new Map(),
    chain: { view: startAt("signet"), onchain: new Map() },
    purse: { coins: new Map(), scripts: new Map() },
  };
  const asked = (verify: () => boolean) =>
    chainConnect.survey?.(
      body as Request<"chainConnect">,
      view as unknown as View,
      {
        ...{ network: "signet", chain: { challenge: defaultChallenge }, curve: { ...curve, verify } },
      } as unknown as Settings,
    );
  expect(asked(() => true)?.built?.movement.is).toBe("moved");
  expect(asked(() => false)?.built?.movement.is).toBe("refused");
  const broken = () =>
    asked(() => {
      throw new TypeError("a defect");
    });
  expect(broken).toThrow(TypeError);
  expect(broken).toThrow(/^a defect$/);
});

test("a record has no more outputs than a commitment and its second stages", () => {
  const bytes = packOnchain(closedAt(5));
  const many = (count: number) => Uint8Array.from([...bytes.subarray(0, -2), count >> 8, count & 0xff]);
  expect(unpackOnchain(many(0)).close?.outputs).toEqual([]);
  expect(() => unpackOnchain(many(2 + 2 * 966))).toThrow(/^(?!.*at most)/);
  expect(() => unpackOnchain(many(3 + 2 * 966))).toThrow(/1935 where at most 1934 may be/);
});
