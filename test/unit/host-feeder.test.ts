/** A host shows its blocks: to a real session, over a chain that mines, reorganises and falls silent. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { observe } from "../../chain/observe.ts";
import type { Observer } from "../../chain/observer.ts";
import type { ChainSource } from "../../chain/source.ts";
import { SourceError } from "../../chain/source.ts";
import { type FeedEvent, type Feeder, feedSigner } from "../../host/feeder.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { partLength } from "../../protocol/operations/chain.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { ChainSettings } from "../../signer/core/chain/book.ts";
import { alone } from "../scripted/alone.ts";
import { ask } from "../scripted/channel.ts";
import { type Rig, rig } from "../scripted/road.ts";
import { made } from "./chain-embedded.kit.ts";

interface Scene {
  readonly chain: EmbeddedChain;
  readonly asked: Name[];
  readonly told: FeedEvent[];
  rig: Rig;
  feeder: Feeder;
  observer: Observer;
  source: ChainSource;
  /** Instead of the session's answer. */
  instead: ((name: Name, body: object) => Outcome<Name> | undefined) | undefined;
  fresh: boolean;
}

const scene = {} as Scene;
const now = () => Math.floor(Date.now() / 1000);

const start = (): void => {
  const { asked, told, source } = scene;
  scene.observer = observe({ source, everyMs: 10, retry: { firstMs: 10, mostMs: 20 } });
  const client = {
    outcome: async <N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>> => {
      asked.push(name);
      const other = scene.instead?.(name, body);
      return (other ?? (await scene.rig.session.respond(ask(name, body as never), "host"))) as Outcome<N>;
    },
  };
  scene.feeder = feedSigner({
    ...{ client, source, observer: scene.observer },
    node: scene.rig.session.node,
    isFresh: () => scene.fresh,
    told: (event) => told.push(event),
    retry: { firstMs: 10, mostMs: 40 },
    patienceMs: 300,
  });
};

const stop = async (): Promise<void> => {
  await scene.feeder.close();
  await scene.observer.close();
};

const begin = async (settings: ChainSettings | undefined, blocks = 110): Promise<void> => {
  const chain = openChain();
  chain.mine(blocks);
  Object.assign(scene, {
    ...{ chain, source: chain.source, asked: [], told: [], instead: undefined, fresh: true },
    rig: await rig({ time: now, ...(settings === undefined ? {} : { chain: settings }) }),
  });
  start();
};

const tip = async () => scene.rig.call("chainTip", { node: scene.rig.session.node });

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 300; i++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`${what}: never. ${scene.feeder.trouble()} ${JSON.stringify(scene.told.slice(-3))}`);
};
const caughtUp = () => until("the same tip", async () => equal((await tip()).hash, scene.chain.tip().hash));
const times = (name: Name): number => scene.asked.filter((one) => one === name).length;

/** Almost a hundred thousand bytes that spend the coinbase of that height. */
const bulky = (height: number) => {
  const coinbase = scene.chain.blockAt(height)?.entries[0];
  if (coinbase === undefined) throw new Error("no block");
  const outputs = Array<bigint>(2_200).fill(1_000n);
  return scene.chain.publish([made({ inputs: [{ txid: coinbase.txid, index: 0 }], outputs }).raw]);
};

