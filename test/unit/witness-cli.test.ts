/** The witness as an operator meets it: made by init, opened by the signer, looked at by a command. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkWitnessPlace } from "../../cli/home.ts";
import { pathsOf, readConfig } from "../../signer/config.ts";
import type { Line } from "../../signer/log.ts";
import { openOwnStore } from "../../signer/server/own-store.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import { openWitness } from "../../signer/witness.ts";
import { type Installed, install } from "../scripted/command.ts";

let made: Installed;
let witness: string;
let config: string;
const elsewhere = existsSync("/dev/shm") ? mkdtempSync("/dev/shm/countersign-witness-") : undefined;
beforeAll(async () => {
  made = await install((home) => ["--witness", join(home, "witness")]);
  witness = join(made.home, "witness");
  config = join(made.dir, "countersign.toml");
});
afterAll(() => {
  made?.remove();
  if (elsewhere !== undefined) rmSync(elsewhere, { recursive: true, force: true });
});

const opened = async (file = config) => {
  const lines: Line[] = [];
  const log = { write: (line: Line) => void lines.push(line), close: () => {} };
  const store = await openOwnStore({ paths: pathsOf(readConfig(file), file), file, log });
  return { store, lines };
};
const commit = async (times: number): Promise<void> => {
  const store = await openStore({ path: made.store });
  for (let i = 0; i < times; i++)
    await store.commit({ epoch: store.epoch, writes: [], audit: [new Uint8Array(1)] });
  await store.close();
};

describe("init", () => {
  test("makes the witness of the new store, and names it in the configuration", async () => {
    expect(pathsOf(readConfig(config), config).witness).toBe(witness);
    const { seen } = openWitness(witness, "look") as Exclude<ReturnType<typeof openWitness>, { is: string }>;
    const store = await openStore({ path: made.store });
    expect(seen).toMatchObject({ id: store.id, version: 0, sequence: 0 });
    await store.close();
  });

  test.each([
    ["a file that is there", (home: string) => join(home, "passphrase"), "exists"],
    ["no directory", (home: string) => join(home, "none", "witness"), "missing"],
    ["a file for a directory", (home: string) => join(home, "passphrase", "witness"), "missing"],
  ])("asks nothing with %s", (_, at, problem) => {
    const place = at(made.home);
    const before = existsSync(place) ? readFileSync(place) : undefined;
    let error: unknown;
    try {
      checkWitnessPlace(place);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SetupError);
    expect(error).toMatchObject({ problem });
    expect(existsSync(place) ? readFileSync(place) : undefined).toEqual(before);
  });

  test("says that a witness beside the store is worth little", () => {
    const dir = join(made.home, "other");
    const file = join(made.home, "other-witness");
    const { stdout, status } = made.anyCommand(
      ...["init", "--dir", dir, "--yes", "--passphrase-file", join(made.home, "passphrase")],
      ...["--network", "regtest", "--witness", file],
    );
    expect(status).toBe(0);
    expect(stdout).toContain(file);
    expect(stdout).toContain("on the same disk as the store");
  });
});

describe("the signer's store", () => {
  test("is under its witness, and the log says when the two share a disk or the witness lags", async () => {
    const first = await opened();
    expect(first.lines).toEqual([{ event: "witness-near", witness }]);
    await first.store.commit({ epoch: first.store.epoch, writes: [], audit: [] });
    await first.store.close();
    expect(openWitness(witness, "look")).toMatchObject({ seen: { version: 1 } });
    await commit(1);
    const crashed = await opened();
    expect(crashed.lines.map(({ event }) => event)).toEqual(["witness-near"]);
    await crashed.store.close();
    await commit(2);
    const lagging = await opened();
    expect(lagging.lines).toContainEqual({ event: "witness-behind", witness, commits: 3 });
    await lagging.store.commit({ epoch: lagging.store.epoch, writes: [], audit: [] });
    await lagging.store.close();
    const caughtUp = await opened();
    await caughtUp.store.close();
    expect(caughtUp.lines.map(({ event }) => event)).toEqual(["witness-near"]);
  });

  test.skipIf(elsewhere === undefined)("with a witness on another disk says nothing", async () => {
    const text = readFileSync(config, "utf8");
    const moved = join(elsewhere ?? "", "witness");
    writeFileSync(moved, readFileSync(witness), { mode: 0o600 });
    writeFileSync(config, text.replace(JSON.stringify(witness), JSON.stringify(moved)));
    const { store, lines } = await opened();
    await store.close();
    writeFileSync(config, text);
    expect(lines).toEqual([]);
  });

  test("that is not opened lets go of the store and its witness", async () => {
    const text = readFileSync(config, "utf8");
    writeFileSync(config, text.replace(JSON.stringify(witness), JSON.stringify(join(made.home, "none"))));
    await expect(opened()).rejects.toMatchObject({
      problem: "missing",
      remedy: expect.stringContaining("mount"),
    });
    writeFileSync(config, text);
    await (await opened()).store.close();
  });
});

test("the command says when there is no witness, and when the signer runs", async () => {
  const held = await openStore({ path: made.store });
  expect(made.command("witness", "show")).toMatchObject({
    status: 69,
    stderr: expect.stringContaining("holds"),
  });
  await held.close();
  const text = readFileSync(config, "utf8");
  writeFileSync(config, text.replace(/^witness = .*$/m, ""));
  expect(made.command("witness", "show")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("names no witness"),
  });
  const { store, lines } = await opened();
  await store.close();
  expect(lines).toEqual([]);
  writeFileSync(config, text);
  const accept = made.command("witness", "accept");
  expect([accept.status, accept.stderr]).toEqual([2, expect.stringContaining("--finding")]);
});
