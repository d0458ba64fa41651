import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitCodes, exitOf, exitTable } from "../../cli/exit.ts";
import { type InitOptions, type InitWorld, init } from "../../cli/init.ts";
import { openTerminal, type Terminal, table } from "../../cli/terminal.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { point } from "../../protocol/units.ts";
import { ownSourceOf, pathsOf, readConfig } from "../../signer/config.ts";
import { unpackNode } from "../../signer/core/node-records.ts";
import { readSealed } from "../../signer/keys/sealed.ts";
import { readSeed, seedOf, wordsOf } from "../../signer/keys/seed.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { SetupError, type SetupProblem } from "../../signer/setup-error.ts";
import { openStore } from "../../signer/store/sqlite.ts";

const root = resolve(import.meta.dirname, "../..");
const secretWord = "correct horse battery";
const passphrase = new Secret(Buffer.from(secretWord));
const words =
  "legal winner thank year wave sausage worth useful legal winner thank year " +
  "wave sausage worth useful legal winner thank year wave sausage worth title";

let home = "";
let passphraseFile = "";
const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env;
const main = join(root, "cli/main.ts");
const countersign = (args: readonly string[], input = ""): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", input });
const scripted = ["--yes", "--network", "regtest"] as const;
const initAt = (dir: string, args: readonly string[] = [], input = "") =>
  countersign(
    ["init", "--dir", join(home, dir), ...scripted, "--passphrase-file", passphraseFile, ...args],
    input,
  );

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "countersign-init-"));
  passphraseFile = join(home, "passphrase");
  writeFileSync(passphraseFile, `${secretWord}\n`, { mode: 0o600 });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const everyFile = [
  "certificates/admin-key.pem",
  "certificates/admin.pem",
  "certificates/ca-key.age",
  "certificates/ca.pem",
  "certificates/server-key.pem",
  "certificates/server.pem",
  "countersign.toml",
  "host/ca.pem",
  "host/host-key.pem",
  "host/host.json",
  "host/host.pem",
  "seed.age",
  "store.sqlite",
];
const filesIn = (dir: string): readonly string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();

