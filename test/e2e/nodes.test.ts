/** Nodes with their keys on two devices and in a sealed seed, in one signer: each for itself. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withAdmin, withAdmins } from "../../cli/admin.ts";
import { type DemoDevice, makeDevice } from "../../cli/demo/device.ts";
import { environment, main } from "../../cli/demo/process.ts";
import { freePort } from "../../cli/demo/signer.ts";
import { createHome } from "../../cli/home.ts";
import { nodeStatusFields, nodeStatusOf } from "../../cli/status.ts";
import { connectTo, readBundle, type SignerClient, signerClient } from "../../host/index.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { connect } from "../../protocol/wire/client.ts";
import { readConfig } from "../../signer/config.ts";
import { holdDevice } from "../../signer/device/hold.ts";
import { linkIdentity, readPaired, writePaired } from "../../signer/device/pairing.ts";
import type { Line } from "../../signer/log.ts";
import { type Running, startSigner } from "../../signer/server/start.ts";
import { add, htlcOf, keysendOf, open, start, update } from "../scripted/channel.ts";
import { verifyOf } from "../scripted/checks.ts";
import { deviceTerms } from "../scripted/device-life.ts";
import { peer } from "../scripted/peer.ts";

const run = promisify(execFile);
const curve = await loadNative();
const home = mkdtempSync(join(tmpdir(), "countersign-nodes-"));
const dir = join(home, "signer");
const file = join(dir, "countersign.toml");
const passphraseFile = join(home, "passphrase");
const words = "correct horse battery staple";
const devices = (["left", "right"] as const).map((name) =>
  makeDevice({ directory: join(home, name), onAsked: () => {} }),
) as [DemoDevice, DemoDevice];
const [left, right] = devices;
const lines: Line[] = [];
const clients: SignerClient[] = [];
let signer: Running | undefined;

/** Two careful people read the six digits to each other. */
const paired = async (device: DemoDevice, ...args: readonly string[]): Promise<Record<string, string>> => {
  const options = [
    "--device",
    device.address,
    "--code-on-stdin",
    "--passphrase-file",
    passphraseFile,
    "--json",
  ];
  const child = run(process.execPath, ["--disable-sigusr1", main, ...args, "--dir", dir, ...options], {
    env: environment(),
  });
  device.tell("hold");
  const screen = await device.shows("the digits of a pairing", ({ is }) => is === "pairing");
  if (screen.is !== "pairing") throw new Error("no digits");
  device.tell(`code ${screen.code}`);
  child.child.stdin?.end(`${screen.code}\n`);
  const { stdout } = await child;
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, string>;
};

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  for (let i = 0; i < 1_000; i++) {
    if (isSo()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`never: ${what}\n${lines.map((line) => JSON.stringify(line)).join("\n")}`);
};

/** What was logged of the device last. */
const stateOf = (name: string): string => {
  const last = lines.findLast((line) => "device" in line && line.device === name);
  return last?.event === "device-open" ? "open" : last?.event === "device-away" ? last.is : "";
};

const begin = async (): Promise<void> => {
  lines.length = 0;
  const passphrase = new Secret(new TextEncoder().encode(words));
  signer = await startSigner({
    ...{ config: readConfig(file), file, passphrase, version: "test" },
    log: { write: (line) => void lines.push(line), close: () => {} },
    deviceTimes: { patienceMs: 400, retryMs: 50 },
  });
};

interface Host {
  readonly way: Pick<ReturnType<typeof readBundle>, "address" | "credentials">;
  readonly node: ReturnType<typeof readBundle>["node"];
  readonly call: SignerClient["call"];
}
const hostOf = (bundle: string): Host => {
  const { node, ...way } = readBundle(bundle);
  const client = signerClient({ connect: connectTo(way), backoff: { first: 20, most: 100 } });
  clients.push(client);
  return { way, node, call: client.call };
};

const refusalOf = async (asked: Promise<unknown>) =>
  (
    (await asked.catch((error: unknown) => error)) as {
      refusal: { rule: string; final: boolean; facts: unknown };
    }
  ).refusal;

