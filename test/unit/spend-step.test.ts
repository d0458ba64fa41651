import { describe, expect, test } from "vitest";
import { encodeWitnessTx } from "../../protocol/bitcoin/tx.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, type Point, sat, type Txid } from "../../protocol/units.ts";
import { withFeerate } from "../scripted/channel.ts";
import { feed, pass } from "../scripted/fed.ts";
import { type Rig, rig } from "../scripted/road.ts";
import { bob, evenTerms, type Scene, scene } from "../scripted/scene.ts";
import {
  type Published,
  placeAt,
  published,
  spending,
  strangersScript,
  toOther,
  toWallet,
  verdicts,
  walletCoin,
} from "../scripted/spends.ts";

const malformed = async (signer: Rig, body: Request<"spend">): Promise<string> => {
  const outcome = await signer.outcome("spend", body);
  return outcome.is === "malformed" ? outcome.malformed.path : outcome.is;
};

describe("what a host says of a transaction is held against the transaction", () => {
  const built = async () => {
    const signer = await rig();
    const coin = await walletCoin(signer, 50_000n);
    return { signer, ...spending(signer.session.node, [coin], [await toWallet(signer, 49_500n)]) };
  };

  test("each input names the outpoint that is spent, and each output is named", async () => {
    const { signer, body } = await built();
    const [input] = body.inputs;
    if (input === undefined) throw new Error("no input");
    const { txid, index } = input.outpoint;
    for (const outpoint of [
      { txid, index: index + 1 },
      { txid: new Uint8Array(32) as Txid, index },
    ])
      expect(await malformed(signer, { ...body, inputs: [{ ...input, outpoint }] })).toBe(
        "inputs[0].outpoint",
      );
    expect(await malformed(signer, { ...body, inputs: [input, input] })).toBe("inputs");
    expect(await malformed(signer, { ...body, outputs: [] })).toBe("outputs");
    expect(await malformed(signer, { ...body, tx: body.tx.slice(1) })).toMatch(/^tx/);
  });

  test("nothing is signed that brings signatures, nor refused for witnesses that are empty", async () => {
    const { signer, body, tx } = await built();
    const withWitness = (...items: readonly Uint8Array[]) => ({ ...body, tx: encodeWitnessTx(tx, [items]) });
    const refusal = await signer.refusal("spend", withWitness(new Uint8Array(71)));
    expect(refusal).toMatchObject({ rule: "onchain-format-standard" });
    expect(refusal.facts).toContainEqual({ name: "signed", value: "true" });
    expect((await signer.call("spend", body)).signatures.length).toBe(1);
  });
});

describe("the wallet's gap", () => {
  test("is counted from the index after the last that was used", async () => {
    const signer = await rig({ policy: { walletGap: 20 } });
    const { node } = signer.session;
    const address = (index: number) => signer.outcome("walletAddress", { node, place: placeAt(index) });
    const coin = await walletCoin(signer, 50_000n);
    await signer.call("spend", spending(node, [coin], [await toWallet(signer, 49_500n, placeAt(4, 1))]).body);
    expect(await address(25)).toMatchObject({
      is: "refusal",
      refusal: { rule: "onchain-wallet-path-predictable" },
    });
    const outcome = await address(25);
    const facts = outcome.is === "refusal" ? outcome.refusal.facts : [];
    expect(facts).toContainEqual({ name: "used", value: "5" });
    expect((await address(24)).is).toBe("reply");
    expect((await address(44)).is).toBe("reply");
    // An index below takes nothing back.
    expect((await address(3)).is).toBe("reply");
    expect((await address(64)).is).toBe("reply");
    expect((await address(85)).is).toBe("refusal");
  });
});

describe("when the chain is in trouble", () => {
  test("nothing new is sent to others, and everything of ours can still be moved", async () => {
    const allowed = strangersScript(0x73);
    const fed = await feed({ policy: { allowlist: [allowed] } });
    await pass(fed, 1);
    const { rig: signer } = fed;
    const { node } = signer.session;
    const coin = await walletCoin(signer, 50_000n);
    const pay = async (own: boolean) => {
      const pays = own ? await toWallet(signer, 49_500n) : toOther(49_500n, allowed);
      const outcome = await signer.outcome("spend", spending(node, [coin], [pays]).body);
      return outcome.is === "refusal" ? outcome.refusal.rule : outcome.is;
    };
    expect(await pay(false)).toBe("reply");
    fed.pause = 30 * 3_600;
    expect(await pay(false)).toBe("chain-not-stale");
    expect(await pay(true)).toBe("reply");
  });

  test("a claim may still pay the allowlist", async () => {
    const allowed = strangersScript(0x73);
    const fed = await feed({ policy: { allowlist: [allowed] } });
    await pass(fed, 1);
    const on = await scene({ signer: fed.rig, label: "stale" });
    await on.advance(0n, on.start);
    fed.pause = 30 * 3_600;
    const { toRemote } = published({
      ...{ opened: on.opened, peer: bob, number: 0n, balances: on.start, labels: new Map() },
      ...{
        owner: "counterparty",
        point: bob.point(commitmentNumber(0n)),
        preimage: () => new Uint8Array(32) as never,
      },
    }).coins;
    if (toRemote === undefined) throw new Error("nothing of ours");
    const built = spending(fed.rig.session.node, [toRemote], [toOther(toRemote.value - 500n, allowed)]);
    expect(verdicts(built, await fed.rig.call("spend", built.body))).toEqual([undefined]);
  });
});

test("outputs of several commitments of ours are claimed together, each with the keys of its own", async () => {
  const signer = await rig();
  const { node } = signer.session;
  const commitment = async (on: Scene, number: bigint, balances = on.start): Promise<Published> => {
    const n = commitmentNumber(number);
    const { channel, shared } = on.opened;
    const { points } = await signer.call("points", { node, channel, numbers: [n] });
    const [point] = points;
    const made = published({
      ...{ opened: on.opened, peer: bob, number, balances, labels: new Map(), owner: "holder" },
      ...{ point: point as Point, preimage: () => new Uint8Array(32) as never },
    });
    await signer.call("signHolderCommitment", {
      node,
      channel,
      funding: shared.funding,
      number: n,
      txid: made.txid,
    });
    return made;
  };
  const [one, two] = [
    await scene({ signer, label: "one" }),
    await scene({ signer, label: "two", terms: evenTerms({ value: sat(2_000_000n) }) }),
  ];
  for (const on of [one, two]) await on.advance(0n, on.start);
  const first = await commitment(one, 0n);
  const dearer = withFeerate(one.start, 1_100 as never);
  const next = await one.at(1n, dearer);
  await signer.call("signCounterpartyCommitment", next.sign);
  await signer.call("validateHolderCommitment", next.validate);
  const second = await commitment(one, 1n, dearer);
  const other = await commitment(two, 0n);
  const coins = [first, second, other].flatMap((made) => made.coins["delayed"] ?? []);
  expect(coins.length).toBe(3);
  const sum = coins.reduce((total, { value }) => total + value, 0n);
  const built = spending(node, coins, [await toWallet(signer, sum - 2_000n)]);
  expect(verdicts(built, await signer.call("spend", built.body))).toEqual([undefined, undefined, undefined]);
});