describe("countersign init --yes", () => {
  let dir = "";
  let result: SpawnSyncReturns<string>;
  beforeAll(() => {
    dir = join(home, "first");
    result = initAt("first", ["--json", "--name", "signer.example", "--tier", "commitments"]);
  });
  const text = (name: string) => readFileSync(join(dir, name), "utf8");

  test("succeeds, and prints one line of JSON and nothing else", () => {
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    expect(JSON.parse(result.stdout)).toEqual({
      dir,
      node: expect.stringMatching(/^0[23][0-9a-f]{64}$/),
      network: "regtest",
      tier: "commitments",
      address: "signer.example:7601",
      config: join(dir, "countersign.toml"),
      seed: join(dir, "seed.age"),
      host: join(dir, "host"),
    });
  });

  test("writes what belongs there, for its owner alone, and leaves nothing beside it", () => {
    expect(filesIn(dir)).toEqual(everyFile);
    for (const name of everyFile) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    for (const name of ["", "certificates", "host"])
      expect(statSync(join(dir, name)).mode & 0o777).toBe(0o700);
    expect(readdirSync(home).filter((name) => name.includes("unfinished"))).toEqual([]);
  });

  test("names the node that the sealed seed leads to, in the configuration and to the host", async () => {
    const { style, entropy } = await readSeed(join(dir, "seed.age"), passphrase);
    const curve = await loadNative();
    const keyring = softwareKeyring({
      seed: seedOf(entropy),
      style,
      network: "regtest",
      nodeIndex: 0,
      curve,
    });
    const node = toHex(keyring.node);
    const config = readConfig(join(dir, "countersign.toml"));
    expect(config.node).toEqual([{ index: 0, id: node }]);
    expect(config.network).toBe("regtest");
    expect(config.tier).toBe("commitments");
    expect(config.policy).toEqual({ preset: "regtest" });
    expect(config.listen).toBe("127.0.0.1:7601");
    expect(pathsOf(config, join(dir, "countersign.toml")).seed).toBe(join(dir, "seed.age"));
    expect(JSON.parse(text("host/host.json"))).toEqual({
      address: "signer.example:7601",
      node,
      network: "regtest",
      ca: "ca.pem",
      certificate: "host.pem",
      key: "host-key.pem",
    });
    expect(JSON.parse(result.stdout).node).toBe(node);
  });

  test("issues certificates that fit their keys and their authority, whose key is sealed", async () => {
    const ca = new X509Certificate(text("certificates/ca.pem"));
    expect(text("host/ca.pem")).toBe(text("certificates/ca.pem"));
    const node = JSON.parse(result.stdout).node;
    const names = {
      "certificates/server": /DNS:signer\.example/,
      "certificates/admin": /^URI:countersign:admin$/,
      "host/host": new RegExp(`^URI:countersign:host:${node}$`),
    };
    for (const [name, alternative] of Object.entries(names)) {
      const certificate = new X509Certificate(text(`${name}.pem`));
      expect(certificate.verify(ca.publicKey)).toBe(true);
      expect(certificate.checkPrivateKey(createPrivateKey(text(`${name}-key.pem`)))).toBe(true);
      expect(certificate.subjectAltName).toMatch(alternative);
    }
    const caKey = Buffer.from(await readSealed(join(dir, "certificates/ca-key.age"), passphrase));
    expect(ca.checkPrivateKey(createPrivateKey(caKey))).toBe(true);
    for (const name of everyFile) expect(readFileSync(join(dir, name)).includes(caKey)).toBe(false);
  });

  test("shows no word, and writes none outside of the sealed file", async () => {
    const { entropy } = await readSeed(join(dir, "seed.age"), passphrase);
    const phrase = wordsOf(entropy).slice(0, 3).join(" ");
    const plain = initAt("shown");
    expect(plain.stdout).toContain("age -d");
    for (const out of [result.stdout, result.stderr, ...everyFile.map(text)]) {
      expect(out).not.toContain(phrase);
      expect(out).not.toContain(secretWord);
    }
  });

  test("makes other keys each time", () => {
    const [one, other] = ["first", "shown"].map(
      (name) => readConfig(join(home, name, "countersign.toml")).node[0]?.id,
    );
    expect(one).not.toBe(other);
  });

  test("never writes over anything", () => {
    const before = everyFile.map(text);
    const again = initAt("first");
    expect(again.status).toBe(exitCodes.refused.code);
    expect(again.stderr).toContain("is not empty, and nothing is ever written over it");
    expect(everyFile.map(text)).toEqual(before);
    const file = initAt("passphrase");
    expect(file.status).toBe(exitCodes.refused.code);
    expect(readFileSync(passphraseFile, "utf8")).toBe(`${secretWord}\n`);
  });

  test("takes an empty directory that is there", () => {
    mkdirSync(join(home, "empty"));
    expect(initAt("empty").status).toBe(0);
    expect(filesIn(join(home, "empty"))).toEqual(everyFile);
  });

  test.each([
    ["a file", (file: string) => [file, ""] as const],
    ["the input", () => ["-", `${words}\n`] as const],
  ])("restores the same keys from words in %s", (name, from) => {
    const file = join(home, "words");
    writeFileSync(file, `${words.toUpperCase()}\n`, { mode: 0o600 });
    const [source, input] = from(file);
    const { status, stdout, stderr } = initAt(
      `restored from ${name}`,
      ["--restore", source, "--json"],
      input,
    );
    expect([status, stderr]).toEqual([0, ""]);
    // Of the frozen words on regtest, index 0: the same for every release.
    expect(JSON.parse(stdout).node).toBe(
      "02ef77fc70bb594513eb82acd34c13d2c29cac244024ea826cb68f5c497a4c9741",
    );
  });

  test("warns, after a restoration, that words are not the state of channels", () => {
    const { stdout } = initAt("restored", ["--restore", "-"], words);
    expect(stdout).toContain("The words bring back keys, not what the signer knew of its channels");
  });

  test.each([
    ["restored words skip every id that their earlier store can have given out", ["--restore", "-"], words],
    ["new words begin with the first id", [], ""],
  ] as const)("%s", async (name, args, input) => {
    const at = `ids of ${name.split(" ")[0]}`;
    const before = BigInt(Math.floor(Date.now() / 1000));
    initAt(at, [...args], input);
    const [node = { id: "" }] = readConfig(join(home, at, "countersign.toml")).node;
    const store = await openStore({ path: join(home, at, "store.sqlite") });
    const record = (await store.load(point(fromHex(node.id)))).get(`${node.id}/node`);
    await store.close();
    const { nextChannel } = record === undefined ? { nextChannel: 0n } : unpackNode(record.bytes);
    if (args.length > 0) expect(nextChannel).toBeGreaterThanOrEqual(before);
    else expect(nextChannel).toBe(0n);
  });

  test("gives the signer a source of its own, and says where blocks come from", () => {
    const made = initAt("own", ["--electrum", "tcp://127.0.0.1:50001"]);
    expect([made.status, made.stderr]).toEqual([0, expect.stringContaining("Sealing")]);
    expect(made.stdout).toMatch(/^blocks +from tcp:\/\/127\.0\.0\.1:50001$/m);
    const file = join(home, "own", "countersign.toml");
    expect(ownSourceOf(readConfig(file), file)).toEqual({ kind: "electrum", url: "tcp://127.0.0.1:50001" });
    expect(initAt("fed", []).stdout).toMatch(/^blocks +none: \[chain\] in the configuration$/m);
  });

  test.each([
    [
      ["--bitcoind", "http://127.0.0.1:8332"],
      "--bitcoind needs either --cookie, or --user and --password-file",
    ],
    [["--bitcoind", "http://127.0.0.1:8332", "--user", "me"], "--user and --password-file belong together"],
    [["--esplora", "nowhere"], "--esplora: not an address: http://host:port or https://host"],
    [["--esplora", "https://a.b", "--electrum", "tcp://a:1"], "one source of blocks is enough"],
    [["--cookie", "/there"], "--cookie, --user, --password-file and --rest belong to --bitcoind"],
    [["--electrum-certificate", "/there"], "--electrum-certificate belongs to --electrum"],
  ])("with %j is wrong usage, and nothing is written", (args, why) => {
    const made = initAt("wrong", args);
    expect([made.status, made.stderr]).toEqual([2, expect.stringContaining(`countersign: ${why}`)]);
    expect(existsSync(join(home, "wrong"))).toBe(false);
  });

  test("takes the passphrase from the input", async () => {
    const at = join(home, "piped");
    const { status } = countersign(
      ["init", "--dir", at, ...scripted, "--passphrase-file", "-"],
      "a long passphrase\n",
    );
    expect(status).toBe(0);
    const { style } = await readSeed(join(at, "seed.age"), new Secret(Buffer.from("a long passphrase")));
    expect(style).toBe("native");
  });

  test("is whole or not there when it is killed, and then says what to remove", {
    timeout: 30_000,
  }, async () => {
    const at = join(home, "killed");
    const unfinished = join(home, ".killed.unfinished");
    // With the work factor of real money it spends seconds inside.
    const args = [main, "init", "--dir", at, "--yes", "--passphrase-file", passphraseFile];
    const child = spawn(process.execPath, args, { env, stdio: "ignore" });
    const ended = new Promise((done) => child.once("exit", (_code, signal) => done(signal)));
    const seed = join(unfinished, "seed.age");
    await expect.poll(() => existsSync(seed), { timeout: 20_000, interval: 5 }).toBe(true);
    child.kill("SIGKILL");
    expect(await ended).toBe("SIGKILL");
    expect(existsSync(at)).toBe(false);
    expect(readFileSync(seed, "latin1")).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S+ 18\n/);

    const again = initAt("killed");
    expect(again.status).toBe(exitCodes.refused.code);
    expect(again.stderr).toContain(`rm -r ${unfinished}`);
    rmSync(unfinished, { recursive: true });
    expect(initAt("killed").status).toBe(0);
    expect(filesIn(at)).toEqual(everyFile);
  });
});

