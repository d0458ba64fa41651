/**
 * A device with a person in front of it that dies when it is told: loads everything, waits for one line on its input,
 * then lives in its flash file and answers on a Unix socket. Each further line is something that is done to it.
 */

import { createInterface } from "node:readline";
import { coreBehind } from "../../../firmware-sim/core.ts";
import { fileMedium, openFlash, PowerCut } from "../../../firmware-sim/flash.ts";
import { openPerson } from "../../../firmware-sim/person.ts";
import { type DeviceProcess, runDeviceProcess } from "../../../firmware-sim/process.ts";
import { openChance } from "../../../firmware-sim/process-chance.ts";
import type { Fact } from "../../../firmware-sim/screen.ts";
import { fromHex, toHex } from "../../../protocol/bytes.ts";
import { loadNative } from "../../../protocol/curve/index.ts";
import { carriers } from "../../../protocol/link.ts";
import { Secret } from "../../../protocol/secret.ts";
import { listenSocket } from "../../../protocol/wire/links/socket.ts";
import { linkPorts } from "../../../signer/device/ports.ts";
import { softwareKeyring } from "../../../signer/keys/software.ts";
import { isUnwelcome } from "../policy.ts";
import { type Act, blocks, type Case, pin, type Told } from "./orders.ts";

const curve = await loadNative();
const lines = createInterface({ input: process.stdin });
// Nobody is left who would end it.
lines.once("close", () => process.exit());
const line = await new Promise<string>((resolve) => void lines.once("line", resolve));
const { flash: path, socket, secret: chip, words, seed, cut } = JSON.parse(line) as Case;

const tell = (told: Told): void => void process.stdout.write(`${JSON.stringify(told)}\n`);
const chance = openChance();
const secret = new Secret(fromHex(chip));

let deathAt: number | undefined;
const flash = openFlash({
  medium: fileMedium(path, blocks),
  int: openChance(seed).int,
  onStep: () => {
    if (deathAt === 0) process.kill(process.pid, "SIGKILL");
    if (deathAt !== undefined) deathAt -= 1;
  },
});

const person = openPerson({
  ...{ pin, newPin: pin, words },
  consents: (_, facts: readonly Fact[]) =>
    !facts.some(({ value }) => value.is === "amount" && isUnwelcome(value.msat)),
});

let device: DeviceProcess | undefined;

/** Also where it goes at once: a start writes to its flash. */
const switchOn = (): void => {
  try {
    const running: DeviceProcess = runDeviceProcess({
      ...chance,
      ...linkPorts,
      ...{ flash, secret },
      tick: () => performance.now(),
      serve: coreBehind({
        curve,
        keyringOf: (root) => softwareKeyring({ ...root, curve, style: "native" }),
        software: "countersign crash device",
      }),
      onFault: (error) => process.stderr.write(`the device: ${(error as Error).stack}\n`),
      onPowerCut: () => {
        device = undefined;
        tell({ is: "power-cut" });
      },
      onShow: (screen) => {
        if (screen.is === "pairing") tell({ is: "code", digits: screen.code });
        setImmediate(() => {
          if (device === undefined || device.screen !== screen) return;
          const button = person.react(screen);
          if (button !== undefined) device.press(button);
        });
      },
    });
    device = running;
    const { screen } = running;
    if (screen.is === "notice" && screen.title === "FAULT") tell({ is: "damaged", why: screen.text });
    else tell({ is: "ready", key: toHex(running.key) });
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    tell({ is: "power-cut" });
  }
};

const perform = (act: Act): void => {
  switch (act.do) {
    case "press":
      device?.press(act.button);
      return;
    case "code": {
      person.know({ code: act.digits });
      const button = device === undefined ? undefined : person.react(device.screen);
      if (button !== undefined) device?.press(button);
      return;
    }
    case "cut":
      flash.cutAfter(act.after);
      return;
    case "on":
      flash.powerOn();
      switchOn();
      return;
    case "die":
      deathAt = act.after;
  }
};
lines.on("line", (text) => perform(JSON.parse(text) as Act));

if (cut !== null) flash.cutAfter(cut);
await listenSocket({
  path: socket,
  onTransport: (transport) => {
    if (device === undefined) void transport.close();
    else device.plug(transport, carriers.bulk);
  },
});
switchOn();
