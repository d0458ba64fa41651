import { describe, expect, test } from "vitest";
import { type Booted, boot } from "../../firmware-sim/boot.ts";
import { type Device, pairingOpen, type Served } from "../../firmware-sim/device.ts";
import { blockLength, type FlashSim, PowerCut } from "../../firmware-sim/flash.ts";
import { type Button, pagesOf, render, type Screen } from "../../firmware-sim/screen.ts";
import { mostAttempts, wordsOf } from "../../firmware-sim/vault.ts";
import { concat, toHex } from "../../protocol/bytes.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  encodeDeviceRequest,
  forCore,
  forDevice,
  messagesVersion,
} from "../../protocol/device/requests.ts";
import { Secret } from "../../protocol/secret.ts";
import { random } from "../fuzz/random.ts";
import { freshFlash } from "./firmware.kit.ts";

/** Who holds the device: knows what to press at each screen. */
interface Owner {
  pin: string;
  newPin: string;
  passphrase: string;
  denies: boolean;
  /** Takes any word but the right one. */
  forgot: boolean;
  looks: number;
  words: string[];
  code: string;
  /** Nothing is pressed while it is set. */
  isAway: boolean;
}

const towards = (options: readonly string[], at: number, target: string): Button => {
  if (!options.includes(target)) throw new Error(`nowhere on the screen: ${target} of ${options.join(" ")}`);
  return options[at] === target ? "both" : "right";
};

const buttonFor = (owner: Owner, screen: Screen): Button | undefined => {
  switch (screen.is) {
    case "idle":
    case "busy":
      return undefined;
    case "notice":
      return "right";
    case "word":
      // Whoever forgot looks a second time.
      if (screen.at === 0 && ++owner.looks > 1) owner.forgot = false;
      owner.words[screen.at] = screen.word;
      return "right";
    case "pairing":
      return screen.code === owner.code ? "hold" : "both";
    case "consent":
      if (owner.denies) return "both";
      return screen.page === pagesOf(screen.facts).length - 1 ? "hold" : "right";
    case "pick": {
      const { title, options, at, entered } = screen;
      const asked = /^Which is word (\d+)\?$/.exec(title);
      if (asked !== null && owner.forgot)
        return options[at] === owner.words[Number(asked[1]) - 1] ? "right" : "both";
      if (asked !== null) return towards(options, at, owner.words[Number(asked[1]) - 1] ?? "");
      const entering = /^Word (\d+) of 24$/.exec(title);
      if (entering !== null && "text" in entered) {
        const word = owner.words[Number(entering[1]) - 1] ?? "";
        return towards(options, at, options.includes(word) ? word : word.charAt(entered.text.length));
      }
      if (!("dots" in entered)) throw new Error(title);
      const isPassphrase = /assphrase/.test(title);
      const whole = isPassphrase ? owner.passphrase : title === "PIN" ? owner.pin : owner.newPin;
      const next = whole[entered.dots] ?? "done";
      return towards(options, at, next === " " ? "space" : next);
    }
  }
};

interface World {
  readonly flash: FlashSim;
  readonly owner: Owner;
  readonly seeds: string[];
  readonly faults: unknown[];
  tick: number;
  served: number;
  onScreen: (screen: Screen) => void;
}

const newWorld = (): World => ({
  flash: freshFlash(1, 4),
  owner: {
    pin: "2468",
    newPin: "2468",
    passphrase: "",
    denies: false,
    forgot: false,
    looks: 0,
    words: [],
    code: "",
    isAway: false,
  },
  seeds: [],
  faults: [],
  tick: 0,
  served: 0,
  onScreen: () => {},
});