const defaults = {
  network: "regtest",
  tier: "full",
  listen: "127.0.0.1:7601",
  name: [],
  curve: "native",
} as const;
const world = (terminal: Terminal, input = ""): InitWorld => ({
  terminal,
  readInput: () => new Uint8Array(Buffer.from(input)),
  random: (length) => new Uint8Array(randomBytes(length)),
  randomBelow: (limit) => limit - 1,
  now: () => Date.now(),
});

describe("what init refuses, having written nothing", () => {
  const expectRefused = async (
    options: Partial<InitOptions>,
    problem: SetupProblem,
    told: RegExp,
    input = "",
  ): Promise<void> => {
    const dir = join(home, "refused");
    const terminal = openTerminal({ input: new PassThrough(), output: new PassThrough() });
    const error = await init({ dir, ...defaults, ...options }, world(terminal, input)).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ name: "SetupError", problem });
    expect(inspect(error)).toMatch(told);
    expect(inspect(error)).not.toMatch(/winner|sausage|zzz/);
    expect(readdirSync(home).filter((name) => name.includes("refused"))).toEqual([]);
  };

  test.each<readonly [Partial<InitOptions>, RegExp]>([
    [{ yes: true }, /--passphrase-file/],
    [{}, /no terminal to ask on/],
    [{ yes: true, passphraseFile: "-", restore: "-" }, /cannot both come/],
    [{ passphraseFile: "-" }, /needs --yes/],
    [{ restore: "-" }, /needs --yes/],
    [{ yes: true, passphraseFile: "x", restore: true }, /--yes asks nothing/],
    [{ yes: true, passphraseFile: "x", listen: "7601" }, /not an address/],
    [{ yes: true, passphraseFile: "x", listen: "0.0.0.0:7601" }, /--name/],
    [{ yes: true, passphraseFile: "x", listen: "[::]:7601" }, /--name/],
  ])("%j", (options, told) => expectRefused(options, "usage", told));

  test("a passphrase that is short, open to others, or not there", async () => {
    const file = join(home, "short");
    writeFileSync(file, "ninechars\n", { mode: 0o600 });
    const options = { yes: true, passphraseFile: file } as const;
    await expectRefused(options, "passphrase", /has 9 characters, and must have 10/);
    writeFileSync(file, `${secretWord}\n`);
    chmodSync(file, 0o644);
    await expectRefused(options, "permissions", /open to other users[\s\S]*chmod go=/);
    rmSync(file);
    await expectRefused(options, "missing", /there is no/);
  });

  test.each([
    ["legal winner thank", /24 of them/],
    [words.replace(/title$/, "zzz"), /word 24/],
    [words.replace("legal", "title"), /do not fit/],
  ])("the words %j, without repeating them", async (text, told) => {
    await expectRefused({ yes: true, passphraseFile, restore: "-" }, "invalid", told, text);
    const file = join(home, "wrong words");
    writeFileSync(file, text, { mode: 0o600 });
    await expectRefused({ yes: true, passphraseFile, restore: file }, "invalid", told);
    chmodSync(file, 0o640);
    await expectRefused({ yes: true, passphraseFile, restore: file }, "permissions", /chmod/);
    rmSync(file);
  });

  test("a directory inside of none", () =>
    expectRefused(
      { yes: true, passphraseFile, dir: join(home, "no/such/place") },
      "missing",
      /there is no directory .*no\/such to put place into/,
    ));

  test.each([
    [["--network", "mainnet"], /mainnet/],
    [["--lisen", "x"], /--listen/],
    [[], /no terminal to ask on/],
  ])("on the command line: %j", (args, told) => {
    const { status, stdout, stderr } = countersign(["init", "--dir", join(home, "refused"), ...args]);
    expect([status, stdout]).toEqual([exitCodes.usage.code, ""]);
    expect(stderr).toMatch(told);
  });

  test("every problem has an exit code of its own kind", () => {
    const problems = [
      "usage",
      "exists",
      "invalid",
      "passphrase",
      "unsafe",
      "unavailable",
      "interrupted",
    ] as const;
    expect(problems.map(exitOf)).toEqual([2, 3, 4, 5, 6, 69, 130]);
    expect(exitOf("permissions")).toBe(6);
    expect(exitOf("missing")).toBe(4);
  });
});

