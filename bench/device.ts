/**
 * Suite `device`: one update of a channel (four requests: sign, validate, revoke, take the other's revocation) with the keys
 * on a device behind a cable, beside the same with the keys in the signer's memory. The device's own time is this machine's.
 */

import { setTimeout as pause } from "node:timers/promises";
import { reportLength } from "../protocol/carrier/hid.ts";
import { carriers } from "../protocol/carrier/index.ts";
import type { Carrier, Transport } from "../protocol/link.ts";
import { grouped } from "../signer/store/grouped.ts";
import { memoryDisk } from "../signer/store/memory.ts";
import { hasSocat, socketPair, terminalPair } from "../test/contract/link.cables.ts";
import { memoryPair, type Pair } from "../test/contract/link.kit.ts";
import { add, htlcOf } from "../test/scripted/channel.ts";
import { type Cable, deviceBench } from "../test/scripted/device.ts";
import { deviceTerms } from "../test/scripted/device-life.ts";
import { type Rig, rig } from "../test/scripted/road.ts";
import { type Scene, scene } from "../test/scripted/scene.ts";
import { median, quantile, rounded } from "./statistics.ts";

const counts = [0, 10, 30] as const;
const usualRounds = 20;
/** Nobody waits for more of them. */
const slowRounds = 3;

export interface DeviceRow {
  readonly keys: string;
  readonly htlcs: number;
  readonly p50ms: number;
  readonly p99ms: number;
  /** Of the keys in memory, in the same run. */
  readonly ratio: number;
  /** On the cable, both ways, for one update. */
  readonly bytes: number | null;
  /** That the cable alone would need for them; nothing where it is as fast as the machine. */
  readonly cableMs: number | null;
  readonly rounds: number;
}

export interface DeviceReport {
  readonly suite: "device";
  readonly rows: readonly DeviceRow[];
}

interface Options {
  readonly rounds: number | undefined;
  readonly say: (line: string) => void;
}

/** Deliveries of memory need no timer. */
const soon = (_: number, action: () => void): (() => void) => {
  setImmediate(action);
  return () => undefined;
};
const memory = (): Pair => memoryPair({ after: soon, run: (promise) => promise });

interface Kind {
  readonly keys: string;
  readonly carrier: Carrier;
  pair(): Pair | Promise<Pair>;
  /** Of a piece, where the cable is slower than the machine. */
  readonly msOf?: (length: number) => number;
}

const kinds: readonly Kind[] = [
  { keys: "device, memory", carrier: carriers.bulk, pair: memory },
  { keys: "device, unix socket", carrier: carriers.bulk, pair: socketPair },
  ...(hasSocat
    ? [{ keys: "device, pseudo-terminal", carrier: carriers.serial, pair: () => terminalPair() }]
    : []),
  // USB 2.0, section 5.7: at full speed one packet of 64 bytes in a frame of a millisecond.
  {
    keys: "device, full-speed HID",
    carrier: carriers.hid,
    pair: memory,
    msOf: (length) => Math.ceil(length / reportLength),
  },
  // Eight bits, one that begins and one that ends.
  {
    keys: "device, 115,200 baud",
    carrier: carriers.serial,
    pair: memory,
    msOf: (length) => (length * 10 * 1_000) / 115_200,
  },
];

interface Counter {
  bytes: number;
  ms: number;
}

/** Counts what leaves, and lets it wait as long as the cable would need. */
const counted = (transport: Transport, { msOf }: Kind, counter: Counter): Transport => {
  let last: Promise<void> = Promise.resolve();
  let free = 0;
  return {
    ...transport,
    send: (bytes) => {
      counter.bytes += bytes.length;
      if (msOf === undefined) return transport.send(bytes);
      const ms = msOf(bytes.length);
      counter.ms += ms;
      last = last.then(async () => {
        // Timers are coarse: what one took too long, the next is spared.
        free = Math.max(free, performance.now()) + ms;
        const left = free - performance.now();
        if (left > 1) await pause(left);
        await transport.send(bytes);
      });
      return last;
    },
  };
};