const start = (world: World): Booted => {
  const chance = random(world.flash.steps);
  let booted: Booted | undefined;
  booted = boot({
    flash: world.flash,
    secret: new Secret(new Uint8Array(32).fill(7)),
    random: chance.bytes,
    int: chance.int,
    tick: () => world.tick,
    onFault: (error) => world.faults.push(error),
    firmware: "firmware under test 1",
    serve: async ({ seed, consent }): Promise<Served> => {
      world.seeds.push(seed.use(toHex));
      world.served++;
      return {
        // Asks for consent where a request begins with 9.
        answer: async (request, about) =>
          request[0] === 9
            ? Uint8Array.of((await consent(about, "Pay", [])) === true ? 1 : 0)
            : concat(request, request),
        close: () => {
          world.served--;
        },
      };
    },
    onShow: (screen) => {
      for (const line of render(screen)) expect(line).toMatch(/^[ -~]{21}$/);
      world.onScreen(screen);
      const button = world.owner.isAway ? undefined : buttonFor(world.owner, screen);
      if (button !== undefined) setImmediate(() => booted?.panel.press(button, screen));
    },
  });
  return booted;
};

const running = (world: World): Extract<Booted, { is: "running" }> => {
  const booted = start(world);
  if (booted.is !== "running") throw booted.fault;
  return booted;
};

const never = (): AbortSignal => new AbortController().signal;

const ask = async (device: Device, request: DeviceRequest, signal = never()): Promise<DeviceAnswer> => {
  const message = concat(Uint8Array.of(forDevice), encodeDeviceRequest(request));
  const answer = await device.answer(message, { signal, waitsForPerson: () => {} });
  expect(answer[0]).toBe(forDevice);
  return decodeDeviceAnswer(answer.subarray(1));
};

const entropy = new Uint8Array(32).fill(1);
const done = { is: "done" };

const infoOf = async (device: Device) => {
  const answer = await ask(device, { is: "info" });
  if (answer.is !== "info") throw new Error(answer.is);
  return answer.info;
};

/** Set up, unlocked once, and locked. */
const provisioned = async () => {
  const world = newWorld();
  const { device, panel } = running(world);
  expect(await ask(device, { is: "setup", entropy })).toEqual(done);
  expect(await ask(device, { is: "unlock", passphrase: false })).toEqual(done);
  expect(await ask(device, { is: "lock" })).toEqual(done);
  return { world, device, screenOf: () => panel.screen };
};

