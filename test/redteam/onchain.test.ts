/** Red-team 5, 6 and 11: a host that wants our money on the chain, alone or with the channel's peer. */

import { describe, expect, test } from "vitest";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import {
  channelId,
  commitmentNumber,
  type Point,
  type Sat,
  type Signature,
  sat,
} from "../../protocol/units.ts";
import { preimageOf } from "../scripted/channel.ts";
import { curve, plainTime, type Rig, rig } from "../scripted/road.ts";
import { bob, carol, evenTerms, scene } from "../scripted/scene.ts";
import {
  type Coin,
  foreignCoin,
  placeAt,
  published,
  spending,
  strangersScript,
  toOther,
  toWallet,
  verdicts,
  walletCoin,
  withSaid,
} from "../scripted/spends.ts";
import { request, ruleOf, strict } from "../scripted/thief.ts";

/** As the host tells it; the coin itself stays what it is. */
const told = (coin: Coin, value: bigint): Coin => withSaid(coin, { value: sat(value), prevTx: unknown });

/** Signatures that count in the end, whatever was said to get them. */
const validOnes = async (
  on: Rig,
  coins: readonly Coin[],
  body: Request<"spend">,
  built: ReturnType<typeof spending>,
) => {
  const outcome = await on.outcome("spend", body);
  if (outcome.is !== "reply") return coins.map(() => false);
  return verdicts({ ...built, body }, outcome.reply).map((one) => one === undefined);
};

describe("a fee that is stolen by lies about values", () => {
  const heist = async () => {
    const on = await rig({ policy: strict });
    const a = await walletCoin(on, 1_000_000n, { label: "a" });
    const b = await walletCoin(on, 1_000_001n, { label: "b" });
    // Half of it goes to the miners.
    const built = await request(on, [a, b], [await toWallet(on, 1_000_500n)]);
    const lie = (first: bigint | undefined, second: bigint | undefined): Request<"spend"> => ({
      ...built.body,
      inputs: [first === undefined ? a : told(a, first), second === undefined ? b : told(b, second)].map(
        ({ said }) => said,
      ),
    });
    return { on, a, b, built, lie };
  };

  test("the truth is refused", async () => {
    const { on, built } = await heist();
    expect(await ruleOf(on, built.body)).toBe("onchain-fee-range");
  });

  const lies: readonly (readonly [string, readonly (readonly [bigint | undefined, bigint | undefined])[]])[] =
    [
      [
        "one input after the other",
        [
          [1_000_000n, 1_000n],
          [1_000n, 1_000_001n],
        ],
      ],
      [
        "both first, and then each proven",
        [
          [500_000n, 501_000n],
          [undefined, 1_000n],
          [1_000n, undefined],
        ],
      ],
      [
        "one proven, one said",
        [
          [undefined, 1_000n],
          [1_000n, undefined],
          [1_000_000n, 1_000n],
        ],
      ],
      [
        "each proven in its turn, twice over",
        [
          [undefined, 1_000n],
          [1_000n, undefined],
          [undefined, 1_000n],
        ],
      ],
    ];
  test.each(lies)("%s: never are both inputs signed", async (_, attempts) => {
    const { on, a, b, built, lie } = await heist();
    const got = [false, false];
    for (const attempt of attempts) {
      const valid = await validOnes(on, [a, b], lie(...attempt), built);
      for (const [i, one] of valid.entries()) got[i] ||= one;
    }
    expect(got).not.toEqual([true, true]);
  });

  test("after a restart, too", async () => {
    const { on, lie } = await heist();
    await on.call("spend", lie(1_000_000n, 1_000n));
    const again = await on.restart();
    expect(await ruleOf(again, lie(1_000n, 1_000_001n))).toBe("onchain-input-value-proven");
  });
});

