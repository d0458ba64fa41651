/** A host is gone, and a person brings the money home with the signer alone. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectTo, type Refused, readBundle, signerClient } from "../../host/index.ts";
import { decodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { fromHex, reversed, toHex } from "../../protocol/bytes.ts";
import { environment as env } from "../environment.ts";
import { add, htlcOf, open, plainTerms, preimageOf, start, update } from "../scripted/channel.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "countersign-exit-"));
const dir = join(home, "signer");
const pass = join(home, "passphrase");

const countersign = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", timeout: 60_000, input: "" });

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

let signer: ChildProcess;
beforeAll(async () => {
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  const listen = `127.0.0.1:${await freePort()}`;
  const init = ["init", "--dir", dir, "--yes", "--passphrase-file", pass, "--network", "regtest"];
  const made = countersign(...init, "--listen", listen, "--json");
  expect([made.status, made.stderr]).toEqual([0, ""]);
  signer = spawn(process.execPath, [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  await once(createInterface({ input: signer.stdout as NodeJS.ReadableStream }), "line");
});

afterAll(() => {
  signer?.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

test("exit asks first, prints what to publish and when, and the same again", async () => {
  const bob = peer("bob", curve);
  const bundle = readBundle(join(dir, "host"));
  const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
  const terms = plainTerms({ push: 400_000_000n as never });
  const channel = await open(client.call, bundle.node, bob, terms, "exit e2e");
  const received = htlcOf("counterparty", 60_000_000n, "in", 600);
  const [zero, one] = channel.points;
  const first = update(channel, bob, zero as never, 0n, start(terms));
  const second = update(channel, bob, one as never, 1n, add(start(terms), received));
  for (const { sign, validate } of [first, second]) {
    await client.call("signCounterpartyCommitment", sign);
    await client.call("validateHolderCommitment", validate);
  }
  await client.call("revokeHolderCommitment", second.revoke as never);

  const preimages = join(home, "preimages");
  writeFileSync(preimages, `${toHex(preimageOf("in"))}\n`);
  const id = String(channel.channel);
  const args = ["exit", id, "--dir", dir, "--feerate", "1000", "--preimages", preimages];
  const unsure = countersign(...args);
  expect([unsure.status, unsure.stdout]).toEqual([2, ""]);
  expect(unsure.stderr).toContain("can't be used again");

  const told = countersign(...args, "--yes", "--json");
  expect([told.status, told.stderr]).toEqual([0, ""]);
  const { transactions, left } = JSON.parse(told.stdout);
  expect(left).toEqual([expect.stringContaining("our anchor")]);
  expect(transactions.map(({ what }: { what: string }) => what.split(" ")[0])).toEqual([
    "publishes",
    "claims",
    "brings",
    "brings",
  ]);
  for (const { tx, txid } of transactions)
    expect(toHex(reversed(txidOf(decodeTx(fromHex(tx)).tx)))).toBe(txid);
  const [commitment] = transactions;
  expect(commitment.publish).toBe("now");
  expect(transactions[2].publish).toBe(`when ${commitment.txid} has 144 confirmations`);

  const text = countersign(...args, "--yes");
  for (const { txid } of transactions) expect(text.stdout).toContain(`  txid     ${txid}\n`);
  expect(text.stdout).toContain(commitment.tx);
  expect(text.stdout).toContain("publish  now");
  expect(text.stdout).toContain("published none of them");

  const three = update(
    channel,
    bob,
    commitmentPoint(await client.call("points", pointsOf(channel))),
    2n,
    add(start(terms), received),
  );
  await client.call("validateHolderCommitment", three.validate);
  const refused = await client.call("revokeHolderCommitment", three.revoke as never).catch((error) => error);
  expect((refused as Refused).refusal.rule).toBe("revoke-not-closed");
  await client.close();

  const justice = countersign("justice", id, "--dir", dir, "--feerate", "1000", "--yes");
  expect([justice.status, justice.stderr]).toEqual([0, ""]);
  expect(justice.stdout).toContain("no chain is followed");
  const unknown = countersign("exit", "99", "--dir", dir, "--feerate", "1000", "--yes");
  expect(unknown.status).toBe(3);
  expect(unknown.stderr).toContain("channel-known");
  for (const wrong of [
    ["--feerate", "1"],
    ["--feerate", "x"],
  ])
    expect(countersign("exit", id, "--dir", dir, ...wrong, "--yes").status).toBe(2);
  writeFileSync(preimages, "00ff");
  const bad = countersign(...args, "--yes");
  expect([bad.status, bad.stderr.includes("00ff")]).toEqual([4, false]);
  const stopped = once(signer, "exit");
  signer.kill("SIGTERM");
  await stopped;
  const log = countersign("audit", "tail", "--dir", dir, "--count", "100").stdout;
  expect(log).toMatch(/ exit /);
}, 60_000);

const pointsOf = ({ node, channel }: Awaited<ReturnType<typeof open>>) => ({
  ...{ node, channel, numbers: [2n as never] },
});
const commitmentPoint = ({ points: [point] }: { readonly points: readonly unknown[] }) => point as never;
