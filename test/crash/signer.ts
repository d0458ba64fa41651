/**
 * A signer that dies when it is told: loads everything, waits for one line on its input, then opens the store and
 * serves on Unix sockets. The line is JSON: where, at which point of which commit to be killed, and where its device
 * is, if it has one. Each further line is another such point, counted from there on.
 */

import { createInterface } from "node:readline";
import { fromHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { carriers, keyPair, openLink } from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import { point } from "../../protocol/units.ts";
import { connectSocket } from "../../protocol/wire/links/socket.ts";
import { serve } from "../../protocol/wire/server.ts";
import { systemClock } from "../../signer/clock.ts";
import type { Keyring } from "../../signer/core/ports.ts";
import type { Absence } from "../../signer/device/away.ts";
import { holdDevice } from "../../signer/device/hold.ts";
import { openDeviceKeyring } from "../../signer/device/keyring.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import { openShelf } from "../../signer/device/shelf.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { withinDevice } from "../../signer/server/own-device.ts";
import { openRuntime } from "../../signer/server/runtime.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import type { CommitPoint, OpenStore } from "../../signer/store/store.ts";
import { compareToWitness, witnessed } from "../../signer/store/witnessed.ts";
import { openWitness } from "../../signer/witness.ts";
import { crashPolicy } from "./policy.ts";

export interface Kill {
  readonly point: CommitPoint;
  readonly commit: number;
}

export interface Orders {
  readonly store: string;
  readonly socket: string;
  /** Of the administrator. */
  readonly desk: string;
  /** Outside the store; null in cycles without one. */
  readonly witness: string | null;
  readonly kill: Kill | null;
  /** By hex; null for keys in memory. */
  readonly device: {
    readonly cable: string;
    readonly key: string;
    readonly identity: string;
    readonly node: string;
  } | null;
}

/** A line on the output. */
export type Told =
  | { readonly is: "ready" }
  | { readonly is: "device"; readonly state: Absence | "open"; readonly what: string };

const curve = await loadNative();
const lines = createInterface({ input: process.stdin });
// Nobody is left who would end it.
lines.once("close", () => process.exit());
const [line] = await new Promise<string[]>((resolve) => {
  lines.once("line", (text) => resolve([text]));
});
const { store: path, socket, desk, witness, kill: first, device: orders } = JSON.parse(line ?? "") as Orders;

let kill = first;
let commits = 0;
lines.on("line", (text) => {
  kill = JSON.parse(text) as Kill;
  commits = 0;
});
const at = (point: CommitPoint): void => {
  if (point === "before-transaction") commits++;
  if (kill !== null && point === kill.point && commits === kill.commit) process.kill(process.pid, "SIGKILL");
};

const tell = (told: Told): void => void process.stdout.write(`${JSON.stringify(told)}\n`);
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

const store = grouped(await openBeside());

const openDevice = async ({ cable, key: hex, identity: own, node }: NonNullable<Orders["device"]>) => {
  const [key, identity] = [fromHex(hex), keyPair(new Secret(fromHex(own)))];
  const hold = await holdDevice(identity, key, 10_000);
  if (hold === undefined) throw new Error("another process speaks with the device");
  return openDeviceKeyring({
    ...{ name: "crash", node: point(fromHex(node)), network: "regtest", tier: "full", index: 0 },
    passphrase: false,
    connect: async () =>
      openLink({
        transport: await connectSocket({ path: cable }),
        ...{ carrier: carriers.bulk, identity, device: key, ports: linkPorts },
      }),
    shelf: await openShelf(store, key),
    now: () => Math.floor(systemClock.now() / 1000),
    witness: () => store.head().version,
    onState: (state, what) => tell({ is: "device", state, what }),
    report,
    // As usual, but that nobody waits for long.
    times: { patienceMs: 5_000, retryMs: 20 },
  });
};

const device = orders === null ? undefined : await openDevice(orders);
const inMemory = () => {
  const seed = new Secret(new Uint8Array(64).fill(9));
  return softwareKeyring({ seed, network: "regtest", nodeIndex: 0, curve, style: "native" });
};
const keyring: Keyring = device ?? inMemory();

const runtime = await openRuntime({
  nodes: [
    {
      keyring,
      settings: {
        ...{ network: "regtest", tier: "full", curve, software: "crash", chain: {} },
        ...(device === undefined
          ? { policy: crashPolicy }
          : { policy: withinDevice(crashPolicy), second: true }),
      },
    },
  ],
  software: "crash",
  store,
  clock: systemClock,
  verify: async (jobs) => curve.verifyBatch(jobs),
  report,
});
device?.onVerdict((id, verdict, by) =>
  runtime.respond({ name: "decideApproval", body: { node: device.node, id, verdict, by } }, "device"),
);
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
tell({ is: "ready" });
