/** `[chain] source = "own"`: exactly one source, with credentials that stand where nobody else reads. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkSource, isDue } from "../../cli/broadcast.ts";
import { chainText } from "../../cli/status.ts";
import { unknown } from "../../protocol/codec.ts";
import { delay, height, txid } from "../../protocol/units.ts";
import { chainSettingsOf, ownSourceOf, parseConfig, printConfig } from "../../signer/config.ts";
import type { Log } from "../../signer/log.ts";
import { openOwnSource } from "../../signer/server/own-source.ts";
import { SetupError } from "../../signer/setup-error.ts";

const home = mkdtempSync(join(tmpdir(), "countersign-own-config-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const file = join(home, "countersign.toml");

const head = `schema = 1
network = "regtest"
tier = "full"

[[node]]
index = 0
id = "02${"11".repeat(32)}"
`;
const config = (chain: string) => parseConfig(`${head}\n${chain}`, file);
const node = '[chain]\nsource = "own"\n[chain.bitcoind]\nurl = "http://127.0.0.1:8332"\n';

const problem = (chain: string): string => {
  try {
    ownSourceOf(config(chain), file);
  } catch (error) {
    if (error instanceof SetupError) return error.message;
    throw error;
  }
  throw new Error("it is taken");
};

describe("the configuration of an own source", () => {
  test("names a node with its cookie, or a user with a password file, an Electrum server, or an Esplora", () => {
    const cookie = config(`${node}cookie = "cookie"\nrest = true\n`);
    expect(ownSourceOf(cookie, file)).toEqual({
      ...{ kind: "bitcoind", url: "http://127.0.0.1:8332", rest: true },
      cookie: join(home, "cookie"),
    });
    expect(chainSettingsOf(cookie, file)).toEqual({ own: true });
    const user = config(`${node}user = "me"\npasswordFile = "/run/password"\n`);
    expect(ownSourceOf(user, file)).toMatchObject({ user: "me", passwordFile: "/run/password" });
    const esplora = config('[chain]\nsource = "own"\n[chain.esplora]\nurl = "https://esplora.example/api"\n');
    expect(ownSourceOf(esplora, file)).toEqual({ kind: "esplora", url: "https://esplora.example/api" });
    const server = '[chain]\nsource = "own"\n[chain.electrum]\nurl = "ssl://electrum.example:50002"\n';
    const electrum = config(`${server}certificate = "server.pem"\n`);
    expect(ownSourceOf(electrum, file)).toEqual({
      ...{ kind: "electrum", url: "ssl://electrum.example:50002" },
      certificate: join(home, "server.pem"),
    });
    expect(ownSourceOf(config('[chain]\nsource = "host"\n'), file)).toBeUndefined();
    expect(chainSettingsOf(config('[chain]\nsource = "host"\n'), file)).toEqual({});
    for (const one of [cookie, user, esplora, electrum, config("")]) {
      expect(parseConfig(printConfig(one), file)).toEqual(one);
      expect(printConfig(one).includes('#   source = "own"')).toBe(one.chain === undefined);
    }
  });

  test.each([
    ["no source", '[chain]\nsource = "own"\n', "own needs one of"],
    ["both", `${node}cookie = "c"\n[chain.esplora]\nurl = "http://127.0.0.1:3000"\n`, "own needs one of"],
    [
      "one that nobody asks",
      '[chain]\n[chain.esplora]\nurl = "http://127.0.0.1:3000"\n',
      'source = "own" is missing',
    ],
    [
      "both others",
      '[chain]\nsource = "own"\n[chain.esplora]\nurl = "http://127.0.0.1:3000"\n[chain.electrum]\nurl = "tcp://h:1"\n',
      "own needs one of",
    ],
    [
      "a certificate for nothing",
      '[chain]\nsource = "own"\n[chain.electrum]\nurl = "tcp://h:1"\ncertificate = "c"\n',
      "belongs to an address with ssl://",
    ],
    ["no credentials", node, "either cookie, or user and passwordFile"],
    ["two kinds of them", `${node}cookie = "c"\nuser = "me"\npasswordFile = "p"\n`, "either cookie"],
    ["half of them", `${node}user = "me"\n`, "belong together"],
  ])("is refused with %s", (_, chain, words) => expect(problem(chain)).toContain(words));

  test.each([
    ["a password in the address", node.replace("http://", "http://me:secret@")],
    ["no address", node.replace("http://127.0.0.1:8332", "127.0.0.1")],
    ["a password in the file", `${node}user = "me"\npassword = "secret"\n`],
  ])("is no configuration with %s", (_, chain) => {
    expect(() => config(chain)).toThrow(SetupError);
    try {
      config(chain);
    } catch (error) {
      expect((error as Error).message).not.toContain("secret");
    }
  });

  test("takes a certificate from a file, and tells what it can't use", async () => {
    const log: Log = { write: () => {}, close: () => {} };
    const pinned = config(
      '[chain]\nsource = "own"\n[chain.electrum]\nurl = "ssl://h:1"\ncertificate = "server.pem"\n',
    );
    await expect(openOwnSource(pinned, file, log)).rejects.toThrow(SetupError);
    writeFileSync(join(home, "server.pem"), "no certificate");
    await expect(openOwnSource(pinned, file, log)).rejects.toThrow(
      `${file}, [chain.electrum]: ${join(home, "server.pem")} has no certificate in PEM`,
    );
  });

  test("takes a password from a file that nobody else may read", async () => {
    const log: Log = { write: () => {}, close: () => {} };
    const with_ = config(`${node}user = "me"\npasswordFile = "password"\n`);
    await expect(openOwnSource(with_, file, log)).rejects.toThrow("there is no");
    writeFileSync(join(home, "password"), "secret\n", { mode: 0o644 });
    await expect(openOwnSource(with_, file, log)).rejects.toThrow("open to other users");
    expect(await openOwnSource(config(""), file, log)).toBeUndefined();
  });
});

describe("on the command line", () => {
  const none = { name: "", trouble: "", height: unknown, unconfirmed: 0 } as const;

  test("status says which mode runs", () => {
    expect(chainText({ ...none, mode: "host" })).toContain("host-fed (weaker");
    expect(chainText({ ...none, mode: "proofs" })).toContain("weakest");
    const own = {
      mode: "own",
      name: "bitcoind at 127.0.0.1:8332",
      trouble: "",
      height: height(7),
      unconfirmed: 2,
    } as const;
    expect(chainText(own)).toBe(
      "Blocks: own: bitcoind at 127.0.0.1:8332, at height 7. 2 transactions published, not confirmed.",
    );
    expect(chainText({ ...own, trouble: "no answer" })).toContain("TROUBLE: no answer");
  });

  test("--broadcast is refused before anything is signed where there is no source of the signer's own", async () => {
    const asked: string[] = [];
    const admin = (mode: "own" | "host") => ({
      node: undefined as never,
      ask: async (name: string) => {
        asked.push(name);
        return { ...none, mode } as never;
      },
    });
    await checkSource(admin("own"), "Otherwise.");
    const error = await checkSource(admin("host"), "Otherwise.").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SetupError);
    expect((error as SetupError).problem).toBe("unavailable");
    expect((error as SetupError).remedy).toBe('Otherwise. Or set source = "own" in [chain].');
    expect(asked).toEqual(["chainSource", "chainSource"]);
  });

  test("what is due is what waits for no block and no confirmation", () => {
    const one = {
      what: "",
      txid: txid(new Uint8Array(32)),
      tx: new Uint8Array(0),
      after: txid(new Uint8Array(32)),
    };
    expect(isDue({ ...one, from: height(0), wait: delay(0) }, unknown)).toBe(true);
    expect(isDue({ ...one, from: height(9), wait: delay(0) }, unknown)).toBe(false);
    expect(isDue({ ...one, from: height(9), wait: delay(0) }, height(9))).toBe(true);
    expect(isDue({ ...one, from: height(9), wait: delay(0) }, height(8))).toBe(false);
    expect(isDue({ ...one, from: height(0), wait: delay(1) }, height(8))).toBe(false);
  });
});