/** So many more HTLCs each way, and then updates that change nothing but the number. */
const updates = async (on: Scene, htlcs: number) => {
  let balances = on.start;
  for (let i = 0; i < htlcs; i++)
    balances = add(
      balances,
      htlcOf(i % 2 === 0 ? "holder" : "counterparty", 1_000_000n + BigInt(i), `b${i}`),
    );
  let number = 0n;
  await on.advance(number, on.start);
  await on.advance(++number, balances);
  return async (): Promise<number> => {
    // What the peer signs is made before the clock runs.
    const requests = await on.at(++number, balances);
    const { call } = on.signer;
    const begin = performance.now();
    await call("signCounterpartyCommitment", requests.sign);
    await call("validateHolderCommitment", requests.validate);
    if (requests.revoke !== undefined) await call("revokeHolderCommitment", requests.revoke);
    if (requests.revocation !== undefined) await call("validateCounterpartyRevocation", requests.revocation);
    return performance.now() - begin;
  };
};

const withDevice = async (kind: Kind, counter: Counter) => {
  const cable = async (): Promise<Cable> => {
    const { host, device, unplug } = await kind.pair();
    return { signer: counted(host, kind, counter), device: counted(device, kind, counter), unplug };
  };
  const bench = await deviceBench({ over: { carrier: kind.carrier, cable } });
  const keyring = await bench.keyring(grouped(memoryDisk().open()));
  const signer = await rig({ watch: () => keyring });
  return {
    signer,
    close: async () => {
      await keyring.close();
      await bench.close();
      bench.unplug();
    },
  };
};

const rowOf = (keys: string, htlcs: number, took: readonly number[], plain: readonly number[]) => ({
  keys,
  htlcs,
  p50ms: rounded(median(took), 2),
  p99ms: rounded(quantile(took, 0.99), 2),
  ratio: rounded(median(took) / median(plain)),
  rounds: took.length,
});

const sceneOn = (signer: Rig, label: string): Promise<Scene> => scene({ signer, terms: deviceTerms, label });

const measure = async (kind: Kind, htlcs: number, rounds: number): Promise<readonly DeviceRow[]> => {
  const counter: Counter = { bytes: 0, ms: 0 };
  const { signer, close } = await withDevice(kind, counter);
  try {
    const label = `${kind.keys} ${htlcs}`;
    const ours = await updates(await sceneOn(signer, label), htlcs);
    const theirs = await updates(await sceneOn(await rig(), label), htlcs);
    const [took, plain]: [number[], number[]] = [[], []];
    await ours();
    await theirs();
    counter.bytes = 0;
    counter.ms = 0;
    for (let i = 0; i < rounds; i++) {
      took.push(await ours());
      plain.push(await theirs());
    }
    return [
      { ...rowOf("memory of the signer", htlcs, plain, plain), bytes: null, cableMs: null },
      {
        ...rowOf(kind.keys, htlcs, took, plain),
        bytes: Math.round(counter.bytes / rounds),
        cableMs: kind.msOf === undefined ? null : rounded(counter.ms / rounds, 1),
      },
    ];
  } finally {
    await close();
  }
};

export const runDevice = async ({ rounds = usualRounds, say }: Options): Promise<DeviceReport> => {
  const rows: DeviceRow[] = [];
  for (const [i, kind] of kinds.entries()) {
    for (const htlcs of counts) {
      say(`${kind.keys}, ${htlcs} HTLCs`);
      const found = await measure(
        kind,
        htlcs,
        kind.msOf === undefined ? rounds : Math.min(rounds, slowRounds),
      );
      // The keys in memory once: they are measured beside each of the others.
      rows.push(...(i === 0 ? found : found.slice(1)));
    }
  }
  return { suite: "device", rows };
};