/** Somebody at a terminal: answers each question, in this order, when it comes. */
const person = (answers: readonly (readonly [RegExp, string | ((screen: string) => string)])[]) => {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = Object.assign(new PassThrough(), { isTTY: true });
  const left = [...answers];
  let screen = "";
  let read = 0;
  output.on("data", (data) => {
    screen += data;
    const next = left[0];
    const match = next && new RegExp(next[0].source, "g");
    if (match === undefined || next === undefined) return;
    match.lastIndex = read;
    if (match.exec(screen) === null) return;
    read = match.lastIndex;
    left.shift();
    const answer = typeof next[1] === "string" ? next[1] : next[1](screen);
    // Not within the write that asks: people take longer too.
    setImmediate(() => input.write(answer));
  });
  return { input, output, screen: () => screen, unasked: () => left.length };
};

describe("somebody at a terminal", () => {
  const phrase = (screen: string, number: number): string =>
    new RegExp(`\\b${number}\\. ([a-z]+)`).exec(screen.slice(screen.lastIndexOf("These 24 words")))?.[1] ??
    "";
  const word =
    (right: boolean) =>
    (screen: string): string => {
      const number = Number([...screen.matchAll(/Word (\d+): /g)].at(-1)?.[1]);
      return `${right ? phrase(screen, number) : "wrong"}\r`;
    };
  const types = (text: string) => `${text}\r`;
  const first = [/A passphrase.*: /, types(secretWord)] as const;
  const second = [/The same again: /, types(secretWord)] as const;
  const enter = [/Press Enter.*\. /, "\r"] as const;
  const right = [/Word \d+: /, word(true)] as const;
  const wrong = [/Word \d+: /, word(false)] as const;

  const talk = async (
    name: string,
    answers: Parameters<typeof person>[0],
    options: Partial<InitOptions> = {},
  ) => {
    const someone = person(answers);
    const terminal = openTerminal(someone);
    const dir = join(home, name);
    const result = await init({ dir, ...defaults, ...options }, world(terminal)).catch((e: unknown) => e);
    terminal.close();
    return { result, screen: someone.screen(), unasked: someone.unasked(), dir };
  };

  test("sees the words once, gives two of them back, and types unseen", async () => {
    const { result, screen, unasked, dir } = await talk("asked", [first, second, enter, right, right]);
    expect(result).toMatchObject({ dir, network: "regtest" });
    expect(unasked).toBe(0);
    expect(screen).not.toContain(secretWord);
    expect(screen.split("These 24 words")).toHaveLength(2);
    // On the other screen, which goes away with all that stood there.
    expect(screen.indexOf("\x1b[?1049h")).toBeLessThan(screen.indexOf("These 24 words"));
    expect(screen.indexOf("24. ")).toBeLessThan(screen.indexOf("\x1b[?1049l"));
    const { entropy } = await readSeed(join(dir, "seed.age"), passphrase);
    expect(wordsOf(entropy)).toEqual(Array.from({ length: 24 }, (_, at) => phrase(screen, at + 1)));
  });

  test("is shown the words again after a wrong one, and turned away after three", async () => {
    const again = await talk("twice", [first, second, enter, right, wrong, enter, right, right]);
    expect(again.result).toMatchObject({ network: "regtest" });
    const never = await talk("never", [first, second, ...Array(3).fill([enter, wrong, right]).flat()]);
    expect(never.unasked).toBe(0);
    expect(never.result).toMatchObject({ problem: "usage" });
    expect(existsSync(never.dir)).toBe(false);
  });

  test("is asked again for a passphrase that is short or not the same twice", async () => {
    const short = [first[0], types("short")] as const;
    const other = [second[0], types("correct horse batterz")] as const;
    const { result } = await talk("again", [short, first, other, first, second, enter, right, right]);
    expect(result).toMatchObject({ network: "regtest" });
    const never = await talk("never", [first, other, first, other, first, other]);
    expect(never.result).toMatchObject({ problem: "passphrase" });
  });

  test("restores by typing the words, unseen, and is shown none", async () => {
    const ask = /The 24 words.*: /;
    const answers = [[ask, types("legal winner")], [ask, types(words)], first, second] as const;
    const { result, screen, dir } = await talk("typed", answers, { restore: true });
    expect(result).toMatchObject({ network: "regtest" });
    expect(screen).not.toMatch(/winner|sausage/);
    const { entropy } = await readSeed(join(dir, "seed.age"), passphrase);
    expect(wordsOf(entropy).join(" ")).toBe(words);
  });

  test.each([
    ["Ctrl-C", "secr\x03", "interrupted"],
    ["Ctrl-D", "\x04", "usage"],
  ])("leaves with %s, and nothing is written", async (_name, keys, problem) => {
    const { result, dir } = await talk("left", [[/A passphrase.*: /, keys]]);
    expect(result).toBeInstanceOf(SetupError);
    expect(result).toMatchObject({ problem });
    expect(existsSync(dir)).toBe(false);
  });
});

