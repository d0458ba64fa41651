/** A person at the admin socket, as the commands are typed, and the host that waits for the answer. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectTo, type Refused, readBundle, type SignerClient, signerClient } from "../../host/index.ts";
import { toHex } from "../../protocol/bytes.ts";
import { packRequest } from "../../protocol/operations/index.ts";
import { msat } from "../../protocol/units.ts";
import { connect } from "../../protocol/wire/client.ts";
import { environment as env } from "../environment.ts";
import { add, htlcOf, keysendOf, open, plainTerms, start, update } from "../scripted/channel.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";

const root = join(import.meta.dirname, "../..");
const main = join(root, "cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "countersign-admin-"));
const dir = join(home, "signer");
const pass = join(home, "passphrase");

const countersign = (args: readonly string[], input = "") =>
  spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", timeout: 60_000, input });
const asked = (...args: string[]) => countersign([...args, "--dir", dir]);
const answered = (...args: string[]) => {
  const { status, stdout, stderr } = asked(...args, "--json");
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

let signer: ChildProcess;
const startSigner = async (): Promise<void> => {
  signer = spawn(process.execPath, [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [line] = await once(createInterface({ input: signer.stdout as NodeJS.ReadableStream }), "line");
  expect(JSON.parse(String(line))).toMatchObject({ event: "ready" });
};
const stopSigner = async (signal: NodeJS.Signals): Promise<void> => {
  const exited = once(signer, "exit");
  signer.kill(signal);
  await exited;
};

const clients: SignerClient[] = [];
const host = () => {
  const bundle = readBundle(join(dir, "host"));
  const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
  clients.push(client);
  return { client, node: bundle.node };
};
const bob = peer("bob", curve);

beforeAll(async () => {
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  const made = countersign([
    ...["init", "--dir", dir, "--yes", "--passphrase-file", pass],
    ...["--network", "regtest", "--listen", `127.0.0.1:${await freePort()}`, "--json"],
  ]);
  expect([made.status, made.stderr]).toEqual([0, ""]);
  appendFileSync(
    join(dir, "countersign.toml"),
    "unattendedPayment = 1_000_000\nmaxSentPerDay = 100_000_000\n",
  );
  expect(asked("status").status).toBe(69);
  await startSigner();
});

afterAll(async () => {
  for (const client of clients) await client.close();
  signer?.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

describe("a payment above what needs no person", () => {
  const rent = htlcOf("holder", 60_000_000n, "rent");

  test("waits, survives a restart, is approved by the beginning of its id, and goes out", async () => {
    const { client, node } = host();
    const terms = plainTerms();
    const channel = await open(client.call, node, bob, terms, "admin e2e");
    const first = update(channel, bob, channel.points[0] as never, 0n, start(terms));
    await client.call("validateHolderCommitment", first.validate);
    await client.call("signCounterpartyCommitment", first.sign);
    const { sign } = update(channel, bob, channel.points[1] as never, 1n, add(start(terms), rent));

    const proposed = await client.call("proposePayment", keysendOf(node, rent));
    expect(proposed.standing).toBe("pending");
    const early = await client.call("signCounterpartyCommitment", sign).catch((error: unknown) => error);
    expect((early as Refused).refusal).toMatchObject({ final: false });

    const id = toHex(proposed.approval);
    const { approvals } = answered("approvals", "list");
    expect(approvals).toMatchObject([
      { id, subject: "payment", standing: "pending", amount: "60000000", by: "", shown: { payee: "anyone" } },
    ]);
    const listed = asked("approvals", "list");
    expect(listed.stdout).toContain(id.slice(0, 16));
    expect(listed.stdout).toContain("60,000 sat");

    await stopSigner("SIGKILL");
    await startSigner();
    const approved = asked("approvals", "approve", id.slice(0, 10), "--by", "alice");
    expect([approved.status, approved.stderr]).toEqual([0, ""]);
    expect(approved.stdout).toContain("is approved");
    expect(await client.call("proposePayment", keysendOf(node, rent))).toMatchObject({
      standing: "approved",
    });
    await client.call("signCounterpartyCommitment", sign);
    expect(asked("approvals", "list").stdout).toBe("Nothing waits for a person.\n");

    const back = asked("approvals", "deny", id);
    expect([back.status, back.stdout]).toEqual([3, ""]);
    expect(back.stderr).toContain("onItsWay true");
  });

  test("is denied, and no later approval undoes it; the limit of a day holds whoever approves", async () => {
    const { client, node } = host();
    const large = keysendOf(node, htlcOf("holder", 30_000_000n, "large"));
    const larger = keysendOf(node, htlcOf("holder", 40_000_000n, "larger"));
    const ids: string[] = [];
    for (const one of [large, larger]) ids.push(toHex((await client.call("proposePayment", one)).approval));
    expect(answered("approvals", "approve", ids[1] ?? "", "--by", "bob")).toMatchObject({
      standing: "approved",
    });
    const beyond = asked("approvals", "approve", ids[0] ?? "");
    expect(beyond.status).toBe(3);
    expect(beyond.stderr).toContain("commitment-payment-velocity");
    expect(answered("approvals", "deny", ids[0] ?? "")).toMatchObject({ standing: "denied" });
    expect(asked("approvals", "approve", ids[0] ?? "").status).toBe(3);
    const { approvals } = answered("approvals", "list", "--all");
    expect(approvals.map(({ standing }: { standing: string }) => standing).toSorted()).toEqual([
      "approved",
      "approved",
      "denied",
    ]);
    expect(asked("approvals", "approve", "xyz").status).toBe(2);
    const [status] = answered("status").nodes;
    expect(status).toMatchObject({ pending: 0, channels: 1, fault: "", constantTime: true });
    expect(status.windows[0]).toEqual({ name: "sent", spent: "100000000", limit: "100000000" });
  });
});

describe("the allowlist and the dry run", () => {
  const script = `0014${"ab".repeat(20)}`;

  test("a script is allowed, shown and removed", () => {
    expect(answered("allowlist", "add", "--script", script)).toEqual({ scripts: [script], payees: [] });
    expect(asked("allowlist", "show").stdout).toBe(`script  ${script}\n`);
    expect(answered("allowlist", "remove", "--script", script)).toEqual({ scripts: [], payees: [] });
    expect(asked("allowlist", "add", "--script", "00zz").status).toBe(2);
  });

  test("a request is explained, as JSON and as packed bytes, from a file and from the input", async () => {
    const { node } = host();
    const body = keysendOf(node, htlcOf("holder", 2_000_000_000_000n, "too large"));
    const json = JSON.stringify({
      operation: "proposePayment",
      ...body,
      node: undefined,
      hash: toHex(body.hash),
      amount: String(body.amount),
      feeLimit: Number(body.feeLimit),
    });
    const file = join(home, "request.json");
    writeFileSync(file, json);
    const told = asked("policy", "explain", file);
    expect(told.status).toBe(3);
    expect(told.stdout).toContain("Refused by commitment-payment-approved");
    expect(told.stdout).toContain("payment-fee-limit");
    const packed = toHex(packRequest("proposePayment", { ...body, amount: msat(1_000n) }));
    const piped = countersign(["policy", "explain", "-", "--dir", dir, "--json"], packed);
    expect(piped.status).toBe(3);
    expect(JSON.parse(piped.stdout)).toMatchObject({
      verdict: "refused",
      rule: "commitment-payment-velocity",
    });
    const wrong = countersign(
      ["policy", "explain", "-", "--dir", dir],
      '{"operation": "points", "channel": -1}',
    );
    expect(wrong.status).toBe(4);
    expect(wrong.stderr).toContain("channel");
    const bytes = countersign(["policy", "explain", "-", "--dir", dir], "00ff00");
    expect([bytes.status, bytes.stdout.split("\n")[0]]).toEqual([4, "No request: the bytes can't be read."]);
  });
});

describe("the socket", () => {
  test("is the signer's alone, takes no host's certificate, and is gone when the signer stops", async () => {
    const path = join(dir, "admin.sock");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { credentials, address, node } = readBundle(join(dir, "host"));
    for (const role of ["host", "admin"] as const)
      await expect(connect({ address: { path }, credentials, role })).rejects.toMatchObject({
        why: "denied",
      });
    const onPort = await connect({ address, credentials });
    await expect(onPort.unary("status", { node })).rejects.toMatchObject({ why: "denied" });
    await onPort.close();
    await stopSigner("SIGTERM");
    expect(existsSync(path)).toBe(false);
    expect(asked("approvals", "list").status).toBe(69);
    const tail = countersign(["audit", "tail", "--dir", dir, "--count", "100"]).stdout;
    expect(tail).toMatch(/decideApproval +approved [0-9a-f]{64} by alice/);
    expect(tail).toMatch(/changeAllowlist +scripts: 1 added/);
  });

  test("whose path is too long is told before anything starts", () => {
    const file = join(dir, "countersign.toml");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace('admin = "admin.sock"', `admin = "${"x".repeat(104)}.sock"`));
    const refused = countersign(["signer", "--dir", dir, "--passphrase-file", pass]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toMatch(/too long for a socket/);
    writeFileSync(file, before);
  });
});