describe("a host that shows its blocks", () => {
  beforeEach(() => begin({}));
  afterEach(stop);

  test("shows headers up to the last block but one, then whole blocks", async () => {
    await caughtUp();
    expect(await tip()).toMatchObject({ height: 110, wholeSince: 110, followed: true });
    expect([times("chainHeaders"), times("chainConnect")]).toEqual([1, 1]);
    scene.chain.mine(3);
    await caughtUp();
    expect([times("chainHeaders"), times("chainConnect")]).toEqual([1, 4]);
    await until("it is told", () => scene.told.some((e) => e.is === "shown" && e.height === 113));
  });

  test("takes blocks back, newest first, before it shows others", async () => {
    await caughtUp();
    scene.chain.mine(4);
    await caughtUp();
    const gone = [4, 3, 2].map((back) => toHex(scene.chain.blockAt(110 + back)?.hash ?? new Uint8Array()));
    scene.asked.length = 0;
    const back: string[] = [];
    scene.instead = (name, body) => {
      if (name === "chainDisconnect") back.push(toHex((body as Request<"chainDisconnect">).hash));
      return undefined;
    };
    scene.chain.reorganise(3, 5);
    await caughtUp();
    expect(back).toEqual(gone);
    expect(scene.asked.filter((name) => name !== "chainTip")).toEqual([
      ...Array<Name>(3).fill("chainDisconnect"),
      ...Array<Name>(5).fill("chainConnect"),
    ]);
  });

  test("goes on after a restart of either, also on another branch", async () => {
    await caughtUp();
    scene.chain.mine(2);
    await caughtUp();
    await stop();
    scene.chain.reorganise(2, 4);
    scene.rig = await scene.rig.restart();
    scene.fresh = false;
    start();
    await caughtUp();
    expect((await tip()).height).toBe(114);
    // While blocks are shown, the session begins anew.
    scene.rig = await scene.rig.restart();
    scene.chain.mine(2);
    await caughtUp();
    expect(scene.told.filter(({ is }) => is === "trouble")).toEqual([]);
  });

  test("brings a large block in parts, and anew where the signer has forgotten the first", async () => {
    await caughtUp();
    const pads = [1, 2, 3, 4, 5, 6].map(bulky);
    let forgotten = false;
    const parts: number[] = [];
    scene.instead = (name, body) => {
      if (name !== "chainPart") return undefined;
      const { index } = body as Request<"chainPart">;
      parts.push(index);
      if (index !== 1 || forgotten) return undefined;
      forgotten = true;
      return { is: "fault", fault: { code: "internal", sentence: "away" } };
    };
    const [block] = scene.chain.mine(1);
    expect(pads.every(({ is }) => is === "accepted")).toBe(true);
    expect(block?.raw.length).toBeGreaterThan(2 * partLength);
    await caughtUp();
    expect(parts.slice(0, 4)).toEqual([0, 1, 0, 1]);
  });

  test("backs off while the signer does not take what the source shows", async () => {
    await caughtUp();
    scene.instead = (name) =>
      name === "chainConnect"
        ? {
            is: "refusal",
            refusal: { rule: "x", kind: "core", final: false, sentence: "", facts: [], hint: "" },
          }
        : undefined;
    scene.chain.mine(1);
    await until("trouble", () => scene.told.filter(({ is }) => is === "trouble").length >= 3);
    expect(scene.feeder.trouble()).toMatch(/x/);
    const before = times("chainConnect");
    await new Promise((done) => setTimeout(done, 400));
    // Twice a try, and no try sooner than 40 ms after the last.
    expect(times("chainConnect") - before).toBeLessThanOrEqual(22);
    scene.instead = undefined;
    await caughtUp();
    expect(scene.feeder.trouble()).toBeUndefined();
  });

  test("closes while the signer does not answer", async () => {
    await caughtUp();
    const { session } = scene.rig;
    const forever = Promise.withResolvers<never>();
    scene.rig = { ...scene.rig, session: { ...session, respond: () => forever.promise } };
    scene.chain.mine(1);
    await until("it is asked", () => times("chainConnect") > 1);
  });
});

test("a session that has channels is shown every block whole", async () => {
  await begin({}, 20);
  await stop();
  scene.asked.length = 0;
  scene.rig = await rig({ time: now, chain: {} });
  scene.fresh = false;
  start();
  await caughtUp();
  expect([times("chainHeaders"), times("chainConnect")]).toEqual([0, 20]);
  await stop();
});

test("a source that fails is asked again", async () => {
  await begin({});
  await caughtUp();
  let down = true;
  await stop();
  const { source } = scene.chain;
  scene.source = {
    ...source,
    block: async (hash) => {
      if (down) throw new SourceError("down");
      return source.block(hash);
    },
  };
  start();
  scene.chain.mine(2);
  await new Promise((done) => setTimeout(done, 100));
  expect((await tip()).height).toBe(110);
  down = false;
  await caughtUp();
  await stop();
});

test("nothing is shown to a signer that follows no chain, or has a source of its own", async () => {
  await begin(undefined);
  await until("it is asked", () => scene.asked.length > 0);
  await new Promise((done) => setTimeout(done, 100));
  expect(scene.asked).toEqual(["chainFeed"]);
  await stop();

  const own = await alone({ embedded: scene.chain });
  scene.rig = own.rig;
  scene.asked.length = 0;
  start();
  await own.settled();
  await new Promise((done) => setTimeout(done, 100));
  expect(scene.asked).toEqual(["chainFeed"]);
  expect(scene.feeder.trouble()).toBeUndefined();
  await stop();
  await own.stop();
});
