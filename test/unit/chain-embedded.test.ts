import { describe, expect, test } from "vitest";
import { genesisBlock } from "../../chain/embedded/block.ts";
import { anyones, openChain } from "../../chain/embedded/chain.ts";
import { SourceError } from "../../chain/source.ts";
import { scanBlock } from "../../protocol/bitcoin/block.ts";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { connect, decodeHeader, genesisView, medianTimePast } from "../../protocol/bitcoin/header.ts";
import { op, p2wsh, script as scriptOf } from "../../protocol/bitcoin/script.ts";
import { decodeTx } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import { feerate, height, sat, script, txid } from "../../protocol/units.ts";
import { coinbaseOf, first, made, output, shore, start, subsidy } from "./chain-embedded.kit.ts";

const refused = (reason: string) => ({ is: "refused", reason });
const accepted = { is: "accepted" };

describe("blocks", () => {
  test("begin with the genesis block, whole", () => {
    const genesis = genesisBlock();
    const scanned = scanBlock(genesis.raw, { outpoints: [], scripts: [] });
    expect(genesis.raw.length).toBe(285);
    expect(scanned.header).toEqual(decodeHeader(chains.regtest.genesis));
    expect(openChain().tip()).toEqual({ height: 0, hash: chains.regtest.genesisHash });
  });

  test("connect by the rules of a header chain, and commit to their transactions and witnesses", () => {
    const { chain, funds } = shore();
    const tx = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
    expect(chain.publish([tx.raw])).toEqual(accepted);
    chain.mine(1);
    let view = genesisView("regtest");
    for (let at = 1; at <= chain.tip().height; at++) {
      const block = chain.blockAt(at);
      if (block === undefined) throw new Error(`no block ${at}`);
      const scanned = scanBlock(block.raw, { outpoints: [first(funds)], scripts: [] });
      const connected = connect("regtest", view, scanned.header);
      if (connected.is !== "connected") throw new Error(JSON.stringify(connected));
      view = connected.view;
      expect(
        scanned.found.filter(({ spends }) => spends.length > 0).map((found) => toHex(found.txid)),
      ).toEqual(at === chain.tip().height ? [toHex(tx.txid)] : []);
    }
    expect(view.hash).toEqual(chain.tip().hash);
  });

  test("have the time of the clock, and are later than the median in any case", () => {
    const { chain, clock } = shore();
    const times = () =>
      Array.from({ length: 11 }, (_, i) => chain.blockAt(chain.tip().height - i)?.time ?? 0);
    expect(times().every((time) => time >= start && time < start + 60)).toBe(true);
    clock.forward(86_400);
    expect(first(chain.mine(1)).time).toBe(start + 86_400);
    clock.forward(-2 * 86_400);
    const median = times().sort((a, b) => a - b)[5] ?? 0;
    expect(first(chain.mine(1)).time).toBe(median + 1);
  });

  test("pay the subsidy and the fees to whom they should, and bear the height (BIP 34)", () => {
    const { chain, funds } = shore();
    const tx = made({ inputs: [first(funds)], outputs: [subsidy - 1234n] });
    chain.publish([tx.raw]);
    const to = p2wsh(scriptOf(op[2]));
    const block = first(chain.mine(1, { to, tag: "for people" }));
    const coinbase = first(block.entries);
    expect(coinbase.tx.outputs[0]).toEqual({ value: subsidy + 1234n, script: to });
    expect(toHex(coinbase.tx.inputs[0]?.scriptSig ?? new Uint8Array())).toMatch(/^01670e/);
    expect(new TextDecoder().decode(coinbase.tx.inputs[0]?.scriptSig)).toContain("for people");
    expect(() => chain.mine(1, { tag: "x".repeat(41) })).toThrow(RangeError);
    // Halves every 150 blocks here.
    chain.mine(50);
    expect(chain.blockAt(149)?.entries[0]?.tx.outputs[0]?.value).toBe(subsidy);
    expect(chain.blockAt(150)?.entries[0]?.tx.outputs[0]?.value).toBe(subsidy / 2n);
  });

  test("are no larger than they may be", () => {
    const { chain, funds } = shore(12);
    const filler = output(0n, script(Uint8Array.of(op.return, ...new Uint8Array(95_000))));
    for (const fund of funds)
      expect(chain.publish([made({ inputs: [fund], outputs: [subsidy - 100_000n, filler] }).raw])).toEqual(
        accepted,
      );
    const [large] = chain.mine(1);
    expect(large?.raw.length).toBeLessThan(1_000_000);
    expect(large?.entries).toHaveLength(11);
    scanBlock(large?.raw ?? new Uint8Array(), { outpoints: [], scripts: [] });
    expect(chain.pool()).toHaveLength(2);
    expect(first(chain.mine(1)).entries).toHaveLength(3);
  });
});

