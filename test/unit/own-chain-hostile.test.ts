/** A source that lies, fails or sleeps, and a host that would rather that nothing is seen or published. */

import { afterEach, describe, expect, test } from "vitest";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { type ChainSource, SourceError } from "../../chain/source.ts";
import { decodeHeader, encodeHeader } from "../../protocol/bitcoin/header.ts";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import { feerate } from "../../protocol/units.ts";
import { callerKey, callerOf } from "../../protocol/wire/caller.ts";
import { asking, internalAsker } from "../../signer/chain/asking.ts";
import { openPublisher } from "../../signer/chain/publisher.ts";
import { type Alone, type AloneOptions, alone } from "../scripted/alone.ts";
import { add, htlcOf } from "../scripted/channel.ts";
import { openReal, type Theirs } from "../scripted/real-channel.ts";
import { rig } from "../scripted/road.ts";
import { bob, evenTerms } from "../scripted/scene.ts";
import { attack, honest } from "../scripted/tally.ts";

const open: Alone[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
});

const begun = async (options: AloneOptions = {}): Promise<Alone> => {
  const one = await alone(options);
  open.push(one);
  return one;
};

const started = async (options: AloneOptions = {}): Promise<Alone> => {
  const one = await begun(options);
  await one.settled();
  return one;
};

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 300; i++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`never: ${holds}`);
};

const cheated = async (on: Alone) => {
  const { call, chain } = on;
  const channel = await openReal({ call, node: on.rig.session.node, chain, peer: bob, terms: evenTerms() });
  await on.settled();
  await channel.step(add(channel.balances, htlcOf("holder", 50_000_000n, "out", 500)));
  const cheat = channel.theirs(1n);
  await channel.step(channel.balances);
  return { channel, cheat };
};

const punished = ({ chain }: Alone, { commitment: { tx, txid } }: Theirs): boolean =>
  tx.outputs.every(({ value }, index) => value === 330n || chain.spender({ txid, index }) !== undefined);

describe("a source that lies", () => {
  const tipOf = async (on: Alone): Promise<number> => (await on.reply("chainTip", {})).height;

  const lying = (lie: (source: ChainSource, chain: EmbeddedChain) => Partial<ChainSource>) => {
    const chain = openChain();
    chain.mine(5);
    const through = (source: ChainSource): ChainSource => ({ ...source, ...lie(source, chain) });
    return begun({ embedded: chain, through });
  };

  test("about what a block has in it hides nothing: the block is refused, and the next honest answer is punished", async () => {
    let lies = false;
    const embedded = openChain();
    embedded.mine(110);
    const on = await started({
      embedded,
      through: (source) => ({
        ...source,
        // Without the breach, as if it had never been.
        block: async (hash) => {
          const block = embedded.block(hash);
          const [coinbase] = block?.entries ?? [];
          if (!lies || block === undefined || coinbase === undefined) return source.block(hash);
          return concat(block.header, Uint8Array.of(1), coinbase.raw);
        },
      }),
    });
    const { cheat } = await cheated(on);
    const before = await tipOf(on);
    lies = true;
    on.chain.publish([cheat.raw]);
    on.chain.mine(1);
    await until(() => on.own.trouble()?.includes("not the chain") === true);
    expect(await tipOf(on)).toBe(before);
    lies = false;
    await until(() => punished(on, cheat));
  });

  test("about work is refused", async () => {
    let lies = false;
    const on = await lying((source, chain) => ({
      block: async (hash) => {
        const block = await source.block(hash);
        if (!lies) return block;
        const header = decodeHeader(block.subarray(0, 80));
        return concat(encodeHeader({ ...header, bits: 0x1d00_ffff }), block.subarray(80));
      },
      tip: async () => chain.tip(),
    }));
    await on.settled();
    const before = await tipOf(on);
    lies = true;
    on.chain.mine(1);
    await until(() => on.own.trouble() !== undefined);
    expect(await tipOf(on)).toBe(before);
    expect((await on.reply("status", {})).alarms.at(-1)).toContain("the embedded chain");
    expect((await on.reply("chainSource", {})).trouble).not.toBe("");
    await until(() => on.lines.some(({ event }) => event === "chain-trouble"));
    lies = false;
    await on.settled();
    expect(await tipOf(on)).toBe(on.chain.tip().height);
    await until(() => on.lines.some(({ event }) => event === "chain-well"));
    expect(on.rig.faults).toEqual([]);
  });

  test("that it has less work than it had takes nothing back for good, and the alarm says so", async () => {
    const chain = openChain();
    chain.mine(20);
    const other = openChain();
    other.mine(12, { tag: "another" });
    let source = chain.source;
    const on = await begun({
      embedded: chain,
      through: () => ({
        name: "two minds",
        tip: () => source.tip(),
        hashAt: (at) => source.hashAt(at),
        header: (hash) => source.header(hash).catch(() => chain.source.header(hash)),
        block: (hash) => source.block(hash),
        feerate: async () => undefined,
        publish: (txs) => source.publish(txs),
        close: async () => {},
      }),
    });
    await on.settled();
    source = other.source;
    await until(async () => {
      const { well } = await on.reply("heartbeat", {});
      return !well;
    });
    expect((await on.reply("heartbeat", {})).alarms.map(({ kind }) => kind)).toContain("behind");
    source = chain.source;
    await on.settled();
    expect((await on.reply("heartbeat", {})).well).toBe(true);
  });
});

