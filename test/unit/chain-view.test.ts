import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { encodeHeader } from "../../protocol/bitcoin/header.ts";
import { merkleRoot } from "../../protocol/bitcoin/merkle.ts";
import { defaultChallenge } from "../../protocol/bitcoin/signet.ts";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import { equal, fromHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { height, script, type Txid } from "../../protocol/units.ts";
import {
  type ConnectTerms,
  connectBlocks,
  disconnectBlock,
  type Moved,
  type Movement,
} from "../../signer/core/chain/connect.ts";
import type { Evidence } from "../../signer/core/chain/evidence.ts";
import { packView, unpackView } from "../../signer/core/chain/records.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import {
  ageOf,
  type ChainView,
  heightOf,
  isBehind,
  type KnownBlock,
  maxKept,
  tipOf,
  wholeSince,
} from "../../signer/core/chain/view.ts";
import {
  type Block,
  genesis,
  headerOf,
  last,
  mine,
  mineAll,
  mineEmpty,
  proofOf,
  spending,
  whole,
} from "../scripted/chain.ts";
import { steady, workOf } from "../steady.ts";
import { publicChains } from "./bitcoin-blocks.ts";

const curve = await loadNative();
const none = { outpoints: [], scripts: [] };
const terms: ConnectTerms = { watches: none, curve, challenge: undefined, inPart: true, latest: 0xffff_ffff };

const begin = startAt("regtest");
const moved = (movement: Movement): Moved => {
  if (movement.is === "refused") throw new Error(JSON.stringify(movement.refusal));
  return movement;
};
const connect = (view: ChainView, evidences: readonly Evidence[], changes: Partial<ConnectTerms> = {}) =>
  moved(connectBlocks(view, evidences, { ...terms, ...changes }));
const factsOf = (movement: Movement): Record<string, string> => {
  if (movement.is !== "refused") throw new Error("it was not refused");
  expect(movement.refusal).toMatchObject({ rule: "chain-validated", kind: "core", final: false });
  return Object.fromEntries(movement.refusal.facts.map(({ name, value }) => [name, value]));
};
const refusal = (view: ChainView, evidences: readonly Evidence[], changes: Partial<ConnectTerms> = {}) =>
  factsOf(connectBlocks(view, evidences, { ...terms, ...changes }));

const chain = mineEmpty(genesis, 6);
const view = connect(begin, chain.map(whole)).view;
const tip = last(chain);

describe("a view begins", () => {
  test("at the genesis block of every network", () => {
    for (const network of ["bitcoin", "testnet", "signet", "regtest"] as const) {
      const view = startAt(network);
      expect(heightOf(view)).toBe(0);
      expect(tipOf(view).at.hash).toEqual(chains[network].genesisHash);
    }
  });

  test("at a block that begins a period, from which the next headers follow", () => {
    const [{ height: at, next }] = publicChains.retargets as [(typeof publicChains.retargets)[0]];
    const view = startAt("bitcoin", { height: height(at), header: fromHex(next) });
    expect(tipOf(view).at).toMatchObject({ height: at, periodStart: tipOf(view).header.time });
    // Its predecessors' times are not known, so any later block of the chain may be older than it.
    expect(unpackView(packView(view))).toEqual(view);
  });

  test.each([
    ["in the middle of a period", { height: height(5), header: chains.regtest.genesis }, /begins no period/],
    ["at another first block", { height: height(0), header: encodeHeader(tip.header) }, /not the first/],
    [
      "without work",
      { height: height(2016), header: encodeHeader({ ...tip.header, bits: 0x1d00_ffff }) },
      /no work/,
    ],
    ["of 79 bytes", { height: height(2016), header: new Uint8Array(79) }, /79 bytes/],
  ])("not %s", (_, checkpoint, reason) => {
    expect(() => startAt("regtest", checkpoint)).toThrow(reason);
    expect(() => startAt("regtest", checkpoint)).toThrow(Malformed);
  });
});

