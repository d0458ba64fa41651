/** What the tests of links share: worlds to run them in, a cable with faults, a clock that does not wait. */

import { createHash } from "node:crypto";
import { PassThrough } from "node:stream";
import { concat } from "../../protocol/bytes.ts";
import { carriers } from "../../protocol/carrier/index.ts";
import {
  type AnswerOptions,
  answerLink,
  type Carrier,
  keyPair,
  type LinkOptions,
  type LinkPorts,
  type LinkTimes,
  openLink,
  type Transport,
  Unplugged,
} from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import { type Random, random } from "../fuzz/random.ts";
import { hasSocat, socketPair, terminalPair } from "./link.cables.ts";

export const filled = (n: number, length = 32): Uint8Array => new Uint8Array(length).fill(n);
export const keysOf = (n: number) => keyPair(new Secret(filled(n)));
export const signerKeys = keysOf(1);
export const deviceKeys = keysOf(2);
export const sha = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash("sha256").update(bytes).digest());

/** Nobody's secret: the same each time, and never twice within one. */
export const counted = (seed: number): LinkPorts["random"] => {
  let n = 0;
  return (length) => {
    const parts = Array.from({ length: Math.ceil(length / 32) }, () =>
      sha(Uint8Array.of(seed, ++n >> 8, n & 0xff)),
    );
    return concat(...parts).slice(0, length);
  };
};

export interface Clock extends Pick<LinkPorts, "after"> {
  /** Lets time pass until it is settled. */
  run<T>(promise: Promise<T>): Promise<T>;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/** All that is ready happens before time moves on, so that an hour passes at once and the same way each time. */
export const virtualClock = (): Clock & { pass(ms: number): Promise<void>; readonly now: number } => {
  let events: Event[] = [];
  let now = 0;
  let order = 0;
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const step = async (): Promise<boolean> => {
    await settled();
    const next = events.reduce<Event | undefined>(
      (best, one) =>
        best === undefined || one.at < best.at || (one.at === best.at && one.order < best.order) ? one : best,
      undefined,
    );
    if (next === undefined) return false;
    events = events.filter((one) => one !== next);
    now = next.at;
    next.action();
    return true;
  };
  const after: LinkPorts["after"] = (ms, action) => {
    const event = { at: now + ms, order: order++, action };
    events.push(event);
    return () => {
      events = events.filter((one) => one !== event);
    };
  };
  const run = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    for (let idle = 0; !isDone; ) {
      if (await step()) idle = 0;
      else if (++idle > 50) throw new Error("nothing is left to happen, and the promise waits");
    }
    return promise;
  };
  return {
    after,
    run,
    pass: (ms) => run(new Promise<void>((resolve) => void after(ms, resolve))),
    get now() {
      return now;
    },
  };
};

const realClock: Clock = {
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  run: (promise) => promise,
};

export interface Pair {
  readonly host: Transport;
  readonly device: Transport;
  /** As if somebody pulled the cable. */
  unplug(): void;
}

/** One end of a cable in memory. */
const end = (name: string, after: LinkPorts["after"], latency: number) => {
  const closed = Promise.withResolvers<Unplugged>();
  let listener: ((bytes: Uint8Array) => void) | undefined;
  let gone: Unplugged | undefined;
  let kept: Uint8Array[] = [];
  let other: { deliver(bytes: Uint8Array): void; lose(why: Unplugged): void } | undefined;
  const lose = (why: Unplugged): void => {
    gone ??= why;
    closed.resolve(gone);
  };
  const deliver = (bytes: Uint8Array): void => {
    if (gone !== undefined) return;
    if (listener === undefined) kept.push(bytes);
    else listener(bytes);
  };
  const transport: Transport = {
    name,
    closed: closed.promise,
    send: async (bytes) => {
      if (gone !== undefined) throw gone;
      const sent = bytes.slice();
      after(latency, () => other?.deliver(sent));
    },
    receive: (to) => {
      listener = to;
      const late = kept;
      kept = [];
      for (const bytes of late) after(0, () => deliver(bytes));
    },
    close: async () => {
      lose(new Unplugged("closed", "closed by this side"));
      after(latency, () => other?.lose(new Unplugged("gone", `${name} is gone`)));
    },
  };
  const join = (to: NonNullable<typeof other>): void => {
    other = to;
  };
  return { transport, deliver, lose, join };
};

export const memoryPair = (clock: Clock, latency = 1): Pair => {
  const [host, device] = [end("host", clock.after, latency), end("device", clock.after, latency)];
  host.join(device);
  device.join(host);
  return {
    host: host.transport,
    device: device.transport,
    unplug: () => {
      for (const side of [host, device]) side.lose(new Unplugged("gone", "the cable was pulled"));
    },
  };
};

const streamTransport = (name: string, from: PassThrough, to: PassThrough): Transport => {
  const closed = Promise.withResolvers<Unplugged>();
  let why = new Unplugged("gone", `${name} is gone`);
  const end = (): void => {
    from.destroy();
    to.destroy();
    closed.resolve(why);
  };
  from.on("close", end);
  return {
    name,
    closed: closed.promise,
    send: (bytes) =>
      new Promise((resolve, reject) => {
        if (to.destroyed) reject(why);
        else to.write(bytes, (error) => (error == null ? resolve() : reject(why)));
      }),
    // A stream in memory calls its listeners within the write.
    receive: (listener) =>
      void from.on("data", (bytes: Buffer) => setImmediate(() => !from.destroyed && listener(bytes))),
    close: async () => {
      if (!from.destroyed) why = new Unplugged("closed", "closed by this side");
      end();
      await closed.promise;
    },
  };
};

/** Node's own streams, with their buffers and their own time. */
const streamPair = (): Pair => {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return {
    host: streamTransport("host", back, there),
    device: streamTransport("device", there, back),
    unplug: () => {
      there.destroy();
      back.destroy();
    },
  };
};