describe("a device", () => {
  test("goes from nothing to a seed that its owner wrote down, and is then locked", async () => {
    const world = newWorld();
    const { device } = running(world);
    expect(await infoOf(device)).toMatchObject({
      stage: "unprovisioned",
      fingerprint: "unknown",
      counter: 0n,
    });
    for (const is of ["verifyWords", "changePin", "wipe"] as const)
      expect(await ask(device, { is })).toMatchObject({ is: "refused", why: "stage" });
    expect(await ask(device, { is: "setup", entropy })).toEqual(done);
    expect(world.owner.words).toHaveLength(24);
    expect(await infoOf(device)).toMatchObject({
      messages: messagesVersion,
      firmware: "firmware under test 1",
      stage: "locked",
      isVerified: true,
      attemptsLeft: mostAttempts,
    });
    expect(await ask(device, { is: "setup", entropy })).toMatchObject({ why: "stage" });
    expect(await ask(device, { is: "unlock", passphrase: false })).toEqual(done);
    expect(await infoOf(device)).toMatchObject({ stage: "unlocked" });
    expect(await ask(device, { is: "verifyWords" })).toEqual(done);
    world.owner.forgot = true;
    expect(await ask(device, { is: "verifyWords" })).toMatchObject({ why: "words" });
    expect(world.faults).toEqual([]);
    expect(world.seeds).toHaveLength(1);
  });

  test("gives the same seed for its words on another one, and another for a passphrase", async () => {
    const { world } = await provisioned();
    const other = newWorld();
    other.owner.words = world.owner.words;
    const { device } = running(other);
    expect(await ask(device, { is: "restore" })).toEqual(done);
    expect(await ask(device, { is: "unlock", passphrase: false })).toEqual(done);
    expect(other.seeds).toEqual(world.seeds);
    const third = newWorld();
    third.owner.words = world.owner.words;
    third.owner.passphrase = "a b7";
    const hidden = running(third).device;
    await ask(hidden, { is: "restore" });
    expect(await ask(hidden, { is: "unlock", passphrase: true })).toEqual(done);
    expect(third.seeds[0]).not.toBe(world.seeds[0]);
    // From then on another passphrase, or none, is a slip.
    await ask(hidden, { is: "lock" });
    expect(await ask(hidden, { is: "unlock", passphrase: false })).toMatchObject({ why: "passphrase" });
    third.owner.passphrase = "a b8";
    expect(await ask(hidden, { is: "unlock", passphrase: true })).toMatchObject({ why: "passphrase" });
    expect(await infoOf(hidden)).toMatchObject({ stage: "locked" });
    third.owner.passphrase = "a b7";
    expect(await ask(hidden, { is: "unlock", passphrase: true })).toEqual(done);
    expect(third.served).toBe(1);
  });

  test("keeps no seed before its owner gives words of it back", async () => {
    const world = newWorld();
    const { device } = running(world);
    world.owner.forgot = true;
    expect(await ask(device, { is: "setup", entropy })).toEqual(done);
    expect(world.owner.looks).toBe(2);
    const away = newWorld();
    const other = running(away).device;
    const abort = new AbortController();
    const asked = ask(other, { is: "setup", entropy }, abort.signal);
    // Nobody answers what the words were.
    away.onScreen = (screen) => {
      if (screen.is === "pick" && screen.title.startsWith("Which")) setImmediate(() => abort.abort());
    };
    expect(await asked).toMatchObject({ why: "denied" });
    expect(await infoOf(other)).toMatchObject({ stage: "seedless" });
  });

  test("takes words that do not fit together for what they are", async () => {
    const world = newWorld();
    world.owner.words = Array.from({ length: 24 }, () => "abandon");
    const { device } = running(world);
    expect(await ask(device, { is: "restore" })).toMatchObject({ why: "words" });
    expect(await infoOf(device)).toMatchObject({ stage: "seedless" });
    world.owner.words[23] = "art";
    expect(await ask(device, { is: "restore" })).toEqual(done);
    expect(wordsOf(new Secret(new Uint8Array(32)))).toEqual(world.owner.words);
  });

  test("serves the core while it is unlocked, and not before or after", async () => {
    const { world, device, screenOf } = await provisioned();
    const about = { signal: never(), waitsForPerson: () => {} };
    const request = Uint8Array.of(forCore, 1, 2);
    const refused = await device.answer(request, about);
    expect(decodeDeviceAnswer(refused.subarray(1))).toMatchObject({ is: "refused", why: "stage" });
    await ask(device, { is: "unlock", passphrase: false });
    expect(await device.answer(request, about)).toEqual(Uint8Array.of(forCore, 1, 2, 1, 2));
    expect(await device.answer(Uint8Array.of(forCore, 9), about)).toEqual(Uint8Array.of(forCore, 1));
    world.owner.denies = true;
    expect(await device.answer(Uint8Array.of(forCore, 9), about)).toEqual(Uint8Array.of(forCore, 0));
    world.owner.isAway = true;
    const waits = device.answer(Uint8Array.of(forCore, 9), about);
    expect(await device.answer(Uint8Array.of(forCore, 9), about)).toEqual(Uint8Array.of(forCore, 0));
    device.press("both", screenOf());
    expect(await waits).toEqual(Uint8Array.of(forCore, 0));
    await ask(device, { is: "lock" });
    expect(world.served).toBe(0);
    expect((await device.answer(request, about))[0]).toBe(forDevice);
  });

  test("counts wrong PINs over starts, makes one wait, and is empty after the last", async () => {
    const { world } = await provisioned();
    world.owner.pin = "1111";
    for (let left = mostAttempts - 1; left > 0; left--) {
      world.flash.powerOn();
      world.tick = 0;
      const { device } = running(world);
      const { waitMs } = await infoOf(device);
      if (waitMs > 0)
        expect(await ask(device, { is: "unlock", passphrase: false })).toMatchObject({ why: "wait", waitMs });
      world.tick = waitMs;
      expect(await ask(device, { is: "unlock", passphrase: false })).toMatchObject({
        why: "wrong-pin",
        left,
      });
    }
    const { device } = running(world);
    world.tick += 10 ** 9;
    expect(await ask(device, { is: "unlock", passphrase: false })).toMatchObject({ why: "wiped" });
    expect(await infoOf(device)).toMatchObject({ stage: "unprovisioned" });
    expect((await infoOf(device)).counter).toBeGreaterThan(10n);
  });

  test("changes its PIN, and wipes, where a person says so", async () => {
    const { world, device } = await provisioned();
    world.owner.denies = true;
    expect(await ask(device, { is: "wipe" })).toMatchObject({ why: "denied" });
    world.owner.denies = false;
    await ask(device, { is: "unlock", passphrase: false });
    world.owner.newPin = "135790";
    expect(await ask(device, { is: "changePin" })).toEqual(done);
    await ask(device, { is: "lock" });
    expect(await ask(device, { is: "unlock", passphrase: false })).toMatchObject({ why: "wrong-pin" });
    world.owner.pin = "135790";
    world.tick += 10 ** 6;
    expect(await ask(device, { is: "unlock", passphrase: false })).toEqual(done);
    expect(await ask(device, { is: "wipe" })).toEqual(done);
    expect(world.served).toBe(0);
    expect(await infoOf(device)).toMatchObject({ stage: "unprovisioned" });
  });

  test("asks one thing at a time, and stops when nobody waits for the answer", async () => {
    const { world, device } = await provisioned();
    world.owner.isAway = true;
    const abort = new AbortController();
    const first = ask(device, { is: "unlock", passphrase: false }, abort.signal);
    expect(await ask(device, { is: "wipe" })).toMatchObject({ why: "busy" });
    expect(await ask(device, { is: "lock" })).toMatchObject({ why: "busy" });
    expect(await infoOf(device)).toMatchObject({ stage: "locked" });
    abort.abort();
    expect(await first).toMatchObject({ why: "denied" });
    world.owner.isAway = false;
    expect(await ask(device, { is: "unlock", passphrase: false })).toEqual(done);
    expect(world.faults).toEqual([]);
  });

  test("says that bytes are no request, and goes on", async () => {
    const { device } = await provisioned();
    const chance = random(3);
    const about = { signal: never(), waitsForPerson: () => {} };
    const hostile = [
      new Uint8Array(0),
      Uint8Array.of(forDevice),
      Uint8Array.of(forDevice, 0),
      Uint8Array.of(forDevice, 9),
      Uint8Array.of(forDevice, 1, 1),
      Uint8Array.of(forDevice, 2, 1),
      Uint8Array.of(2),
      ...Array.from({ length: 200 }, () =>
        concat(Uint8Array.of(2 + chance.int(254)), chance.bytes(chance.int(60))),
      ),
    ];
    for (const bytes of hostile) {
      const answer = await device.answer(bytes, about);
      expect(decodeDeviceAnswer(answer.subarray(1)).is).toBe("malformed");
    }
    expect(await infoOf(device)).toMatchObject({ stage: "locked" });
  });
});

