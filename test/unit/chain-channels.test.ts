import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import { equal } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { type Height, height, sat } from "../../protocol/units.ts";
import {
  alarmsOf,
  breachOf,
  channelAlarms,
  deadlinesOf,
  isAnswered,
} from "../../signer/core/chain/alarms.ts";
import { connectBlocks, type Moved } from "../../signer/core/chain/connect.ts";
import { fateOf, fundingDepth, offeredGone } from "../../signer/core/chain/fate.ts";
import { follow, isSettled, pointsWanted, revert, watchesOf } from "../../signer/core/chain/follow.ts";
import { type Onchain, standingOf, unseen } from "../../signer/core/chain/onchain.ts";
import { packOnchain, unpackOnchain } from "../../signer/core/chain/records.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import type { ChainView } from "../../signer/core/chain/view.ts";
import { heightOf } from "../../signer/core/chain/view.ts";
import type { Live } from "../../signer/core/state.ts";
import { type Block, last, type MadeTx, mine, mineAll, proofOf, spending, whole } from "../scripted/chain.ts";
import { add, htlcOf, preimageOf, start } from "../scripted/channel.ts";
import { steady } from "../steady.ts";
import {
  curve,
  fundingOf,
  mutualOf,
  type Published,
  type TestChannel,
  testChannel,
} from "./chain-channel.ts";

interface State {
  readonly view: ChainView;
  readonly onchain: Onchain;
  readonly blocks: readonly Block[];
}
const begin: State = { view: startAt("regtest"), onchain: unseen, blocks: [] };

const latest = 0xffff_ffff;
const moved = (channel: TestChannel, live: Live, state: State, blocks: readonly Block[]): Moved => {
  const watches = watchesOf(state.onchain, live, heightOf(state.view));
  const movement = connectBlocks(state.view, blocks.map(whole), {
    watches,
    curve,
    challenge: undefined,
    inPart: true,
    latest,
  });
  if (movement.is === "refused") throw new Error(JSON.stringify(movement.refusal));
  expect(channel.shared.funding).toEqual(live.setup.funding);
  return movement;
};

/** Each list is a block. Records are read back all the way. */
const on = (channel: TestChannel, live: Live, state: State, ...contents: (readonly MadeTx[])[]): State => {
  const blocks = mineAll(last(state.blocks), contents);
  const movement = moved(channel, live, state, blocks);
  const onchain = follow(state.onchain, movement, channel.following(live));
  expect(unpackOnchain(packOnchain(onchain))).toEqual(onchain);
  return { view: movement.view, onchain, blocks: [...state.blocks, ...blocks] };
};
const empty = (n: number): (readonly MadeTx[])[] => Array.from({ length: n }, () => []);
const tipOf = ({ view }: State): Height => heightOf(view);

const offered = htlcOf("holder", 50_000_000n, "offered", 300);
const received = htlcOf("counterparty", 60_000_000n, "received", 310);
const gone = htlcOf("holder", 40_000_000n, "gone", 290);
const knowsAll = () => true;
const knowsNone = () => false;

const rolesOf = ({ close }: Onchain): readonly string[] =>
  (close?.outputs ?? []).map(({ role }) => role.is).toSorted();
const wayOf = ({ close }: Onchain, index: number, tx: Published): string | undefined =>
  close?.outputs.find(({ outpoint }) => outpoint.index === index && equal(outpoint.txid, tx.commitment.txid))
    ?.spent?.way.is;

describe("a funding output", () => {
  const channel = testChannel();
  const live = channel.live({ counterparty: [[0n, start(channel.terms)]] });

  test("has a depth from its block on", () => {
    let state = on(channel, live, begin, [], [channel.funding]);
    expect(state.onchain.funding).toEqual({ is: "confirmed", height: 2 });
    expect(fundingDepth(state.onchain, tipOf(state))).toBe(1);
    state = on(channel, live, state, ...empty(5));
    expect(fundingDepth(state.onchain, tipOf(state))).toBe(6);
    expect(fundingDepth(revert(state.onchain, height(1)), height(1))).toBe(0);
    expect(fundingDepth(unseen, tipOf(state))).toBe(0);
  });

  test("of another value is none", () => {
    const false_ = fundingOf(channel.terms, sat(999_999n));
    const setup = { ...live.setup, funding: { txid: txidOf(false_.tx), index: 1 } };
    const other = { ...live, setup };
    const lies: TestChannel = { ...channel, shared: { ...channel.shared, funding: setup.funding } };
    const state = on(lies, other, begin, [false_], []);
    expect(state.onchain.funding).toEqual({ is: "false", height: 1 });
    expect(fundingDepth(state.onchain, tipOf(state))).toBe(0);
    const terms = { tip: tipOf(state), knows: knowsNone };
    expect(channelAlarms(state.onchain, other, terms)).toEqual([{ kind: "funding-false", height: 1 }]);
  });

  test("is seen again in a block that is repeated, and once only", () => {
    const state = on(channel, live, begin, [channel.funding], []);
    const again = follow(state.onchain, moved(channel, live, state, state.blocks), channel.following(live));
    expect(again).toEqual(state.onchain);
    const late = follow(unseen, moved(channel, live, state, state.blocks), channel.following(live));
    expect(late).toEqual(state.onchain);
  });
});