describe("what is published", () => {
  test("is in the pool, then in a block, and known ever after", () => {
    const { chain, funds } = shore();
    const fund = first(funds);
    const tx = made({ inputs: [fund], outputs: [subsidy - 1000n] });
    const coin = first(tx.outputs);
    expect(chain.publish([tx.raw])).toEqual(accepted);
    expect(chain.pool().map(({ txid, fee }) => ({ txid, fee }))).toEqual([{ txid: tx.txid, fee: 1000n }]);
    expect(chain.output(fund)).toBeUndefined();
    expect(chain.output(coin)).toEqual({ value: subsidy - 1000n, script: anyones });
    expect(chain.spender(fund)).toEqual({ txid: tx.txid, input: 0 });
    expect(chain.transaction(tx.txid)).toEqual({ raw: tx.raw });
    expect(chain.publish([tx.raw])).toEqual({ is: "known" });
    const { height: at } = first(chain.mine(1));
    expect(chain.pool()).toEqual([]);
    expect(chain.output(coin)).toEqual({ value: subsidy - 1000n, script: anyones, height: at });
    expect(chain.spender(fund)).toEqual({ txid: tx.txid, input: 0 });
    expect(chain.transaction(tx.txid)).toEqual({ raw: tx.raw, height: at });
    expect(chain.publish([tx.raw])).toEqual({ is: "known" });
    expect(chain.publish([])).toEqual({ is: "known" });
  });

  test("spends what there is, and not more", () => {
    const { chain, funds } = shore();
    const fund = first(funds);
    const nothing = { txid: txid(new Uint8Array(32).fill(7)), index: 0 };
    const ask = (wanted: Parameters<typeof made>[0]) => chain.publish([made(wanted).raw]);
    expect(ask({ inputs: [nothing], outputs: [1n] })).toEqual(refused("bad-txns-inputs-missingorspent"));
    expect(ask({ inputs: [{ ...fund, index: 1 }], outputs: [1n] })).toEqual(
      refused("bad-txns-inputs-missingorspent"),
    );
    expect(ask({ inputs: [fund, fund], outputs: [1n] })).toEqual(refused("bad-txns-inputs-duplicate"));
    expect(ask({ inputs: [fund], outputs: [subsidy + 1n] })).toEqual(refused("bad-txns-in-belowout"));
    expect(ask({ inputs: [fund], outputs: [subsidy - 1000n], version: 4 })).toEqual(refused("version"));
    expect(ask({ inputs: [fund], outputs: [subsidy - 1000n], witness: [scriptOf(op[2])] })).toEqual(
      refused("mandatory-script-verify-flag-failed (input 0: SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH)"),
    );
    expect(chain.publish([Uint8Array.of(1, 2, 3)])).toEqual(refused("TX decode failed"));
    const coinbase = first(first(chain.mine(1)).entries).raw;
    expect(chain.publish([coinbase])).toEqual({ is: "known" });
    expect(
      chain.publish([first(openChain().mine(1, { tag: "another chain" })[0]?.entries ?? []).raw]),
    ).toEqual(refused("coinbase"));
    expect(chain.pool()).toEqual([]);
  });

  test("waits until a coinbase is ripe", () => {
    const { chain } = shore();
    const fresh = coinbaseOf(first(chain.mine(1)));
    const tx = made({ inputs: [fresh], outputs: [subsidy - 1000n] });
    chain.mine(98);
    expect(chain.publish([tx.raw])).toEqual(refused("bad-txns-premature-spend-of-coinbase"));
    chain.mine(1);
    expect(chain.publish([tx.raw])).toEqual(accepted);
  });

  test("waits for its locktime, by height or by the clock of the median (BIP 113)", () => {
    const { chain, clock, funds } = shore();
    const next = chain.tip().height + 1;
    const inputs = [first(funds)];
    const byHeight = made({ inputs, outputs: [subsidy - 1000n], locktime: next });
    expect(chain.publish([byHeight.raw])).toEqual(refused("non-final"));
    chain.mine(1);
    expect(chain.publish([byHeight.raw])).toEqual(accepted);

    const later = start + 5000;
    const inputs2 = funds.slice(1, 2);
    const byClock = made({ inputs: inputs2, outputs: [subsidy - 1000n], locktime: later });
    clock.forward(5001);
    chain.mine(5);
    expect(chain.publish([byClock.raw])).toEqual(refused("non-final"));
    chain.mine(1);
    expect(chain.publish([byClock.raw])).toEqual(accepted);
    // A locktime says nothing where every input is final.
    const final = funds.slice(2).map((outpoint) => ({ outpoint, sequence: 0xffff_ffff }));
    expect(
      chain.publish([made({ inputs: final, outputs: [subsidy - 1000n], locktime: 400_000_000 }).raw]),
    ).toEqual(accepted);
  });

  test("waits for relative locks, in blocks and in units of 512 seconds (BIP 68)", () => {
    const { chain, clock, funds } = shore();
    const parent = made({ inputs: [first(funds)], outputs: [subsidy - 2000n, 500n, 500n] });
    const at = (index: number, sequence: number, version = 2) =>
      made({
        inputs: [
          { outpoint: { txid: parent.txid, index }, sequence },
          { outpoint: funds[index] ?? first(funds), sequence: 0xffff_ffff },
        ],
        outputs: [subsidy - 1000n],
        version,
      });
    chain.publish([parent.raw]);
    // What waits in the pool itself comes with the next block at best.
    expect(chain.publish([at(1, 1).raw])).toEqual(refused("non-BIP68-final"));
    chain.mine(1);
    expect(chain.publish([at(1, 3).raw])).toEqual(refused("non-BIP68-final"));
    chain.mine(1);
    expect(chain.publish([at(1, 3).raw])).toEqual(refused("non-BIP68-final"));
    chain.mine(1);
    expect(chain.publish([at(1, 3).raw])).toEqual(accepted);

    const seconds = 0x40_0000 | 2;
    expect(chain.publish([at(2, seconds).raw])).toEqual(refused("non-BIP68-final"));
    clock.forward(2000);
    chain.mine(5);
    expect(chain.publish([at(2, seconds).raw])).toEqual(refused("non-BIP68-final"));
    chain.mine(6);
    expect(chain.publish([at(2, seconds).raw])).toEqual(accepted);
    // Version 1 has no relative locks.
    const free = made({
      inputs: [{ outpoint: { txid: parent.txid, index: 0 }, sequence: 500 }],
      outputs: [1000n],
      version: 1,
    });
    expect(chain.publish([free.raw])).toEqual(accepted);
  });

  test("is ripe to the second by the clock of the median", () => {
    const { chain, clock, funds } = shore();
    const median = (at: number): number =>
      Array.from({ length: 11 }, (_, i) => chain.blockAt(at - i)?.time ?? 0).sort((a, b) => a - b)[5] ?? 0;
    const parent = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
    chain.publish([parent.raw]);
    const { height: born } = first(chain.mine(1));
    const sequence = 0x40_0000 | 2;
    const child = made({
      inputs: parent.outputs.map((outpoint) => ({ outpoint, sequence })),
      outputs: [subsidy - 2000n],
    });
    const ripe = median(born - 1) + 2 * 512;
    clock.forward(ripe - 1 - Math.floor(clock.now() / 1000));
    for (let i = 0; i < 6; i++) chain.mine(1);
    expect(median(chain.tip().height)).toBe(ripe - 1);
    expect(chain.publish([child.raw])).toEqual(refused("non-BIP68-final"));
    clock.forward(1);
    for (let i = 0; median(chain.tip().height) < ripe && i < 20; i++) chain.mine(1);
    expect(median(chain.tip().height)).toBe(ripe);
    expect(chain.publish([child.raw])).toEqual(accepted);
  });

  test("pays for its way; a child pays for a parent that does not", () => {
    const { chain, funds } = shore();
    const parent = made({ inputs: [first(funds)], outputs: [subsidy - 330n, 330n], version: 3 });
    const poor = made({ inputs: [first(parent.outputs)], outputs: [subsidy - 330n - 100n] });
    const rich = made({ inputs: parent.outputs, outputs: [subsidy - 1000n], version: 3 });
    const low = refused("min relay fee not met");
    expect(chain.publish([parent.raw])).toEqual(low);
    expect(chain.publish([parent.raw, poor.raw])).toEqual(low);
    expect(chain.publish([rich.raw])).toEqual(refused("bad-txns-inputs-missingorspent"));
    expect(chain.publish([rich.raw, parent.raw])).toEqual(refused("bad-txns-inputs-missingorspent"));
    expect(chain.pool()).toEqual([]);
    expect(chain.publish([parent.raw, rich.raw])).toEqual(accepted);
    expect(chain.publish([parent.raw, rich.raw])).toEqual({ is: "known" });
    const [block] = chain.mine(1);
    expect(block?.entries.map(({ id }) => id).slice(1)).toEqual([toHex(parent.txid), toHex(rich.txid)]);
  });

  test("a parent does not pay for a child, and a package spends nothing twice", () => {
    const { chain, funds } = shore();
    const parent = made({ inputs: [first(funds)], outputs: [subsidy - 100_000n, 1000n] });
    const child = made({ inputs: parent.outputs.slice(1), outputs: [1000n] });
    expect(chain.publish([parent.raw, child.raw])).toEqual(refused("min relay fee not met"));
    const twice = made({ inputs: [first(funds)], outputs: [subsidy - 200_000n] });
    expect(chain.publish([parent.raw, twice.raw])).toEqual(refused("conflict-in-package"));
    expect(chain.publish([parent.raw])).toEqual(accepted);
  });

  test("replaces what pays less, with what spent from it", () => {
    const { chain, funds } = shore();
    const inputs = [first(funds)];
    const old = made({ inputs, outputs: [subsidy - 500n] });
    const child = made({ inputs: old.outputs, outputs: [subsidy - 1000n] });
    expect(chain.publish([old.raw, child.raw])).toEqual(accepted);
    const bid = (
      fee: bigint,
      more: readonly { readonly txid: typeof old.txid; readonly index: number }[] = [],
    ) => chain.publish([made({ inputs: [...inputs, ...more], outputs: [subsidy - fee] }).raw]);
    expect(bid(600n)).toEqual(refused("insufficient fee"));
    expect(bid(1000n)).toEqual(refused("insufficient fee"));
    expect(bid(5000n, child.outputs)).toEqual(refused("bad-txns-spends-conflicting-tx"));
    expect(chain.pool()).toHaveLength(2);
    expect(bid(1200n)).toEqual(accepted);
    expect(chain.pool().map(({ fee }) => fee)).toEqual([1200n]);
    expect(chain.transaction(child.txid)).toBeUndefined();
    expect(chain.transaction(old.txid)).toBeUndefined();
    // More in all, and at a lower rate.
    const wide = made({ inputs, outputs: [...new Array(40).fill(1000n), subsidy - 45_000n] });
    expect(chain.publish([wide.raw])).toEqual(refused("insufficient fee"));
  });
});

