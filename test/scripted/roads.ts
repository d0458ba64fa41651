/** Every way on which a request reaches the rules, each over a fresh store and with the same seed. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulateDevice } from "../../firmware-sim/index.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import { sat } from "../../protocol/units.ts";
import type { TcpAddress } from "../../protocol/wire/address.ts";
import { connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import { issueClient } from "../../signer/certificates.ts";
import { systemClock } from "../../signer/clock.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { Keyring } from "../../signer/core/ports.ts";
import { openSession, type Road } from "../../signer/core/session.ts";
import { journal } from "../../signer/journal.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { openRuntime } from "../../signer/server/runtime.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import type { OpenStore } from "../../signer/store/store.ts";
import { seenOf, witnessed } from "../../signer/store/witnessed.ts";
import { createWitness, openWitness } from "../../signer/witness.ts";
import { authority, credentialsOf, issuance, serveTcp } from "../contract/wires.ts";
import type { Asking } from "./campaign.ts";
import { ask } from "./channel.ts";
import { curve, plainTime } from "./road.ts";

export interface OpenRoad {
  readonly keyring: Keyring;
  readonly ask: Asking;
  close(): Promise<void>;
}

const newKeyring = () =>
  softwareKeyring({
    ...{ seed: new Secret(new Uint8Array(64).fill(7)), network: "regtest", nodeIndex: 0, curve },
    style: "native",
  });

/** As on the mainnet: a large sum that leaves the wallet for somebody else needs a person. */
const policy = { ...defaultPolicy("regtest"), unattendedFunding: sat(1_500_000n) };
const settings: Road["settings"] = {
  ...{
    network: "regtest",
    tier: "full",
    policy,
    curve,
    software: "countersign test",
  },
};
const clock = { now: () => plainTime * 1000 };
const report = (error: unknown): never => {
  throw error;
};
const verify: Road["verify"] = async (jobs) => curve.verifyBatch(jobs);

const roadOver = (store: OpenStore, keyring = newKeyring()): Road & { readonly store: OpenStore } => ({
  ...{ settings, keyring, store, verify, report },
  journal: journal(clock),
  now: () => plainTime,
});

const direct = async (store: OpenStore): Promise<OpenRoad> => {
  const road = roadOver(store);
  const session = await openSession(road);
  return {
    keyring: road.keyring,
    ask: async (name, body) => (await session.respond(ask(name, body), "host")) as Outcome<typeof name>,
    close: () => store.close(),
  };
};

/** A file with its witness, as an installed signer has it. */
const disk = () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-roads-"));
  const path = join(folder, "store");
  createStore(path);
  const file = join(folder, "witness");
  const openIt = async (): Promise<OpenStore> => {
    const store = await openStore({ path });
    const found = openWitness(file);
    if (!("is" in found)) return grouped(witnessed(store, found, systemClock));
    createWitness(file, seenOf(store, systemClock));
    const made = openWitness(file);
    if ("is" in made) throw new Error(made.sentence);
    return grouped(witnessed(store, made, systemClock));
  };
  return { open: openIt, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

const linked =
  (how: "call" | "unary", connection: Connection): Asking =>
  (name, body) =>
    connection[how](name, body, { timeoutMs: 60_000 });

/** The process's own road: sessions of all nodes, over a file, behind mutual TLS. */
const overGrpc = (how: "call" | "unary") => async (): Promise<OpenRoad> => {
  const { open, remove } = disk();
  const keyring = newKeyring();
  const { node } = keyring;
  const runtime = await openRuntime({
    ...roadOver(await open(), keyring),
    ...{ nodes: [{ keyring, settings }], software: settings.software, clock },
  });
  const served = await serveTcp({ respond: (request) => runtime.respond(request, "host"), onFault: report });
  const client = issueClient(authority, { role: "host", node }, issuance);
  const connection = await connect({
    address: served.address as TcpAddress,
    credentials: credentialsOf(client),
  });
  return {
    ...{ keyring, ask: linked(how, connection) },
    close: async () => {
      await connection.close();
      await served.close(0);
      await runtime.close();
      remove();
    },
  };
};

/** `new` gives another channel each time. */
const once: readonly Name[] = ["new", "randomBytes"];

export const roads: Readonly<Record<string, () => Promise<OpenRoad>>> = {
  "the session alone": () => direct(grouped(memoryDisk().open())),
  "gRPC, one stream": overGrpc("call"),
  "gRPC, a call for each": overGrpc("unary"),
  "a simulated device, over its link": async () => {
    const road = roadOver(grouped(memoryDisk().open()));
    const connection = await simulateDevice(road);
    return {
      ...{ keyring: road.keyring, ask: linked("call", connection) },
      close: () => connection.close(),
    };
  },
  "a signer that is restarted before each request": async () => {
    const { open, remove } = disk();
    const keyring = newKeyring();
    return {
      keyring,
      ask: async (name, body) => {
        const road = await direct(await open());
        const outcome = await road.ask(name, body);
        await road.close();
        return outcome;
      },
      close: async () => remove(),
    };
  },
  "a host that sends each request again, and again after the signer's restart": async () => {
    const memory = memoryDisk();
    const keyring = newKeyring();
    let road = await direct(grouped(memory.open()));
    return {
      keyring,
      ask: async (name, body) => {
        const first = await road.ask(name, body);
        if (once.includes(name)) return first;
        const second = await road.ask(name, body);
        await road.close();
        road = await direct(grouped(memory.open()));
        const third = await road.ask(name, body);
        for (const other of [second, third])
          if (!sameOutcome(first, other))
            throw new Error(`${name}: asked again it is ${printed(other)} and was ${printed(first)}`);
        return third;
      },
      close: () => road.close(),
    };
  },
};

/** Bytes and amounts too, so that a difference shows. */
export const printed = (outcome: unknown): string =>
  JSON.stringify(outcome, (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
    if (value?.type === "Buffer") return Buffer.from(value.data).toString("hex");
    return value;
  });
const sameOutcome = (one: unknown, other: unknown): boolean => printed(one) === printed(other);
