/** Links on bad cables: never a wrong answer, never the same twice, and a way back or a clear error. */

import { describe, expect, test } from "vitest";
import { equal, toHex } from "../../protocol/bytes.ts";
import { LinkError } from "../../protocol/link.ts";
import {
  type FaultKind,
  type Faults,
  faultKinds,
  faulty,
  inPieces,
  linked,
  randomOf,
  sha,
  worlds,
} from "./link.kit.ts";

const seeds = [1, 2, 3, 4];

interface Result {
  readonly answered: number;
  readonly errors: readonly unknown[];
  readonly faults: number;
  readonly sessions: number;
  readonly deviceFaults: readonly unknown[];
}

const requests = 40;

const ride = async (
  world: ReturnType<(typeof worlds)[string]["start"]>,
  kinds: readonly FaultKind[],
  seed: number,
) => {
  const rng = randomOf(seed);
  const { run, after } = world.clock;
  const pair = await world.pair();
  const faults: Faults = { kinds, perMille: world.carrier.name === "hid" ? 2 : 60, count: 0 };
  const cut = (transport: typeof pair.host): typeof pair.host =>
    world.carrier.name === "hid" ? transport : inPieces(transport, rng);
  const cable = {
    ...pair,
    host: faulty(cut(pair.host), faults, rng, world.clock),
    device: faulty(cut(pair.device), faults, rng, world.clock),
  };
  const begun: string[] = [];
  const {
    link,
    troubles,
    faults: deviceFaults,
  } = linked(world, cable, {
    answer: async (request, { signal }) => {
      // One signal a session's request: the same bytes under it twice would be one frame processed twice.
      begun.push(toHex(request.subarray(0, 8)));
      const delay = rng.int(300);
      if (delay > 200) await new Promise<void>((resolve) => void after(delay, resolve));
      if (signal.aborted) throw new Error("nobody hears this");
      const answer = new Uint8Array(request.length + 32);
      answer.set(sha(request));
      answer.set(request, 32);
      return answer;
    },
  });
  const errors: unknown[] = [];
  let answered = 0;
  const asked = Array.from({ length: requests }, async () => {
    const request = rng.bytes(8 + (rng.chance(4) ? rng.int(12_000) : rng.int(300)));
    const once = toHex(request.subarray(0, 8));
    try {
      const answer = await link.ask(request);
      expect(equal(answer.subarray(0, 32), sha(request))).toBe(true);
      expect(equal(answer.subarray(32), request)).toBe(true);
      expect(begun).toContain(once);
      answered++;
    } catch (error) {
      errors.push(error);
    }
  });
  await run(Promise.all(asked));
  // The cable is mended: whatever happened before, the next request is answered.
  const { count } = faults;
  faults.perMille = 0;
  const mended = await run(link.ask(new Uint8Array(5_000)));
  expect(mended).toHaveLength(5_032);
  pair.unplug();
  // A request begins once in each session that it was sent in, and there is one more session than troubles.
  const times = Map.groupBy(begun, (text) => text);
  for (const [, many] of times) expect(many.length).toBeLessThanOrEqual(troubles.length + 1);
  return { answered, errors, faults: count, sessions: troubles.length, deviceFaults } satisfies Result;
};

const virtual = Object.entries(worlds).filter(([, { isVirtual }]) => isVirtual);

describe.each(virtual)("%s", (name, { start }) => {
  const mixes: readonly (readonly FaultKind[])[] = [...faultKinds.map((kind) => [kind]), faultKinds];

  test.each(mixes.map((kinds) => ({ kinds })))("$kinds", async ({ kinds }) => {
    let [answered, faults, sessions] = [0, 0, 0];
    for (const seed of seeds) {
      const result = await ride(start(), kinds, seed);
      for (const error of result.errors) expect(error).toBeInstanceOf(LinkError);
      expect(result.deviceFaults).toEqual([]);
      answered += result.answered;
      faults += result.faults;
      sessions += result.sessions;
    }
    // Enough went wrong, and enough went well all the same.
    expect(faults).toBeGreaterThan(20);
    expect(answered).toBeGreaterThan(requests * seeds.length * 0.9);
    // A frame that comes twice is no trouble; of a report that does, its frame is lost.
    if (kinds.length > 1 || kinds[0] !== "repeat" || name.includes("hid"))
      expect(sessions).toBeGreaterThan(3);
    else expect([answered, sessions]).toEqual([requests * seeds.length, 0]);
  });

  test.runIf(!name.includes("hid"))("everything twice is no trouble", async () => {
    const world = start();
    const pair = await world.pair();
    const twice = (transport: typeof pair.host): typeof pair.host => ({
      ...transport,
      send: async (bytes) => {
        await transport.send(bytes);
        await transport.send(bytes);
      },
    });
    const begun: number[] = [];
    const { link, troubles } = linked(
      world,
      { ...pair, host: twice(pair.host), device: twice(pair.device) },
      {
        answer: async (request) => {
          begun.push(request[0] as number);
          return request;
        },
      },
    );
    for (let n = 0; n < 20; n++)
      expect(await world.clock.run(link.ask(Uint8Array.of(n)))).toEqual(Uint8Array.of(n));
    expect(begun).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(troubles).toEqual([]);
  });
});