export interface World {
  readonly carrier: Carrier;
  readonly clock: Clock;
  readonly times: LinkTimes;
  pair(): Pair | Promise<Pair>;
}

/** Add a link: how two ends of it come about. `pair` is called for each test. */
export const worlds: Readonly<Record<string, { readonly isVirtual: boolean; start(): World }>> = {
  ...Object.fromEntries(
    Object.values(carriers).map((carrier) => [
      `memory, ${carrier.name}`,
      {
        isVirtual: true,
        start: () => {
          const clock = virtualClock();
          return { carrier, clock, times: quickTimes, pair: () => memoryPair(clock) };
        },
      },
    ]),
  ),
  "streams, bulk": {
    isVirtual: false,
    start: () => ({ carrier: carriers.bulk, clock: realClock, times: patientTimes, pair: streamPair }),
  },
  "streams, serial": {
    isVirtual: false,
    start: () => ({ carrier: carriers.serial, clock: realClock, times: patientTimes, pair: streamPair }),
  },
  "unix socket": {
    isVirtual: false,
    start: () => ({ carrier: carriers.bulk, clock: realClock, times: patientTimes, pair: socketPair }),
  },
  ...(hasSocat && {
    "serial line on a pseudo-terminal": {
      isVirtual: false,
      start: () => ({
        carrier: carriers.serial,
        clock: realClock,
        times: patientTimes,
        pair: () => terminalPair(),
      }),
    },
  }),
};

export const faultKinds = ["drop", "delay", "repeat", "reorder", "corrupt", "truncate"] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Faults {
  readonly kinds: readonly FaultKind[];
  /** Of a thousand pieces so many. */
  perMille: number;
  count: number;
}

/** A transport that does to what is sent what cables do, and worse. It wraps any other. */
export const faulty = (
  transport: Transport,
  faults: Faults,
  rng: Random,
  { after }: Pick<LinkPorts, "after">,
): Transport => {
  let heldBack: Uint8Array | undefined;
  const send = async (bytes: Uint8Array): Promise<void> => {
    await transport.send(bytes);
    const late = heldBack;
    heldBack = undefined;
    if (late !== undefined) await transport.send(late);
  };
  const disturbed = async (bytes: Uint8Array, kind: FaultKind): Promise<void> => {
    switch (kind) {
      case "drop":
        return;
      case "delay":
        after(1 + rng.int(2_000), () => void transport.send(bytes).catch(() => {}));
        return;
      case "repeat":
        await send(bytes);
        await send(bytes);
        return;
      case "reorder":
        if (heldBack === undefined) heldBack = bytes.slice();
        else await send(bytes);
        return;
      case "corrupt": {
        const damaged = bytes.slice();
        for (let i = 0; i <= rng.int(3); i++) damaged[rng.int(damaged.length)] = rng.int(256);
        await send(damaged);
        return;
      }
      case "truncate":
        await send(bytes.slice(0, rng.int(bytes.length)));
        return;
    }
  };
  return {
    ...transport,
    send: async (bytes) => {
      if (rng.int(1_000) >= faults.perMille) return send(bytes);
      faults.count++;
      return disturbed(bytes, faults.kinds[rng.int(faults.kinds.length)] as FaultKind);
    },
  };
};

/** What a process has of a transport that outlives it. */
export const severable = (transport: Transport): { readonly transport: Transport; die(): void } => {
  let isDead = false;
  return {
    transport: {
      ...transport,
      send: (bytes) => (isDead ? new Promise(() => {}) : transport.send(bytes)),
      receive: (listener) =>
        transport.receive((bytes) => {
          if (!isDead) listener(bytes);
        }),
      close: async () => {},
    },
    die: () => {
      isDead = true;
    },
  };
};

/** Cuts what is sent, as a stream may. */
export const inPieces = (transport: Transport, rng: Random): Transport => ({
  ...transport,
  send: async (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + rng.int(2_000);
      await transport.send(bytes.subarray(at, at + size));
      at += size;
    }
  },
});

/** Of clocks that do not wait: an hour costs nothing, and no machine is too slow. */
const quickTimes: LinkTimes = {
  greetMs: 200,
  pauseMs: 5,
  silenceMs: 400,
  keepaliveMs: 100,
  patienceMs: 1_000,
  stuckMs: 500,
  sends: 8,
};

/** Nothing has to end by itself where time is real; a busy machine is no trouble. */
const patientTimes: LinkTimes = {
  greetMs: 10_000,
  pauseMs: 5,
  silenceMs: 10_000,
  keepaliveMs: 50,
  patienceMs: 30_000,
  stuckMs: 10_000,
  sends: 8,
};

export const randomOf = random;

export type Options = Partial<AnswerOptions> & { readonly signer?: Partial<LinkOptions> };

/** Both ends, paired; a device that answers with what it was asked. */
export const linked = (world: World, pair: Pair, { signer, ...device }: Options = {}) => {
  const faults: unknown[] = [];
  const answering = answerLink({
    transport: pair.device,
    carrier: world.carrier,
    identity: deviceKeys,
    signers: () => [keysOf(7).public, signerKeys.public],
    answer: async (request) => request,
    ports: { after: world.clock.after, random: counted(2) },
    times: world.times,
    onFault: (error) => faults.push(error),
    ...device,
  });
  const troubles: string[] = [];
  const link = openLink({
    transport: pair.host,
    carrier: world.carrier,
    identity: signerKeys,
    device: deviceKeys.public,
    ports: { after: world.clock.after, random: counted(1) },
    times: world.times,
    onTrouble: (sentence) => troubles.push(sentence),
    ...signer,
  });
  return { link, answering, faults, troubles };
};