describe("an input of ours that is called somebody else's", () => {
  test("in turns: never are both signed", async () => {
    // With a fee of ours that leaves a charge, and with none.
    for (const [back, proven] of [
      [999_500n, true],
      [1_000_000n, true],
      [1_000_000n, false],
    ] as const)
      for (const order of [
        [0, 1],
        [1, 0],
      ] as const) {
        const on = await rig({ policy: strict });
        const coins = [
          await walletCoin(on, 1_000_000n, { label: "a", proven }),
          await walletCoin(on, 1_000_000n, { label: "b", proven }),
        ] as const;
        const built = await request(on, coins, [await toWallet(on, back), toOther(999_500n)]);
        const got = [false, false];
        for (const foreign of [...order, ...order]) {
          const inputs = coins.map(({ said, plan }, i) =>
            i === foreign ? ({ ...said, kind: "foreign", script: plan?.output ?? unknown } as const) : said,
          );
          const outcome = await on.outcome("spend", { ...built.body, inputs });
          if (outcome.is === "reply") got[1 - foreign] = true;
        }
        expect(got.filter(Boolean).length).toBe(1);
      }
  });

  test("after both were signed under a lie", async () => {
    const on = await rig({ policy: strict });
    const [a, b] = [
      await walletCoin(on, 1_000_000n, { label: "a" }),
      await walletCoin(on, 1_000_001n, { label: "b" }),
    ];
    const built = await request(on, [a, b], [await toWallet(on, 999_500n), toOther(999_500n)]);
    // Our own output comes back, and what is left is said to be a fee: only the first signature is good.
    const lied = { ...built.body, inputs: [a.said, told(b, 1_000_500n).said] };
    expect(await ruleOf(on, lied)).toBe("onchain-no-unknown-outputs");
    const rest = spending(on.session.node, [a, b], [await toWallet(on, 1_000_500n)]);
    await on.call("spend", { ...rest.body, inputs: [a.said, told(b, 1_000n).said] });
    const turned = {
      ...rest.body,
      inputs: [{ ...a.said, kind: "foreign", script: a.plan?.output ?? unknown }, b.said],
    };
    expect(await ruleOf(on, turned as Request<"spend">)).toBe("onchain-input-value-proven");
  });
});

describe("what a stranger's input does not pay for", () => {
  const once = async (on: Rig, n: number, theirs: Coin, pays: bigint): Promise<string> => {
    const mine = await walletCoin(on, 100_000n, { label: `mine ${n}` });
    const built = await request(on, [mine, theirs], [await toWallet(on, 98_000n), toOther(pays)]);
    const outcome = await on.outcome("spend", built.body);
    return outcome.is === "refusal" ? outcome.refusal.rule : outcome.is;
  };

  test("is a payment to others, however much is said of that input", async () => {
    const on = await rig({ policy: strict });
    const shown = (label: string) => foreignCoin(50_000n, { proven: true, label });
    const no = "onchain-no-unknown-outputs";
    expect(await once(on, 1, shown("one"), 50_000n)).toBe("reply");
    expect(await once(on, 2, shown("two"), 50_001n)).toBe(no);
    // A signature of BIP 143 says nothing of another input's value.
    expect(await once(on, 3, foreignCoin(90_000n, { label: "three" }), 50_000n)).toBe(no);
  });

  test("counts as sent where nobody is asked, and the day ends it", async () => {
    const unattended = { unattendedFunding: sat(100_000n), maxSentPerDay: 10_000_000n as never };
    const on = await rig({ policy: { ...strict, ...unattended } });
    let stolen = 0n;
    for (let n = 0; n < 20; n++) {
      const theirs = foreignCoin(50_000n, { label: `theirs ${n}`, proven: true });
      if ((await once(on, n, theirs, 51_500n)) === "reply") stolen += 1_500n;
    }
    expect(stolen).toBe(9_000n);
  });
});

test("many inputs of a stranger do not make our fee larger", async () => {
  const on = await rig({ policy: strict });
  const theirs = Array.from({ length: 100 }, (_, n) => foreignCoin(1_000n, { label: `theirs ${n}` }));
  const mine = await walletCoin(on, 100_000n);
  const built = await request(on, [mine, ...theirs], [await toWallet(on, 90_000n), toOther(109_000n)]);
  expect(await ruleOf(on, built.body)).toBe("onchain-no-unknown-outputs");
});

test("fees burnt by moving our own money to and fro end with the day, also after a restart and a clock set back", async () => {
  let now = plainTime;
  let on = await rig({
    policy: { maxFeesPerDay: sat(10_000n), maxOnchainFeerate: 75_000 as never },
    time: () => now,
  });
  let burnt = 0n;
  for (let n = 0; n < 10; n++) {
    const coin = await walletCoin(on, 100_000n, { label: `coin ${n}` });
    const built = await request(on, [coin], [await toWallet(on, 97_000n)]);
    if ((await on.outcome("spend", built.body)).is === "reply") burnt += 3_000n;
    if (n === 4) on = await on.restart();
    if (n === 6) now -= 200_000;
  }
  expect(burnt).toBe(9_000n);
  now = plainTime + 26 * 3600;
  const coin = await walletCoin(on, 100_000n, { label: "tomorrow" });
  await on.call("spend", (await request(on, [coin], [await toWallet(on, 97_000n)])).body);
});