/** Opens a channel and has its first two commitments of the counterparty signed. */
const channelOf = async ({ node, call }: Host, label: string) => {
  const bob = peer(`bob of ${label}`, curve);
  const channel = await open(call, node, bob, deviceTerms, label);
  const [zero, one] = channel.points;
  const first = update(channel, bob, zero as never, 0n, start(deviceTerms));
  await call("validateHolderCommitment", first.validate);
  expect(
    verifyOf(curve, channel, bob, first.sign, await call("signCounterpartyCommitment", first.sign)),
  ).toEqual([]);
  const paid = htlcOf("holder", 50_000_000n, label);
  const held = add(start(deviceTerms), paid);
  const next = update(channel, bob, one as never, 1n, held);
  return {
    propose: () => call("proposePayment", keysendOf(node, paid)),
    advance: async () => {
      const signed = await call("signCounterpartyCommitment", next.sign);
      expect(verifyOf(curve, channel, bob, next.sign, signed)).toEqual([]);
      return signed;
    },
  };
};

let hosts: readonly [Host, Host, Host];

beforeAll(async () => {
  writeFileSync(passphraseFile, `${words}\n`, { mode: 0o600 });
  const starting = Promise.all(devices.map((device) => device.start()));
  const port = await freePort();
  const here = { host: "127.0.0.1", port };
  const made = await createHome({
    ...{
      dir,
      network: "regtest",
      tier: "full",
      listen: here,
      dialled: here,
      names: [],
      curve,
      workFactor: 10,
    },
    keys: { is: "sealed", seed: { style: "native", entropy: new Secret(new Uint8Array(32).fill(3)) } },
    ...{ restored: false, passphrase: new Secret(new TextEncoder().encode(words)), now: Date.now() },
  });
  await starting;
  const bundles = [made.host];
  for (const [name, device] of [
    ["left", left],
    ["right", right],
  ] as const) {
    const added = await paired(device, "adopt", "--device-name", name);
    expect(added).toMatchObject({ device: name, address: `127.0.0.1:${port}` });
    bundles.push(added["host"] ?? "");
  }
  await begin();
  await until("both are open", () => stateOf("left") === "open" && stateOf("right") === "open");
  hosts = bundles.map(hostOf) as [Host, Host, Host];
}, 60_000);

afterAll(async () => {
  for (const client of clients) await client.close();
  await signer?.stop("end");
  await Promise.all(devices.map((device) => device.stop()));
  rmSync(home, { recursive: true, force: true });
}, 30_000);

/** In the order of the configuration. */
const advanced: (() => Promise<unknown>)[] = [];
const asksOf = (host: Host) => refusalOf(host.call("randomBytes", { node: host.node, count: 1 }));
const awayFrom = (device: string, is: string) => ({
  rule: "device-reachable",
  final: false,
  facts: expect.arrayContaining([
    { name: "device", value: device },
    { name: "is", value: is },
  ]),
});

test("each host has its own node's channel signed for, all at the same time", async () => {
  const channels = await Promise.all(hosts.map((host, n) => channelOf(host, `node ${n}`)));
  await Promise.all(channels.map(({ propose }) => propose()));
  const signed = await Promise.all(channels.map(({ advance }) => advance()));
  expect(new Set(signed.map(({ signature }) => toHex(signature))).size).toBe(3);
  // The same again is the same bytes, whatever happens between.
  for (const [n, { advance }] of channels.entries())
    advanced.push(async () => expect(await advance()).toEqual(signed[n]));
  await Promise.all(advanced.map((again) => again()));
});

test("a host has no way to another one's node", async () => {
  const [sealed, onLeft, onRight] = hosts;
  const foreign = [
    [sealed, onLeft],
    [onLeft, onRight],
    [onRight, sealed],
  ] as const;
  for (const [{ way }, { node }] of foreign) {
    const connection = await connect(way);
    await expect(connection.unary("randomBytes", { node, count: 1 })).rejects.toMatchObject({
      why: "denied",
    });
    await connection.close();
  }
});