describe("blocks connect", () => {
  test("one by one or as a batch, in whole, as proof or as headers, to the same chain", () => {
    for (const show of [whole, headerOf, (block: Block) => proofOf(block, [])]) {
      const batch = connect(begin, chain.map(show)).view;
      const single = chain.reduce((view, block) => connect(view, [show(block)]).view, begin);
      expect(batch).toEqual(single);
      expect(tipOf(batch).at).toEqual(tipOf(view).at);
      expect(heightOf(batch)).toBe(6);
    }
  });

  test("and only whole ones prove absence", () => {
    expect(wholeSince(view)).toBe(1);
    const [one, two, three, ...more] = chain as [Block, Block, Block, ...Block[]];
    const mixed = connect(begin, [whole(one), headerOf(two), proofOf(three, []), ...more.map(whole)]).view;
    expect(wholeSince(mixed)).toBe(4);
    // Later they are shown in whole: out of order, and then the gap is closed.
    const third = connect(mixed, [whole(three)]).view;
    expect(wholeSince(third)).toBe(3);
    expect(connect(third, [whole(two)]).view).toEqual(view);
    expect(wholeSince(connect(connect(mixed, [whole(two)]).view, [headerOf(three)]).view)).toBe(4);
  });

  test("and are found again when a host repeats them", () => {
    const again = connect(view, chain.slice(2).map(whole));
    expect(again).toMatchObject({ fork: 6 });
    expect(again.view).toEqual(view);
    expect(again.seen.map(({ height }) => height)).toEqual([3, 4, 5, 6]);
    const further = connect(view, [...chain, mine(tip)].map(whole));
    expect(heightOf(further.view)).toBe(7);
    expect(further.seen.map(({ height }) => height)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test("thousands of headers in no time, and only the last stay", () => {
    const many = mineEmpty(genesis, 5_000);
    let long = begin;
    const work = workOf(() => {
      long = connect(begin, many.map(headerOf)).view;
    });
    expect(work).toBeLessThan(2_000);
    expect(heightOf(long)).toBe(5_000);
    expect(long.blocks.length).toBe(maxKept + 1);
    expect(packView(long).length).toBeLessThan(20_000);
    expect(unpackView(packView(long))).toEqual(long);
    const old = many[4_000] as Block;
    expect(refusal(long, [whole(old)])).toMatchObject({ broken: "previous", tip: "5000", oldest: "4700" });
  });

  test("what is watched is found, also where a later block of the batch spends what an earlier one made", () => {
    const watched = { txid: new Uint8Array(32).fill(7) as Txid, index: 0 };
    const first = spending([watched]);
    const made = { txid: txidOf(first.tx), index: 0 };
    const second = spending([made]);
    const third = spending([{ txid: txidOf(second.tx), index: 0 }]);
    const watches = { outpoints: [watched], scripts: [] };
    for (const contents of [
      [[first], [second], [third]],
      [[first, second], [], [third]],
      [[first, second, third], [], []],
    ]) {
      const blocks = mineAll(genesis, contents);
      const ids = [first, second, third].map(({ tx }) => txidOf(tx));
      for (const show of [whole, (block: Block) => proofOf(block, ids)]) {
        const { seen } = connect(begin, blocks.map(show), { watches });
        expect(seen.flatMap(({ found }) => found.map(({ txid }) => txid))).toEqual(ids);
        expect(seen.map(({ found }) => found.length)).toEqual(contents.map(({ length }) => length));
        const spends = seen.flatMap(({ found }) => found.flatMap(({ spends }) => spends));
        expect(spends.map(({ outpoint, input }) => [outpoint.index, input])).toEqual([
          [0, 0],
          [0, 0],
          [0, 0],
        ]);
      }
    }
  });

  test("a proof and a whole block find the same", () => {
    const created = spending([{ txid: new Uint8Array(32).fill(9) as Txid, index: 1 }]);
    const outpoint = { txid: txidOf(created.tx), index: 0 };
    const block = mine(tip, [spending([{ txid: new Uint8Array(32).fill(8) as Txid, index: 1 }]), created]);
    for (const watches of [
      { outpoints: [outpoint], scripts: [] },
      { outpoints: [], scripts: [script(Uint8Array.of(0x51))] },
    ]) {
      const [a] = connect(view, [whole(block)], { watches }).seen;
      const [b] = connect(view, [proofOf(block, block.txids.slice(1))], { watches }).seen;
      const created = (one: typeof a) => one?.found.filter(({ position }) => position > 0);
      expect(created(b)).toEqual(created(a));
      expect(created(a)?.length).toBeGreaterThan(0);
    }
  });
});

describe("a reorganisation", () => {
  const at = chain[2] as Block;
  const branch = mineEmpty(at, 4, { tag: 1 });

  test("to a heavier branch is taken at once", () => {
    const { view: now, fork, seen } = connect(view, branch.map(whole));
    expect(fork).toBe(3);
    expect(heightOf(now)).toBe(7);
    expect(seen.map(({ height }) => height)).toEqual([4, 5, 6, 7]);
    expect(now).toEqual(connect(begin, [...chain.slice(0, 3), ...branch].map(whole)).view);
  });

  test("to a lighter or equal one is refused, and nothing changes", () => {
    for (const length of [1, 2, 3])
      expect(refusal(view, branch.slice(0, length).map(whole))).toMatchObject({
        ...{ broken: "branch", fork: "3", tip: "6", height: `${3 + length}` },
      });
  });

  test("block by block leaves the view behind until as much work is there again", () => {
    let now = view;
    for (const block of chain.slice(3).toReversed()) {
      const step = moved(disconnectBlock(now, block.hash));
      expect(step.fork).toBe(block.height - 1);
      now = step.view;
      expect(isBehind(now)).toBe(true);
    }
    for (const block of branch) {
      now = connect(now, [whole(block)]).view;
      expect(isBehind(now)).toBe(block.height < 6);
    }
    expect(now.best).toMatchObject({ height: 7 });
    expect(unpackView(packView(now))).toEqual(now);
  });

  test("within one batch is told by its lowest fork, and what it left is not seen", () => {
    const [a, b] = [mineEmpty(tip, 2, { tag: 2 }), mineEmpty(tip, 3, { tag: 3 })];
    const { fork, seen, view: now } = connect(view, [...a, ...b].map(whole));
    expect(fork).toBe(6);
    expect(seen.map(({ hash }) => hash)).toEqual(b.map(({ hash }) => hash));
    expect(heightOf(now)).toBe(9);
  });

  test("takes back the tip alone, never what is not kept, and may be repeated", () => {
    expect(factsOf(disconnectBlock(view, at.hash))).toMatchObject({ broken: "tip" });
    expect(factsOf(disconnectBlock(begin, genesis.hash))).toMatchObject({ broken: "depth", oldest: "0" });
    const once = moved(disconnectBlock(view, tip.hash));
    const twice = moved(disconnectBlock(once.view, tip.hash));
    expect(twice).toEqual({ ...once, fork: 5 });
  });
});

describe("refused", () => {
  const bad = (header: Parameters<typeof mine>[2]) => mine(tip, [], header);

  test.each([
    ["a header that follows nothing", mine({ ...tip, hash: new Uint8Array(32).fill(3) }), "previous"],
    ["a target that the rules do not give", bad({ header: { bits: 0x207f_fffe } }), "bits"],
    ["an easier target than there is", bad({ header: { bits: 0x2100_ffff } }), "bits"],
    ["a time before the median", bad({ header: { time: (chain[2] as Block).header.time } }), "time"],
    ["an old version", bad({ header: { version: 3 } }), "version"],
  ])("%s", (_, block, broken) => {
    for (const show of [whole, headerOf]) expect(refusal(view, [show(block)])).toMatchObject({ broken });
    expect(refusal(view, [mine(tip), block].map(headerOf)).broken).toMatch(/previous|bits|time|version/);
  });

  test("a header without work", () => {
    let { header } = mine(tip);
    const hard = (): boolean => {
      try {
        return "refusal" in connectBlocks(view, [{ is: "header", header: encodeHeader(header) }], terms);
      } catch {
        return false;
      }
    };
    while (!hard()) header = { ...header, nonce: header.nonce + 1 };
    expect(refusal(view, [{ is: "header", header: encodeHeader(header) }])).toMatchObject({ broken: "work" });
  });

  test("a header from the future, until that comes", () => {
    const { time } = mine(tip).header;
    expect(refusal(view, [whole(mine(tip))], { latest: time - 1 })).toMatchObject({ broken: "time" });
    expect(heightOf(connect(view, [whole(mine(tip))], { latest: time }).view)).toBe(7);
  });

  test("a batch with one bad block changes nothing, wherever it stands", () => {
    const good = mineEmpty(tip, 3);
    const wrong = mine(last(good), [], { header: { bits: 0x207f_fffe } });
    expect(refusal(view, [...good, wrong].map(whole))).toMatchObject({ broken: "bits", height: "10" });
  });
});

describe("Malformed", () => {
  const block = mine(tip, [spending([{ txid: new Uint8Array(32).fill(1) as Txid, index: 0 }])]);
  const [coinbase, tx] = block.txs as [Block["txs"][0], Block["txs"][0]];
  const shows = (evidence: Evidence, path: RegExp): void => {
    for (const before of [[], [whole(tip)]]) {
      const run = (): Movement => connectBlocks(view, [...before, evidence], terms);
      expect(run).toThrow(Malformed);
      expect(run).toThrow(path);
      expect(run).toThrow(new RegExp(`^\\[${before.length}\\]`));
    }
  };

  test("a block with another root", () => {
    shows(whole(mine(tip, [tx], { header: { merkleRoot: new Uint8Array(32) } })), /another root/);
  });

  test("a block whose last transactions stand twice: it would have the same root (CVE-2012-2459)", () => {
    const other = spending([{ txid: new Uint8Array(32).fill(2) as Txid, index: 0 }]);
    const txids = [coinbase, tx, other].map(({ tx }) => txidOf(tx));
    const twice = mine(tip, [coinbase, tx, other, other], {
      exactly: true,
      header: { merkleRoot: merkleRoot(txids) },
    });
    shows(whole(twice), /stands beside itself/);
  });

  test("a block without a coinbase, or with two", () => {
    shows(whole(mine(tip, [tx], { exactly: true })), /the coinbase is the first/);
    shows(
      whole(
        mine(tip, [coinbase, coinbase, tx], { exactly: true, header: { merkleRoot: new Uint8Array(32) } }),
      ),
      /the coinbase is the first/,
    );
  });

  test("a block cut anywhere", () => {
    for (let length = 0; length < block.raw.length; length++)
      expect(() =>
        connectBlocks(view, [{ is: "block", block: block.raw.subarray(0, length) }], terms),
      ).toThrow(Malformed);
  });

  test("a block with something behind it", () => {
    const longer = new Uint8Array(block.raw.length + 1);
    longer.set(block.raw);
    shows({ is: "block", block: longer }, /too many/);
  });

  test("proofs of nothing", () => {
    const proof = proofOf(block, block.txids.slice(1));
    const [shown] = proof.txs as [(typeof proof.txs)[0]];
    const other = proofOf(mine(tip, [tx], { tag: 5 }), []);
    shows({ ...proof, coinbase: other.coinbase }, /coinbase/);
    shows({ ...proof, coinbase: other.coinbase, txs: [] }, /coinbase/);
    shows({ ...proof, coinbaseSiblings: [] }, /coinbase/);
    shows({ ...proof, txs: [{ ...shown, branch: { ...shown.branch, position: 0 } }] }, /another root/);
    shows({ ...proof, txs: [shown, shown] }, /txs\[1\]: not in the block's order/);
    shows({ ...proof, txs: [{ ...shown, tx: new Uint8Array(9) }] }, /txs\[0\]/);
  });

  test("a header of another length", () => {
    shows({ is: "header", header: new Uint8Array(81) }, /81 bytes/);
  });
});

describe("a signet", () => {
  const start = startAt("signet");
  const blocks = publicChains.signet.map((text): Evidence => ({ is: "block", block: fromHex(text) }));

  test("counts blocks that solve its challenge, and no others", () => {
    const first = blocks[0] as Evidence & { is: "block" };
    const header = first.block.subarray(0, 80);
    const asks = (evidence: Evidence, challenge: ConnectTerms["challenge"]): Movement =>
      connectBlocks(start, [evidence], { ...terms, challenge });
    const follows = equal(header.subarray(4, 36), chains.signet.genesisHash);
    expect(follows).toBe(true);
    expect(asks(first, defaultChallenge).is).toBe("moved");
    expect(factsOf(asks(first, undefined))).toMatchObject({ broken: "signet", height: "1" });
    expect(factsOf(asks({ is: "header", header }, defaultChallenge))).toMatchObject({ broken: "signet" });
    expect(factsOf(asks(first, script(Uint8Array.of(0x51))))).toMatchObject({
      found: "unsupported challenge",
    });
    const key = defaultChallenge.slice();
    key[3] = (key[3] as number) ^ 1;
    expect(factsOf(asks(first, script(key)))).toMatchObject({ broken: "signet" });
  });
});

/** Hashes by height, and what each block has: no more than a list that is cut and lengthened. */
interface Model {
  readonly blocks: readonly Block[];
}

describe("any sequence of reorganisations", () => {
  test("ends where a plain list ends", () => {
    const step = fc.record({
      how: fc.constantFrom("extend", "branch", "branch", "take back", "repeat", "record"),
      depth: fc.nat(4),
      length: fc.integer({ min: 1, max: 5 }),
      show: fc.constantFrom("whole", "header"),
    });
    let refusals = 0;
    let forks = 0;
    steady(
      fc.property(fc.array(step, { minLength: 4, maxLength: 12 }), (steps) => {
        let model: Model = { blocks: [] };
        let heaviest = 0;
        let view = begin;
        for (const [i, { how, depth, length, show }] of steps.entries()) {
          const shown = show === "whole" ? whole : headerOf;
          const tip = last(model.blocks);
          if (how === "extend") {
            const more = mineEmpty(tip, length, { tag: i + 1 });
            view = connect(view, more.map(shown)).view;
            model = { blocks: [...model.blocks, ...more] };
          } else if (how === "branch") {
            const kept = model.blocks.slice(0, Math.max(0, model.blocks.length - depth));
            const more = mineEmpty(last(kept), length, { tag: i + 1 });
            const movement = connectBlocks(view, more.map(shown), terms);
            const isHeavier = kept.length + length > model.blocks.length;
            expect(movement.is).toBe(isHeavier ? "moved" : "refused");
            if (movement.is === "moved") {
              expect(movement.fork).toBe(kept.length);
              if (kept.length < model.blocks.length) forks += 1;
              view = movement.view;
              model = { blocks: [...kept, ...more] };
            } else refusals += 1;
          } else if (how === "take back" && model.blocks.length > 0) {
            view = moved(disconnectBlock(view, tip.hash)).view;
            model = { blocks: model.blocks.slice(0, -1) };
          } else if (how === "repeat") {
            view = connect(view, model.blocks.slice(-depth - 1).map(headerOf)).view;
          } else view = unpackView(packView(view));
          heaviest = Math.max(heaviest, model.blocks.length);
          expect(view.blocks.map(({ at }) => at.hash)).toEqual(
            [genesis, ...model.blocks].map(({ hash }) => hash),
          );
          expect(isBehind(view)).toBe(model.blocks.length < heaviest);
          expect(view.best.height).toBe(heaviest);
        }
      }),
      { numRuns: 150 },
    );
    expect(refusals).toBeGreaterThan(9);
    expect(forks).toBeGreaterThan(9);
  });
});

describe("a record of a view", () => {
  const [oldest, ...rest] = view.blocks as [KnownBlock, ...KnownBlock[]];
  const bits = 0;

  test.each([
    ["whose best is less than its tip", { ...view, best: { ...view.best, work: 1n } }, /^best.work/],
    [
      "whose times are another header's",
      { ...view, blocks: [{ ...oldest, at: { ...oldest.at, times: [7] } }, ...rest] },
      /^oldest.times/,
    ],
    [
      "whose oldest header has no target",
      { ...view, blocks: [{ ...oldest, header: { ...oldest.header, bits } }, ...rest] },
      /^oldest.header/,
    ],
    [
      "that is unproven above its block",
      { ...view, blocks: [{ ...oldest, unproven: height(9) }, ...rest] },
      /^oldest.unproven/,
    ],
    [
      "with a header that does not follow",
      { ...view, blocks: [oldest, ...rest.slice(1)] },
      /^following\[0\]\.(work|time)|^best/,
    ],
  ])("%s is Malformed", (_, broken, where) => {
    expect(() => unpackView(packView(broken as ChainView))).toThrow(Malformed);
    expect(() => unpackView(packView(broken as ChainView))).toThrow(where);
  });

  test("of another version says so", () => {
    const later = packView(view);
    later[0] = 2;
    expect(() => unpackView(later)).toThrow(/version 2/);
  });
});

describe("the age of the tip", () => {
  test("is told by its header and never negative", () => {
    const { time } = tip.header;
    expect([ageOf(view, time + 90), ageOf(view, time - 90)]).toEqual([90, 0]);
  });
});
