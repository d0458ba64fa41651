/** A host's part of USB/IP on Linux: ask for the device, then hand the connection to the kernel's driver (vhci-hcd). */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { concat } from "../../protocol/bytes.ts";
import type { UsbAddress } from "./listen.ts";
import {
  decodeImported,
  deviceLength,
  encodeBusId,
  encodeOperation,
  type Imported,
  operationLength,
} from "./usbip.ts";

export interface AttachOptions {
  readonly address: UsbAddress;
  readonly busId?: string;
}

export interface Attached {
  /** Of the driver. */
  readonly port: number;
  detach(): void;
}

const driver = "/sys/devices/platform/vhci_hcd.0";

/** `hub port state ...`: ports of USB 2 that nobody uses. */
const freePort = (): number => {
  if (!existsSync(driver)) throw new Error("this kernel has no vhci-hcd: modprobe vhci-hcd");
  const found = /^hs\s+(\d+)\s+004\s/m.exec(readFileSync(`${driver}/status`, "utf8"))?.[1];
  if (found === undefined) throw new Error("no port of vhci-hcd is free");
  return Number(found);
};

/** Reads no byte more than the answer: the next ones are the kernel's. */
const asked = (socket: Socket, busId: string): Promise<Imported | "refused"> =>
  new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let length = 0;
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("the connection ended before its answer")));
    socket.on("readable", function readable() {
      for (;;) {
        const wanted = length < operationLength ? operationLength - length : undefined;
        const part: Buffer | null = socket.read(wanted ?? operationLength + deviceLength - length);
        if (part === null) return;
        parts.push(part);
        length += part.length;
        const isRefused = length === operationLength && decodeImported(concat(...parts, blank)) === "refused";
        if (!isRefused && length < operationLength + deviceLength) continue;
        socket.off("readable", readable).pause();
        resolve(decodeImported(concat(...parts)));
        return;
      }
    });
    socket.write(concat(encodeOperation("import"), encodeBusId(busId)));
  });
const blank = new Uint8Array(deviceLength);

const descriptorOf = (socket: Socket): number => {
  // The one way to a socket's number that Node has.
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number" || fd < 0) throw new Error("this Node does not tell a socket's descriptor");
  return fd;
};

/** Needs root. */
export const attachUsb = async ({ address, busId = "1-1" }: AttachOptions): Promise<Attached> => {
  const socket = connect(address);
  try {
    const imported = await asked(socket, busId);
    if (imported === "refused") throw new Error(`${busId} is not there, or attached already`);
    const port = freePort();
    writeFileSync(
      `${driver}/attach`,
      `${port} ${descriptorOf(socket)} ${imported.deviceId} ${imported.speed}\n`,
    );
    return { port, detach: () => writeFileSync(`${driver}/detach`, `${port}\n`) };
  } finally {
    // The kernel holds it by itself.
    socket.destroy();
  }
};
