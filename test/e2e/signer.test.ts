/** The commands as an operator types them, and the scripted host as its user would write it. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectTo, Refused, readBundle, type SignerClient, signerClient } from "../../host/index.ts";
import { sat } from "../../protocol/units.ts";
import { environment as env } from "../environment.ts";
import { add, htlcOf, keysendOf, open, plainTerms, start, update } from "../scripted/channel.ts";
import { verifyOf } from "../scripted/checks.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";

const root = join(import.meta.dirname, "../..");
const main = join(root, "cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "countersign-e2e-"));
const dir = join(home, "signer");
const pass = join(home, "passphrase");

const countersign = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", timeout: 60_000 });

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

const startSigner = async (): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [line] = await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
  expect(JSON.parse(String(line))).toMatchObject({ event: "ready", network: "regtest", curve: "native" });
  return child;
};

const stop = async (child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> => {
  const exited = once(child, "exit");
  child.kill(signal);
  return await exited;
};

const bob = peer("bob", curve);
const clients: SignerClient[] = [];
let signer: ChildProcess;

const host = () => {
  const bundle = readBundle(join(dir, "host"));
  const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
  clients.push(client);
  return { client, node: bundle.node };
};

beforeAll(async () => {
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  const port = await freePort();
  const made = countersign(
    ...["init", "--dir", dir, "--yes", "--passphrase-file", pass],
    ...["--network", "regtest", "--listen", `127.0.0.1:${port}`, "--json"],
  );
  expect(made.stderr).toBe("");
  expect(made.status).toBe(0);
  expect(JSON.parse(made.stdout)).toMatchObject({ dir, network: "regtest" });
  signer = await startSigner();
});

afterAll(async () => {
  for (const client of clients) await client.close();
  signer?.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

describe("a signer in its own process", () => {
  test("opens and advances a channel, refuses a theft by name, and has the same bytes after kill -9", async () => {
    const { client, node } = host();
    const hello = await client.call("hello", { node, network: "regtest", version: 1, software: "e2e" });
    expect(hello).toMatchObject({ network: "regtest", tier: "full", version: 1 });

    const terms = plainTerms();
    const channel = await open(client.call, node, bob, terms, "e2e");
    const [zero, one] = channel.points;
    const first = update(channel, bob, zero as never, 0n, start(terms));
    await client.call("validateHolderCommitment", first.validate);
    expect(
      verifyOf(curve, channel, bob, first.sign, await client.call("signCounterpartyCommitment", first.sign)),
    ).toEqual([]);

    const paid = htlcOf("holder", 50_000_000n, "paid");
    expect(await client.call("proposePayment", keysendOf(node, paid))).toMatchObject({
      standing: "approved",
    });
    const second = update(channel, bob, one as never, 1n, add(start(terms), paid));
    const signed = await client.call("signCounterpartyCommitment", second.sign);
    expect(verifyOf(curve, channel, bob, second.sign, signed)).toEqual([]);
    await client.call("validateHolderCommitment", second.validate);
    const revoke = { node, channel: channel.channel, number: first.sign.number };
    const revoked = await client.call("revokeHolderCommitment", revoke);

    const theft = { ...second.sign, toHolder: sat(0n), toCounterparty: second.sign.toHolder };
    const refusal = await client.call("signCounterpartyCommitment", theft).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refused);
    expect((refusal as Refused).refusal).toMatchObject({
      rule: "commitment-value-conserved",
      final: true,
    });

    expect(await stop(signer, "SIGKILL")).toEqual([null, "SIGKILL"]);
    const asked = client.call("signCounterpartyCommitment", second.sign);
    signer = await startSigner();
    expect(await asked).toEqual(signed);
    expect(await client.call("revokeHolderCommitment", revoke)).toEqual(revoked);
  });

  test("the smallest host: a request that it stored and did not send reaches the signer in its next life", () => {
    const database = join(home, "host.sqlite");
    const run = (...args: string[]) =>
      spawnSync(
        process.execPath,
        [join(root, "examples/minimal-host.ts"), join(dir, "host"), database, ...args],
        { env, encoding: "utf8", timeout: 60_000 },
      );
    const first = run("--die");
    expect(first).toMatchObject({ status: 9, stderr: "" });
    expect(first.stdout).toMatch(/^channels up to 1000000000 sat/);
    expect(first.stdout).toMatch(/^0 waited/m);
    expect(first.stdout).toMatch(/^refused by funding-max, for now$/m);
    const [, channel] = /^channel (\d+): funding key 0[23][0-9a-f]{64}, 2 points$/m.exec(first.stdout) ?? [];
    expect(channel).toBeDefined();
    expect(first.stdout).not.toContain("is set up");
    const second = run();
    expect(second).toMatchObject({ status: 0, stderr: "" });
    expect(second.stdout).toMatch(/^1 waited/m);
    expect(second.stdout).toMatch(new RegExp(`^channel ${channel} is set up: fund 0020[0-9a-f]{64}$`, "m"));
    expect(second.stdout.match(/is set up/g)).toHaveLength(2);
  });

  test("a second signer on the same store does not start, and the first goes on", async () => {
    const { client, node } = host();
    const hello = { node, network: "regtest", version: 1, software: "e2e" } as const;
    await client.call("hello", hello);
    const second = countersign("signer", "--dir", dir, "--passphrase-file", pass);
    expect(second.status).toBe(69);
    expect(second.stderr).toMatch(/store|address|taken/i);
    expect(await client.call("hello", hello)).toMatchObject({ network: "regtest" });
  });

  test("stops in good order when it is told to, and its audit log is whole", async () => {
    const { client, node } = host();
    const wrong = client.call("hello", { node, network: "bitcoin", version: 1, software: "e2e" });
    await expect(wrong).rejects.toThrow("node-network");
    // As from a terminal, where the process that started it passes on what both have got.
    signer.kill("SIGINT");
    expect(await stop(signer, "SIGINT")).toEqual([0, null]);
    const verified = countersign("audit", "verify", "--dir", dir, "--json");
    expect(verified.status).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ is: "whole" });
    const tail = countersign("audit", "tail", "--dir", dir, "--count", "50");
    expect(tail.stdout).toMatch(/refusals +hello +node-network$/m);
    expect(tail.stdout).toMatch(/decision +revokeHolderCommitment/);
  });

  test("a store that is gone stops the signer: it never begins with an empty one", async () => {
    renameSync(join(dir, "store.sqlite"), join(home, "elsewhere"));
    const refused = countersign("signer", "--dir", dir, "--passphrase-file", pass);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toMatch(/store/);
    renameSync(join(home, "elsewhere"), join(dir, "store.sqlite"));
    const certificate = join(dir, "certificates", "server.pem");
    renameSync(certificate, join(home, "elsewhere"));
    const without = countersign("signer", "--dir", dir, "--passphrase-file", pass);
    expect(without.status).toBe(4);
    expect(without.stderr).toContain(`there is no ${certificate}`);
    renameSync(join(home, "elsewhere"), certificate);
    signer = await startSigner();
  });

  test("a wrong passphrase is told, and not printed", () => {
    const wrong = join(home, "wrong");
    writeFileSync(wrong, "another passphrase\n", { mode: 0o600 });
    const refused = countersign("signer", "--dir", dir, "--passphrase-file", wrong);
    expect(refused.status).toBe(5);
    expect(refused.stderr).toMatch(/passphrase/);
    expect(refused.stderr).not.toMatch(/another passphrase/);
  });

  test("init does not write over it", () => {
    const before = readFileSync(join(dir, "seed.age"));
    const again = countersign(
      "init",
      "--dir",
      dir,
      "--yes",
      "--passphrase-file",
      pass,
      "--network",
      "regtest",
    );
    expect(again.status).toBe(3);
    expect(readFileSync(join(dir, "seed.age"))).toEqual(before);
  });
});
