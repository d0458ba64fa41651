/**
 * Devices in software as a process of its own, told by its parent what to do. What is inside of them is a module's, by its
 * path: this one's own firmware unless said.
 */

import { exportUsb, type UsbDevice, type UsbFunction } from "../../firmware-sim/usb/index.ts";
import type { Transport } from "../../protocol/transport.ts";
import type { Firmware, FirmwareModule } from "./firmware.ts";

export type Order =
  | {
      readonly do: "start";
      readonly path: string;
      readonly serialNumbers: readonly string[];
      readonly module: string;
    }
  /** A line of a script (firmware-sim/script.ts). */
  | { readonly do: "step"; readonly device: number; readonly line: string }
  | { readonly do: "key" | "unplug" | "plug"; readonly device: number }
  /** Whether what is unplugged loses its power, too. */
  | { readonly do: "supply"; readonly device: number; readonly from: "battery" | "cable" }
  /** Unplugs before piece `at`, counted from 1 over both directions; 0 counts alone. */
  | { readonly do: "count"; readonly device: number; readonly at: number }
  | { readonly do: "counted"; readonly device: number };

export type Reply = { readonly id: number; readonly value?: string; readonly error?: string };

interface Simulated {
  readonly firmware: Firmware;
  readonly usb: UsbDevice;
  readonly counter: { pieces: number; at: number };
  readonly power: { from: "battery" | "cable"; isOn: boolean };
}

let all: readonly Simulated[] = [];

const pull = ({ firmware, usb, power }: Simulated): void => {
  usb.unplug();
  if (power.from === "battery" || !power.isOn) return;
  power.isOn = false;
  firmware.powerOff();
};

const plug = ({ firmware, usb, power }: Simulated): void => {
  if (!power.isOn) firmware.powerOn();
  power.isOn = true;
  usb.plug();
};

/** Unplugs where it is told to: what comes then is not heard, what is said then does not leave. */
const counted = (one: UsbFunction, counter: Simulated["counter"], unplug: () => void): UsbFunction => {
  const isCut = (): boolean => {
    const does = ++counter.pieces === counter.at;
    if (does) unplug();
    return does;
  };
  const transport: Transport = {
    ...one.transport,
    send: (bytes) => (isCut() ? new Promise(() => {}) : one.transport.send(bytes)),
    receive: (listener) =>
      one.transport.receive((bytes) => {
        if (!isCut()) listener(bytes);
      }),
  };
  return { ...one, transport };
};

const start = async ({ path, serialNumbers, module }: Extract<Order, { do: "start" }>): Promise<string> => {
  const { openFirmware }: FirmwareModule = await import(module);
  const parts = await Promise.all(
    serialNumbers.map(async (serialNumber) => ({
      serialNumber,
      firmware: await openFirmware(serialNumber),
      counter: { pieces: 0, at: 0 },
      power: { from: "battery" as const, isOn: true },
    })),
  );
  const { devices } = await exportUsb({
    address: { path },
    devices: parts.map(({ serialNumber, firmware, counter }, i) => ({
      serialNumber,
      onFunction: (one) =>
        firmware.plug(
          counted(one, counter, () => {
            const simulated = all[i];
            if (simulated !== undefined) pull(simulated);
          }),
        ),
    })),
  });
  all = parts.flatMap((part, i) => {
    const usb = devices[i];
    return usb === undefined ? [] : [{ ...part, usb }];
  });
  return "";
};

const obey = async (order: Order): Promise<string> => {
  if (order.do === "start") return start(order);
  const one = all[order.device];
  if (one === undefined) throw new RangeError(`no device ${order.device}`);
  const { firmware, counter } = one;
  switch (order.do) {
    case "step":
      await firmware.perform(order.line);
      return "";
    case "key":
      return Buffer.from(firmware.key).toString("hex");
    case "unplug":
      pull(one);
      return "";
    case "plug":
      plug(one);
      return "";
    case "supply":
      one.power.from = order.from;
      return "";
    case "count":
      Object.assign(counter, { pieces: 0, at: order.at });
      return "";
    case "counted":
      return String(counter.pieces);
  }
};

process.on("message", ({ id, ...order }: Order & { readonly id: number }) => {
  const reply = (rest: Omit<Reply, "id">): void => void process.send?.({ id, ...rest });
  obey(order).then(
    (value) => reply({ value }),
    (error: unknown) =>
      reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// Nobody is left who could tell it anything.
process.on("disconnect", () => process.exit(0));
