/**
 * A signer that dies when it is told: loads everything, waits for one line on its input, then opens the store and
 * serves on a Unix socket. The line is JSON: where, and at which point of which commit to be killed.
 */

import { createInterface } from "node:readline";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { serve } from "../../protocol/wire/server.ts";
import { systemClock } from "../../signer/clock.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { openRuntime } from "../../signer/server/runtime.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import type { CommitPoint, OpenStore } from "../../signer/store/store.ts";
import { compareToWitness, witnessed } from "../../signer/store/witnessed.ts";
import { openWitness } from "../../signer/witness.ts";
import { crashPolicy } from "./policy.ts";

export interface Orders {
  readonly store: string;
  readonly socket: string;
  /** Of the administrator. */
  readonly desk: string;
  /** Outside the store; null in cycles without one. */
  readonly witness: string | null;
  readonly kill: { readonly point: CommitPoint; readonly commit: number } | null;
}

const curve = await loadNative();
const [line] = await new Promise<string[]>((resolve) => {
  createInterface({ input: process.stdin }).once("line", (text) => resolve([text]));
});
const { store: path, socket, desk, witness, kill } = JSON.parse(line ?? "") as Orders;

let commits = 0;
const at = (point: CommitPoint): void => {
  if (point === "before-transaction") commits++;
  if (kill !== null && point === kill.point && commits === kill.commit) process.kill(process.pid, "SIGKILL");
};

const seed = new Secret(new Uint8Array(64).fill(9));
const keyring = softwareKeyring({ seed, network: "regtest", nodeIndex: 0, curve, style: "native" });
const report = (error: unknown): void => void process.stderr.write(`${(error as Error).stack}\n`);

const openBeside = async (): Promise<OpenStore> => {
  const store = await openStore({ path, at });
  if (witness === null) return store;
  const found = openWitness(witness);
  if ("is" in found) throw new Error(found.sentence);
  const finding = await compareToWitness(store, found.seen);
  if (finding.is !== "whole") throw new Error(finding.sentence);
  return witnessed(store, found, systemClock);
};

const runtime = await openRuntime({
  settings: { network: "regtest", tier: "full", policy: crashPolicy, curve, software: "crash", chain: {} },
  store: grouped(await openBeside()),
  keyrings: [keyring],
  clock: systemClock,
  verify: async (jobs) => curve.verifyBatch(jobs),
  report,
});
await serve({
  address: { path: socket },
  caller: { role: "host", node: keyring.node },
  respond: (request) => runtime.respond(request, "crash"),
  onFault: report,
});
await serve({
  address: { path: desk },
  caller: { role: "admin" },
  roles: ["admin"],
  respond: (request) => runtime.respond(request, "crash admin"),
  onFault: report,
});
process.stdout.write("ready\n");
