/**
 * Suite `signer`: the whole road as a host sees it, from the call to the reply: gRPC with mutual TLS over loopback, a
 * signer in its own process, rules, SQLite, audit. Between two requests the floor is measured: the same number of
 * bytes appended and synced, and the bare curve work, in one process.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectTo, readBundle, type SignerClient, signerClient } from "../host/index.ts";
import { type Curve, openCurve } from "../protocol/curve/index.ts";
import type { Name, Reply, Request } from "../protocol/operations/index.ts";
import { commitmentNumber, feerate, type NodeId } from "../protocol/units.ts";
import type { Store } from "../signer/core/ports.ts";
import {
  add,
  htlcOf,
  keysendOf,
  type Opened,
  open,
  plainTerms,
  start,
  update,
  withFeerate,
} from "../test/scripted/channel.ts";
import type { Balances } from "../test/scripted/content.ts";
import { type Peer, peer } from "../test/scripted/peer.ts";
import { rig } from "../test/scripted/road.ts";
import { type Floor, openFloor } from "./floor.ts";
import { startSignerProcess } from "./signer-process.ts";
import { median, quantile, rounded } from "./statistics.ts";

const steps = ["sign", "validate", "revoke", "revocation"] as const;
type StepName = (typeof steps)[number];

const operationOf = {
  sign: "signCounterpartyCommitment",
  validate: "validateHolderCommitment",
  revoke: "revokeHolderCommitment",
  revocation: "validateCounterpartyRevocation",
} as const satisfies Record<StepName, Name>;

export interface SignerRow {
  /** A step of an update, or `hello`, which passes no rule and writes nothing. */
  readonly name: StepName | "hello";
  readonly htlcs: number;
  readonly p50us: number;
  readonly p99us: number;
  /** The quiet moments of a machine that others use too. */
  readonly p10us: number;
  readonly floorP10us: number | null;
  readonly floorP50us: number | null;
  readonly overFloorUs: number | null;
  readonly ratio: number | null;
  /** That one step makes durable: the channel's record and the audit record. */
  readonly bytes: number;
  readonly rounds: number;
}

export interface SignerReport {
  readonly suite: "signer";
  readonly rows: readonly SignerRow[];
}

type Call = <N extends Name>(name: N, body: Request<N>) => Promise<Reply<N>>;

/** An honest channel that keeps its HTLCs and changes its feerate with each update. */
interface Game {
  readonly channel: Opened;
  readonly balancesAt: (n: number) => Balances;
}

const begin = async (call: Call, node: NodeId, bob: Peer, htlcs: number): Promise<Game> => {
  const terms = plainTerms();
  const channel = await open(call, node, bob, terms, `bench ${htlcs}`);
  const empty = start(terms);
  let full = empty;
  for (let i = 0; i < htlcs; i++)
    full = add(full, htlcOf("holder", BigInt(1_000_000 + 1_001 * (i % 97)), `bench ${htlcs} ${i}`));
  for (const htlc of full.htlcs) await call("proposePayment", keysendOf(node, htlc));
  return {
    channel,
    balancesAt: (n) => (n === 0 ? empty : withFeerate(full, feerate(1_000 + (n % 2)))),
  };
};

/** The requests of update `n`; the point of the holder's commitment is asked for, which is not measured. */
const requestsAt = async (call: Call, bob: Peer, { channel, balancesAt }: Game, n: number) => {
  const number = commitmentNumber(BigInt(n));
  const { points } = await call("points", {
    node: channel.node,
    channel: channel.channel,
    numbers: [number],
  });
  const [point] = points;
  if (point === undefined) throw new Error("no point");
  return update(channel, bob, point, BigInt(n), balancesAt(n));
};

type Requests = Awaited<ReturnType<typeof requestsAt>>;

const play = async (
  requests: Requests,
  ask: (step: StepName, send: (call: Call) => Promise<unknown>) => Promise<void>,
): Promise<void> => {
  for (const step of steps) {
    const body = requests[step];
    if (body !== undefined) await ask(step, (call) => call(operationOf[step], body as never));
  }
};

/** Bytes that each step makes durable, as a session over a store in memory writes them. */
const bytesOf = async (bob: Peer, htlcs: number): Promise<Record<StepName, number>> => {
  let written = 0;
  const wrap = (store: Store): Store => ({
    ...store,
    commit: (group) => {
      written += group.writes.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
      written += group.audit.reduce((sum, bytes) => sum + bytes.length, 0);
      return store.commit(group);
    },
  });
  const { call, session } = await rig({ wrap });
  const game = await begin(call, session.node, bob, htlcs);
  const sizes: Record<StepName, number> = { sign: 0, validate: 0, revoke: 0, revocation: 0 };
  for (let n = 0; n < 4; n++)
    await play(await requestsAt(call, bob, game, n), async (step, send) => {
      written = 0;
      await send(call);
      sizes[step] = written;
    });
  return sizes;
};

