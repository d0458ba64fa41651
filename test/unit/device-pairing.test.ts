import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explained, inUse, refusalExit, refusalText } from "../../cli/device/sentences.ts";
import { Unable } from "../../cli/exit.ts";
import { refusals, stages } from "../../protocol/device/requests.ts";
import { LinkError } from "../../protocol/link.ts";
import { LinkUnavailable } from "../../protocol/wire/links/trouble.ts";
import { holdDevice } from "../../signer/device/hold.ts";
import {
  addPaired,
  devicesFile,
  keyFile,
  linkIdentity,
  type PairedDevice,
  parsePaired,
  printPaired,
  readPaired,
  writePaired,
} from "../../signer/device/pairing.ts";
import { SetupError } from "../../signer/setup-error.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "countersign-pairing-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const one = (name: string, fill = 1): PairedDevice => ({
  name,
  address: "unix:/run/device.sock",
  key: new Uint8Array(32).fill(fill),
  pairedAt: 1_795_000_000_000,
});
const problemOf = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(SetupError);
    return (error as SetupError).problem;
  }
  return undefined;
};

describe("a signer's key for devices", () => {
  test("is made once, for its owner alone", () => {
    const first = linkIdentity(dir);
    expect(statSync(join(dir, keyFile))).toMatchObject({ size: 32 });
    expect(statSync(join(dir, keyFile)).mode & 0o777).toBe(0o600);
    expect(linkIdentity(dir).public).toEqual(first.public);
    expect(readdirSync(dir)).toEqual([keyFile]);
  });

  test("is not used where others can read it, or where it is none", () => {
    linkIdentity(dir);
    chmodSync(join(dir, keyFile), 0o640);
    expect(problemOf(() => linkIdentity(dir))).toBe("permissions");
    writeFileSync(join(dir, keyFile), "short", { mode: 0o600 });
    chmodSync(join(dir, keyFile), 0o600);
    expect(problemOf(() => linkIdentity(dir))).toBe("invalid");
  });
});

describe("the devices that a signer knows", () => {
  test("are none at first, and then those that were written", () => {
    expect(readPaired(dir)).toEqual([]);
    writePaired(dir, [one("a"), one("b", 2)]);
    writePaired(dir, [one("b", 2)]);
    expect(readPaired(dir)).toEqual([one("b", 2)]);
    expect(statSync(join(dir, devicesFile)).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual([devicesFile]);
  });

  test("have a name and a key each: who is paired again is replaced", () => {
    const all = addPaired(addPaired([], one("a")), one("b", 2));
    expect(addPaired(all, one("c", 2))).toEqual([one("a"), one("c", 2)]);
    expect(addPaired(all, one("a", 3))).toEqual([one("b", 2), one("a", 3)]);
  });

  test.each([
    ["no JSON", "{"],
    ["another version", '{"schema":2,"devices":[]}'],
    ["an unknown key", '{"schema":1,"devices":[],"more":1}'],
    ["two of a name", printPaired([one("a"), one("a", 2)])],
    ["two of a key", printPaired([one("a"), one("b")])],
    ["no address", printPaired([{ ...one("a"), address: "nowhere" }])],
    ["no name", printPaired([{ ...one("a"), name: "../a" }])],
    ["half a key", printPaired([{ ...one("a"), key: new Uint8Array(16) }])],
  ])("are not read from a file with %s", (_, text) => {
    expect(problemOf(() => parsePaired(text))).toBe("invalid");
    writeFileSync(join(dir, devicesFile), text, { mode: 0o600 });
    expect(problemOf(() => readPaired(dir))).toBe("invalid");
  });

  test("are not written where they could not be read again", () => {
    writePaired(dir, [one("a")]);
    const before = readFileSync(join(dir, devicesFile));
    expect(problemOf(() => writePaired(dir, [one("a"), one("a", 2)]))).toBe("invalid");
    expect(readFileSync(join(dir, devicesFile))).toEqual(before);
  });
});

test.skipIf(process.platform !== "linux")(
  "one holds a device at a time, and each signer its own",
  async () => {
    const identity = linkIdentity(dir);
    const [key, other] = [one("a").key, one("b", 2).key];
    const hold = await holdDevice(identity, key);
    expect(hold).toBeDefined();
    expect(await holdDevice(identity, key)).toBeUndefined();
    const beside = await holdDevice(identity, other);
    expect(beside).toBeDefined();
    const waiting = holdDevice(identity, key, 5_000);
    await hold?.release();
    const next = await waiting;
    expect(next).toBeDefined();
    await Promise.all([next?.release(), beside?.release()]);
    expect(inUse({ name: "a", address: "", dir })).toMatchObject({ problem: "unavailable" });
  },
);

describe("what a device says", () => {
  const about = { name: "wallet", address: "unix:/run/d.sock", dir: "/srv/signer" };

  test("has a sentence and an exit code of its own", () => {
    const texts = refusals.flatMap((why) =>
      [undefined, ...stages].map((stage) =>
        refusalText(
          { is: "refused", why, waitMs: 2_000, left: 1 },
          about,
          why === "stage" ? stage : undefined,
        ),
      ),
    );
    expect(new Set(texts).size).toBe(refusals.length + stages.length);
    for (const text of texts) expect(text).toMatch(/^\w.*[.`]$/s);
    expect(refusalExit).toMatchObject({ "wrong-pin": "passphrase", wait: "refused", busy: "unavailable" });
    const wait = (waitMs: number) =>
      refusalText({ is: "refused", why: "wait", waitMs, left: 3 }, about, undefined);
    expect(wait(1)).toContain("in a second. 3 attempts are left");
    expect(wait(64_000)).toContain("in 64 seconds");
    expect(wait(256_000)).toContain("in 5 minutes");
  });

  test.each([
    ["gone", "unavailable", /Plug it in/],
    ["unpaired", "refused", /device pair --dir \/srv\/signer --address unix:\/run\/d\.sock/],
    ["wrong-device", "refused", /unix:\/run\/d\.sock is another device than wallet/],
    ["pairing", "refused", /hold both/],
    ["silent", "unavailable", /does not answer: nothing came/],
    ["different", "refused", /sits between/],
    ["broken", "fault", /Start it again/],
  ] as const)("of the link: %s", (why, exit, sentence) => {
    const error = explained(new LinkError(why, "nothing came"), about);
    expect(error).toBeInstanceOf(Unable);
    expect(error).toMatchObject({ exit, message: expect.stringMatching(sentence) });
  });

  test("of the cable keeps its own words, and of anything else nothing is said", () => {
    const missing = new LinkUnavailable("missing", "There is no hid:1209:0001.", "Is it plugged in?");
    expect(explained(missing, about)).toMatchObject({
      exit: "unavailable",
      message: "There is no hid:1209:0001. Is it plugged in?",
    });
    expect(explained(new LinkUnavailable("denied", "No.", ""), about)).toMatchObject({ exit: "unsafe" });
    const bug = new TypeError("x");
    expect(explained(bug, about)).toBe(bug);
  });
});