describe("a source that fails", () => {
  test("when it should publish is asked again, without a new block", async () => {
    let fails = true;
    const on = await started({
      through: (source) => ({
        ...source,
        publish: async (txs) => {
          if (fails) throw new SourceError("the line is cut");
          return source.publish(txs);
        },
      }),
    });
    const { cheat } = await cheated(on);
    on.chain.publish([cheat.raw]);
    on.chain.mine(1);
    await until(() => on.lines.some(({ event }) => event === "publish-failed"));
    expect(on.chain.pool()).toEqual([]);
    expect(on.own.trouble()).toBe("the line is cut");
    fails = false;
    await until(() => punished(on, cheat));
    await until(() => on.own.trouble() === undefined);
  });

  test("for ever holds up nothing but itself", async () => {
    let sleeps = false;
    const on = await started({
      patienceMs: 50,
      through: (source) => ({
        ...source,
        publish: (txs) => (sleeps ? new Promise(() => {}) : source.publish(txs)),
        feerate: (n) => (sleeps ? new Promise(() => {}) : source.feerate(n)),
      }),
    });
    const { cheat } = await cheated(on);
    sleeps = true;
    on.chain.publish([cheat.raw]);
    on.chain.mine(3);
    await until(() => on.lines.some(({ event }) => event === "publish-failed"));
    const { height: at } = await on.reply("chainTip", {});
    expect(at).toBe(on.chain.tip().height);
    sleeps = false;
    await until(() => punished(on, cheat));
  });

  test("at one transaction of several does not cost the others", async () => {
    let first: string | undefined;
    const on = await started({
      through: (source) => ({
        ...source,
        publish: async (txs) => {
          const id = toHex(txs[0] as Uint8Array);
          first ??= id;
          if (id === first) throw new SourceError("it chokes");
          return source.publish(txs);
        },
      }),
    });
    const { cheat } = await cheated(on);
    on.chain.publish([cheat.raw]);
    on.chain.mine(1);
    await until(() => on.chain.pool().length === 2);
  });

  test("when it is asked to stop lets the signer stop", async () => {
    const on = await begun({
      patienceMs: 60_000,
      through: (source) => ({
        ...source,
        tip: () => new Promise(() => {}),
        hashAt: () => new Promise(() => {}),
      }),
    });
    const stopping = on.stop();
    open.length = 0;
    await stopping;
  });
});

