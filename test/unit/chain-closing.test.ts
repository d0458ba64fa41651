import { describe, expect, test } from "vitest";
import type { WatchedTx } from "../../protocol/bitcoin/block.ts";
import { encodeWitnessTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { height, msat } from "../../protocol/units.ts";
import { closeBy } from "../../signer/core/chain/closing.ts";
import { connectBlocks } from "../../signer/core/chain/connect.ts";
import type { Evidence } from "../../signer/core/chain/evidence.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import { type ChainView, wholeSince } from "../../signer/core/chain/view.ts";
import type { Live } from "../../signer/core/state.ts";
import { type Block, genesis, headerOf, type MadeTx, mine, mineEmpty, whole } from "../scripted/chain.ts";
import { add, htlcOf, start } from "../scripted/channel.ts";
import { curve, mutualOf, testChannel } from "./chain-channel.ts";

const watched = ({ tx, witnesses }: MadeTx): WatchedTx => ({
  ...{ txid: txidOf(tx), position: 1, raw: encodeWitnessTx(tx, witnesses), spends: [], creations: [] },
});

describe.each(["anchors", "static_remotekey"] as const)("a transaction that ends a channel, %s", (type) => {
  const channel = testChannel({ type });
  const offered = htlcOf("holder", 50_000_000n, "offered", 300);
  const received = htlcOf("counterparty", 60_000_000n, "received", 310);
  const begin = start(channel.terms);
  const busy = [offered, received].reduce(add, begin);
  const close = (made: MadeTx, live: Live) => closeBy(watched(made), height(9), channel.following(live));
  const roles = (made: MadeTx, live: Live) =>
    close(made, live)
      .outputs.map(({ role }) => (role.is === "htlc" ? `htlc ${role.htlc.offeredBy}` : role.is))
      .toSorted();

  test("is a mutual close where its form is no commitment's", () => {
    const live = channel.live({ revoked: 3n });
    expect(close(mutualOf(channel), live)).toMatchObject({
      closer: { is: "mutual" },
      outputs: [],
      height: 9,
    });
  });

  describe("and was revoked", () => {
    const old = channel.publish("counterparty", 1n, busy);

    test("has HTLCs that are named where either side's commitments have them still", () => {
      const unnamed = ["delayed", "remote", "unlisted", "unlisted"];
      const named = ["delayed", "htlc counterparty", "htlc holder", "remote"];
      expect(roles(old.tx, channel.live({ revoked: 3n }))).toEqual(unnamed);
      expect(roles(old.tx, channel.live({ revoked: 3n, holder: [[3n, busy]] }))).toEqual(named);
      expect(roles(old.tx, channel.live({ revoked: 3n, counterparty: [[3n, busy]] }))).toEqual(named);
    });

    test("has none that is of another amount or hash", () => {
      const rolesWith = (one: Htlc) =>
        roles(old.tx, channel.live({ revoked: 3n, holder: [[3n, add(begin, one)]] })).filter(
          (role) => role !== "delayed" && role !== "remote",
        );
      expect(rolesWith(offered)).toEqual(["htlc holder", "unlisted"]);
      // Under a satoshi the output is the same.
      expect(rolesWith({ ...offered, amount: msat(50_000_999n) })).toEqual(["htlc holder", "unlisted"]);
      expect(rolesWith({ ...offered, amount: msat(50_001_000n) })).toEqual(["unlisted", "unlisted"]);
      expect(rolesWith(htlcOf("holder", 50_000_000n, "another", 300))).toEqual(["unlisted", "unlisted"]);
    });

    test("is theirs also where it has nothing for them", () => {
      const all = { ...begin, holder: msat(begin.holder + begin.counterparty), counterparty: msat(0n) };
      const drained = channel.publish("counterparty", 1n, all);
      expect(close(drained.tx, channel.live({ revoked: 3n })).closer).toMatchObject({
        is: "counterparty",
        number: 1n,
      });
      expect(close(old.tx, channel.live({ revoked: 3n })).closer).toMatchObject({
        is: "counterparty",
        number: 1n,
      });
    });

    test("is not theirs where an old one of our own was published", () => {
      const ours = channel.publish("holder", 1n, busy);
      const found = close(ours.tx, channel.live({ revoked: 3n }));
      expect(found.closer).toEqual({ is: "unknown", number: 1n });
      expect(found.outputs).toEqual([]);
      expect(found.delayed.length).toBe(0);
    });
  });
});

describe("blocks that come again", () => {
  const terms = {
    watches: { outpoints: [], scripts: [] },
    curve,
    challenge: undefined,
    latest: 2 ** 32,
    inPart: true,
  };
  const connect = (view: ChainView, evidences: readonly Evidence[]) => {
    const movement = connectBlocks(view, evidences, terms);
    if (movement.is === "refused") throw new Error(JSON.stringify(movement.refusal));
    return movement;
  };
  const chain = mineEmpty(genesis, 5);
  const headers = connect(startAt("regtest"), chain.map(headerOf)).view;
  /** As if all before the third were no longer kept. */
  const kept: ChainView = { ...headers, blocks: headers.blocks.slice(3) };
  const [, , third, fourth, fifth] = chain as [Block, Block, Block, Block, Block];
  const unprovenOf = (view: ChainView) => view.blocks.map(({ unproven }) => unproven);

  test("in whole prove absence from the first gap before them on", () => {
    expect(unprovenOf(kept)).toEqual([3, 4, 5]);
    expect(unprovenOf(connect(kept, [whole(third)]).view)).toEqual([2, 4, 5]);
    expect(unprovenOf(connect(kept, [whole(fourth)]).view)).toEqual([3, 3, 5]);
    const all = connect(kept, [third, fourth, fifth].map(whole)).view;
    expect(unprovenOf(all)).toEqual([2, 2, 2]);
    expect(wholeSince(all)).toBe(3);
    expect(connect(all, [whole(third)]).view).toEqual(all);
  });

  test("and are left by a branch in the same batch are seen up to its fork", () => {
    const [sixth] = mineEmpty(fifth, 1);
    if (sixth === undefined) throw new Error("no block");
    const left = mine(sixth, [], { tag: 5 });
    const [a, b] = mineEmpty(sixth, 2, { tag: 6 });
    const { seen, fork } = connect(
      headers,
      [sixth, left, a, b].flatMap((block) => (block ? [whole(block)] : [])),
    );
    expect(seen.map(({ hash }) => hash)).toEqual([sixth, a, b].map((block) => block?.hash));
    expect(fork).toBe(5);
  });
});