describe("pairing", () => {
  const signer = new Uint8Array(32).fill(4);

  test("is opened by a person on an open device, for a minute, for one signer", async () => {
    const world = newWorld();
    const { device, panel } = running(world);
    world.owner.code = "123456";
    expect(device.pairing.isOpen()).toBe(false);
    expect(await device.pairing.compare("123456", never())).toBe(false);
    device.press("hold", panel.screen);
    expect(device.pairing.isOpen()).toBe(true);
    expect(await device.pairing.compare("654321", never())).toBe(false);
    expect(await device.pairing.compare("123456", never())).toBe(true);
    await device.pairing.store(signer);
    await device.pairing.store(signer);
    expect(device.pairing.isOpen()).toBe(false);
    world.flash.powerOn();
    const again = running(world);
    expect(again.device.signers()).toEqual([signer]);
    again.device.press("hold", again.panel.screen);
    world.tick += pairingOpen;
    expect(again.device.pairing.isOpen()).toBe(false);
  });

  test("of a locked device begins with its PIN", async () => {
    const { world } = await provisioned();
    world.flash.powerOn();
    const { device, panel } = running(world);
    device.press("hold", panel.screen);
    expect(device.pairing.isOpen()).toBe(false);
    await device.quiet();
    await new Promise((resolve) => setImmediate(resolve));
    device.press("hold", panel.screen);
    expect(device.pairing.isOpen()).toBe(true);
    // The PIN opened the vault; the seed is not in use before a signer asks for it.
    expect(world.served).toBe(0);
    expect(await infoOf(device)).toMatchObject({ stage: "locked" });
  });

  test("that is over on the other side asks nobody any more", async () => {
    const world = newWorld();
    const { device, panel } = running(world);
    device.press("hold", panel.screen);
    world.owner.isAway = true;
    const abort = new AbortController();
    const compared = device.pairing.compare("123456", abort.signal);
    abort.abort();
    expect(await compared).toBe(false);
    expect(panel.screen.is).toBe("idle");
  });
});

