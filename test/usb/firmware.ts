/** What is inside of a simulated device: here a person in software, and a core that sends back what it is asked. */

import { randomBytes, randomInt } from "node:crypto";
import type { Serve } from "../../firmware-sim/device.ts";
import { memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { formatFlash } from "../../firmware-sim/journal.ts";
import { openPerson } from "../../firmware-sim/person.ts";
import { type DeviceProcess, runDeviceProcess } from "../../firmware-sim/process.ts";
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
  /** In the middle of what it would have written next. */
  powerOff(): void;
  powerOn(): void;
}

export interface FirmwareModule {
  /** The same serial number is the same chip; what was in its memory is forgotten. */
  openFirmware(serialNumber: string): Promise<Firmware>;
}

const after = (ms: number, action: () => void): (() => void) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

const int = (below: number): number => randomInt(below);

export const firmwareWith =
  (serve: Serve): FirmwareModule["openFirmware"] =>
  async (serialNumber) => {
    let flash = openFlash({ medium: memoryMedium(32), int });
    formatFlash(flash);
    let player: Player | undefined;
    const start = (): DeviceProcess =>
      runDeviceProcess({
        flash,
        secret: new Secret(sha256(new TextEncoder().encode(serialNumber))),
        random: (length) => Uint8Array.from(randomBytes(length)),
        int,
        tick: () => performance.now(),
        after,
        serve,
        onShow: () => player?.shown(),
        onFault: (error) => process.stderr.write(`the device has a fault: ${String(error)}\n`),
        onPowerCut: () => undefined,
      });
    let running = start();
    const open = openPlayer({
      device: {
        get screen() {
          return running.screen;
        },
        press: (button) => running.press(button),
      },
      person: openPerson(),
      cut: (count) => flash.cutAfter(count),
      after,
      patienceMs: 20_000,
    });
    player = open;
    return {
      key: running.key,
      plug: ({ transport, carrier }) => running.plug(transport, carrier),
      perform: async (line) => {
        const step = parseStep(line);
        if (step !== undefined) await open.perform(step);
      },
      powerOff: () => {
        flash.cutAfter(0);
        void running.close();
      },
      powerOn: () => {
        // What is left of the process before may still write, and to nothing that is read.
        flash = flash.fork({ int });
        flash.powerOn();
        running = start();
        open.shown();
      },
    };
  };

export const openFirmware = firmwareWith(async () => ({
  answer: async (request) => request.toReversed(),
  close: () => undefined,
}));
