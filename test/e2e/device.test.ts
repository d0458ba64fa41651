/** A device in software and the commands for people, each in a process of its own where that matters. */

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { version } from "../../cli/version.ts";
import { openPerson } from "../../firmware-sim/person.ts";
import { runDeviceProcess } from "../../firmware-sim/process.ts";
import { openChance } from "../../firmware-sim/process-chance.ts";
import { answerLink, carriers, freshKeyPair, pairLink } from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import { connectSocket, listenSocket } from "../../protocol/wire/links/socket.ts";
import { readPaired } from "../../signer/device/pairing.ts";
import { after } from "../../signer/device/ports.ts";
import { random } from "../fuzz/random.ts";
import { device, pairWith, type Running, type Simulator, simulator, start } from "../scripted/device-sim.ts";
import { freshFlash } from "../unit/firmware.kit.ts";

const home = mkdtempSync(join(tmpdir(), "countersign-device-"));
const dir = join(home, "case");
const line = join(home, "ttyS");
const socat = spawnSync("socat", ["-V"]).status === 0;
let sim: Simulator;
let signer: string;
let at: readonly string[];

const place = (name: string): string => {
  const made = join(home, name);
  mkdirSync(made, { mode: 0o700 });
  return made;
};
const knows = (...lines: readonly string[]): void => {
  for (const one of lines) sim.write(one);
};
const shownWords = async (): Promise<string> => {
  const last = await sim.shows((screen) => screen.is === "word" && screen.at === 23);
  expect(last).toMatchObject({ of: 24 });
  const words = await Promise.all(
    Array.from({ length: 24 }, async (_, at) => {
      const screen = await sim.shows((one) => one.is === "word" && one.at === at);
      return screen.is === "word" ? screen.word : "";
    }),
  );
  return words.join(" ");
};
const info = async (...more: readonly string[]): Promise<Record<string, unknown>> => {
  const { code, stdout, stderr } = await device("info", ...at, "--json", ...more);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Record<string, unknown>;
};

beforeAll(async () => {
  signer = place("signer");
  at = ["--dir", signer];
  sim = await simulator(dir);
});
afterAll(async () => {
  await sim?.stop("SIGKILL");
  watching?.child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

test("a device is paired where a person opens it, and compares the codes", async () => {
  expect(statSync(join(dir, "chip.key")).mode & 0o777).toBe(0o600);
  expect(await device("info", ...at)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("device pair"),
  });
  expect(await device("pair", ...at, "--address", sim.address)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no terminal to compare"),
  });
  knows("person on");
  expect(await pairWith(sim, signer)).toMatchObject({ code: 0, stderr: "" });
  expect(readPaired(signer)).toMatchObject([{ name: "device", address: sim.address }]);
  expect(statSync(join(signer, "device.key")).mode & 0o777).toBe(0o600);
  expect(await info()).toMatchObject({ stage: "unprovisioned", fingerprint: "unknown" });
  expect(await device("unlock", ...at)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("device setup"),
  });
});

test("hostile bytes at its socket, and lines that are no steps, leave it running", async () => {
  const chance = random(7);
  for (let n = 0; n < 30; n++) {
    const socket = connect(sim.address.slice("unix:".length));
    await once(socket, "connect");
    socket.on("error", () => {});
    // Now and then what looks like the beginning of a frame.
    const head = chance.chance(2) ? [0xff, 0xff, 0xff, 0xff, 0x81 + chance.int(5)] : [];
    socket.write(Buffer.from([...head, ...chance.bytes(1 + chance.int(9_000))]));
    if (n < 20) socket.destroy();
  }
  knows("press everything", `words ${"abandon ".repeat(23)}zzz`, "code 12");
  const { text } = await sim.line(
    ({ event, text: said }) => event === "malformed" && /word 24/.test(String(said)),
  );
  expect(text).not.toContain("zzz");
  expect(await info()).toMatchObject({
    stage: "unprovisioned",
    attemptsLeft: 10,
    messages: 1,
    firmware: `countersign device ${version}`,
  });
});