describe.each(["anchors", "static_remotekey"] as const)("with %s", (type) => {
  const channel = testChannel({ type });
  const now = add(add(start(channel.terms), offered), received);
  const live = channel.live({
    revoked: 3n,
    holder: [[3n, now]],
    counterparty: [
      [3n, add(now, gone)],
      [4n, now],
    ],
  });
  const funded = on(channel, live, begin, [channel.funding]);

  test("a mutual close settles everything once it is deep", () => {
    const state = on(channel, live, funded, [mutualOf(channel)], ...empty(4));
    const { close } = state.onchain;
    expect(close && standingOf(close, live)).toEqual({ is: "mutual" });
    expect(offeredGone(state.onchain, live, offered, tipOf(state))).toBe(false);
    const later = on(channel, live, state, []);
    expect(offeredGone(later.onchain, live, offered, tipOf(later))).toBe(true);
    expect(deadlinesOf(later.onchain, live, knowsAll)).toEqual([]);
    expect(isSettled(later.onchain, live, height(100))).toBe(false);
    expect(isSettled(later.onchain, live, height(101))).toBe(true);
    expect(watchesOf(later.onchain, live, height(101)).outpoints).toEqual([]);
  });

  test("our own commitment: its outputs, its HTLCs and their second stages", () => {
    const ours = channel.publish("holder", 3n, now);
    let state = on(channel, live, funded, [ours.tx]);
    expect(
      pointsWanted(live, moved(channel, live, funded, [mine(last(funded.blocks), [ours.tx])]).seen),
    ).toEqual([3n]);
    expect(() =>
      follow(funded.onchain, moved(channel, live, funded, [mine(last(funded.blocks), [ours.tx])]), {
        ...channel.following(live),
        holderPoints: new Map(),
      }),
    ).toThrow(/keyring/);
    expect(state.onchain.close?.closer).toMatchObject({ is: "holder", number: 3n });
    expect(rolesOf(state.onchain)).toEqual(["delayed", "htlc", "htlc", "remote"]);
    expect(deadlinesOf(state.onchain, live, knowsAll).map(({ what, by }) => [what, by])).toEqual([
      ["claim", 310],
      ["timeout", 312],
    ]);
    expect(deadlinesOf(state.onchain, live, knowsNone).map(({ what }) => what)).toEqual(["timeout"]);
    expect(fateOf(state.onchain, live, gone, height(6))).toEqual({ is: "pending" });
    expect(fateOf(state.onchain, live, gone, height(7))).toEqual({ is: "gone", height: 2 });
    expect(fateOf(state.onchain, live, offered, height(100))).toEqual({ is: "pending" });

    state = on(channel, live, state, [ours.second(offered)], [ours.second(received, preimageOf("received"))]);
    expect(wayOf(state.onchain, ours.at(offered).index, ours)).toBe("timeout");
    expect(wayOf(state.onchain, ours.at(received).index, ours)).toBe("preimage");
    expect(rolesOf(state.onchain).filter((role) => role === "second").length).toBe(2);
    expect(deadlinesOf(state.onchain, live, knowsAll)).toEqual([]);
    expect(offeredGone(state.onchain, live, offered, height(7))).toBe(false);
    expect(offeredGone(state.onchain, live, offered, height(8))).toBe(true);
    expect(offeredGone(state.onchain, live, received, height(100))).toBe(false);
    expect(fateOf(state.onchain, live, received, height(4))).toMatchObject({
      is: "paid",
      preimage: preimageOf("received"),
    });
    expect(breachOf(state.onchain, live)).toBeUndefined();
    // The block of the close alone comes again: what was spent since stays spent.
    const again = moved(channel, live, state, state.blocks.slice(1, 2));
    expect(follow(state.onchain, again, channel.following(live))).toEqual(state.onchain);
    // Second stages and to_local are still ours to spend.
    expect(isSettled(state.onchain, live, height(400))).toBe(false);
  });

  test("the counterparty's: which variant it is, and a preimage that it shows", () => {
    const theirs = channel.publish("counterparty", 3n, add(now, gone));
    const state = on(channel, live, funded, [theirs.tx, theirs.direct(offered, preimageOf("offered"))]);
    const { close } = state.onchain;
    const [first] = live.counterparty.variants;
    expect(close && standingOf(close, live)).toEqual({
      is: "counterparty",
      number: 3n,
      content: first?.hash,
    });
    // Holder's offered HTLC is received by the broadcaster, which claims at its second stage.
    const success = theirs.second(gone, preimageOf("gone"));
    const later = on(channel, live, state, [success]);
    expect(fateOf(later.onchain, live, gone, tipOf(later))).toEqual({
      ...{ is: "paid", preimage: preimageOf("gone"), height: 3 },
    });
    const timeout = on(channel, live, state, [theirs.direct(gone)], ...empty(5));
    expect(fateOf(timeout.onchain, live, gone, tipOf(timeout))).toEqual({ is: "gone", height: 3 });
    expect(breachOf(timeout.onchain, live)).toBeUndefined();
    // What it has delayed is its own: only our HTLCs keep the channel from being settled.
    const rest = on(channel, live, timeout, [theirs.direct(received, preimageOf("received"))]);
    expect(isSettled(rest.onchain, live, height(9 + 99))).toBe(false);
    // And what is ours alone: who forgot the channel could not sign for it.
    const remote = rest.onchain.close?.outputs.find(({ role }) => role.is === "remote");
    if (remote === undefined) throw new Error("it pays us nothing");
    const swept = on(channel, live, rest, [spending([remote.outpoint])]);
    expect(isSettled(swept.onchain, live, height(10 + 98))).toBe(false);
    expect(isSettled(swept.onchain, live, height(10 + 99))).toBe(true);
  });

  test("becomes a breach when its secret comes later", () => {
    const theirs = channel.publish("counterparty", 3n, add(now, gone));
    const state = on(channel, live, funded, [theirs.tx]);
    expect(breachOf(state.onchain, live)).toBeUndefined();
    const later = channel.live({ revoked: 4n, counterparty: [[4n, now]] });
    const breach = breachOf(state.onchain, later);
    expect(breach).toMatchObject({ number: 3n, height: 2 });
    expect(breach?.open.map(({ output }) => output.role.is).toSorted()).toEqual([
      "delayed",
      "htlc",
      "htlc",
      "htlc",
    ]);
  });

  describe("a revoked one", () => {
    const old = add(add(start(channel.terms), htlcOf("holder", 30_000_000n, "old", 250)), offered);
    const revoked = channel.publish("counterparty", 1n, old);
    const state = on(channel, live, funded, [revoked.tx]);
    const forgotten = old.htlcs[0] as Htlc;

    test("is told by its number, and its outputs by their scripts", () => {
      const { close } = state.onchain;
      expect(close && standingOf(close, live)).toEqual({ is: "revoked", number: 1n });
      // `offered` is pending still, so it is found; the other is nobody's to name.
      expect(rolesOf(state.onchain)).toEqual(["delayed", "htlc", "remote", "unlisted"]);
      const breach = breachOf(state.onchain, live);
      expect(breach?.open.filter(({ until }) => until !== undefined).map(({ until }) => until)).toEqual([
        2 + 144,
      ]);
      expect(
        alarmsOf(state.view, [{ channel: 7n as never, live, onchain: state.onchain }], {
          ...{ now: 0, staleAfter: 3600, knows: knowsAll },
        }),
      ).toMatchObject([{ kind: "breach-unanswered", channel: 7n }]);
    });

    test("is answered when all that we can name is punished, second stages too", () => {
      const { delayed, outputs = [] } = state.onchain.close ?? {};
      const toLocal = outputs.find(({ role }) => role.is === "delayed");
      if (toLocal === undefined || delayed === undefined) throw new Error("no to_local");
      let punished = on(channel, live, state, [
        revoked.punish(toLocal.outpoint),
        revoked.punish(revoked.outpoint(revoked.at(offered).index), revoked.at(offered).script),
      ]);
      const breach = breachOf(punished.onchain, live);
      expect(breach?.open.map(({ output }) => output.role.is)).toEqual(["unlisted"]);
      expect(breach && isAnswered(breach)).toBe(true);
      // The counterparty goes on to the second stage of the one that we could not name.
      punished = on(channel, live, punished, [revoked.second(forgotten, preimageOf("old"))]);
      const again = breachOf(punished.onchain, live);
      expect(again && isAnswered(again)).toBe(false);
      expect(again?.open.map(({ until }) => until)).toEqual([4 + 144]);
      const second = again?.open[0]?.output.outpoint;
      if (second === undefined) throw new Error("no second stage");
      const done = on(channel, live, punished, [revoked.punish(second)]);
      const answered = breachOf(done.onchain, live);
      expect(answered).toMatchObject({ open: [], lost: [] });
      const taken = {
        ...revoked.punish(second),
        witnesses: [[new Uint8Array(71), new Uint8Array(0), new Uint8Array(1)]],
      };
      const lost = breachOf(on(channel, live, punished, [taken]).onchain, live);
      expect(lost?.lost.map(({ role }) => role.is)).toEqual(["second"]);
      expect(lost?.open).toEqual([]);
    });

    test("keeps an offered HTLC pending while an output may be it", () => {
      expect(fateOf(state.onchain, live, gone, height(100))).toEqual({ is: "pending" });
      const spent = on(channel, live, state, [revoked.second(forgotten, preimageOf("old"))]);
      expect(fateOf(spent.onchain, live, forgotten, tipOf(spent))).toMatchObject({ is: "paid", height: 3 });
      expect(fateOf(spent.onchain, live, gone, height(7))).toEqual({ is: "pending" });
      expect(fateOf(spent.onchain, live, gone, height(8))).toEqual({ is: "gone", height: 3 });
    });
  });

  test("one of a form that nobody knows is unknown, and what pays us is found", () => {
    const ahead = channel.publish("counterparty", 9n, now);
    const old = channel.publish("holder", 1n, now);
    for (const [tx, roles] of [
      [ahead, ["remote"]],
      [old, []],
    ] as const) {
      const state = on(channel, live, funded, [tx.tx], ...empty(9));
      expect(state.onchain.close?.closer.is).toBe("unknown");
      expect(rolesOf(state.onchain)).toEqual(roles);
      expect(offeredGone(state.onchain, live, offered, tipOf(state))).toBe(false);
    }
  });

  test("an open channel has deadlines for what is pending", () => {
    const deadlines = deadlinesOf(funded.onchain, live, knowsAll);
    expect(deadlines.map(({ what, htlc, by, alarm }) => [what, htlc.expiry, by, alarm])).toEqual([
      ["close", 310, 292, 301],
      ["close", 290, 292, 296],
      ["close", 300, 302, 306],
    ]);
    const kinds = (tip: number): number =>
      channelAlarms(funded.onchain, live, { tip: height(tip), knows: knowsAll }).length;
    expect([295, 296, 300, 301, 306].map(kinds)).toEqual([0, 1, 1, 2, 3]);
  });
});

