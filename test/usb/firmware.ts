/** What is inside of a simulated device: here a person in software, and a core that sends back what it is asked. */

import { randomBytes, randomInt } from "node:crypto";
import { memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { formatFlash } from "../../firmware-sim/journal.ts";
import { openPerson } from "../../firmware-sim/person.ts";
import { runDeviceProcess } from "../../firmware-sim/process.ts";
import { parseStep } from "../../firmware-sim/script.ts";
import { openPlayer, type Player } from "../../firmware-sim/script-player.ts";
import type { UsbFunction } from "../../firmware-sim/usb/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";

export interface Firmware {
  /** By which signers know it. */
  readonly key: Uint8Array;
  plug(one: UsbFunction): void;
  /** A line of a script: what its buttons, or the person in front of it, do. */
  perform(line: string): Promise<void>;
}

export interface FirmwareModule {
  /** The same serial number is the same chip; what was in its memory is forgotten. */
  openFirmware(serialNumber: string): Promise<Firmware>;
}

const after = (ms: number, action: () => void): (() => void) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

export const openFirmware: FirmwareModule["openFirmware"] = async (serialNumber) => {
  const flash = openFlash({ medium: memoryMedium(8), int: (below) => randomInt(below) });
  formatFlash(flash);
  let player: Player | undefined;
  const device = runDeviceProcess({
    flash,
    secret: new Secret(sha256(new TextEncoder().encode(serialNumber))),
    random: (length) => Uint8Array.from(randomBytes(length)),
    int: (below) => randomInt(below),
    tick: () => performance.now(),
    after,
    serve: async () => ({ answer: async (request) => request.toReversed(), close: () => undefined }),
    onShow: () => player?.shown(),
    onFault: (error) => process.stderr.write(`the device has a fault: ${String(error)}\n`),
    onPowerCut: () => undefined,
  });
  player = openPlayer({
    device,
    person: openPerson(),
    cut: (count) => flash.cutAfter(count),
    after,
    patienceMs: 20_000,
  });
  const open = player;
  return {
    key: device.key,
    plug: ({ transport, carrier }) => device.plug(transport, carrier),
    perform: async (line) => {
      const step = parseStep(line);
      if (step !== undefined) await open.perform(step);
    },
  };
};
