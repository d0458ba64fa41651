import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { Secret } from "../../protocol/secret.ts";
import { commitmentNumber, type Point } from "../../protocol/units.ts";
import { packOutpoint, unpackOutpoint } from "../../signer/core/node-records.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { outpointStates } from "../frozen/records.ts";
import { add, htlcOf, preimageOf, start, update } from "../scripted/channel.ts";
import { curve, rig } from "../scripted/road.ts";
import { bob, evenTerms, scene } from "../scripted/scene.ts";
import {
  type Built,
  foreignCoin,
  published,
  spending,
  toClosing,
  toFunding,
  toWallet,
  verdicts,
  walletCoin,
  withPrevTx,
  withSaid,
} from "../scripted/spends.ts";

const types = ["anchors", "static_remotekey"] as const;

const valid = async (on: Awaited<ReturnType<typeof scene>>, built: Built): Promise<void> => {
  const reply = await on.signer.call("spend", built.body);
  const all = verdicts(built, reply);
  expect(all.length).toBeGreaterThan(0);
  expect(
    all.every((one) => one === undefined),
    String(all),
  ).toBe(true);
};

const busy = async (type: (typeof types)[number]) => {
  const on = await scene({ terms: evenTerms({ type }) });
  await on.advance(0n, on.start);
  const labels = new Map<string, Htlc>([
    ["out", htlcOf("holder", 50_000_000n, "out")],
    ["in", htlcOf("counterparty", 60_000_999n, "in")],
  ]);
  const balances = [...labels.values()].reduce(add, on.start);
  await on.advance(1n, balances);
  const { node, channel } = on.opened;
  const pointOf = async (n: bigint): Promise<Point> => {
    const { points } = await on.signer.call("points", { node, channel, numbers: [commitmentNumber(n)] });
    return points[0] as Point;
  };
  const common = { opened: on.opened, peer: bob, number: 1n, balances, labels, preimage: preimageOf };
  const ours = published({ ...common, owner: "holder", point: await pointOf(1n) });
  const theirs = published({ ...common, owner: "counterparty", point: bob.point(commitmentNumber(1n)) });
  const broadcast = () =>
    on.signer.call("signHolderCommitment", {
      ...{ node, channel, funding: on.opened.shared.funding, number: commitmentNumber(1n) },
      txid: ours.txid,
    });
  return { on, node, ours, theirs, balances, labels, common, broadcast };
};

describe.each(types)("what is ours is taken, %s", (type) => {
  test("of our own commitment", async () => {
    const { on, node, ours, broadcast } = await busy(type);
    await broadcast();
    const { coins } = ours;
    for (const name of ["delayed", "out", "in"]) {
      const coin = coins[name];
      if (coin === undefined) throw new Error(name);
      const pays = name === "delayed" ? [await toWallet(on.signer, coin.value - 500n)] : [];
      await valid(on, spending(node, [coin], pays));
    }
    // The second stage, after its delay.
    const stage = spending(node, [coins.out as never], []);
    const [output] = stage.tx.outputs;
    const second = {
      ...(coins.delayed as never as typeof coins.out),
      value: output?.value ?? 0n,
    } as NonNullable<typeof coins.out>;
    const outpoint = { txid: txidOf(stage.tx), index: 0 };
    const coin = withPrevTx({ ...second, said: { ...second.said, outpoint } }, stage.tx);
    await valid(on, spending(node, [coin], [await toWallet(on.signer, coin.value - 500n)]));
  });

  test("of theirs", async () => {
    const { on, node, theirs } = await busy(type);
    const { coins } = theirs;
    for (const name of ["toRemote", "out", "in"]) {
      const coin = coins[name];
      if (coin === undefined) throw new Error(name);
      await valid(on, spending(node, [coin], [toClosing(coin.value - 500n, on.opened)]));
    }
    const all = ["toRemote", "out", "in"].flatMap((name) => coins[name] ?? []);
    const sum = all.reduce((total, { value }) => total + value, 0n);
    const pays = [await toWallet(on.signer, sum - 2_000n)];
    await valid(on, spending(node, all, pays));
  });

  test("of a breach", async () => {
    const { on, node, labels, balances, common } = await busy(type);
    await on.advance(2n, balances);
    const point = bob.point(commitmentNumber(1n));
    const breach = published({ ...common, labels, owner: "counterparty", point, revoked: true });
    const all = ["justice", "out", "in", "toRemote"].map((name) => {
      const coin = breach.coins[name];
      if (coin === undefined) throw new Error(name);
      return withPrevTx(coin, breach.tx);
    });
    const sum = all.reduce((total, { value }) => total + value, 0n);
    await valid(on, spending(node, all, [await toWallet(on.signer, sum - 3_000n)]));
    for (const coin of all)
      await valid(on, spending(node, [coin], [await toWallet(on.signer, coin.value - 500n)]));
  });
});

test("an anchor and a wallet input bring a commitment into a block", async () => {
  const { on, node, ours, theirs, broadcast } = await busy("anchors");
  await broadcast();
  for (const { coins } of [ours, theirs]) {
    const { anchor } = coins;
    if (anchor === undefined) throw new Error("no anchor");
    const coin = await walletCoin(on.signer, 100_000n);
    await valid(
      on,
      spending(
        node,
        [anchor, coin],
        [await toWallet(on.signer, 90_000n, { account: 0, branch: 1, index: 3 })],
      ),
    );
  }
});

