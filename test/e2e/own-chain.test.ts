/** The host is gone. A real signer with a chain source of its own goes on alone, and the chain runs every script. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { serveBitcoind } from "../../chain/embedded/faces/bitcoind.ts";
import { serveElectrum } from "../../chain/embedded/faces/electrum.ts";
import { serveEsplora } from "../../chain/embedded/faces/esplora.ts";
import type { Served } from "../../chain/embedded/faces/serve.ts";
import { withAdmin } from "../../cli/admin.ts";
import { connectTo, readBundle, signerClient } from "../../host/index.ts";
import { encodeWitnessTx } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Outpoint } from "../../protocol/units.ts";
import { environment as env } from "../environment.ts";
import { add, htlcOf, preimageOf } from "../scripted/channel.ts";
import { openReal, type Theirs } from "../scripted/real-channel.ts";
import { bob, carol, evenTerms } from "../scripted/scene.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "countersign-own-chain-"));
const pass = join(home, "passphrase");
const password = "of the node's rpc";

/** Not `spawnSync`: the chain is served by this process. */
const countersign = async (...args: string[]) => {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.on("data", (data) => out.push(String(data)));
  child.stderr.on("data", (data) => err.push(String(data)));
  const [status] = await once(child, "close");
  return { status, stdout: out.join(""), stderr: err.join("") };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`never: ${holds}\n${said.join("")}`);
};

const running = new Set<ChildProcess>();
/** The signers' logs. */
const said: string[] = [];