describe("the terminal", () => {
  test("takes lines that came before their questions, and says when the input has ended", async () => {
    const input = new PassThrough();
    const output = new PassThrough();
    const terminal = openTerminal({ input, output });
    expect(terminal.interactive).toBe(false);
    input.end("one\ntwo\n");
    expect(await terminal.ask("1? ")).toBe("one");
    expect(await terminal.askHidden("2? ")).toBe("two");
    await expect(terminal.ask("3? ")).rejects.toMatchObject({ problem: "usage" });
    expect(String(output.read())).toContain("1? ");
  });

  test("aligns the columns of a table", () => {
    expect(
      table([
        ["a", "bcd", "e"],
        ["fgh", "i", ""],
      ]),
    ).toBe("a    bcd  e\nfgh  i");
  });
});

describe("countersign", () => {
  test("prints its version and its help, with the exit codes", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(countersign(["--version"])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
    const help = countersign(["--help"]);
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toContain(exitTable());
    expect(countersign(["init", "--help"])).toMatchObject({ status: 0, stderr: "" });
  });

  test.each([[[]], [["nonsense"]], [["--nonsense"]]])("exits with 2 for %j", (args) => {
    const { status, stdout, stderr } = countersign(args);
    expect([status, stdout]).toEqual([exitCodes.usage.code, ""]);
    expect(stderr).not.toBe("");
  });
});