test("small sums that need no person end with the day", async () => {
  const on = await rig({
    policy: { unattendedFunding: sat(10_000n), maxSentPerDay: 35_000_000n as never },
  });
  let sent = 0n;
  for (let n = 0; n < 8; n++) {
    const coin = await walletCoin(on, 100_000n, { label: `coin ${n}` });
    const built = await request(on, [coin], [toOther(10_000n), await toWallet(on, 89_000n)]);
    if ((await on.outcome("spend", built.body)).is === "reply") sent += 10_000n;
  }
  expect(sent).toBe(30_000n);
});

describe("claims", () => {
  const opened = async () => {
    const on = await scene({ terms: evenTerms() });
    await on.advance(0n, on.start);
    await on.advance(1n, on.start);
    const { node, channel } = on.opened;
    const point = async (n: bigint): Promise<Point> =>
      (await on.signer.call("points", { node, channel, numbers: [commitmentNumber(n)] })).points[0] as Point;
    const of = async (owner: "holder" | "counterparty", n: bigint, revoked = false) =>
      published({
        ...{ opened: on.opened, peer: bob, owner, number: n, balances: on.start, revoked },
        ...{ labels: new Map(), preimage: preimageOf },
        point: owner === "holder" ? await point(n) : bob.point(commitmentNumber(n)),
      });
    return { on, node, of };
  };

  test("of a commitment that was revoked, or that nobody published, are not signed", async () => {
    const { on, node, of } = await opened();
    for (const n of [0n, 1n]) {
      const { delayed } = (await of("holder", n)).coins;
      if (delayed === undefined) throw new Error("no to_local");
      const built = spending(node, [delayed], [await toWallet(on.signer, delayed.value - 500n)]);
      expect(await ruleOf(on.signer, built.body)).toBe("sweep-other");
    }
  });

  test("under another channel's id are worth nothing", async () => {
    const { on, node, of } = await opened();
    const other = await scene({ signer: on.signer, peer: carol, label: "other" });
    await other.advance(0n, other.start);
    const { toRemote } = (await of("counterparty", 1n)).coins;
    if (toRemote === undefined) throw new Error("no to_remote");
    const said = { channel: other.opened.channel, value: sat(toRemote.value) };
    const built = spending(
      node,
      [withSaid(toRemote, said)],
      [await toWallet(on.signer, toRemote.value - 500n)],
    );
    expect(verdicts(built, await on.signer.call("spend", built.body))).not.toEqual([undefined]);
    const none = withSaid(toRemote, { channel: channelId(77n) });
    expect(await ruleOf(on.signer, { ...built.body, inputs: [none.said] })).toBe("channel-known");
  });

  test("of an anchor do not spend the channel itself", async () => {
    const { on, node, of } = await opened();
    const { anchor } = (await of("counterparty", 1n)).coins;
    if (anchor === undefined) throw new Error("no anchor");
    const { funding, terms, holder, counterparty } = on.opened.shared;
    const coins = [withSaid(anchor, { outpoint: funding }), await walletCoin(on.signer, 20_000n)];
    const built = spending(node, coins, [await toWallet(on.signer, 15_000n)]);
    const { signatures } = await on.signer.call("spend", built.body);
    const digest = inputDigest({
      ...{ tx: built.tx, index: 0, value: terms.value as Sat, type: sighash.all },
      scriptCode: fundingScript(holder.funding, counterparty.funding),
    });
    const signature = signatures[0] as Signature;
    expect(curve.verify({ digest, signature, key: holder.funding })).toBe(false);
  });

  test("with a value that is a lie are not valid", async () => {
    const { on, node, of } = await opened();
    await on.advance(2n, on.start);
    const { justice } = (await of("counterparty", 1n, true)).coins;
    if (justice === undefined) throw new Error("no to_local");
    const honest = spending(node, [justice], [await toWallet(on.signer, 100_000n)]);
    const body = { ...honest.body, inputs: [{ ...justice.said, value: sat(101_000n) }] };
    expect(verdicts(honest, await on.signer.call("spend", body))).not.toEqual([undefined]);
  });

  test("do not carry wallet inputs to strangers", async () => {
    const { on, node, of } = await opened();
    const { toRemote } = (await of("counterparty", 1n)).coins;
    if (toRemote === undefined) throw new Error("no to_remote");
    const coins = [toRemote, await walletCoin(on.signer, 1_000_000n)];
    const built = spending(node, coins, [
      toOther(1_000_000n),
      await toWallet(on.signer, toRemote.value - 1_000n),
    ]);
    expect(await ruleOf(on.signer, built.body)).toBe("sweep-destination-allowlisted");
  });

  test("do not use up what a breach forfeits for a stranger's profit", async () => {
    const { on, node, of } = await opened();
    await on.advance(2n, on.start);
    const { justice } = (await of("counterparty", 1n, true)).coins;
    if (justice === undefined) throw new Error("no to_local");
    const coins = [withSaid(justice, { value: sat(justice.value) }), foreignCoin(1_000n)];
    const built = spending(node, coins, [toOther(justice.value), await toWallet(on.signer, 500n)]);
    expect(await ruleOf(on.signer, built.body)).toMatch(/^sweep-/);
  });
});

