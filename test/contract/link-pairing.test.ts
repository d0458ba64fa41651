/** Pairing over every kind of carrier, with people, and with one in the middle. */

import { describe, expect, test } from "vitest";
import { equal, toHex } from "../../protocol/bytes.ts";
import { codeOf, commitmentOf, isCommitted } from "../../protocol/link/pairing.ts";
import { type AnswerOptions, answerLink, type PairOptions, pairLink } from "../../protocol/link.ts";
import {
  counted,
  deviceKeys,
  filled,
  keysOf,
  linked,
  memoryPair,
  type Pair,
  signerKeys,
  type World,
  worlds,
} from "./link.kit.ts";

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error) => error,
  );

interface People {
  readonly signer?: PairOptions["compare"];
  readonly device?: PairOptions["compare"];
  readonly isOpen?: boolean;
}

const no = async (): Promise<boolean> => false;
const yes = async (): Promise<boolean> => true;

const begin = (world: World, pair: Pair, { signer = yes, device = yes, isOpen = true }: People) => {
  const codes: { signer?: string; device?: string } = {};
  const stored: Uint8Array[] = [];
  const ports = (seed: number) => ({ after: world.clock.after, random: counted(seed) });
  const pairing: AnswerOptions["pairing"] = {
    isOpen: () => isOpen,
    compare: (code, signal) => {
      codes.device = code;
      return device(code, signal);
    },
    store: async (key) => void stored.push(key),
  };
  const faults: unknown[] = [];
  answerLink({
    transport: pair.device,
    carrier: world.carrier,
    identity: deviceKeys,
    signers: () => stored,
    answer: async (request) => request,
    pairing,
    ports: ports(5),
    times: world.times,
    onFault: (error) => faults.push(error),
  });
  const paired = pairLink({
    transport: pair.host,
    carrier: world.carrier,
    identity: signerKeys,
    compare: (code, signal) => {
      codes.signer = code;
      return signer(code, signal);
    },
    ports: ports(6),
    times: world.times,
  });
  return { codes, stored, paired, faults };
};

