import { describe, expect, test } from "vitest";
import { decodeTx, type Tx } from "../../protocol/bitcoin/tx.ts";
import { equal } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, feerate, height, type Outpoint, type Point, sat } from "../../protocol/units.ts";
import type { Output, Role } from "../../signer/core/chain/onchain.ts";
import { unpackNode, unpackOutpoint } from "../../signer/core/node-records.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import { claimsOf } from "../../signer/core/spend/channel.ts";
import {
  bringHome,
  type Home,
  numbersOf,
  type Owed,
  pointsIn,
  timeOf,
  toldHome,
} from "../../signer/core/spend/homeward.ts";
import { owedByTheirs } from "../../signer/core/spend/theirs.ts";
import { freshNode, type Live } from "../../signer/core/state.ts";
import { type Settings, unwatched, type View } from "../../signer/core/step.ts";
import { add, htlcOf, fundingOf as labelled, preimageOf, start } from "../scripted/channel.ts";
import { type Rig, rig } from "../scripted/road.ts";
import { evenTerms, scene } from "../scripted/scene.ts";
import { strangersScript } from "../scripted/spends.ts";
import { alice, curve, testChannel } from "./chain-channel.ts";

const n = commitmentNumber;
const channel = testChannel();
const now = start(channel.terms);
const closingScript = strangersScript(0x61);
const plain = channel.live({
  holder: [
    [3n, now],
    [4n, now],
  ],
  counterparty: [[7n, now]],
});
const live: Live = {
  ...plain,
  setup: { ...plain.setup, closingScript },
  holder: { ...plain.holder, broadcast: [n(2n), n(3n)] },
};

describe("the points that a way home needs", () => {
  test("are of our own live commitments, and of those that were signed for broadcast, each once", () => {
    expect(numbersOf(live)).toEqual([3n, 4n, 2n]);
    expect(numbersOf(undefined)).toEqual([]);
  });

  test("are found in the order in which they were asked for", () => {
    const points = numbersOf(live).map((number) => alice.point(number));
    const point = pointsIn(live, { points: [], pointsOf: points });
    for (const number of [2n, 3n, 4n].map(n)) expect(point(number)).toEqual(alice.point(number));
    expect(() => point(n(7n))).toThrow("point");
    expect(() => pointsIn(live, { points: [] })(n(3n))).toThrow("points");
  });
});

describe("when a transaction can be in a block", () => {
  const tx = (sequence: number, locktime = 0): Tx => ({
    ...{ version: 2, inputs: [{ outpoint: labelled("x"), sequence }], outputs: [], locktime },
  });

  test("follows from its locktime, and from the depth that its sequence asks for", () => {
    expect(timeOf(tx(0, 500), undefined)).toEqual({ from: 500, wait: 0 });
    expect(timeOf(tx(144, 500), undefined)).toEqual({ from: 500, wait: 144 });
    expect(timeOf(tx(0xffff_fffd, 500), undefined)).toEqual({ from: 500, wait: 0 });
    expect(timeOf(tx(2 ** 31), undefined)).toEqual({ from: 0, wait: 0 });
    const two = [...tx(0xffff_fffd).inputs, ...tx(144).inputs];
    expect(timeOf({ ...tx(0), inputs: two }, undefined)).toEqual({ from: 0, wait: 144 });
  });

  test("is a height once that of what it spends is known: the depth is 1 in the block itself", () => {
    expect(timeOf(tx(144), height(1_000))).toEqual({ from: 1_143, wait: 0 });
    expect(timeOf(tx(1), height(1_000))).toEqual({ from: 1_000, wait: 0 });
    expect(timeOf(tx(144, 1_143), height(1_000))).toEqual({ from: 1_143, wait: 0 });
    expect(timeOf(tx(144, 1_144), height(1_000))).toEqual({ from: 1_144, wait: 0 });
  });
});

