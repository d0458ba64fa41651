import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { commitmentNumber, height, sat, type Txid } from "../../protocol/units.ts";
import {
  type Alarm,
  alarmsOf,
  breachOf,
  channelAlarms,
  deadlinesOf,
  isAnswered,
  viewAlarms,
} from "../../signer/core/chain/alarms.ts";
import { connectBlocks } from "../../signer/core/chain/connect.ts";
import type { Closer, Onchain, Output, Role } from "../../signer/core/chain/onchain.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import { sentenceOf, toldOf } from "../../signer/core/chain/telling.ts";
import { type ChainView, heightOf, tipOf } from "../../signer/core/chain/view.ts";
import type { Live } from "../../signer/core/state.ts";
import { type Block, genesis, headerOf, mineEmpty, whole } from "../scripted/chain.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";
import { curve } from "../scripted/road.ts";

const txid = new Uint8Array(32).fill(0xab) as Txid;
const outputOf = (role: Role, at: number, changes: Partial<Output> = {}): Output => ({
  ...{ outpoint: { txid, index: 0 }, value: sat(1_000n), role, height: height(at), spent: undefined },
  ...changes,
});
const plainly = { spent: { txid, height: height(900), way: { is: "plain" } } } as const;
const punished = { spent: { txid, height: height(900), way: { is: "revocation" } } } as const;

const closedBy = (closer: Closer, ...outputs: readonly Output[]): Onchain => ({
  funding: { is: "confirmed", height: height(1) },
  close: { txid, height: height(800), closer, delayed: new Uint8Array(0) as never, outputs },
});
const open: Onchain = { funding: { is: "confirmed", height: height(1) }, close: undefined };
const content = new Uint8Array(32);
const cheat = { is: "counterparty", number: commitmentNumber(2n), content: unknown } as const;
const theirs = { is: "counterparty", number: commitmentNumber(5n), content } as const;
const ours = { is: "holder", number: commitmentNumber(5n), content } as const;

const liveOf = (holder: readonly Htlc[] = [], counterparty: readonly Htlc[] = []): Live =>
  ({
    setup: { terms: plainTerms() },
    holder: { variants: [{ htlcs: holder }] },
    counterparty: { revoked: 5n, variants: [{ htlcs: counterparty }] },
  }) as unknown as Live;

const offered = htlcOf("holder", 50_000n, "offered", 1_000);
const received = htlcOf("counterparty", 60_000n, "received", 1_000);
const yes = () => true;
const no = () => false;

describe("a breach", () => {
  const breach = (...outputs: readonly Output[]) => breachOf(closedBy(cheat, ...outputs), liveOf());

  test("is open in what nobody has spent, each with the block from which the cheat may take it", () => {
    const found = breach(
      outputOf({ is: "delayed" }, 800),
      outputOf({ is: "second", of: 1 }, 850),
      outputOf({ is: "htlc", htlc: offered }, 800),
      outputOf({ is: "remote" }, 800),
      outputOf({ is: "unlisted" }, 800),
      outputOf({ is: "delayed" }, 800, punished),
    );
    expect(found).toMatchObject({ number: 2n, txid, height: 800, lost: [] });
    // The delay that we demand of them is 144 blocks.
    expect(found?.open.map(({ output, until }) => [output.role.is, until])).toEqual([
      ["delayed", 944],
      ["second", 994],
      ["htlc", undefined],
      ["unlisted", undefined],
    ]);
  });

  test("is lost in what the cheat took after its delay, and in nothing else", () => {
    const found = breach(
      outputOf({ is: "delayed" }, 800, plainly),
      outputOf({ is: "second", of: 1 }, 850, plainly),
      outputOf({ is: "second", of: 2 }, 850, punished),
      outputOf({ is: "htlc", htlc: offered }, 800, plainly),
      outputOf({ is: "remote" }, 800, plainly),
    );
    expect(found?.lost.map(({ role }) => role.is)).toEqual(["delayed", "second"]);
    expect(found?.open).toEqual([]);
  });

  test("is answered once only outputs are open that nobody can name", () => {
    const unlisted = outputOf({ is: "unlisted" }, 800);
    const answered = (...outputs: readonly Output[]) => {
      const found = breach(...outputs);
      return found !== undefined && isAnswered(found);
    };
    expect(answered(unlisted, unlisted)).toBe(true);
    expect(answered(unlisted, outputOf({ is: "delayed" }, 800))).toBe(false);
    expect(answered()).toBe(true);
  });

  test("is none where the commitment is live, ours, or there is none", () => {
    const output = outputOf({ is: "delayed" }, 800);
    for (const onchain of [
      open,
      closedBy(theirs, output),
      closedBy(ours, output),
      closedBy({ is: "mutual" }),
    ])
      expect(breachOf(onchain, liveOf())).toBeUndefined();
  });
});

