import { describe, expect, test } from "vitest";
import type { WatchedTx } from "../../protocol/bitcoin/block.ts";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { encodeWitnessTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { height, type Outpoint, type Script, sat } from "../../protocol/units.ts";
import { follow, pointsWanted, revert } from "../../signer/core/chain/follow.ts";
import { type Onchain, type Output, type Role, unseen } from "../../signer/core/chain/onchain.ts";
import { spending } from "../scripted/chain.ts";
import { add, htlcOf, fundingOf as labelled, start } from "../scripted/channel.ts";
import { strangersScript } from "../scripted/spends.ts";
import { alice, bob, mutualOf, testChannel } from "./chain-channel.ts";

const channel = testChannel();
const now = add(start(channel.terms), htlcOf("holder", 50_000_000n, "offered", 300));
const live = channel.live({
  revoked: 3n,
  holder: [
    [3n, now],
    [4n, now],
  ],
  counterparty: [[3n, now]],
});
const { funding } = live.setup;
const delayed = strangersScript(0x11);
const output = labelled("output");

const watched = (
  outpoints: readonly Outpoint[],
  witness: readonly Uint8Array[],
  paid: readonly Script[] = [],
): WatchedTx => {
  const outputs = paid.map((script) => ({ value: sat(700n), script }));
  const { tx } = spending(outpoints, outputs.length === 0 ? {} : { outputs });
  const raw = encodeWitnessTx(
    tx,
    outpoints.map(() => witness),
  );
  const spends = outpoints.map((outpoint, input) => ({ outpoint, input }));
  return { txid: txidOf(tx), position: 1, raw, spends, creations: [] };
};
const movedBy = (onchain: Onchain, found: readonly WatchedTx[], at = 20) =>
  follow(
    onchain,
    {
      fork: height(at - 1),
      seen: [{ height: height(at), hash: new Uint8Array(32), coverage: "whole", found }],
    },
    channel.following(live),
  );
const closedWith = (role: Role, changes: { readonly delayed?: Script } = {}): Onchain => ({
  funding: { is: "confirmed", height: height(1) },
  close: {
    ...{
      txid: output.txid,
      height: height(9),
      closer: { is: "counterparty", number: 1n as never, content: "unknown" },
    },
    delayed: changes.delayed ?? delayed,
    outputs: [{ outpoint: output, value: sat(900n), role, height: height(9), spent: undefined }],
  },
});
const outputsOf = ({ close }: Onchain): readonly Output[] => close?.outputs ?? [];

describe("what was to be punished is", () => {
  const way = (role: Role, ...items: readonly number[]) =>
    outputsOf(
      movedBy(closedWith(role), [watched([output], [Uint8Array.from(items), Uint8Array.of(0x51)])]),
    )[0]?.spent?.way.is;

  test("taken by the revocation where script sees a true item, and else after its delay", () => {
    // Bitcoin Core, CastToBool: any byte that is not zero, but for the sign of a negative zero.
    for (const role of [{ is: "delayed" }, { is: "second", of: 0 }] as const) {
      for (const item of [[1], [0x80, 0], [0, 1], [0x81], [0x7f], [0, 0x80, 0]])
        expect([item, way(role, ...item)]).toEqual([item, "revocation"]);
      for (const item of [[], [0], [0x80], [0, 0x80], [0, 0, 0]])
        expect([item, way(role, ...item)]).toEqual([item, "plain"]);
    }
    expect(way({ is: "remote" }, 1)).toBe("plain");
    // No miner takes it, and a chain that has it was not checked by one.
    for (const is of ["unlisted", "remote"] as const)
      expect(
        outputsOf(movedBy(closedWith({ is }), [watched([output], [Uint8Array.of(1)])]))[0]?.spent?.way.is,
      ).toBe("plain");
    const bare = movedBy(closedWith({ is: "delayed" }), [watched([output], [])]);
    expect(outputsOf(bare)[0]?.spent?.way.is).toBe("plain");
  });
});

describe("a second stage", () => {
  const stages = (role: Role, paid: readonly Script[], changes: { readonly delayed?: Script } = {}) =>
    outputsOf(
      movedBy(closedWith(role, changes), [watched([output], [new Uint8Array(0), Uint8Array.of(0x51)], paid)]),
    ).slice(1);

  test("is the output at the HTLC input's own index, where it pays the delayed script", () => {
    const found = stages({ is: "unlisted" }, [delayed]);
    expect(found.map(({ role, value, height: at }) => [role, value, at])).toEqual([
      [{ is: "second", of: output.index }, 700n, 20],
    ]);
    expect(stages({ is: "unlisted" }, [strangersScript(2), delayed])).toEqual([]);
    expect(stages({ is: "delayed" }, [delayed])).toEqual([]);
    expect(stages({ is: "second", of: 0 }, [delayed])).toEqual([]);
    const nothing = new Uint8Array(0) as Script;
    expect(stages({ is: "unlisted" }, [nothing], { delayed: nothing })).toEqual([]);
  });
});

describe("a funding output", () => {
  const script = p2wsh(fundingScript(alice.basepoints.funding, bob.basepoints.funding));
  const created = (value: bigint, of: Script): WatchedTx => ({
    ...watched([labelled("before")], []),
    spends: [],
    creations: [{ outpoint: funding, output: { value: sat(value), script: of } }],
  });

  test("is the channel's by its value and its script", () => {
    const is = (value: bigint, of: Script) => movedBy(unseen, [created(value, of)]).funding.is;
    expect(is(1_000_000n, script)).toBe("confirmed");
    expect(is(999_999n, script)).toBe("false");
    expect(is(1_000_000n, strangersScript(1))).toBe("false");
  });

  test("that is false ends no channel, whatever spends it", () => {
    const { tx, witnesses } = mutualOf(channel);
    const mutual: WatchedTx = {
      ...{ txid: txidOf(tx), position: 1, raw: encodeWitnessTx(tx, witnesses), creations: [] },
      spends: [{ outpoint: funding, input: 0 }],
    };
    expect(
      movedBy({ ...unseen, funding: { is: "false", height: height(1) } }, [mutual]).close,
    ).toBeUndefined();
    const closed = movedBy({ ...unseen, funding: { is: "confirmed", height: height(1) } }, [mutual]);
    expect(closed.close?.closer).toEqual({ is: "mutual" });
    // Another transaction that spends it takes its place: of two only one is on the chain.
    const other = watched([funding], []);
    const replaced = movedBy(closed, [other], 21);
    expect(replaced.close?.txid).toEqual(other.txid);
    expect(replaced.close?.height).toBe(21);
  });
});

test("points are wanted of our own commitments that these blocks have, and of nothing else", () => {
  const seen = (...found: readonly WatchedTx[]) => [
    { height: height(20), hash: new Uint8Array(32), coverage: "whole", found } as const,
  ];
  const [ours] = live.holder.variants;
  if (ours === undefined) throw new Error("no variant");
  const published = { ...watched([funding], []), txid: ours.txid };
  expect(pointsWanted(live, seen(published))).toEqual([3n]);
  expect(pointsWanted(live, seen(watched([funding], [])))).toEqual([]);
  expect(pointsWanted(live, seen({ ...published, spends: [] }))).toEqual([]);
});

test("what came above the fork is taken back, and nothing below it", () => {
  const onchain = closedWith({ is: "unlisted" });
  const stage = movedBy(onchain, [watched([output], [new Uint8Array(0), Uint8Array.of(0x51)], [delayed])]);
  expect(outputsOf(stage).length).toBe(2);
  expect(revert(stage, height(20))).toEqual(stage);
  expect(revert(stage, height(19))).toEqual(onchain);
  expect(revert(stage, height(9))).toEqual(onchain);
  expect(revert(stage, height(8)).close).toBeUndefined();
  expect(revert(stage, height(8)).funding.is).toBe("confirmed");
  expect(revert(stage, height(0)).funding.is).toBe("unseen");
});