test("a device that is unplugged in the middle stops its own node, and goes on when it is there again", async () => {
  const [one, two, three] = advanced;
  await right.kill();
  await until("it is noticed", () => stateOf("right") === "unplugged");
  const [refusal] = await Promise.all([asksOf(hosts[2]), one?.(), two?.()]);
  expect(refusal).toMatchObject(awayFrom("right", "unplugged"));
  await right.start();
  await until("it is open", () => stateOf("right") === "open");
  await three?.();
});

test("a signer starts without one of its devices, or while somebody else has it", async () => {
  const [one, two, three] = advanced;
  await signer?.stop("again");
  await left.kill();
  const identity = linkIdentity(dir);
  const key = readPaired(dir).find(({ name }) => name === "right")?.key;
  const hold = await holdDevice(identity, key ?? new Uint8Array(0));
  expect(hold).toBeDefined();
  await begin();
  await one?.();
  expect(await asksOf(hosts[1])).toMatchObject(awayFrom("left", "unplugged"));
  expect(JSON.stringify((await asksOf(hosts[2])).facts)).toContain("Another process of this signer");
  await hold?.release();
  await until("it is had", () => stateOf("right") === "open");
  await Promise.all([one?.(), three?.()]);
  await left.start();
  await until("it is open", () => stateOf("left") === "open");
  await two?.();
});

test("a device under the other's name signs nothing, and harms nothing", async () => {
  const [one] = advanced;
  await signer?.stop("again");
  const list = readPaired(dir);
  const other: Record<string, string> = { left: "right", right: "left" };
  writePaired(
    dir,
    list.map((device) => ({ ...device, name: other[device.name] ?? device.name })),
  );
  await begin();
  await one?.();
  for (const [n, name] of [
    [1, "left"],
    [2, "right"],
  ] as const) {
    await until("it is told apart", () => stateOf(name) === "wrong-device");
    expect(await asksOf(hosts[n])).toMatchObject(awayFrom(name, "wrong-device"));
  }
  await signer?.stop("again");
  writePaired(dir, list);
  await begin();
  await until("both are open", () => stateOf("left") === "open" && stateOf("right") === "open");
  await Promise.all(advanced.map((again) => again()));
});

test("status has every node, and every other command asks which", async () => {
  let all: readonly unknown[] = [];
  await withAdmins({ dir }, async (admins) => {
    all = (await Promise.all(admins.map(nodeStatusOf))).map(nodeStatusFields);
  });
  const [sealed, onLeft, onRight] = hosts.map(({ node }) => toHex(node));
  expect(all).toMatchObject([
    { node: sealed, keys: { is: "sealed", index: 0 }, channels: 1, fault: "" },
    { node: onLeft, keys: { is: "device", device: "left", standing: "open" }, channels: 1, fault: "" },
    { node: onRight, keys: { is: "device", device: "right", standing: "open" }, channels: 1, fault: "" },
  ]);
  await expect(withAdmin({ dir }, async () => {})).rejects.toMatchObject({
    ...{ problem: "usage", message: "this signer has 3 nodes", remedy: expect.stringContaining("--node") },
  });
  const asked: string[] = [];
  for (const node of ["left", onRight?.slice(0, 20) ?? "", "0"])
    await withAdmin({ dir, node }, async (admin) => void asked.push(toHex(admin.node)));
  expect(asked).toEqual([onLeft, onRight, sealed]);
});

test("a device that has a node's keys is not taken for another one", async () => {
  await signer?.stop("again");
  signer = undefined;
  const before = [file, join(dir, "devices.json")].map((one) => readFileSync(one, "utf8"));
  const again = paired(right, "adopt").catch((error: unknown) => error as { code: number; stderr: string });
  expect(await again).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("the device right has the keys of a node of this signer already"),
  });
  expect([file, join(dir, "devices.json")].map((one) => readFileSync(one, "utf8"))).toEqual(before);
});