describe("a deadline", () => {
  const told = (onchain: Onchain, live: Live, knows = yes) =>
    deadlinesOf(onchain, live, knows).map(({ what, htlc, by, alarm }) => [what, htlc.offeredBy, by, alarm]);

  test("of an open channel is to publish our commitment, before each HTLC goes on chain at its latest", () => {
    // BOLT 2, "`cltv_expiry_delta` Selection".
    expect(told(open, liveOf([offered], [received]))).toEqual([
      ["close", "counterparty", 982, 991],
      ["close", "holder", 1_002, 1_006],
    ]);
    expect(told(open, liveOf([offered], [received]), no)).toEqual([["close", "holder", 1_002, 1_006]]);
  });

  test("is told once for an HTLC that several commitments have, and for each that differs", () => {
    const other = { ...offered, offeredBy: "counterparty" } as const;
    expect(told(open, liveOf([offered, received], [received, offered])).length).toBe(2);
    expect(told(open, liveOf([offered], [offered, other])).length).toBe(2);
    expect(told(open, liveOf([offered, other], [other])).length).toBe(2);
    expect(told(open, liveOf([offered, other], [offered])).length).toBe(2);
    const later = { ...offered, expiry: height(1_001) };
    expect(told(open, liveOf([later], [offered])).map(([, , by]) => by)).toEqual([1_002, 1_003]);
  });

  test("is never before the first block", () => {
    const early = htlcOf("counterparty", 1n, "early", 5);
    expect(told(open, liveOf([early]))).toEqual([["close", "counterparty", 0, 0]]);
  });

  test("of an output is to claim it before its expiry, or to take it back in time after", () => {
    const outputs = [
      outputOf({ is: "htlc", htlc: offered }, 800),
      outputOf({ is: "htlc", htlc: received }, 800),
      outputOf({ is: "htlc", htlc: offered }, 800, plainly),
      outputOf({ is: "delayed" }, 800),
    ];
    for (const closer of [ours, theirs]) {
      expect(told(closedBy(closer, ...outputs), liveOf())).toEqual([
        ["claim", "counterparty", 1_000, 991],
        ["timeout", "holder", 1_012, 1_012],
      ]);
      expect(told(closedBy(closer, ...outputs), liveOf(), no)).toEqual([["timeout", "holder", 1_012, 1_012]]);
    }
    const late = outputOf({ is: "htlc", htlc: offered }, 1_100);
    expect(told(closedBy(ours, late), liveOf())).toEqual([["timeout", "holder", 1_112, 1_112]]);
  });

  test("is none where the other side cheated, or nothing of ours is in the close", () => {
    const output = outputOf({ is: "htlc", htlc: offered }, 800);
    const unknownOne = { is: "unknown", number: commitmentNumber(9n) } as const;
    for (const closer of [cheat, unknownOne, { is: "mutual" } as const])
      expect(told(closedBy(closer, output), liveOf())).toEqual([]);
  });
});

describe("an alarm of a channel", () => {
  const kinds = (onchain: Onchain, tip: number, live = liveOf()) =>
    channelAlarms(onchain, live, { tip: height(tip), knows: yes }).map(({ kind }) => kind);

  test("is a breach that waits for an answer", () => {
    expect(kinds(closedBy(cheat, outputOf({ is: "delayed" }, 800)), 1)).toEqual(["breach-unanswered"]);
    expect(kinds(closedBy(cheat, outputOf({ is: "delayed" }, 800, punished)), 1)).toEqual([]);
  });

  test("is a deadline from its own height on", () => {
    expect(
      [990, 991, 1_005, 1_006].map((tip) => kinds(open, tip, liveOf([offered], [received])).length),
    ).toEqual([...[0, 1, 1, 2]]);
  });

  test("is a funding that is not the channel's", () => {
    expect(kinds({ ...open, funding: { is: "false", height: height(3) } }, 1)).toEqual(["funding-false"]);
    expect(kinds({ ...open, funding: { is: "unseen" } }, 1)).toEqual([]);
  });
});

const chain = mineEmpty(genesis, 4);
const connected = (show: (block: Block) => ReturnType<typeof whole>): ChainView => {
  const terms = { watches: { outpoints: [], scripts: [] }, curve, challenge: undefined, latest: 2 ** 32 };
  const movement = connectBlocks(startAt("regtest"), chain.map(show), terms);
  if (movement.is === "refused") throw new Error("refused");
  return movement.view;
};