describe("a reorganisation", () => {
  test("leads to other blocks; the old ones stay known, and their transactions come again", async () => {
    const { chain, funds } = shore();
    const tx = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
    const child = made({ inputs: tx.outputs, outputs: [subsidy - 2000n] });
    chain.publish([tx.raw]);
    const old = chain.mine(1);
    chain.publish([child.raw]);
    const later = chain.mine(1);
    const fork = chain.tip().height - 2;
    const fresh = chain.reorganise(2, 3);
    expect(fresh.map(({ height }) => height)).toEqual([fork + 1, fork + 2, fork + 3]);
    expect(fresh[0]?.entries.map(({ id }) => id).slice(1)).toEqual([toHex(tx.txid), toHex(child.txid)]);
    for (const { hash, header, raw } of [...old, ...later]) {
      expect(await chain.source.header(hash)).toEqual(header);
      expect(await chain.source.block(hash)).toEqual(raw);
    }
    expect(await chain.source.hashAt(height(fork + 1))).toEqual(fresh[0]?.hash);
    expect(chain.output(first(child.outputs))?.height).toBe(fork + 1);
  });

  test("can leave them in the pool, or lose them to what conflicts", () => {
    const { chain, funds } = shore();
    const tx = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
    const child = made({ inputs: tx.outputs, outputs: [subsidy - 2000n] });
    const other = made({ inputs: funds.slice(1, 2), outputs: [subsidy - 1000n] });
    chain.publish([tx.raw]);
    chain.mine(1);
    chain.publish([child.raw, other.raw]);
    chain.reorganise(1, 2, { empty: true });
    expect(chain.pool().map(({ id }) => id)).toEqual([tx, child, other].map(({ txid }) => toHex(txid)));
    expect(chain.output(first(tx.outputs))).toBeUndefined();

    const thief = made({ inputs: [first(funds)], outputs: [subsidy - 5000n] });
    const [block] = chain.reorganise(2, 3, { include: [thief.raw] });
    expect(block?.entries.map(({ id }) => id).slice(1)).toEqual(
      [thief, other].map(({ txid }) => toHex(txid)),
    );
    expect(chain.transaction(tx.txid)).toBeUndefined();
    expect(chain.transaction(child.txid)).toBeUndefined();
    expect(chain.spender(first(funds))).toEqual({ txid: thief.txid, input: 0 });
    const before = [chain.tip(), chain.pool()];
    expect(() => chain.reorganise(1, 2, { include: [tx.raw] })).toThrow("missingorspent");
    expect([chain.tip(), chain.pool()]).toEqual(before);
  });

  test("takes the coins of its coinbases away, and gives back what was spent", () => {
    const { chain, funds } = shore();
    const gone = coinbaseOf(first(chain.mine(1)));
    const spend = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
    chain.publish([spend.raw]);
    chain.mine(1);
    chain.reorganise(2, 3, { empty: true });
    expect(chain.output(gone)).toBeUndefined();
    expect(chain.pool()).toHaveLength(1);
    chain.mine(1);
    expect(chain.output(first(funds))).toBeUndefined();
    expect(chain.output(first(spend.outputs))?.value).toBe(subsidy - 1000n);
    // As many coins as there are, whatever was taken back and mined again.
    expect(() => chain.reorganise(chain.tip().height + 1, 500)).toThrow(RangeError);
    expect(() => chain.reorganise(2, 2)).toThrow(RangeError);
  });

  test("keeps nothing in the pool that the new branch is too short for", () => {
    const { chain, funds } = shore();
    const locked = made({
      inputs: [first(funds)],
      outputs: [subsidy - 1000n],
      locktime: chain.tip().height + 2,
    });
    chain.mine(2);
    expect(chain.publish([locked.raw])).toEqual(accepted);
    // Judged at the fork, as Bitcoin Core judges its pool: it is for its owner to publish it again.
    chain.reorganise(2, 3, { empty: true });
    expect(chain.pool()).toEqual([]);
    expect(chain.publish([locked.raw])).toEqual(accepted);
  });
});