describe("what a claim may cost", () => {
  test("grows as the deadline comes, up to the policy's maximum and no further", async () => {
    const max = feerate(20_000);
    const on = await started({ policy: { maxSweepFeerate: max } });
    const { cheat } = await cheated(on);
    on.chain.suggest(feerate(2_000));
    on.chain.publish([cheat.raw]);
    on.chain.mine(1);
    await on.settled();
    expect(on.chain.pool().length).toBe(3);
    const fees: bigint[] = [];
    for (let i = 0; i < 14; i++) {
      fees.push(on.chain.pool().reduce((sum, { fee }) => sum + fee, 0n));
      on.chain.mine(1, { empty: true });
      await on.settled();
    }
    const last = fees.at(-1) ?? 0n;
    expect(fees.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(fees);
    expect(last).toBeGreaterThan((fees[0] ?? 0n) * 4n);
    for (const { fee, weight } of on.chain.pool())
      expect(Number(fee) / (weight / 1_000)).toBeLessThan(Number(max) * 1.1);
    // A source that asks for the moon gets the policy's maximum.
    on.chain.suggest(feerate(900_000));
    on.chain.mine(1, { empty: true });
    await on.settled();
    for (const { fee, weight } of on.chain.pool())
      expect(Number(fee) / (weight / 1_000)).toBeLessThan(Number(max) * 1.1);
    expect(on.lines.filter(({ event }) => event === "claims-refused")).toEqual([]);
  });

  test("is signed once while nothing changes", async () => {
    let signed = 0;
    const on = await started({
      watch: (keyring) => ({
        ...keyring,
        sign: (job) => {
          signed++;
          return keyring.sign(job);
        },
      }),
    });
    const { cheat } = await cheated(on);
    on.chain.publish([cheat.raw]);
    on.chain.mine(1);
    await on.settled();
    await until(() => punished(on, cheat));
    const before = signed;
    for (let i = 0; i < 3; i++) {
      on.own.wake();
      await on.settled();
    }
    expect([before > 0, signed]).toEqual([true, before]);
  });
});

test("a close that a reorganisation takes back at the wrong moment makes no exit", async () => {
  const on = await started();
  const { call, chain } = on;
  const { session } = on.rig;
  const channel = await openReal({ call, node: session.node, chain, peer: bob, terms: evenTerms() });
  await on.settled();
  const outpoint = { txid: channel.theirs(0n).commitment.txid, index: 0 };
  const lines: string[] = [];
  let published = 0;
  const publisher = openPublisher({
    node: "",
    ask: asking(session),
    // As it was a moment ago: the session knows by now that the block is gone.
    ends: () => ({
      ...{ height: chain.tip().height, preimages: [], stirred: 0 },
      channels: (["counterparty", "holder", "unknown"] as const).map((is) => ({
        ...{ channel: channel.channel, is, txid: outpoint.txid },
        open: [{ outpoint, since: chain.tip().height, until: undefined }],
      })),
    }),
    publish: async () => {
      published++;
      return { is: "accepted" };
    },
    feerate: async () => undefined,
    maxFeerate: feerate(20_000),
    log: { write: ({ event }) => void lines.push(event), close: () => {} },
  });
  publisher.wake();
  await until(() => publisher.isIdle());
  expect([published, lines.includes("claims-refused")]).toEqual([0, true]);
  // Nothing was signed for broadcast: its secret still leaves the signer.
  await channel.step(channel.balances);
  await publisher.close();
});

describe("a host", () => {
  test("that feeds is answered, and moves nothing: honest or hostile, by whatever name", async () => {
    const on = await started();
    const { hash, height: at } = await on.reply("chainTip", {});
    const elsewhere = openChain();
    const [block] = elsewhere.mine(1, { tag: "of the host" });
    if (block === undefined) throw new Error("no block");
    const tip = { height: at, hash };
    await honest(async () => {
      const own = on.chain.blockAt(at);
      if (own === undefined) throw new Error("no block");
      expect(await on.reply("chainConnect", { hash, parts: 0, bytes: own.raw })).toEqual(tip);
      expect(await on.reply("chainPart", { hash, index: 0, bytes: new Uint8Array(262_144) })).toEqual({});
      expect(await on.reply("chainFeed", {})).toEqual({ wanted: false, whole: true });
    });
    await attack("take blocks back", async () => {
      for (const asker of ["host", internalAsker])
        expect(await on.outcome("chainDisconnect", { hash }, asker)).toEqual({ is: "reply", reply: tip });
    });
    await attack("show another chain", async () => {
      expect(await on.reply("chainHeaders", { headers: [block.header] })).toEqual(tip);
      expect(await on.reply("chainConnect", { hash: block.hash, parts: 0, bytes: block.raw })).toEqual(tip);
    });
    expect(await on.reply("chainTip", {})).toMatchObject(tip);
  });

  test("has a certificate, and no certificate is named as the signer names itself", () => {
    expect(callerOf(internalAsker)).toBeUndefined();
    for (const name of ["countersign:admin", `countersign:host:02${"11".repeat(32)}`]) {
      const caller = callerOf(name);
      if (caller === undefined) throw new Error(name);
      expect(callerKey(caller)).not.toBe(internalAsker);
    }
  });

  test("that floods the signer does not stop it from punishing", async () => {
    const on = await started();
    const { cheat, channel } = await cheated(on);
    let floods = true;
    let asked = 0;
    const flood = async (): Promise<void> => {
      while (floods) {
        // As from a socket: the event loop turns between batches.
        await new Promise((done) => setImmediate(done));
        await Promise.all(
          Array.from({ length: 64 }, (_, i) => {
            asked++;
            return i % 2 === 0
              ? on.outcome("chainDisconnect", { hash: new Uint8Array(32) })
              : on.outcome("ecdh", { point: channel.peer.id });
          }),
        );
      }
    };
    const flooding = Promise.all([flood(), flood(), flood()]);
    on.chain.publish([cheat.raw]);
    on.chain.mine(1);
    await attack("flood", () => until(() => punished(on, cheat)));
    floods = false;
    await flooding;
    expect(asked).toBeGreaterThan(500);
  });

  test("without a source of the signer's own a broadcast is refused in words, and says so in the log", async () => {
    const chain = openChain();
    const [block] = chain.mine(1, { tag: "of nobody" });
    const raw = block?.entries[0]?.raw as Uint8Array;
    const bare = await rig();
    const { node } = bare.session;
    const { results } = await bare.call("broadcast", { node, transactions: [raw] });
    expect(results).toMatchObject([{ is: "refused", reason: expect.stringContaining("[chain]") }]);
    expect(await bare.call("chainSource", { node })).toMatchObject({ mode: "none", name: "" });
    expect(await bare.call("chainFeed", { node })).toEqual({ wanted: false, whole: false });
    const bad = await bare.outcome("broadcast", { node, transactions: [raw, fromHex("00")] });
    expect(bad).toMatchObject({ is: "malformed", malformed: { path: "transactions[1]" } });
    const on = await started();
    const known = await on.reply("broadcast", {
      transactions: [on.chain.blockAt(1)?.entries[0]?.raw as Uint8Array],
    });
    expect(known.results).toMatchObject([{ is: "known", reason: "" }]);
    const refused = await on.reply("broadcast", { transactions: [raw] });
    expect(refused.results).toMatchObject([{ is: "refused" }]);
    expect(on.lines.some(({ event }) => event === "publish-refused")).toBe(true);
  });
});