describe("a hostile witness", () => {
  const channel = testChannel();
  const now = add(add(start(channel.terms), offered), received);
  const live = channel.live({ counterparty: [[0n, now]] });
  const theirs = channel.publish("counterparty", 0n, now);
  const state = on(channel, live, begin, [channel.funding], [theirs.tx]);
  const at = theirs.at(offered);
  const spent = (item: Uint8Array) => {
    const tx = { ...theirs.direct(offered), witnesses: [[new Uint8Array(71), item, at.script]] };
    return wayOf(on(channel, live, state, [tx]).onchain, at.index, theirs);
  };

  test("is taken as the script takes it", () => {
    expect(spent(new Uint8Array(0))).toBe("timeout");
    // 33 bytes that are no revocation key go the way of a timeout.
    expect(spent(new Uint8Array(33).fill(2))).toBe("timeout");
    expect(spent(new Uint8Array(31))).toBe("timeout");
    expect(spent(preimageOf("offered"))).toBe("preimage");
    expect(spent(theirs.keys.revocation)).toBe("revocation");
  });
});

describe("any history with reorganisations", () => {
  const channel = testChannel();
  const now = add(add(start(channel.terms), offered), received);
  const live = channel.live({ revoked: 1n, holder: [[1n, now]], counterparty: [[1n, now]] });
  const pool = [
    channel.publish("holder", 1n, now),
    channel.publish("counterparty", 1n, now),
    channel.publish("counterparty", 0n, now),
  ].map((one) => ({
    close: one.tx,
    after: [
      one.second(offered),
      one.second(received, preimageOf("received")),
      one.direct(offered, preimageOf("offered")),
      one.direct(received),
      ...one.commitment.tx.outputs.map((_, index) => one.punish(one.outpoint(index))),
    ],
  }));
  const fresh = (blocks: readonly Block[]): Onchain => {
    let state = begin;
    for (const block of blocks) {
      const movement = moved(channel, live, state, [block]);
      const onchain = follow(state.onchain, movement, channel.following(live));
      state = { view: movement.view, onchain, blocks: [...state.blocks, block] };
    }
    return state.onchain;
  };

  /** No output twice, as on any valid chain. */
  const contentsOf = (blocks: readonly Block[], picks: readonly number[]): readonly MadeTx[] => {
    const spent = new Set<string>();
    const made = new Set<string>();
    for (const { txs } of blocks)
      for (const { tx } of txs) {
        made.add(Buffer.from(txidOf(tx)).toString("hex"));
        for (const { outpoint } of tx.inputs)
          spent.add(`${Buffer.from(outpoint.txid).toString("hex")} ${outpoint.index}`);
      }
    const all = [channel.funding, ...pool.flatMap(({ close, after }) => [close, ...after])];
    const chosen: MadeTx[] = [];
    for (const pick of [0, ...picks].toSorted((a, b) => a - b)) {
      const candidate = all[pick % all.length] as MadeTx;
      const inputs = candidate.tx.inputs.map(
        ({ outpoint }) => [Buffer.from(outpoint.txid).toString("hex"), outpoint.index] as const,
      );
      const isFunding = candidate === channel.funding;
      const possible = inputs.every(([id, i]) => (isFunding || made.has(id)) && !spent.has(`${id} ${i}`));
      if (!possible) continue;
      for (const [id, i] of inputs) spent.add(`${id} ${i}`);
      made.add(Buffer.from(txidOf(candidate.tx)).toString("hex"));
      chosen.push(candidate);
    }
    return chosen;
  };

  test("ends as if only the last chain had ever been", () => {
    let closes = 0;
    let seconds = 0;
    let undone = 0;
    steady(
      fc.property(
        fc.array(
          fc.record({
            depth: fc.nat(4),
            picks: fc.array(fc.array(fc.nat(200), { minLength: 3, maxLength: 12 }), {
              minLength: 3,
              maxLength: 6,
            }),
          }),
          { minLength: 2, maxLength: 5 },
        ),
        (branches) => {
          let state = begin;
          for (const [i, { depth, picks }] of branches.entries()) {
            const kept = state.blocks.slice(0, Math.max(0, state.blocks.length - depth));
            const branch: Block[] = [];
            // Always heavier than what it replaces.
            while (kept.length + branch.length <= state.blocks.length)
              branch.push(
                mine(last(branch, last(kept)), contentsOf([...kept, ...branch], picks[branch.length] ?? []), {
                  tag: i,
                }),
              );
            const movement = moved(channel, live, state, branch);
            const onchain = follow(state.onchain, movement, channel.following(live));
            if (state.onchain.close !== undefined && onchain.close === undefined) undone += 1;
            state = { view: movement.view, onchain, blocks: [...kept, ...branch] };
            expect(state.onchain).toEqual(fresh(state.blocks));
            expect(unpackOnchain(packOnchain(state.onchain))).toEqual(state.onchain);
            // And a host that repeats all of it changes nothing.
            expect(
              follow(onchain, moved(channel, live, state, state.blocks), channel.following(live)),
            ).toEqual(onchain);
          }
          if (state.onchain.close !== undefined) closes += 1;
          if (rolesOf(state.onchain).includes("second")) seconds += 1;
        },
      ),
      { numRuns: 60 },
    );
    expect(closes).toBeGreaterThan(10);
    expect(seconds).toBeGreaterThan(3);
    expect(undone).toBeGreaterThan(0);
  });
});

test("a proof shows a breach as a whole block does", () => {
  const channel = testChannel();
  const now = start(channel.terms);
  const live = channel.live({ revoked: 2n, counterparty: [[2n, now]] });
  const breach = channel.publish("counterparty", 0n, now);
  const state = on(channel, live, begin, [channel.funding]);
  const block = mine(last(state.blocks), [breach.tx]);
  const watches = watchesOf(state.onchain, live, tipOf(state));
  const terms = { watches, curve, challenge: undefined, inPart: true, latest };
  const shown = connectBlocks(state.view, [proofOf(block, [breach.commitment.txid])], terms);
  if (shown.is === "refused") throw new Error("refused");
  expect(follow(state.onchain, shown, channel.following(live))).toEqual(
    on(channel, live, state, [breach.tx]).onchain,
  );
});
