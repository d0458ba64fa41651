/** A signer whose keys are on a device, and an approver on another machine, as the commands are typed. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKey } from "../../cli/approver/key.ts";
import { makeDevice } from "../../cli/demo/device.ts";
import { connectTo, readBundle, type SignerClient, signerClient } from "../../host/index.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { NodeId } from "../../protocol/units.ts";
import { passphraseFrom } from "../../signer/keys/sealed.ts";
import { environment as env } from "../environment.ts";
import { htlcOf, keysendOf } from "../scripted/channel.ts";
import { approver, device, status } from "../scripted/device-sim.ts";
import { curve } from "../scripted/road.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "countersign-approver-"));
const [dir, pass, key] = ["signer", "passphrase", "alice.age"].map((name) => join(home, name)) as [
  string,
  string,
  string,
];

const shown: string[] = [];
const held = makeDevice({
  directory: join(home, "device"),
  onAsked: (lines) => shown.push(lines.join("\n")),
});
let signer: ChildProcess;
let client: SignerClient;
let node: NodeId;
let pinned: string;

const commands: Readonly<Record<string, typeof device>> = { device, approver, status };
/** In this process, so that a test need not wait for Node to start each time. */
const run = (name: string, ...args: readonly string[]) =>
  commands[name]?.(...args) ?? Promise.reject(new Error(name));
const json = async (name: string, ...args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run(name, ...args);
  expect([code, stderr]).toEqual([0, expect.not.stringContaining("error")]);
  return JSON.parse(stdout);
};
const kept = async (name: string, command: string, ...args: readonly string[]): Promise<string> => {
  const file = join(home, name);
  writeFileSync(file, JSON.stringify(await json(command, ...args)));
  return file;
};
const limits = async () =>
  (await json("device", "limits", "show", "--dir", dir, "--json")) as Record<string, unknown>;
const propose = (label: string, amount = 40_000_000n) =>
  client.call("proposePayment", keysendOf(node, htlcOf("holder", amount, label)));

beforeAll(async () => {
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  // Its passphrase costs a second with each command otherwise.
  pinned = toHex(await createKey(key, curve, passphraseFrom(readFileSync(pass)), 10));
  await held.start();
  const init = spawn(
    process.execPath,
    [
      ...[main, "init", "--dir", dir, "--yes", "--passphrase-file", pass, "--network", "regtest"],
      ...["--listen", "127.0.0.1:0", "--device", held.address, "--code-on-stdin", "--json"],
      ...["--approver", pinned],
    ],
    { env, stdio: ["pipe", "ignore", "inherit"] },
  );
  held.tell("hold");
  const screen = await held.shows("the digits of a pairing", ({ is }) => is === "pairing");
  if (screen.is !== "pairing") throw new Error(screen.is);
  held.tell(`code ${screen.code}`);
  init.stdin.end(`${screen.code}\n`);
  expect((await once(init, "exit"))[0]).toBe(0);
  signer = spawn(process.execPath, [main, "signer", "--dir", dir, "--json"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface({ input: signer.stdout as NodeJS.ReadableStream }), "line");
  const { address } = JSON.parse(String(line)) as { address: string };
  const bundle = readBundle(join(dir, "host"));
  const [host, port] = address.split(":");
  const there = { ...bundle, address: { host: String(host), port: Number(port) } };
  ({ node } = bundle);
  client = signerClient({ connect: connectTo(there), backoff: { first: 20, most: 200 } });
}, 60_000);

afterAll(async () => {
  await client?.close();
  const gone = signer === undefined ? undefined : once(signer, "exit");
  signer?.kill("SIGTERM");
  await gone;
  await held.stop();
  rmSync(home, { recursive: true, force: true });
}, 30_000);

test("an approver whom the person at the device pins answers what waits, from another machine", async () => {
  await expect
    .poll(async () => (await run("device", "limits", "show", "--dir", dir)).code, { timeout: 20_000 })
    .toBe(0);
  const slow = join(home, "slow.age");
  const made = await json("approver", "new", "--key", slow, "--passphrase-file", pass, "--json");
  expect(made).toEqual({ key: expect.stringMatching(/^[0-9a-f]{64}$/), file: slow });
  expect(await json("approver", "show", "--key", key, "--passphrase-file", pass, "--json")).toEqual({
    key: pinned,
  });
  expect(readFileSync(key, "latin1")).not.toContain(pinned);
  // At the pairing the person compared it.
  expect(shown.join()).toMatch(/Change the limits .*Approvers agree:/s);
  expect(await limits()).toMatchObject({ limits: { approvers: [pinned], needed: 1, allowance: "0" } });
  const from = shown.length;
  await json("device", "limits", "set", "--dir", dir, "--max-feerate", "20000", "--json");
  expect(shown.slice(from).join()).toMatch(/Change the limits/);
  expect(await limits()).toMatchObject({ limits: { maxFeerate: 20_000, approvers: [pinned] } });

  held.tell("person off");
  const paying = propose("a");
  await expect
    .poll(
      async () =>
        ((await json("device", "questions", "--dir", dir, "--json")) as { questions: unknown[] }).questions,
      {
        timeout: 20_000,
      },
    )
    .toHaveLength(1);
  const asked = await kept("asked.json", "device", "questions", "--dir", dir, "--json");
  const [question] = (JSON.parse(readFileSync(asked, "utf8")) as { questions: { id: string }[] }).questions;
  const id = question?.id ?? "";
  expect((await run("device", "questions", "--dir", dir)).stdout).toMatch(/to +pay\nin all +40,000 sat/);

  // What was read is what is signed: a signer that shows something else gets nothing for it.
  const lie = join(home, "lie.json");
  writeFileSync(lie, readFileSync(asked, "utf8").replaceAll("40000000", "40000"));
  const sign = ["sign", "--key", key, "--passphrase-file", pass, "--approve", id.slice(0, 8)];
  const lied = await kept("lied.json", "approver", ...sign, lie);
  const refused = await run("device", "submit", "--dir", dir, lied);
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining("Too few of the approvers") });

  const signed = await kept("signed.json", "approver", ...sign, asked);
  expect(await json("device", "submit", "--dir", dir, signed, "--json")).toEqual({
    answers: [{ id, verdict: "approve", result: "done", because: "" }],
    limits: [],
  });
  expect(await paying).toMatchObject({ standing: "approved" });
});

