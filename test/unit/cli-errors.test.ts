/** What a person gets wrong is told with a way out, and never as a fault; what was asked for is no error. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { usableCredentials } from "../../cli/certificates.ts";
import { checkChange } from "../../cli/device/limits.ts";
import { comparedBy } from "../../cli/device/pair.ts";
import { ownDirectory } from "../../cli/directory.ts";
import { placeText } from "../../cli/status.ts";
import { openTerminal } from "../../cli/terminal.ts";
import { unknown } from "../../protocol/codec.ts";
import { msat } from "../../protocol/units.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { environment as env } from "../environment.ts";

const home = mkdtempSync(join(tmpdir(), "countersign-errors-"));
const signer = join(home, "signer");
const passphrase = join(home, "passphrase");
const file = join(home, "file");
const main = join(import.meta.dirname, "../../cli/main.ts");
const countersign = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { status, stdout, stderr };
};
const caught = (action: () => unknown): SetupError => {
  try {
    action();
  } catch (error) {
    if (error instanceof SetupError) return error;
    throw error;
  }
  return expect.unreachable();
};

beforeAll(() => {
  writeFileSync(passphrase, "four random words here\n", { mode: 0o600 });
  writeFileSync(file, "");
  const made = countersign(
    ...["init", "--dir", signer, "--yes", "--network", "regtest", "--passphrase-file", passphrase],
  );
  expect(made).toMatchObject({ status: 0 });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe("help", () => {
  test.each([[["help", "status"]], [["device", "help", "list"]], [["status", "--help"]]])(
    "that was asked for by %j goes to the output, with 0",
    (args) => {
      expect(countersign(...args)).toEqual({
        status: 0,
        stderr: "",
        stdout: expect.stringMatching(/^Usage:/),
      });
    },
  );

  test.each([[["help", "nothing"]], [["device"]], [[]]])(
    "instead of a command, of %j, goes to the error stream, with 2",
    (args) => {
      expect(countersign(...args)).toEqual({
        status: 2,
        stdout: "",
        stderr: expect.stringMatching(/^Usage:/),
      });
    },
  );
});

describe("a path that leads to something else", () => {
  const key = ["--passphrase-file", passphrase];
  test.each([
    [["device", "sim", "--dir", join(home, "case"), "--script", home], 4, `${home} is a directory`],
    [["device", "sim", "--dir", file], 2, `${file} is not a directory`],
    [["device", "pair", "--dir", file, "--address", "unix:/x", "--code-on-stdin"], 2, "is not a directory"],
    [["approver", "new", "--key", join(home, "no", "a.age"), ...key], 4, `there is no directory ${home}/no`],
    [["approver", "new", "--key", file, ...key], 3, `${file} exists already`],
  ])("as in %j is told", (args, status, why) => {
    expect(countersign(...args)).toEqual({ status, stdout: "", stderr: expect.stringContaining(why) });
    expect(readFileSync(file, "utf8")).toBe("");
  });

  test("of a directory that is to be made", () => {
    expect(ownDirectory(join(home, "a", "b"))).toBe(join(home, "a", "b"));
    expect(caught(() => ownDirectory(join(file, "x"))).message).toBe(`${file}/x leads through a file`);
    expect(caught(() => ownDirectory(file)).problem).toBe("usage");
    mkdirSync(join(home, "open"), { mode: 0o755 });
    expect(caught(() => ownDirectory(join(home, "open"))).problem).toBe("permissions");
  });
});

describe("certificates", () => {
  const certificates = (name: string, change: (at: string) => void): string => {
    const at = join(home, name);
    cpSync(join(signer, "certificates"), at, { recursive: true });
    change(at);
    return at;
  };

  test("as init wrote them are taken", () => {
    const { key } = usableCredentials(join(signer, "certificates"), "server");
    expect(key.use((bytes) => new TextDecoder().decode(bytes))).toContain("PRIVATE KEY");
    key.wipe();
  });

  test.each([
    ["ca", "ca.pem"],
    ["certificate", "server.pem"],
    ["key", "server-key.pem"],
  ])("whose %s is cut short are not", (name, cut) => {
    const at = certificates(name, (place) => truncateSync(join(place, cut), 10));
    const { problem, message, remedy } = caught(() => usableCredentials(at, "server"));
    expect([problem, message]).toEqual([
      "invalid",
      expect.stringContaining(`server-key.pem in ${at} can't be used`),
    ]);
    expect(remedy).toContain("countersign init");
    expect(message).not.toContain("PRIVATE");
  });

  test("with the key of another are not", () => {
    const at = certificates("other", (place) =>
      cpSync(join(place, "admin-key.pem"), join(place, "server-key.pem")),
    );
    expect(caught(() => usableCredentials(at, "server")).problem).toBe("invalid");
    expect(usableCredentials(at, "admin")).toBeDefined();
  });
});

test("a signer's settings are judged before the passphrase is read", () => {
  const at = join(home, "typo");
  cpSync(signer, at, { recursive: true });
  const config = join(at, "countersign.toml");
  writeFileSync(config, readFileSync(config, "utf8").replace("preset =", "prest ="));
  const { status, stderr } = countersign("signer", "--dir", at, "--passphrase-file", join(home, "nowhere"));
  expect([status, stderr]).toEqual([
    4,
    expect.stringContaining("prest: unknown key; did you mean `preset`?"),
  ]);
  expect(countersign("signer", "--dir", signer, "--passphrase-file", join(home, "nowhere"))).toMatchObject({
    status: 4,
    stderr: expect.stringContaining(`there is no ${join(home, "nowhere")}`),
  });
});

test("an error that nobody hears keeps its exit code", async () => {
  const child = spawn(process.execPath, [main, "status", "--dir", join(home, "nowhere")], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.destroy();
  expect((await once(child, "exit"))[0]).toBe(4);
});

test("an input whose pipe is not ready, and does not block, is waited for", async () => {
  const words = "sleep 0.4; echo '[policy]'; sleep 0.2; echo 'preset = \"merchant\"'";
  const slow = spawn("sh", ["-c", words], { stdio: ["ignore", "pipe", "ignore"] });
  const args = ["policy", "check", "-", "--json"];
  const child = spawn(process.execPath, [main, ...args], { env, stdio: [slow.stdout, "pipe", "pipe"] });
  const [said, wrong, [code]] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stderr as Readable),
    once(child, "exit"),
  ]);
  expect([code, wrong]).toEqual([0, ""]);
  expect(said).toContain("merchant");
});

test("the line of a question ends before its interruption is told", async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const terminal = openTerminal({
    input: Object.assign(input, { isTTY: true }),
    output: Object.assign(output, { isTTY: true, columns: 80 }),
  });
  const answer = terminal.ask("Go on? ");
  input.write("\x03");
  await expect(answer).rejects.toThrow("interrupted");
  terminal.close();
  output.end();
  expect(await text(output)).toMatch(/Go on\? .*\n$/);
});

test.each([
  [["123456", "", "yes"], true, 2],
  [["YES "], true, 0],
  [["no"], false, 0],
  [["yess", "n"], false, 1],
])(
  "codes said to be the same by %j: %s, and what is neither yes nor no is asked again",
  async (answers, same, again) => {
    const [left, told]: [string[], string[]] = [[...answers], []];
    const ask = async (): Promise<string> => left.shift() ?? expect.unreachable();
    const compare = comparedBy({ ask, tell: (text) => void told.push(text) });
    expect(await compare("123456")).toBe(same);
    expect(told.filter((text) => text.includes("type yes or no"))).toHaveLength(again);
    expect(left).toEqual([]);
  },
);

test("a device that was not open yet may ask for its PIN, and is not called unplugged", () => {
  const about = { id: "02".padEnd(66, "0"), index: 0, device: "desk" };
  const device = { keys: "device", name: "desk", standing: "unplugged", because: "", now: unknown } as const;
  expect(placeText({ about, device })).toMatch(/on the device desk: not open yet\..*Look at its screen/);
  expect(placeText({ about, device: { ...device, because: "it is gone" } })).toMatch(
    /: unplugged \(it is gone\)\.$/,
  );
});

test("limits that are set anew change something: the allowance is not filled by a slip", () => {
  expect(caught(() => checkChange({})).problem).toBe("usage");
  expect(caught(() => checkChange({ dir: "d", json: true } as object)).problem).toBe("usage");
  for (const one of [{ allowance: msat(0n) }, { forwarding: "no" }, { removePayee: [] }] as const)
    expect(() => checkChange(one)).not.toThrow();
});
