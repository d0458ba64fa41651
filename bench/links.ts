/**
 * Suite `links`: a request to a device that answers with as many bytes, through frames, session and pieces, beside the
 * same bytes there and back on the bare transport. What a person would wait at a slow cable is computed with a clock that
 * does not wait.
 */

import { randomBytes } from "node:crypto";
import { reportLength } from "../protocol/carrier/hid.ts";
import { carriers } from "../protocol/carrier/index.ts";
import { type Carrier, type Transport, usualTimes } from "../protocol/link.ts";
import { hasSocat, socketPair, terminalPair } from "../test/contract/link.cables.ts";
import { linked, memoryPair, type Pair, virtualClock, type World } from "../test/contract/link.kit.ts";
import { median, quantile, rounded } from "./statistics.ts";

const sizes = [64, 4_096, 65_536] as const;
const usualRounds = 60;

export interface LinkRow {
  readonly cable: string;
  readonly carrier: Carrier["name"];
  readonly bytes: number;
  readonly p50ms: number;
  readonly p99ms: number | null;
  readonly floorP50ms: number;
  readonly ratio: number;
  readonly rounds: number;
}

export interface LinksReport {
  readonly suite: "links";
  readonly rows: readonly LinkRow[];
}

interface Options {
  readonly rounds: number | undefined;
  readonly say: (line: string) => void;
}

/** As many bytes as go there come back, in pieces that the carrier would use. */
const echoed = ({ host, device }: Pair, pieceLength: number) => {
  let left = 0;
  let done: (() => void) | undefined;
  device.receive((bytes) => void device.send(bytes));
  host.receive((bytes) => {
    left -= bytes.length;
    if (left <= 0) done?.();
  });
  return async (bytes: Uint8Array): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    left = bytes.length;
    done = resolve;
    for (let at = 0; at < bytes.length; at += pieceLength) await host.send(bytes.slice(at, at + pieceLength));
    await promise;
  };
};

const timed = async (action: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
};

const realAfter = (ms: number, action: () => void): (() => void) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

/** Deliveries of memory need no timer. */
const soon = (_: number, action: () => void): (() => void) => {
  setImmediate(action);
  return () => undefined;
};

const real: readonly { readonly cable: string; readonly carrier: Carrier; pair(): Pair | Promise<Pair> }[] = [
  {
    cable: "memory",
    carrier: carriers.bulk,
    pair: () => memoryPair({ after: soon, run: (promise) => promise }),
  },
  { cable: "unix socket", carrier: carriers.bulk, pair: socketPair },
  ...(hasSocat ? [{ cable: "pseudo-terminal", carrier: carriers.serial, pair: () => terminalPair() }] : []),
];

const measure = async ({ cable, carrier, pair }: (typeof real)[number], rounds: number) => {
  const world = { carrier, times: usualTimes, clock: { after: realAfter, run: <T>(p: Promise<T>) => p } };
  const [one, bare] = [await pair(), await pair()];
  const { link } = linked(world as World, one);
  const floor = echoed(bare, 4_096);
  const rows: LinkRow[] = [];
  for (const bytes of sizes) {
    const request = Uint8Array.from(randomBytes(bytes));
    const [ours, floors]: [number[], number[]] = [[], []];
    await link.ask(request);
    await floor(request);
    for (let i = 0; i < rounds; i++) {
      ours.push(await timed(() => link.ask(request)));
      floors.push(await timed(() => floor(request)));
    }
    rows.push({
      cable,
      carrier: carrier.name,
      bytes,
      p50ms: rounded(median(ours), 3),
      p99ms: rounded(quantile(ours, 0.99), 3),
      floorP50ms: rounded(median(floors), 3),
      ratio: rounded(median(ours) / median(floors)),
      rounds,
    });
  }
  await link.close();
  one.unplug();
  bare.unplug();
  return rows;
};

/** Milliseconds that a cable needs for a piece. */
const slow: readonly { readonly cable: string; readonly carrier: Carrier; msOf(length: number): number }[] = [
  // Eight bits, one that begins and one that ends.
  { cable: "115,200 baud", carrier: carriers.serial, msOf: (length) => (length * 10 * 1_000) / 115_200 },
  // USB 2.0, section 5.7: at full speed one packet of 64 bytes in a frame of a millisecond.
  { cable: "full-speed HID", carrier: carriers.hid, msOf: (length) => Math.ceil(length / reportLength) },
];

const compute = async ({ cable, carrier, msOf }: (typeof slow)[number]): Promise<readonly LinkRow[]> => {
  const rows: LinkRow[] = [];
  for (const bytes of sizes) {
    const clock = virtualClock();
    const pair = memoryPair(clock, 0);
    const slowed = (transport: Transport): Transport => {
      let last: Promise<void> = Promise.resolve();
      return {
        ...transport,
        send: (piece) => {
          last = last.then(async () => {
            await new Promise<void>((resolve) => void clock.after(msOf(piece.length), resolve));
            await transport.send(piece);
          });
          return last;
        },
      };
    };
    const { link } = linked(
      { carrier, clock, times: usualTimes, pair: () => pair },
      { ...pair, host: slowed(pair.host), device: slowed(pair.device) },
    );
    // The first has the greeting and the handshake in it.
    await clock.run(link.ask(new Uint8Array(1)));
    const begin = clock.now;
    await clock.run(link.ask(Uint8Array.from(randomBytes(bytes))));
    const [ours, floor] = [clock.now - begin, 2 * msOf(bytes)];
    rows.push({
      cable,
      carrier: carrier.name,
      bytes,
      p50ms: rounded(ours, 1),
      p99ms: null,
      floorP50ms: rounded(floor, 1),
      ratio: rounded(ours / floor),
      rounds: 1,
    });
    pair.unplug();
  }
  return rows;
};

export const runLinks = async ({ rounds = usualRounds, say }: Options): Promise<LinksReport> => {
  const rows: LinkRow[] = [];
  for (const one of real) {
    say(one.cable);
    rows.push(...(await measure(one, rounds)));
  }
  for (const one of slow) {
    say(`${one.cable}, computed`);
    rows.push(...(await compute(one)));
  }
  return { suite: "links", rows };
};