describe("a cable that is pulled", () => {
  test("at any write of a set-up leaves a device that can be set up to the end", async () => {
    let cuts = 0;
    for (let at = 0; ; at += 3) {
      const world = newWorld();
      const { device } = running(world);
      world.flash.cutAfter(at);
      const answer = await ask(device, { is: "setup", entropy });
      if (answer.is === "done") break;
      expect(answer.is).toBe("fault");
      expect(world.faults[0]).toBeInstanceOf(PowerCut);
      expect(await ask(device, { is: "info" })).toMatchObject({ is: "fault" });
      cuts++;
      world.flash.powerOn();
      const again = running(world).device;
      const { stage } = await infoOf(again);
      if (stage === "locked") await ask(again, { is: "unlock", passphrase: false });
      const { stage: now } = await infoOf(again);
      if (now !== "unlocked") {
        expect(["unprovisioned", "seedless"]).toContain(now);
        expect(await ask(again, { is: "setup", entropy })).toEqual(done);
        expect(await ask(again, { is: "unlock", passphrase: false })).toEqual(done);
      }
      expect(world.seeds).toHaveLength(1);
    }
    expect(cuts).toBeGreaterThan(8);
  });

  test("at any write of a wipe leaves it as it was, or empty", async () => {
    const stages = new Set<string>();
    const { world: before } = await provisioned();
    for (let at = 0; ; at++) {
      const flash = before.flash.fork({ int: random(at).int });
      const world: World = { ...newWorld(), flash, owner: { ...before.owner } };
      const { device } = running(world);
      flash.cutAfter(at);
      const answer = await ask(device, { is: "wipe" });
      if (answer.is === "done") break;
      flash.powerOn();
      const { device: again } = running(world);
      const { stage } = await infoOf(again);
      stages.add(stage);
      if (stage === "locked") expect(await ask(again, { is: "unlock", passphrase: false })).toEqual(done);
    }
    expect([...stages].toSorted()).toEqual(["locked", "unprovisioned"]);
  });
});

test("a device whose memory is damaged says so, and nothing else", async () => {
  const { world } = await provisioned();
  const { flash } = world;
  const first = flash.read(0, 1)[0] === 0xff ? 2 * blockLength : 0;
  flash.flip((first + 80) * 8);
  const booted = start(world);
  expect(booted).toMatchObject({ is: "damaged", fault: { why: "corrupt" } });
  expect(booted.panel.lines.map((line) => line.trim())).toContain("The memory is");
});