describe("an alarm of the view", () => {
  const view = connected(whole);
  const { time } = tipOf(view).header;
  const kinds = (of: ChainView, age = 0, inPart?: boolean) =>
    viewAlarms(of, { now: time + age, staleAfter: 600, ...(inPart === undefined ? {} : { inPart }) });

  test("is that the tip is old", () => {
    expect(kinds(view, 600)).toEqual([]);
    expect(kinds(view, 601)).toEqual([{ kind: "stale", age: 601, limit: 600 }]);
  });

  test("is that blocks were taken back and not replaced", () => {
    const best = { ...view.best, height: height(9), work: view.best.work + 1n };
    expect(kinds({ ...view, best })).toEqual([{ kind: "behind", tip: 4, best: 9 }]);
  });

  test("is that only headers were shown, unless the host need show no more", () => {
    const headers = connected(headerOf);
    expect(kinds(headers)).toEqual([{ kind: "unproven", tip: 4 }]);
    expect(kinds({ ...headers, blocks: headers.blocks.slice(-2) }).length).toBe(1);
    expect(kinds({ ...headers, blocks: headers.blocks.slice(-1) }).length).toBe(0);
    expect(kinds(headers, 0, true)).toEqual([]);
    expect(kinds(headers, 0, false).length).toBe(1);
    expect(viewAlarms(startAt("regtest"), { now: 0, staleAfter: 600 })).toEqual([]);
  });

  test("comes before those of channels, which are held against the highest tip there ever was", () => {
    const terms = { now: time, staleAfter: 600, knows: yes };
    const late = { ...offered, expiry: height(3) };
    const watched = [{ channel: 7n as never, live: liveOf([late]), onchain: open }];
    expect(alarmsOf(view, watched, terms)).toEqual([]);
    const best = { ...view.best, height: height(9), work: view.best.work + 1n };
    expect(alarmsOf({ ...view, best }, watched, terms)).toMatchObject([
      { kind: "behind" },
      { kind: "htlc-deadline", channel: 7n, deadline: { alarm: 9 } },
    ]);
    expect(heightOf(view)).toBe(4);
    const low = { ...view, best: { ...view.best, height: height(1) } };
    const soon = [
      { channel: 7n as never, live: liveOf([], [htlcOf("counterparty", 1n, "x", 13)]), onchain: open },
    ];
    expect(alarmsOf(low, soon, terms)).toMatchObject([{ kind: "htlc-deadline", deadline: { alarm: 4 } }]);
  });
});

describe("in words", () => {
  const breach = (...outputs: readonly Output[]): Alarm => {
    const [alarm] = channelAlarms(closedBy(cheat, ...outputs), liveOf(), { tip: height(1), knows: yes });
    if (alarm === undefined) throw new Error("no breach");
    return { ...alarm, channel: 7n as never };
  };
  const readable = "ab".repeat(32);

  test.each([
    ["stale", { kind: "stale", age: 700, limit: 600 }, "The last block is 700 seconds old, and may be 600."],
    [
      "behind",
      { kind: "behind", tip: height(7), best: height(9) },
      "Blocks were taken back to height 7; a heavier chain reached 9.",
    ],
    [
      "unproven",
      { kind: "unproven", tip: height(7) },
      "Of the blocks up to height 7 only headers were shown: go on with whole blocks.",
    ],
    [
      "fundingFalse",
      { kind: "funding-false", height: height(7), channel: 7n as never },
      "The output at height 7 that should fund the channel is not the channel's.",
    ],
    [
      "breachUnanswered",
      breach(
        outputOf({ is: "htlc", htlc: offered }, 800),
        outputOf({ is: "second", of: 1 }, 850),
        outputOf({ is: "delayed" }, 800),
      ),
      `Revoked commitment 2 is on the chain: punish 3 outputs of ${readable} before height 944.`,
    ],
    [
      "breachUnanswered",
      breach(outputOf({ is: "htlc", htlc: offered }, 800)),
      `Revoked commitment 2 is on the chain: punish 1 outputs of ${readable} soon.`,
    ],
  ] as const)("%s", (kind, alarm: Alarm, text) => {
    expect(sentenceOf(alarm)).toBe(text);
    expect(toldOf(alarm)).toEqual({ kind, channel: "channel" in alarm ? 7n : unknown, text });
  });

  test.each([
    ["close", open, "publish our commitment, for", 1_002],
    [
      "timeout",
      closedBy(ours, outputOf({ is: "htlc", htlc: offered }, 800)),
      "take back after its expiry",
      1_012,
    ],
    [
      "claim",
      closedBy(ours, outputOf({ is: "htlc", htlc: received }, 800)),
      "claim with its preimage",
      1_000,
    ],
  ] as const)("a deadline to %s", (what, onchain, verb, by) => {
    const [deadline] = deadlinesOf(onchain, liveOf([offered]), yes);
    if (deadline === undefined) throw new Error("no deadline");
    expect(deadline.what).toBe(what);
    const { amount, hash } = deadline.htlc;
    const hex = Buffer.from(hash).toString("hex");
    expect(sentenceOf({ kind: "htlc-deadline", deadline, channel: 7n as never })).toBe(
      `Before height ${by} ${verb} the HTLC of ${amount} msat with hash ${hex}.`,
    );
  });
});