test("what one command has asked another does not disturb, and Ctrl-C takes it back", async () => {
  knows("person off");
  const from = sim.count;
  const setup = start("setup", ...at);
  await sim.shows((screen) => screen.is === "consent", from);
  expect(await device("info", ...at)).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("is in use"),
  });
  setup.child.kill("SIGINT");
  expect(await setup.ended).toMatchObject({
    code: 130,
    stderr: expect.stringMatching(/^On the device: choose a PIN/),
  });
  await sim.shows((screen) => screen.is === "idle", from);
  expect(await info()).toMatchObject({ stage: "unprovisioned" });
});

test("a power cut in the middle of a setup leaves a device that can be set up", async () => {
  // Later than the PIN, sooner than the seed.
  knows("person on", "pin 2468", "consent all", "cut 20");
  expect(await device("setup", ...at)).toMatchObject({ code: 69 });
  const { stdout, ...rest } = await sim.ended;
  expect(rest).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/"event":"power-cut"/);
  // Without power no screen says what went wrong.
  expect(stdout).not.toContain('"title":"FAULT"');

  sim = await simulator(dir, ...(socat ? ["--pty", line] : []));
  knows("person on", "pin 2468", "consent all");
  // Its signer and its PIN it has, and a seed it has not.
  expect(await info()).toMatchObject({ stage: "locked", isVerified: false });
  expect(await device("unlock", ...at)).toMatchObject({ code: 0 });
  expect(await info()).toMatchObject({ stage: "seedless" });
});

let watching: Running | undefined;
let words: string;
let fingerprint: unknown;

test("it is set up, unlocked with its PIN alone, and verified, while somebody watches", async () => {
  watching = start("watch", ...at, "--json");
  const stateIs = (is: string) =>
    watching?.line(({ event, standing }) => event === "state" && (standing as { is: string }).is === is);
  const made = await device("setup", ...at);
  expect(made).toMatchObject({ code: 0, stdout: "The device has a seed, and is locked.\n" });
  words = await shownWords();
  // What is on its screen passes through nobody else.
  expect(made.stdout + made.stderr).not.toContain(words.split(" ")[0]);

  knows("pin 1111");
  expect(await device("unlock", ...at)).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/Wrong PIN\. 9 attempts are left.* in a second/s),
  });
  const early = await device("unlock", ...at, "--json");
  expect(early.code).toBe(3);
  expect(JSON.parse(early.stdout)).toMatchObject({ is: "refused", why: "wait", left: 9 });
  knows("pin 2468");
  await new Promise((done) => setTimeout(done, 1_000));
  expect(await device("unlock", ...at)).toMatchObject({ code: 0, stdout: "The device is unlocked.\n" });
  ({ fingerprint } = await info());
  expect(fingerprint).toMatch(/^[0-9a-f]{8}$/);
  expect(await stateIs("unlocked")).toMatchObject({ device: "device" });
  watching.child.kill("SIGTERM");
  expect(await watching.ended).toMatchObject({ code: 0, stderr: "" });
  expect(await device("verify", ...at)).toMatchObject({ code: 0 });
  expect(await device("setup", ...at)).toMatchObject({ code: 3 });
  knows("new-pin 13579");
  expect(await device("change-pin", ...at)).toMatchObject({ code: 0 });
  expect(await device("lock", ...at)).toMatchObject({ code: 0 });
});

test.skipIf(!socat)("a serial line in software leads to the same device (needs socat)", async () => {
  expect(await info("--address", `serial:${line}`)).toMatchObject({
    stage: "locked",
    address: `serial:${line}`,
  });
  knows("pin 13579");
  expect(await device("unlock", ...at, "--address", `serial:${line}`)).toMatchObject({ code: 0 });
});