const serve = async (dir: string): Promise<ChildProcess> => {
  const signer = spawn(
    process.execPath,
    [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"],
    {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  running.add(signer);
  signer.stderr?.on("data", (data) => said.push(String(data)));
  await once(createInterface({ input: signer.stdout as NodeJS.ReadableStream }), "line");
  return signer;
};

const kill = async (signer: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (!running.has(signer)) return;
  const gone = once(signer, "exit");
  signer.kill(signal);
  await gone;
  running.delete(signer);
};

beforeAll(() => writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 }));
afterAll(() => {
  for (const signer of running) signer.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

const offered = htlcOf("holder", 50_000_000n, "out", 500);
const received = htlcOf("counterparty", 60_000_999n, "in", 600);

describe.each(["bitcoind", "esplora", "electrum"] as const)("by way of %s", (kind) => {
  const dir = join(home, kind);
  const chain = openChain();
  chain.mine(110);
  let face: Served;
  let signer: ChildProcess;

  const isTaken = (outpoint: Outpoint): boolean => {
    const by = chain.spender(outpoint);
    return by !== undefined && chain.transaction(by.txid)?.height !== undefined;
  };
  const isPunished = ({ commitment: { tx, txid } }: Theirs): boolean =>
    tx.outputs.every(({ value }, index) => value === 330n || isTaken({ txid, index }));
  const status = () => countersign("status", "--dir", dir);
  /** As `status` asks, without a process for each look. */
  const isAtTip = async (): Promise<boolean> => {
    let seen: unknown;
    await withAdmin({ dir }, async ({ ask }) => {
      seen = (await ask("status", {})).chain.height;
    });
    return seen === chain.tip().height;
  };

  beforeAll(async () => {
    face =
      kind === "bitcoind"
        ? await serveBitcoind({ chain, user: "countersign", password })
        : kind === "esplora"
          ? await serveEsplora({ chain })
          : await serveElectrum({ chain });
    const listen = `127.0.0.1:${await freePort()}`;
    const init = ["init", "--dir", dir, "--yes", "--passphrase-file", pass, "--network", "regtest"];
    const made = await countersign(...init, "--listen", listen, "--json");
    expect([made.status, made.stderr]).toEqual([0, ""]);
    writeFileSync(join(dir, "rpc-password"), `${password}\n`, { mode: 0o600 });
    const user = kind === "bitcoind" ? 'user = "countersign"\npasswordFile = "rpc-password"\n' : "";
    appendFileSync(
      join(dir, "countersign.toml"),
      `\n[chain]\nsource = "own"\n\n[chain.${kind}]\nurl = "${face.url}"\n${user}`,
    );
    signer = await serve(dir);
    await until(isAtTip);
  }, 60_000);

  afterAll(async () => {
    await kill(signer, "SIGKILL");
    await face.close();
  });

  test("a breach is punished without a host: killed in between, after a reorganisation, at the second stage too", async () => {
    const bundle = readBundle(join(dir, "host"));
    const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
    const opened = async (peer: typeof bob, type: "anchors" | "static_remotekey") => {
      const terms = evenTerms({ type });
      const channel = await openReal({ call: client.call, node: bundle.node, chain, peer, terms });
      await channel.step([offered, received].reduce(add, channel.balances));
      const cheat = channel.theirs(1n);
      await channel.step(channel.balances);
      return { channel, cheat };
    };
    const { cheat } = await opened(bob, "anchors");
    await until(isAtTip);
    const old = await openReal({
      ...{ call: client.call, node: bundle.node, chain, peer: carol },
      terms: evenTerms(),
    });
    const tip = await client.call("chainTip", { node: bundle.node });
    expect(await client.call("chainFeed", { node: bundle.node })).toEqual({ wanted: false, whole: true });
    const { height, hash } = tip;
    expect(await client.call("chainDisconnect", { node: bundle.node, hash })).toEqual({ height, hash });
    await client.close();

    expect((await status()).stdout).toContain(`Blocks: own: ${kind} at 127.0.0.1`);
    // The signer sleeps while it happens.
    await kill(signer, "SIGKILL");
    expect(chain.publish([cheat.raw])).toEqual({ is: "accepted" });
    chain.mine(1);
    signer = await serve(dir);
    await until(() => chain.pool().length === 4);
    // It has published, and nothing of it is in a block yet.
    await kill(signer, "SIGKILL");
    // The cheat outbids it for one HTLC, and the miners change their minds.
    const second = cheat.second(offered, preimageOf("out"), chain);
    expect(chain.publish([second])).toEqual({ is: "accepted" });
    chain.mine(1);
    chain.reorganise(2, 3, { include: [cheat.raw] });
    chain.publish([second]);
    chain.mine(1);
    expect(isTaken(cheat.outpoint(offered))).toBe(true);
    signer = await serve(dir);
    await until(() => {
      chain.mine(1);
      return isPunished(cheat);
    });
    const by = chain.spender(cheat.outpoint(offered));
    await until(() => {
      chain.mine(1);
      return by !== undefined && isTaken({ txid: by.txid, index: 0 });
    });

    // A person ends the other one.
    const id = String(old.channel);
    const args = ["exit", id, "--dir", dir, "--feerate", "1000", "--yes", "--broadcast"];
    const told = await countersign(...args);
    expect([told.status, told.stderr]).toEqual([0, ""]);
    expect(told.stdout).toContain("  published");
    expect(chain.spender(old.shared.funding)).toBeDefined();
    const again = await countersign(...args, "--json");
    expect(JSON.parse(again.stdout).results).toMatchObject([{ result: "known" }]);
    chain.mine(1);
    const close = chain.spender(old.shared.funding)?.txid;
    if (close === undefined) throw new Error("no close");
    chain.mine(144);
    await until(() => {
      chain.mine(1);
      const raw = chain.transaction(close);
      return raw !== undefined && [0, 1, 2, 3].some((index) => isTaken({ txid: close, index }));
    });

    const { tx, witnesses } = chain.blockAt(1)?.entries[0] ?? { tx: undefined, witnesses: [] };
    if (tx === undefined) throw new Error("no coinbase");
    const handed = await countersign("broadcast", toHex(encodeWitnessTx(tx, witnesses)), "--dir", dir);
    expect(handed.stdout + handed.stderr).toMatch(/published before|REFUSED/);
    await kill(signer, "SIGTERM");
    const log = (await countersign("audit", "tail", "--dir", dir, "--count", "400", "--json")).stdout;
    const byItself = log.split("\n").filter((line) => line.includes('"host":"chain"'));
    for (const name of ["justice", "exit", "chainConnect", "chainDisconnect"])
      expect([name, byItself.some((line) => line.includes(`"operation":"${name}"`))]).toEqual([name, true]);
    expect(log).toMatch(/"operation":"broadcast".*"host":"countersign:admin"/);
    expect(said.join("")).toContain('"event":"published"');
    expect(said.join("")).not.toContain(password);
    signer = await serve(dir);
  }, 120_000);
});