const floorOf = (floor: Floor, step: StepName, bytes: number, htlcs: number): void => {
  floor.append(bytes);
  switch (step) {
    case "sign":
      floor.sign(htlcs + 1);
      return;
    case "validate":
      floor.verify(htlcs + 1);
      return;
    case "revoke":
      // The next two points.
      floor.points(2);
      return;
    case "revocation":
      floor.points(1);
      return;
  }
};

const timed = async (action: () => unknown): Promise<number> => {
  const begun = performance.now();
  await action();
  return (performance.now() - begun) * 1000;
};

interface Bench {
  readonly client: SignerClient;
  readonly node: NodeId;
  readonly curve: Curve;
  readonly floor: Floor;
}

const measure = async (
  { client, node, curve, floor }: Bench,
  htlcs: number,
  rounds: number,
): Promise<readonly SignerRow[]> => {
  const bob = peer(`bob ${htlcs}`, curve);
  const sizes = await bytesOf(bob, htlcs);
  const game = await begin(client.call, node, bob, htlcs);
  const times = new Map(steps.map((step) => [step, { full: [] as number[], floor: [] as number[] }]));
  const warm = Math.ceil(rounds / 5) + 2;
  for (let n = 0; n < warm + rounds; n++)
    await play(await requestsAt(client.call, bob, game, n), async (step, send) => {
      const full = await timed(() => send(client.call));
      const bare = await timed(() => floorOf(floor, step, sizes[step], htlcs));
      if (n < warm) return;
      times.get(step)?.full.push(full);
      times.get(step)?.floor.push(bare);
    });
  return steps.map((name) => {
    const { full = [], floor: bare = [] } = times.get(name) ?? {};
    const [p50, floorP50] = [median(full), median(bare)];
    return {
      name,
      htlcs,
      p50us: rounded(p50),
      p99us: rounded(quantile(full, 0.99)),
      p10us: rounded(quantile(full, 0.1)),
      floorP10us: rounded(quantile(bare, 0.1)),
      floorP50us: rounded(floorP50),
      overFloorUs: rounded(p50 - floorP50),
      ratio: rounded(p50 / floorP50, 3),
      bytes: sizes[name],
      rounds,
    };
  });
};

const greet = async ({ client, node }: Bench, rounds: number): Promise<SignerRow> => {
  const hello = { node, version: 1, network: "regtest", software: "bench" } as const;
  const times: number[] = [];
  for (let i = 0; i < rounds * 2; i++) times.push(await timed(() => client.call("hello", hello)));
  const late = times.slice(rounds);
  return {
    name: "hello",
    htlcs: 0,
    p50us: rounded(median(late)),
    p99us: rounded(quantile(late, 0.99)),
    p10us: rounded(quantile(late, 0.1)),
    ...{ floorP10us: null, floorP50us: null, overFloorUs: null, ratio: null },
    bytes: 0,
    rounds,
  };
};

const sizes = [
  { htlcs: 0, usual: 600 },
  { htlcs: 10, usual: 400 },
  { htlcs: 100, usual: 150 },
  { htlcs: 483, usual: 50 },
] as const;

export interface SignerOptions {
  /** Updates for each number of HTLCs; the usual ones are fewer where there are many HTLCs. */
  readonly rounds?: number | undefined;
  readonly say: (line: string) => void;
}

export const runSigner = async ({ rounds, say }: SignerOptions): Promise<SignerReport> => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-bench-"));
  const curve = await openCurve("native");
  const floor = openFloor(join(folder, "floor"), curve);
  try {
    const process = await startSignerProcess(folder);
    const bundle = readBundle(process.host);
    const client = signerClient({ connect: connectTo(bundle) });
    try {
      const bench = { client, node: bundle.node, curve, floor };
      // A signer runs for months: it is measured as it is once the compiler has seen everything.
      await measure(bench, 2, rounds ?? 600);
      const rows: SignerRow[] = [await greet(bench, rounds ?? 600)];
      for (const { htlcs, usual } of sizes) {
        const made = await measure(bench, htlcs, rounds ?? usual);
        rows.push(...made);
        for (const { name, p50us, overFloorUs } of made)
          say(`${name}, ${htlcs} HTLCs: ${p50us} µs, ${overFloorUs} µs above the floor`);
      }
      return { suite: "signer", rows };
    } finally {
      await client.close();
      await process.stop();
    }
  } finally {
    floor.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
