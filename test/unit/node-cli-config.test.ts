import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import {
  parseAsking,
  parseMsat,
  parseNodeId,
  parsePeer,
  parseSat,
  printMsat,
  printPeer,
} from "../../cli/node/arguments.ts";
import { homeOf, openNodeHome, parseNodeConfig, printNodeConfig } from "../../cli/node/config.ts";
import { registerNodeInit } from "../../cli/node/init.ts";

const node = `02${"ab".repeat(32)}`;
const folder = mkdtempSync(join(tmpdir(), "cs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("amounts", () => {
  test.each([
    ["1", 1_000n],
    ["50000", 50_000_000n],
    ["0.001", 1n],
    ["1.2", 1_200n],
    ["12.345", 12_345n],
    ["2100000000000000", 2_100_000_000_000_000_000n],
  ])("%s is %s msat, and printed as it was read", (text, n) => {
    expect(parseMsat(text)).toBe(n);
    expect(parseMsat(printMsat(parseMsat(text)))).toBe(n);
  });

  test.each([
    "",
    "0",
    "0.000",
    "-1",
    "1.",
    ".5",
    "1.0001",
    "1e3",
    "0x10",
    "01",
    "1,000",
    " 1",
    "١",
    "2100000000000001",
    "9".repeat(40),
  ])("%j is none", (text) => {
    expect(() => parseMsat(text)).toThrow("not an amount");
    expect(() => parseSat(text)).toThrow("not an amount");
  });

  test("of a channel are whole, of an invoice may be left to the payer", () => {
    expect(parseSat("1000000")).toBe(1_000_000n);
    expect(() => parseSat("1.5")).toThrow("whole satoshi");
    expect(parseAsking("any")).toBeUndefined();
    expect(parseAsking("1.5")).toBe(1_500n);
  });
});