test("it is wiped where a person says so, and restored from its words", async () => {
  knows("consent nothing");
  expect(await device("wipe", ...at)).toMatchObject({ code: 3, stderr: expect.stringContaining("denied") });
  knows("consent to WIPE EVERYTHING");
  expect(await device("wipe", ...at)).toMatchObject({ code: 0 });
  expect(await device("info", ...at)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("device pair"),
  });

  knows("consent all", "new-pin 2468", "pin 2468", `words ${words}`);
  expect(await pairWith(sim, signer)).toMatchObject({ code: 0 });
  expect(readPaired(signer)).toHaveLength(1);
  expect(await device("setup", "--restore", ...at)).toMatchObject({ code: 0 });
  expect(await device("unlock", ...at)).toMatchObject({ code: 0 });
  expect(await info()).toMatchObject({ stage: "unlocked", fingerprint });
  const listed = async () => JSON.parse((await device("list", ...at, "--json")).stdout) as unknown;
  expect(await listed()).toMatchObject({ paired: [{ name: "device", standing: { is: "unlocked" } }] });
  expect(await sim.stop("SIGINT")).toMatchObject({ code: 0, stderr: "" });
  expect(await listed()).toMatchObject({ paired: [{ standing: { is: "unreachable" } }] });
  expect(existsSync(join(dir, "device.sock"))).toBe(false);
  expect(existsSync(line)).toBe(false);
});

test("who sits between a device and its signer is noticed on both sides", async () => {
  const alone = place("middle");
  const { random: bytes, int } = openChance("middle");
  const ports = { random: bytes, after };
  const person = openPerson();
  let signers: readonly Uint8Array[] = [];
  const screens: string[] = [];
  const real = runDeviceProcess({
    ...ports,
    int,
    flash: freshFlash(1, 4),
    secret: new Secret(bytes(32)),
    tick: () => performance.now(),
    serve: async () => {
      throw new Error("nothing is unlocked here");
    },
    onShow: (screen) => {
      if (screen.is === "pairing") screens.push(screen.code);
    },
    onFault: (error) => {
      throw error;
    },
    onPowerCut: () => {},
  });
  const socket = join(home, "real.sock");
  const listener = await listenSocket({
    path: socket,
    onTransport: (transport) => real.plug(transport, carriers.bulk),
  });
  real.press("hold");
  expect(real.screen).toMatchObject({ title: "Pairing is open" });

  const codes: string[] = [];
  let toDevice: Promise<unknown> = Promise.resolve();
  const between = await listenSocket({
    path: join(home, "between.sock"),
    onTransport: (transport) => {
      const says = {
        isOpen: () => true,
        store: async () => {},
        compare: async (code: string) => codes.push(code) > 0,
      };
      answerLink({
        ...{ transport, carrier: carriers.bulk, ports, pairing: says },
        identity: freshKeyPair(ports),
        signers: () => signers,
        answer: async () => new Uint8Array(0),
        onFault: () => {},
      });
      toDevice = (async () => {
        const onwards = await connectSocket({ path: socket });
        const identity = freshKeyPair(ports);
        signers = [identity.public];
        return pairLink({
          ...{ transport: onwards, carrier: carriers.bulk, ports, identity },
          compare: async () => true,
        }).finally(() => void onwards.close());
      })().catch((error: unknown) => error);
    },
  });
  const pairing = start(
    "pair",
    "--dir",
    alone,
    "--address",
    `unix:${between.path}`,
    "--code-on-stdin",
    "--json",
  );
  const { code } = await pairing.line(({ event }) => event === "code");
  while (real.screen.is !== "pairing") await new Promise((done) => setTimeout(done, 10));
  expect(screens).toHaveLength(1);
  expect(screens[0]).not.toBe(code);
  person.know({ code: String(code) });
  const button = person.react(real.screen);
  expect(button).toBe("both");
  if (button !== undefined) real.press(button);
  pairing.write(screens[0] ?? "");
  pairing.end();
  expect(await pairing.ended).toMatchObject({ code: 3, stderr: expect.stringContaining("sits between") });
  expect(codes).toEqual([code]);
  expect(await toDevice).toMatchObject({ why: "different" });
  expect(readPaired(alone)).toEqual([]);
  await between.close();
  await listener.close();
  await real.close();
});