describe("what is brought home", () => {
  const id = 7n as Home["channel"];
  const settings = { policy: defaultPolicy("regtest"), curve } as unknown as Settings;
  const point = (number: typeof live.holder.revealed): Point => alice.point(number);

  const bring = (values: readonly bigint[], rate = 1_000) => {
    const coins = values.map((value, i): Owed => {
      const outpoint = labelled(`coin ${i}`);
      return {
        ...{ what: "our balance", claim: { kind: "toRemote" }, outpoint, value: sat(value) },
        ...{ since: undefined, said: {} },
      };
    });
    const valueAt = (_: unknown, { txid }: Outpoint) =>
      coins.find(({ outpoint }) => Buffer.compare(outpoint.txid, txid) === 0)?.value;
    const view = { node: freshNode, outpoints: new Map(), outlook: { ...unwatched, valueAt }, now: 0 };
    const brought = bringHome(coins, {
      ...{ node: alice.id, channel: id, live, feerate: feerate(rate), point, settings },
      ...{ claims: claimsOf(id, live, curve, point), view: view as unknown as View },
    });
    if ("sentence" in brought) throw new Error(brought.rule);
    return brought;
  };
  const paid = (brought: ReturnType<typeof bring>): readonly bigint[] =>
    brought.drafts.flatMap(({ tx }) => tx.outputs.map(({ value }) => value));

  test("pays its fee, which is told in millisatoshi for the day, each coin in a transaction of its own", () => {
    const brought = bring([50_000n, 60_000n]);
    const [first = 0n, second = 0n] = paid(brought);
    expect(60_000n - second).toBe(50_000n - first);
    // One input and one output, a signature and a script of 37 bytes: some 480 units of weight.
    expect(50_000n - first).toBeGreaterThan(430n);
    expect(50_000n - first).toBeLessThan(500n);
    expect(brought.fees).toBe((50_000n - first) * 2_000n);
    expect(brought.outpoints).toEqual([labelled("coin 0"), labelled("coin 1")]);
    expect(brought.drafts.map(({ tx }) => tx.inputs.map(({ outpoint }) => outpoint))).toEqual([
      [labelled("coin 0")],
      [labelled("coin 1")],
    ]);
  });

  test("is left where it would be dust after its fee, and not a satoshi above", () => {
    const fee = 50_000n - (paid(bring([50_000n]))[0] ?? 0n);
    // What pays to a key's hash is dust under 294 satoshi.
    expect(paid(bring([fee + 294n]))).toEqual([294n]);
    const less = bring([fee + 293n, 50_000n]);
    expect(less.left).toEqual([`${fee + 293n} sat, our balance: worth no more than its fee at this feerate`]);
    expect([paid(less), less.outpoints, less.fees]).toEqual([
      [50_000n - fee],
      [labelled("coin 1")],
      fee * 1_000n,
    ]);
    expect(bring([])).toEqual({ drafts: [], left: [], outpoints: [], fees: 0n });
  });

  test("is refused by the rule that a host would meet", () => {
    expect(() => bring([900_000n], 400_000)).toThrow("sweep-fee-range");
  });

  test("comes with the height that it was judged at", () => {
    const told = (at: number | undefined) => {
      const outlook = { ...unwatched, height: at === undefined ? undefined : height(at) };
      return toldHome({ drafts: [], left: ["nothing"] }, [], { outlook } as unknown as View);
    };
    expect(told(77)).toEqual({ transactions: [], left: ["nothing"], height: 77 });
    expect(told(undefined).height).toBe(unknown);
  });
});