test("an HTLC transaction with an input for its fee", async () => {
  const { on, node, ours, broadcast } = await busy("anchors");
  await broadcast();
  const coins = [ours.coins.out, await walletCoin(on.signer, 20_000n)].flatMap((coin) => coin ?? []);
  await valid(on, spending(node, coins, [await toWallet(on.signer, 15_000n)]));
});

test("wallet inputs, and nothing of a channel", async () => {
  const signer = await rig();
  const { node } = signer.session;
  const coins = [
    await walletCoin(signer, 70_000n, { label: "a" }),
    await walletCoin(signer, 50_000n, {
      label: "b",
      proven: false,
      place: { account: 1, branch: 1, index: 5 },
    }),
  ];
  const built = spending(node, coins, [await toWallet(signer, 119_000n)]);
  const reply = await signer.call("spend", built.body);
  expect(verdicts(built, reply)).toEqual([undefined, undefined]);
  expect(
    (await signer.call("walletAddress", { node, place: { account: 0, branch: 0, index: 7 } })).script,
  ).toEqual((await signer.keyring.walletKey({ account: 0, branch: 0, index: 7 }))?.script);
});

describe("taproot inputs", () => {
  const open = () =>
    rig({
      watch: () =>
        softwareKeyring({
          ...{ seed: new Secret(new Uint8Array(64).fill(9)), network: "regtest", nodeIndex: 0, curve },
          ...{ style: "cln", peerOf: () => bob.id },
        }),
    });
  const keyring = softwareKeyring({
    ...{ seed: new Secret(new Uint8Array(64).fill(9)), network: "regtest", nodeIndex: 0, curve },
    ...{ style: "cln", peerOf: () => bob.id },
  });
  const taproot = (label: string, proven = false) =>
    walletCoin({ keyring }, 100_000n, { label, proven, place: { account: 1, branch: 0, index: 4 } });

  test("of our wallet, alone, together, and beside others", async () => {
    const on = await open();
    const { node } = on.session;
    const back = (value: bigint) => toWallet({ keyring }, value, { account: 1, branch: 0, index: 5 });
    const plain = await walletCoin({ keyring }, 50_000n, { place: { account: 0, branch: 0, index: 4 } });
    for (const [coins, value] of [
      [[await taproot("a")], 99_000n],
      [[await taproot("a"), await taproot("b")], 198_000n],
      [[await taproot("c"), plain, foreignCoin(10_000n)], 158_000n],
    ] as const) {
      const built = spending(node, coins, [await back(value)]);
      const all = verdicts(built, await on.call("spend", built.body));
      expect(all.length).toBeGreaterThan(0);
      expect(
        all.every((one) => one === undefined),
        String(all),
      ).toBe(true);
    }
    const silent = withSaid(foreignCoin(10_000n), { script: unknown }).said;
    const blind = spending(node, [await taproot("c"), foreignCoin(10_000n)], [await back(109_000n)]);
    const inputs = [blind.body.inputs[0], silent].flatMap((one) => one ?? []);
    expect(await on.outcome("spend", { ...blind.body, inputs })).toMatchObject({ is: "malformed" });
  });
});

test("a funding transaction, and then another for the same money, only with a person's word", async () => {
  const signer = await rig();
  const { node } = signer.session;
  const terms = evenTerms();
  const coin = await walletCoin(signer, 1_001_000n);
  const fundedBy = async (value: bigint) => {
    const { channel, basepoints, points, closingScript } = await signer.call("new", {
      node,
      wanted: unknown,
    });
    const script = p2wsh(fundingScript(basepoints.funding, bob.basepoints.funding));
    const pays = [toFunding(1_000_000n, script, channel), await toWallet(signer, value)];
    const built = spending(node, [coin], pays);
    const funding = { txid: txidOf(built.tx), index: 0 };
    await signer.call("setup", { node, channel, peer: bob.id, terms, counterparty: bob.basepoints, funding });
    const shared = { terms, holder: basepoints, counterparty: bob.basepoints, funding };
    const opened = { node, channel, shared, closingScript, points };
    expect((await signer.refusal("spend", built.body)).rule).toBe("onchain-initial-commitment-countersigned");
    const { sign, validate } = update(opened, bob, points[0] as Point, 0n, start(terms));
    await signer.call("signCounterpartyCommitment", sign);
    await signer.call("validateHolderCommitment", validate);
    return built;
  };
  const [first, second] = [await fundedBy(500n), await fundedBy(400n)];
  expect(verdicts(first, await signer.call("spend", first.body))).toEqual([undefined]);
  expect((await signer.refusal("spend", second.body)).rule).toBe("onchain-no-double-fund");
  const [waiting] = (await signer.call("listApprovals", { node, state: "pending" })).approvals;
  if (waiting === undefined) throw new Error("nobody was asked");
  await signer.call("decideApproval", { node, id: waiting.id, verdict: "approve", by: "a person" });
  expect(verdicts(second, await signer.call("spend", second.body))).toEqual([undefined]);
  expect(verdicts(first, await signer.call("spend", first.body))).toEqual([undefined]);
});

test("records of outpoints have the bytes that they always had", () => {
  const file = new URL("../frozen/records-v2.json", import.meta.url);
  const { outpoints } = JSON.parse(readFileSync(file, "utf8")) as {
    outpoints: Record<string, { state: unknown; bytes: string }>;
  };
  expect(Object.keys(outpoints)).toEqual(Object.keys(outpointStates));
  for (const [name, state] of Object.entries(outpointStates)) {
    expect(toHex(packOutpoint(state))).toBe(outpoints[name]?.bytes);
    expect(unpackOutpoint(fromHex(outpoints[name]?.bytes ?? ""))).toEqual(state);
  }
});
