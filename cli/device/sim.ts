/** `countersign device sim`: a device in software, as a process that a signer reaches like any other device. */

import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { coreBehind } from "../../firmware-sim/core.ts";
import { openPerson } from "../../firmware-sim/person.ts";
import { linkKeyOf, runDeviceProcess } from "../../firmware-sim/process.ts";
import { openChance } from "../../firmware-sim/process-chance.ts";
import { NoPty, openPty } from "../../firmware-sim/process-pty.ts";
import type { Button, Screen } from "../../firmware-sim/screen.ts";
import { parseStep, type Step } from "../../firmware-sim/script.ts";
import { NotShown, openPlayer, type Player } from "../../firmware-sim/script-player.ts";
import { exportUsb } from "../../firmware-sim/usb/index.ts";
import { toHex } from "../../protocol/bytes.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import { carriers } from "../../protocol/link.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { isSocketPath, maxSocketPath } from "../../protocol/wire/address.ts";
import { listenSocket } from "../../protocol/wire/links/socket.ts";
import { holdDevice } from "../../signer/device/hold.ts";
import { after } from "../../signer/device/ports.ts";
import { faultText } from "../../signer/hardening.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { codeOf } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { textIn } from "../input.ts";
import { version } from "../version.ts";
import { openCase } from "./case.ts";
import { type Face, jsonFace, plainFace, terminalFace } from "./face.ts";
import { type UsbSteps, usbAddress, usbSteps, usbText } from "./usbip.ts";

export interface SimOptions {
  readonly dir: string;
  readonly socket?: string;
  readonly pty?: string;
  readonly usbip?: string;
  readonly script?: string;
  readonly powerCutAfter?: number;
  readonly seed?: string;
  readonly json?: true;
}

const expectMs = 10_000;

const stepsIn = (path: string): readonly Step[] =>
  textIn(path)
    .split("\n")
    .flatMap((line, at) => {
      try {
        return parseStep(line) ?? [];
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        throw new SetupError("invalid", `${path}, line ${at + 1}: ${error.reason}`);
      }
    });

interface Ending {
  readonly why: "quit" | "power-cut" | NodeJS.Signals;
}

const checkSocket = (path: string): string => {
  if (!isSocketPath(path))
    throw new SetupError("usage", `${path} is longer than the ${maxSocketPath} bytes of a socket's name`);
  return path;
};

const taken = (dir: string): SetupError =>
  new SetupError("unavailable", `the device of ${dir} is switched on already, by another process`);

const listened = async (options: Parameters<typeof listenSocket>[0]) => {
  try {
    return await listenSocket(options);
  } catch (error) {
    if (codeOf(error) === "EADDRINUSE")
      throw new SetupError("unavailable", `another process listens on ${options.path}`);
    throw error;
  }
};

const exported = async (options: Parameters<typeof exportUsb>[0]) => {
  try {
    return await exportUsb(options);
  } catch (error) {
    if (codeOf(error) === "EADDRINUSE")
      throw new SetupError("unavailable", "another process listens where --usbip would");
    throw error;
  }
};