describe("in a commitment of the counterparty's", () => {
  const offered = htlcOf("holder", 50_000_000n, "offered", 600);
  const received = htlcOf("counterparty", 60_000_000n, "received", 610);
  const busy = [offered, received].reduce(add, now);
  const two = channel.live({
    counterparty: [
      [3n, now],
      [4n, busy],
    ],
  });
  const [, variant] = two.counterparty.variants;
  if (variant === undefined) throw new Error("no variant");
  const outpoint = labelled("output");
  const output = (role: Role, spent?: Output["spent"]): Output => ({
    ...{ outpoint, value: sat(50_000n), role, height: height(12), spent },
  });
  const coins = (content: Uint8Array | "unknown", ...outputs: readonly Output[]) =>
    owedByTheirs(
      {
        ...{ txid: outpoint.txid, height: height(12), delayed: closingScript, outputs },
        closer: { is: "counterparty", number: n(4n), content },
      },
      two,
      (hash) => (equal(hash, received.hash) ? preimageOf("received") : undefined),
    );
  const htlc = (one: typeof offered): Output => output({ is: "htlc", htlc: one });

  test("our HTLCs are claimed at the point of that commitment", () => {
    const { owed: found, left } = coins(
      variant.hash,
      htlc(offered),
      htlc(received),
      output({ is: "remote" }),
    );
    expect(found.map(({ what, preimage }) => [what.split(" ").slice(0, 4).join(" "), preimage])).toEqual([
      ["the HTLC of 50000", undefined],
      ["the HTLC of 60000", preimageOf("received")],
      ["our balance", undefined],
    ]);
    expect(found.map(({ claim }) => "point" in claim && claim.point)).toEqual([
      variant.point,
      variant.point,
      false,
    ]);
    // As the broadcaster of that commitment sees them.
    expect(found.map(({ claim }) => "htlc" in claim && claim.htlc.offeredBy)).toEqual([
      ...["countersignatory", "broadcaster", false],
    ]);
    expect(found.map(({ since }) => since)).toEqual([12, 12, 12]);
    expect(left).toEqual([]);
  });

  test("is left what is spent, what is its own, and what nobody has a preimage of", () => {
    const way = { is: "plain" } as const;
    const spent = { txid: outpoint.txid, height: height(13), way };
    const unpaid = htlcOf("counterparty", 7_000_000n, "unpaid", 610);
    const all = coins(variant.hash, output({ is: "remote" }, spent), output({ is: "delayed" }), htlc(unpaid));
    expect(all.owed).toEqual([]);
    expect(all.left).toEqual([expect.stringMatching(/^HTLC of 7000 sat .*no preimage of it is known$/)]);
  });

  test("an HTLC is claimed only where its commitment is known", () => {
    for (const content of ["unknown", new Uint8Array(32)] as const) {
      const found = coins(content, htlc(offered), output({ is: "remote" }));
      expect(found.owed.map(({ what }) => what)).toEqual(["our balance"]);
    }
  });
});

describe("an exit charges the day", () => {
  const charged = async ({ store, session }: Rig) => {
    const records = [...(await store.load(session.node))];
    const node = records.find(([key]) => key.endsWith("/node"))?.[1].bytes;
    return {
      window: node === undefined ? undefined : unpackNode(node).windows.fees.map(({ amount }) => amount),
      outpoints: records
        .filter(([key]) => key.includes("/outpoint/"))
        .map(([, { bytes }]) => unpackOutpoint(bytes))
        .map(({ outpoint, fees }) => ({ outpoint, fees })),
    };
  };

  test.each(["holder", "counterparty"] as const)(
    "with all its fees, once, where the %s opened",
    async (opener) => {
      const signer = await rig();
      const terms = evenTerms({ opener, ...(opener === "holder" ? {} : { contribution: sat(0n) }) });
      const on = await scene({ signer, terms, label: `fees ${opener}` });
      const { node, channel: id, shared } = on.opened;
      await on.advance(0n, on.start);
      await on.advance(1n, add(on.start, htlcOf("counterparty", 60_000_000n, "in", 600)));
      const before = await charged(signer);
      const exit = (rate: number): Request<"exit"> => ({
        ...{ node, channel: id, feerate: feerate(rate), confirmed: unknown, preimages: [preimageOf("in")] },
      });
      const cost = async (rate: number): Promise<bigint> => {
        const { commitment, transactions } = await signer.call("exit", exit(rate));
        if (commitment === unknown) throw new Error("no commitment");
        const { tx } = decodeTx(commitment.tx);
        const out = (one: Tx): bigint => one.outputs.reduce((sum, { value }) => sum + value, 0n);
        const sweeps = transactions.filter(({ what }) => what.startsWith("brings"));
        expect(sweeps.length).toBe(2);
        // Our balance, and what is left of the HTLC after a stage that pays nothing.
        const balance = tx.outputs.map(({ value }) => value).toSorted((a, b) => Number(b - a));
        const mine = opener === "holder" ? balance[0] : balance[1];
        const swept = sweeps.reduce((sum, { tx: bytes }) => sum + out(decodeTx(bytes).tx), 0n);
        const fees = (mine ?? 0n) + 60_000n - swept;
        return (fees + (opener === "holder" ? terms.value - out(tx) : 0n)) * 1_000n;
      };
      const first = await cost(1_000);
      const once = await charged(signer);
      const already = before.window?.[0] ?? 0n;
      expect(once.window).toEqual([first > already ? first : already]);
      expect(once.outpoints).toEqual([{ outpoint: shared.funding, fees: first }]);
      expect(await cost(1_000)).toBe(first);
      expect(await charged(signer)).toEqual(once);
      const second = await cost(2_000);
      expect(second).toBeGreaterThan(first);
      expect((await charged(signer)).window).toEqual([second]);
    },
  );
});
