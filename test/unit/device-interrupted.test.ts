/** A whole signer with its keys on a device, while power, cable or its own process goes in the middle of everything. */

import { expect, test } from "vitest";
import type { Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Store } from "../../signer/core/ports.ts";
import type { DeviceKeyring } from "../../signer/device/keyring.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { type Bench, type BenchOptions, deviceBench } from "../scripted/device.ts";
import { wholeLife } from "../scripted/device-life.ts";
import { type Rig, rig } from "../scripted/road.ts";

interface Said {
  readonly name: Name;
  readonly reply: unknown;
}

interface World {
  readonly bench: Bench;
  readonly said: readonly Said[];
  readonly kills: number;
}

interface Trouble {
  readonly options?: BenchOptions;
  /** Before each request of the host's. */
  readonly before?: (bench: Bench, name: Name) => void;
  /** Before and after each commit, of the signer's records and of what it keeps for the device: true kills it there. */
  readonly kill?: () => boolean;
}

class Killed extends Error {
  override readonly name = "Killed";
}

/** The host asks again until it is answered: a refusal for the moment is none, and a dead signer is started again. */
const live = async ({ options = {}, before = () => {}, kill = () => false }: Trouble): Promise<World> => {
  const bench = await deviceBench(options);
  const [own, kept] = [memoryDisk(), memoryDisk()];
  let kills = 0;
  /** Of one process: what it left behind goes on for a while, and does nothing any more. */
  let life = Promise.withResolvers<"dead">();
  let isDead = false;
  const mortal = (store: Store): Store => {
    const mine = life;
    const dies = (): void => {
      if (mine === life && !isDead && kill()) {
        isDead = true;
        kills += 1;
        mine.resolve("dead");
      }
      if (mine !== life || isDead) throw new Killed("the signer's process");
    };
    return {
      ...store,
      commit: async (group) => {
        dies();
        const done = await store.commit(group);
        dies();
        return done;
      },
    };
  };
  let keyring: DeviceKeyring | undefined;
  let signer: Rig | undefined;
  const start = async (): Promise<Rig> => {
    await keyring?.close();
    life = Promise.withResolvers();
    isDead = false;
    const mine = await bench.keyring(mortal(grouped(kept.open())));
    keyring = mine;
    return rig({ disk: own, wrap: mortal, watch: () => mine, proposes: false });
  };
  signer = await start();
  const said: Said[] = [];
  const call = async <N extends Name>(name: N, body: Request<N>): Promise<Reply<N>> => {
    for (let tries = 0; tries < 100; tries++) {
      before(bench, name);
      const outcome = await Promise.race([
        life.promise,
        signer?.session.respond({ name, body } as never, "test") ?? life.promise,
      ]);
      if (outcome === "dead") {
        if (kills % 3 === 0) await bench.powerCycle();
        signer = await start();
        // Something else comes first: what the device took before must not be forgotten for it.
        const other = { name: "inboundPaymentKey", body: { node: signer.session.node } } as const;
        await Promise.race([life.promise, signer.session.respond(other, "test")]);
        if (isDead) signer = await start();
        continue;
      }
      if (outcome.is === "reply") {
        said.push({ name, reply: outcome.reply });
        return outcome.reply as Reply<N>;
      }
      if (outcome.is !== "refusal" || outcome.refusal.final)
        throw new Error(`${name}: ${JSON.stringify(outcome)} ${bench.faults.map(String)}`);
    }
    throw new Error(`${name} is stuck`);
  };
  await wholeLife({ ...signer, call });
  await keyring?.close();
  await bench.close();
  return { bench, said, kills };
};

const calm = await live({});

const told = ({ said }: World): readonly Said[] => said;

test("the power goes in the middle of a step of each request: nothing is lost, and nothing comes out otherwise", async () => {
  let cuts = 0;
  let at = 0;
  let bench: Bench | undefined;
  const world = await live({
    options: {
      onPowerCut: () => {
        cuts += 1;
        setTimeout(() => void bench?.powerCycle(), 1);
      },
    },
    before: (one) => {
      bench = one;
      // Another word each time; some requests write nothing, and the cut comes with a later one, or with a start.
      one.flash.cutAfter(at++ % 23);
    },
  });
  expect(told(world)).toEqual(told(calm));
  expect(cuts).toBeGreaterThan(15);
});

test("the cable is pulled after another number of pieces each time: the same", async () => {
  let [pieces, pulls, isLive] = [0, 0, false];
  const world = await live({
    options: {
      onPiece: (unplug) => {
        if (!isLive || ++pieces <= pulls % 15 || pulls >= 60) return;
        pulls += 1;
        pieces = 0;
        unplug();
      },
    },
    before: () => {
      isLive = true;
    },
  });
  expect(told(world)).toEqual(told(calm));
  expect(pulls).toBeGreaterThan(30);
});

test("the signer is killed before or after each commit: the same", async () => {
  let [commits, deaths, isLive] = [0, 0, false];
  // Each death lets a little more be done than the last of its request did.
  const world = await live({
    kill: () => {
      if (!isLive || ++commits < 1 + (deaths % 13)) return false;
      commits = 0;
      deaths += 1;
      return deaths < 90;
    },
    // Who asks for a new channel once more gets another one.
    before: (_, name) => {
      isLive = name !== "new";
    },
  });
  expect(told(world)).toEqual(told(calm));
  expect(world.kills).toBeGreaterThan(40);
});

test("what the device took is settled before anything else is asked, also where it was on all the time", async () => {
  const bench = await deviceBench();
  const disk = memoryDisk();
  let left = Number.POSITIVE_INFINITY;
  const open = (): Promise<DeviceKeyring> => {
    const store = grouped(disk.open());
    return bench.keyring({
      ...store,
      commit: async (group) => {
        if (--left < 0) throw new Killed("the signer's process");
        return store.commit(group);
      },
    });
  };
  const wants = async (keyring: DeviceKeyring, wanted: bigint) =>
    keyring.second.judge({ name: "new", body: { node: keyring.node, wanted } } as never);
  const first = await open();
  expect((await wants(first, 1n)).is).toBe("reply");
  // It is stored what is asked, and not what the device answers.
  left = 1;
  await expect(wants(first, 2n)).rejects.toThrow(Killed);
  await first.close();
  // The next process is asked something else, and dies as early.
  left = Number.POSITIVE_INFINITY;
  const second = await open();
  left = 1;
  await expect(wants(second, 3n)).rejects.toThrow(Killed);
  await second.close();
  await bench.powerCycle();
  left = Number.POSITIVE_INFINITY;
  const third = await open();
  for (const wanted of [3n, 4n]) expect((await wants(third, wanted)).is).toBe("reply");
  await third.close();
  await bench.close();
});