describe("peers", () => {
  test.each([
    [`${node}@127.0.0.1:9735`, { host: "127.0.0.1", port: 9735 }],
    [`${node.toUpperCase()}@node.example:1`, { host: "node.example", port: 1 }],
    [`${node}@[::1]:65535`, { host: "::1", port: 65_535 }],
  ])("%s", (text, address) => {
    const peer = parsePeer(text);
    expect(peer).toEqual({ node, address });
    expect(parsePeer(printPeer(peer))).toEqual(peer);
  });

  test.each([
    "",
    node,
    `${node}@`,
    `${node}@host`,
    `${node}@host:0`,
    `${node}@host:65536`,
    `${node}@a@b:1`,
    `04${node.slice(2)}@h:1`,
    `${node}0@h:1`,
    `@h:1`,
  ])("%j is none", (text) => {
    expect(() => parsePeer(text)).toThrow(/not a (peer's address|node id)/);
  });

  test("a node id is a point's form, in any case of letters", () => {
    expect(parseNodeId(node.toUpperCase())).toBe(node);
    expect(() => parseNodeId(node.slice(1))).toThrow("not a node id");
  });
});

const minimal = 'schema = 1\nsigner = "host"\n[chain]\nkind = "esplora"\nurl = "http://127.0.0.1:3000"\n';

describe("node.toml", () => {
  test("has its defaults, and is printed with a sentence above each setting", () => {
    const settings = parseNodeConfig(minimal, "node.toml");
    expect(settings).toMatchObject({ announce: false, anchors: true, confirmations: 6, look: 10 });
    const printed = printNodeConfig(settings);
    expect(parseNodeConfig(printed, "node.toml")).toEqual(settings);
    for (const line of printed.split("\n").filter((one) => /^(announce|signer|url) /.test(one)))
      expect(printed).toMatch(new RegExp(`# .+\\n${line.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`));
  });

  test.each([
    [`anouncement = true\n${minimal}`, "anouncement: unknown key; did you mean `announce`?"],
    [`${minimal}cookie = "x"\n`, "chain.cookie: unknown key"],
    [minimal.replace("esplora", "bitcoind"), "either cookie, or user and passwordFile"],
    [minimal.replace("http://", "http://u:p@"), "no user, password or query"],
    [`listen = "nowhere"\n${minimal}`, "listen: not an address"],
    [`alias = "${"ü".repeat(17)}"\n${minimal}`, "alias: more than 32 bytes"],
    [`confirmations = 0\n${minimal}`, "confirmations"],
    [minimal.replace("schema = 1", "schema = 2"), "schema"],
    [minimal.replace('signer = "host"\n', ""), "signer"],
    ["[", "is not TOML"],
  ])("refuses %j", (text, reason) => {
    expect(() => parseNodeConfig(text, "node.toml")).toThrow(reason);
  });

  test("means paths beside itself, and a socket that the system can take", () => {
    const settings = parseNodeConfig(
      'schema = 1\nsigner = "host"\nlisten = "127.0.0.1:9735"\nexternal = "192.0.2.1:9735"\nalias = "a"\n[chain]\nkind = "bitcoind"\nurl = "http://127.0.0.1:1"\ncookie = ".cookie"\n',
      "node.toml",
    );
    expect(homeOf(settings, "/n/node.toml")).toMatchObject({
      directory: "/n",
      signer: "/n/host",
      control: "/n/control.sock",
      chain: { kind: "bitcoind", cookie: "/n/.cookie" },
      config: {
        ...{ anchors: true, announced: false, minimumDepth: 6, alias: "a" },
        externalAddress: { host: "192.0.2.1", port: 9735 },
      },
    });
    expect(() => homeOf(settings, `/${"n".repeat(100)}/node.toml`)).toThrow("too long for a socket");
  });

  test("is read where nobody else can read it", () => {
    const dir = join(folder, "open");
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(join(dir, "node.toml"), minimal, { mode: 0o600 });
    expect(openNodeHome(dir).settings.look).toBe(10);
    chmodSync(join(dir, "node.toml"), 0o644);
    expect(() => openNodeHome(dir)).toThrow("open to other users");
    chmodSync(join(dir, "node.toml"), 0o600);
    chmodSync(dir, 0o755);
    expect(() => openNodeHome(dir)).toThrow("open to other users");
    expect(() => openNodeHome(join(folder, "none"))).toThrow("there is no");
  });
});

describe("countersign node init", () => {
  const bundle = (name: string, network: string): string => {
    const path = join(folder, name);
    mkdirSync(path, { mode: 0o700 });
    const files = { ca: "ca.pem", certificate: "host.pem", key: "host-key.pem" };
    for (const file of Object.values(files)) writeFileSync(join(path, file), "pem");
    writeFileSync(
      join(path, "host.json"),
      JSON.stringify({ address: "127.0.0.1:7601", node, network, ...files }),
    );
    return path;
  };
  const regtest = bundle("regtest", "regtest");
  const bitcoin = bundle("bitcoin", "bitcoin");
  const init = async (...args: readonly string[]): Promise<void> => {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
    registerNodeInit(program);
    await program.parseAsync(["init", ...args, "--json"], { from: "user" });
  };
  const esplora = ["--esplora", "http://127.0.0.1:3000"];

  test("writes a private directory, once", async () => {
    const dir = join(folder, "made");
    await init("--dir", dir, "--signer", regtest, ...esplora, "--no-anchors", "--alias", "bob", "--announce");
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "node.toml")).mode & 0o777).toBe(0o600);
    expect(openNodeHome(dir)).toMatchObject({
      signer: regtest,
      config: { anchors: false, announced: true, alias: "bob" },
    });
    const before = readFileSync(join(dir, "node.toml"), "utf8");
    await expect(init("--dir", dir, "--signer", regtest, ...esplora)).rejects.toThrow("is not empty");
    expect(readFileSync(join(dir, "node.toml"), "utf8")).toBe(before);
  });

  test("takes an Electrum server, with its certificate", async () => {
    const dir = join(folder, "electrum");
    const electrum = ["--electrum", "ssl://127.0.0.1:50002", "--electrum-certificate", "c.pem"];
    await init("--dir", dir, "--signer", regtest, ...electrum);
    expect(openNodeHome(dir).chain).toEqual({
      ...{ kind: "electrum", url: "ssl://127.0.0.1:50002", certificate: join(process.cwd(), "c.pem") },
    });
    const written = readFileSync(join(dir, "node.toml"), "utf8").replace(
      /^certificate = .*$/m,
      'certificate = "c"',
    );
    writeFileSync(join(dir, "node.toml"), written, { mode: 0o600 });
    expect(openNodeHome(dir).chain).toMatchObject({ certificate: join(dir, "c") });
  });

  test.each([
    [
      ["--signer", bitcoin, ...esplora],
      "regtest, signet and testnet only: its LDK is 0.1.2, which lacks fixes against theft",
    ],
    [["--signer", folder, ...esplora], "no copy of a signer's host folder"],
    [["--signer", regtest], "needs one source of blocks"],
    [["--signer", regtest, ...esplora, "--bitcoind", "http://127.0.0.1:1"], "one source of blocks is enough"],
    [["--signer", regtest, ...esplora, "--cookie", "x"], "belong to --bitcoind"],
    [["--signer", regtest, ...esplora, "--electrum", "tcp://h:1"], "one source of blocks is enough"],
    [["--signer", regtest, ...esplora, "--electrum-certificate", "x"], "belongs to --electrum"],
    [["--signer", regtest, "--electrum", "tcp://h:1", "--rest"], "belong to --bitcoind"],
    [["--signer", regtest, "--electrum", "h:1"], "not an address"],
    [
      ["--signer", regtest, "--electrum", "tcp://h:1", "--electrum-certificate", "x"],
      "belongs to an address",
    ],
    [["--signer", regtest, "--bitcoind", "http://127.0.0.1:1"], "either --cookie"],
    [["--signer", regtest, "--esplora", "ftp://x"], "not an address"],
    [["--signer", regtest, ...esplora, "--listen", "x"], "listen: not an address"],
  ])("%j writes nothing", async (args, reason) => {
    const dir = join(folder, "refused");
    await expect(init("--dir", dir, ...args)).rejects.toThrow(reason);
    expect(existsSync(dir)).toBe(false);
  });
});