describe.each(Object.entries(worlds))("%s", (_, { start, isVirtual }) => {
  const virtually = test.runIf(isVirtual);
  const opened = async (): Promise<{ world: World; pair: Pair }> => {
    const world = start();
    return { world, pair: await world.pair() };
  };

  test("both screens show the same six digits, both learn the other's key, and a session follows", async () => {
    const { world, pair } = await opened();
    const { codes, stored, paired, faults } = begin(world, pair, {});
    const device = await world.clock.run(paired);
    expect(equal(device, deviceKeys.public)).toBe(true);
    expect(stored.map(toHex)).toEqual([toHex(signerKeys.public)]);
    expect(codes.signer).toMatch(/^\d{6}$/);
    expect(codes.device).toBe(codes.signer);
    expect(faults).toEqual([]);
    const { link } = linked(
      world,
      { ...pair, device: { ...pair.device, receive: () => {} } },
      { signer: { device } },
    );
    expect(await world.clock.run(link.ask(filled(4, 10)))).toEqual(filled(4, 10));
    pair.unplug();
  });

  test.each<readonly [string, People]>([
    ["the signer's", { signer: no }],
    ["the device's", { device: no }],
    ["both", { signer: no, device: no }],
  ])("%s person says no: neither keeps a key", async (__, people) => {
    const { world, pair } = await opened();
    const { stored, paired } = begin(world, pair, people);
    expect(await world.clock.run(caught(paired))).toMatchObject({ name: "LinkError", why: "different" });
    expect(stored).toEqual([]);
    pair.unplug();
  });

  test("a device that nobody opened for it refuses", async () => {
    const { world, pair } = await opened();
    const { paired, codes } = begin(world, pair, { isOpen: false });
    expect(await world.clock.run(caught(paired))).toMatchObject({ why: "pairing" });
    expect(codes).toEqual({});
    pair.unplug();
  });

  virtually("people may take their time on either side", async () => {
    for (const slow of ["signer", "device"] as const) {
      const { world, pair } = await opened();
      const { paired } = begin(world, pair, {
        [slow]: (): Promise<boolean> =>
          new Promise<boolean>((resolve) => void world.clock.after(600_000, () => resolve(true))),
      });
      expect(equal(await world.clock.run(paired), deviceKeys.public)).toBe(true);
    }
  });

  test("unplugged while people compare: nothing is stored, even if somebody says yes afterwards", async () => {
    const { world, pair } = await opened();
    const asked = Promise.withResolvers<AbortSignal>();
    const answer = Promise.withResolvers<boolean>();
    const { paired, stored } = begin(world, pair, {
      device: (__, signal) => {
        asked.resolve(signal);
        return answer.promise;
      },
    });
    const ended = caught(paired);
    const signal = await world.clock.run(asked.promise);
    // The signer's yes is here by now.
    await world.clock.run(new Promise<void>((resolve) => void world.clock.after(50, resolve)));
    pair.unplug();
    expect(await world.clock.run(ended)).toMatchObject({ why: "gone" });
    await world.clock.run(pair.device.closed);
    expect(signal.aborted).toBe(true);
    answer.resolve(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(stored).toEqual([]);
  });

  virtually("a lost frame ends it with a sentence; another try succeeds", async () => {
    const { world, pair } = await opened();
    let dropped = 0;
    const host = {
      ...pair.host,
      // From the handshake's first message on, for a while.
      send: async (bytes: Uint8Array) => {
        if (dropped > 0 && dropped < 4) dropped++;
        else return pair.host.send(bytes);
      },
    };
    dropped = 1;
    const first = begin(world, { ...pair, host }, {});
    expect(await world.clock.run(caught(first.paired))).toMatchObject({ why: "silent" });
    dropped = 0;
    const second = pairLink({
      transport: pair.host,
      carrier: world.carrier,
      identity: signerKeys,
      compare: yes,
      ports: { after: world.clock.after, random: counted(8) },
      times: world.times,
    });
    expect(equal(await world.clock.run(second), deviceKeys.public)).toBe(true);
  });
});

describe("one in the middle", () => {
  const virtual = Object.values(worlds).filter(({ isVirtual }) => isVirtual);

  test.each(virtual.map((world) => [world]))(
    "who pairs with both sides shows them different codes",
    async ({ start }) => {
      const world = start();
      // It plays a device to the signer, and a signer to the device.
      const [left, right] = [memoryPair(world.clock), memoryPair(world.clock)];
      const real = begin(
        world,
        { ...right, host: { ...right.host, send: async () => {}, receive: () => {} } },
        {},
      );
      void real.paired.catch(() => {});
      const codes: string[] = [];
      const shown = async (code: string): Promise<boolean> => {
        codes.push(code);
        return true;
      };
      const thief = keysOf(66);
      answerLink({
        transport: left.device,
        carrier: world.carrier,
        identity: thief,
        signers: () => [],
        answer: async (request) => request,
        pairing: { isOpen: () => true, compare: shown, store: async () => {} },
        ports: { after: world.clock.after, random: counted(11) },
        times: world.times,
        onFault: () => {},
      });
      const side = (transport: Pair["host"], identity: typeof thief, seed: number) =>
        pairLink({
          transport,
          carrier: world.carrier,
          identity,
          compare: shown,
          ports: { after: world.clock.after, random: counted(seed) },
          times: world.times,
        });
      await world.clock.run(Promise.all([side(left.host, signerKeys, 12), side(right.host, thief, 13)]));
      const [signers, devices] = [codes[0], real.codes.device];
      expect(signers).toMatch(/^\d{6}$/);
      expect(devices).toMatch(/^\d{6}$/);
      expect(signers).not.toBe(devices);
    },
  );

  test("a nonce chosen after the other's is known does not open the commitment, and the pairing ends", async () => {
    const hash = filled(1);
    const commitment = commitmentOf(hash, filled(2));
    expect(isCommitted(commitment, hash, filled(2))).toBe(true);
    expect(isCommitted(commitment, hash, filled(3))).toBe(false);
    expect(isCommitted(commitment, filled(9), filled(2))).toBe(false);
    // A signer that would wait for the device's nonce, and then look for its own: its random bytes change in between.
    const world = (worlds["memory, bulk"] as (typeof worlds)[string]).start();
    const pair = await world.pair();
    let shown = 0;
    const faults: unknown[] = [];
    answerLink({
      transport: pair.device,
      carrier: world.carrier,
      identity: deviceKeys,
      signers: () => [],
      answer: async (request) => request,
      pairing: {
        isOpen: () => true,
        compare: async () => {
          shown++;
          return true;
        },
        store: async () => {},
      },
      ports: { after: world.clock.after, random: counted(5) },
      times: world.times,
      onFault: (error) => faults.push(error),
    });
    const random = counted(6);
    let secondThoughts: Uint8Array | undefined;
    const paired = pairLink({
      transport: {
        ...pair.host,
        send: async (bytes) => {
          await pair.host.send(bytes);
          // By now the commitment is sealed, and the array that it was made of is the one that will be revealed.
          secondThoughts?.fill(0x77);
        },
      },
      carrier: world.carrier,
      identity: signerKeys,
      compare: yes,
      ports: {
        after: world.clock.after,
        random: (length) => {
          const bytes = random(length);
          // Its ephemeral key comes first, then the nonce.
          if (length === 32) secondThoughts = bytes;
          return bytes;
        },
      },
      times: world.times,
    });
    expect(await world.clock.run(caught(paired))).toMatchObject({ why: "interrupted" });
    expect(shown).toBe(0);
  });

  test("codes are spread over all six digits", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 2_000; i++) {
      const code = codeOf(filled(i & 0xff), filled(i >> 8), filled(3));
      expect(code).toMatch(/^\d{6}$/);
      seen.add(code);
    }
    expect(seen.size).toBeGreaterThan(1_980);
    for (let place = 0; place < 6; place++)
      expect(new Set([...seen].map((code) => code[place])).size).toBe(10);
  });
});