describe("as a source", () => {
  test("answers for its best chain", async () => {
    const { chain } = shore();
    const { source } = chain;
    const tip = await source.tip();
    expect(tip).toEqual(chain.tip());
    expect(await source.hashAt(tip.height)).toEqual(tip.hash);
    expect(await source.hashAt(height(tip.height + 1))).toBeUndefined();
    expect(decodeHeader(await source.header(tip.hash)).previous).toEqual(chain.blockAt(tip.height - 1)?.hash);
    await expect(source.header(new Uint8Array(32))).rejects.toThrow(SourceError);
    expect(await source.feerate(6)).toBeUndefined();
    chain.suggest(feerate(2500));
    expect(await source.feerate(6)).toBe(2500);
    await source.close();
  });

  test("what it answers is a copy", async () => {
    const { chain } = shore();
    const { hash } = chain.tip();
    (await chain.source.block(hash)).fill(0);
    expect(
      decodeTx((chain.block(hash)?.entries[0]?.raw ?? new Uint8Array()).slice()).tx.outputs[0]?.value,
    ).toBe(sat(subsidy));
    expect(await chain.source.block(hash)).toEqual(chain.block(hash)?.raw);
  });

  test("its median is what a header chain computes", () => {
    const { chain } = shore();
    let view = genesisView("regtest");
    for (let at = 1; at <= chain.tip().height; at++) {
      const connected = connect("regtest", view, decodeHeader(chain.blockAt(at)?.header ?? new Uint8Array()));
      if (connected.is === "connected") view = connected.view;
    }
    expect(first(chain.mine(1)).time).toBe(Math.max(start, medianTimePast(view) + 1));
  });
});