test("what is no request leaves the signer up", async () => {
  const on = await rig();
  const coin = await walletCoin(on, 100_000n);
  const { body } = await request(on, [coin], [await toWallet(on, 99_000n, placeAt(1))]);
  const { said } = coin;
  const hostile: readonly Partial<Request<"spend">>[] = [
    { tx: new Uint8Array(0) },
    { tx: fromHex("02000000000000000000") },
    { tx: body.tx.subarray(0, 40) },
    { inputs: [] },
    { inputs: [said, said] },
    { outputs: [] },
    { inputs: [{ ...said, outpoint: { ...said.outpoint, index: 1 } }] },
    { inputs: [{ ...said, prevTx: Uint8Array.of(1, 2, 3) }] },
    { inputs: [{ ...said, prevTx: body.tx }] },
    { inputs: [{ ...said, place: unknown }] },
    { inputs: [{ ...said, prevTx: unknown, value: unknown }] },
    { inputs: [{ ...said, kind: "delayed" }] },
    { inputs: [{ ...said, kind: "toRemote" }] },
    { outputs: [{ kind: "wallet", place: unknown, channel: unknown }] },
    { outputs: [{ kind: "funding", place: unknown, channel: unknown }] },
  ];
  for (const change of hostile)
    expect((await on.outcome("spend", { ...body, ...change })).is).toBe("malformed");
  const odd = { account: 255, branch: 255, index: 0xffff_ffff };
  for (const change of [
    { inputs: [{ ...said, place: odd }] },
    { outputs: [{ kind: "wallet", place: odd, channel: unknown }] },
    { outputs: [{ kind: "funding", place: unknown, channel: channelId(5n) }] },
    { outputs: [{ kind: "closing", place: unknown, channel: channelId(5n) }] },
  ] as const)
    expect((await on.outcome("spend", { ...body, ...change })).is).toBe("refusal");
  expect(on.faults).toEqual([]);
  await on.call("spend", body);
});

test("what is out of all measure is refused, and breaks nothing", async () => {
  const on = await scene({ terms: evenTerms() });
  await on.advance(0n, on.start);
  await on.advance(1n, on.start);
  const { signer } = on;
  const { node, channel } = on.opened;
  const most = 2_100_000_000_000_000n;
  const many = await Promise.all(
    Array.from({ length: 40 }, (_, n) => walletCoin(signer, most, { label: `${n}`, proven: false })),
  );
  const pays = Array.from({ length: 40 }, (_, n) => toOther(most - 10n, strangersScript(n)));
  const long = toOther(1_000n, new Uint8Array(60_000).fill(0x51) as never);
  const coin = await walletCoin(signer, 100_000n);
  const claim = (kind: "justiceToLocal" | "justiceHtlc") =>
    withSaid(coin, {
      ...{ kind, channel, number: commitmentNumber(0n), place: unknown, prevTx: unknown, value: sat(most) },
      htlc: {
        offeredBy: "counterparty",
        amount: (most * 1000n) as never,
        hash: new Uint8Array(32) as never,
        expiry: 499_999_999 as never,
      },
    });
  const asked = [
    spending(node, many, pays),
    spending(node, [coin], [long]),
    spending(node, [coin, ...many], [long, ...pays]),
    ...(["justiceToLocal", "justiceHtlc"] as const).map((kind) =>
      spending(node, [claim(kind)], [toOther(1_000n)]),
    ),
  ];
  const ask = async (to: Rig): Promise<void> => {
    for (const { body } of asked) expect((await to.outcome("spend", body)).is).toMatch(/^(refusal|reply)$/);
    expect(to.faults.map(String)).toEqual([]);
  };
  await ask(signer);
  // What the peer forfeits may be spent on fees: so it can't be more than there is.
  for (const kind of ["justiceToLocal", "justiceHtlc"] as const) {
    const burnt = spending(node, [claim(kind)], [await toWallet(signer, 1_000n)]);
    expect(await ruleOf(signer, burnt.body)).toBe("sweep-other");
  }
  const stern = await signer.restart({ ...strict, maxSentPerDay: (most * 1000n) as never });
  await ask(stern);
  const { approvals } = await stern.call("listApprovals", { node, state: "all" });
  expect(approvals.length).toBeGreaterThan(0);
});