export const sim = async (options: SimOptions): Promise<void> => {
  const script = options.script === undefined ? [] : stepsIn(options.script);
  const chance = openChance(options.seed);
  const curve = await openCurve("native");
  const firmware = `countersign device ${version}`;
  const serve = coreBehind({
    curve,
    keyringOf: (root) => softwareKeyring({ ...root, curve, style: "native" }),
    software: firmware,
  });
  const { dir, secret, flash, medium } = openCase(options.dir, chance);
  const identity = linkKeyOf(secret);
  const hold = await holdDevice(identity, identity.public);
  if (hold === undefined) throw taken(dir);
  const write = (text: string): void => void process.stdout.write(text);
  const ending = Promise.withResolvers<Ending>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => ending.resolve({ why: signal }));

  let player: Player | undefined;
  let press: (button: Button) => void = () => {};
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY && options.json === undefined;
  const face: Face = isTerminal
    ? terminalFace({
        input: process.stdin,
        write,
        now: () => performance.now(),
        press: (button) => press(button),
        quit: () => ending.resolve({ why: "quit" }),
      })
    : options.json
      ? jsonFace(write)
      : plainFace(write);

  const device = runDeviceProcess({
    ...chance,
    flash,
    secret,
    after,
    serve,
    firmware,
    tick: () => performance.now(),
    onShow: (screen: Screen) => {
      face.show(screen);
      player?.shown();
    },
    onFault: (error) => face.tell("fault", `FAULT: ${faultText(error)}`),
    onPowerCut: () => ending.resolve({ why: "power-cut" }),
  });
  press = device.press;
  const playing = openPlayer({
    device,
    person: openPerson(),
    cut: (count) => flash.cutAfter(count),
    after,
    patienceMs: expectMs,
  });
  player = playing;
  if (options.powerCutAfter !== undefined) flash.cutAfter(options.powerCutAfter);

  const path = checkSocket(resolve(options.socket ?? join(dir, "device.sock")));
  const closings: (() => Promise<unknown>)[] = [() => device.close()];
  let steps: readonly UsbSteps[] = [];
  try {
    const listener = await listened({
      path,
      onTransport: (transport) => device.plug(transport, carriers.bulk),
    });
    closings.push(() => listener.close());
    if (options.pty !== undefined) {
      const link = resolve(options.pty);
      const pty = await openPty({
        link,
        socket: checkSocket(join(dir, "serial.sock")),
        onTransport: (transport) => device.plug(transport, carriers.serial),
        onEnd: (sentence) => ending.reject(new SetupError("unavailable", sentence)),
      });
      closings.push(() => pty.close());
    }
    if (options.usbip !== undefined) {
      const usb = await exported({
        address: usbAddress(options.usbip, resolve),
        devices: [
          {
            serialNumber: toHex(device.key).slice(0, 16),
            onFunction: ({ transport, carrier }) => device.plug(transport, carrier),
          },
        ],
      });
      closings.push(() => usb.close());
      steps = usb.devices.map((one) => usbSteps(one, usb.address));
    }
    const addresses = [
      `unix:${path}`,
      ...(options.pty === undefined ? [] : [`serial:${resolve(options.pty)}`]),
    ];
    if (options.seed !== undefined)
      face.tell(
        "warning",
        "WARNING: --seed makes every key of this device guessable. It is for tests alone.",
      );
    face.tell("ready", `A device in software, at ${addresses.join(" and ")}.`, {
      addresses,
      key: toHex(device.key),
      pid: process.pid,
    });
    for (const one of steps) face.tell("usb", usbText(one), { ...one });
    void play(playing, script, options, face).then(
      (goesOn) => {
        if (!goesOn) ending.resolve({ why: "quit" });
      },
      (error: unknown) => ending.reject(error),
    );
    const { why } = await ending.promise;
    if (why === "power-cut") face.tell(why, "The power went in the middle of a write. Start it again.");
    else face.tell("stopped", "Switched off.", { why });
  } catch (error) {
    if (error instanceof NoPty) throw new SetupError("unavailable", error.message);
    if (error instanceof NotShown) throw new SetupError("invalid", error.message);
    throw error;
  } finally {
    // What is typed after the end is for the shell again.
    face.close();
    process.stdin.pause();
    for (const close of closings.toReversed()) await close();
    await hold.release();
    medium.close();
    secret.wipe();
    identity.secret.wipe();
  }
};

/** The script, and then what comes in, line by line; false where it said `quit`. */
const play = async (
  player: Player,
  script: readonly Step[],
  { script: path }: SimOptions,
  face: Face,
): Promise<boolean> => {
  for (const step of script) if (!(await player.perform(step))) return false;
  // A terminal has keys, and a script says all that is to be done.
  if (path !== undefined || process.stdin.isTTY) return true;
  for await (const line of createInterface({ input: process.stdin })) {
    let step: Step | undefined;
    try {
      step = parseStep(line);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      face.tell("malformed", `Not done: ${error.reason}.`);
    }
    if (step !== undefined && !(await player.perform(step))) return false;
  }
  return true;
};