test("the approvers give an allowance, which pays without a word until it is used up", async () => {
  const change = ["--allowance", "50000", "--each", "41000"];
  const proposal = await kept("proposal.json", "device", "limits", "propose", "--dir", dir, ...change);
  const signed = await kept(
    "signed-limits.json",
    "approver",
    ...["sign", "--key", key, "--passphrase-file", pass, "--approve", "limits", proposal],
  );
  expect(await json("device", "submit", "--dir", dir, signed, "--json")).toEqual({
    answers: [],
    limits: [{ limits: expect.objectContaining({ allowance: "50000000" }), result: "done", because: "" }],
  });
  const from = shown.length;
  expect(await propose("b")).toMatchObject({ standing: "approved" });
  expect(await limits()).toMatchObject({ left: "10000000" });
  expect(shown.slice(from)).toEqual([]);
  expect((await run("device", "submit", "--dir", dir, signed)).code).toBe(3);
  expect(await json("status", "--dir", dir, "--json")).toMatchObject({
    nodes: [
      { keys: { is: "device", standing: "open", allowance: "50000000", left: "10000000", waiting: 0 } },
    ],
  });
  expect((await run("status", "--dir", dir)).stdout).toMatch(
    /^Keys are on the device device: open, 10,000 sat left of its allowance\.$/m,
  );
  expect((await run("device", "limits", "show", "--dir", dir)).stdout).toMatch(/of it left +10,000 sat/);
});

test("a refusal among several answers holds up none of the others, and is said", async () => {
  const paying = propose("c");
  await expect
    .poll(async () => (await run("device", "questions", "--dir", dir)).stdout, { timeout: 20_000 })
    .toMatch(/^id /m);
  const asked = await kept("asked.json", "device", "questions", "--dir", dir, "--json");
  const [question] = (JSON.parse(readFileSync(asked, "utf8")) as { questions: { id: string }[] }).questions;
  const id = question?.id ?? "";
  const sign = ["sign", "--key", key, "--passphrase-file", pass, "--approve", id, asked];
  const good = await kept("good.json", "approver", ...sign);
  const signed = JSON.parse(readFileSync(good, "utf8")) as { answers: { signature: string }[] };
  const [answer] = signed.answers;
  const junk = Array.from({ length: 20 }, (_, n) => ({ ...answer, signature: `${n + 10}`.repeat(64) }));
  const bad = join(home, "bad.json");
  const stray = "11".repeat(32);
  writeFileSync(bad, JSON.stringify({ ...signed, answers: [{ ...answer, id: stray }, ...junk] }));
  const { code, stdout, stderr } = await run("device", "submit", "--dir", dir, bad, good, "--json");
  expect([code, stderr]).toEqual([3, expect.stringContaining("1 of 2 not taken. No such question")]);
  expect(JSON.parse(stdout)).toEqual({
    answers: [
      { id: stray, verdict: "approve", result: "unknown", because: expect.stringContaining("No such") },
      { id, verdict: "approve", result: "done", because: "" },
    ],
    limits: [],
  });
  expect(await paying).toMatchObject({ standing: "approved" });
});

test("no channel that is over has a place on the device, as nothing was opened", async () => {
  expect(await json("device", "forget", "--dir", dir, "--json")).toEqual({ device: "device", channels: [] });
  expect((await run("device", "forget", "--dir", dir)).stdout).toMatch(/^No channel that is over/);
  const { code, stdout, stderr } = await run("device", "forget", "--dir", dir, "--channel", "7");
  expect([code, stdout]).toEqual([3, expect.stringContaining("Channel 7 is KEPT.")]);
  expect(stderr).toContain("1 of 1 still have their place");
  expect((await run("device", "questions", "--dir", dir)).stdout).not.toContain("device forget");
});

test("what is wrong is said", async () => {
  for (const [what, args] of [
    [/no JSON/, ["approver", "sign", "--key", key, "--passphrase-file", pass, pass]],
    [/not what `device questions`/, ["approver", "sign", "--key", key, join(home, "signed.json")]],
    [/another node/, ["device", "submit", "--dir", dir, join(home, "other.json")]],
    [/can't agree/, ["device", "limits", "set", "--dir", dir, "--needed", "2"]],
    [/has no approver/, ["device", "limits", "set", "--dir", dir, "--remove-approver", "11".repeat(32)]],
    [/is no approver's key|not an age file/, ["approver", "show", "--key", pass, "--passphrase-file", pass]],
  ] as readonly (readonly [RegExp, readonly [string, ...string[]]])[]) {
    const other = readFileSync(join(home, "signed.json"), "utf8").replace(toHex(node), `02${"1".repeat(64)}`);
    writeFileSync(join(home, "other.json"), other);
    const { code, stderr } = await run(...args);
    expect(stderr).toMatch(what);
    expect([2, 3, 4, 5]).toContain(code);
  }
});
