/** How a device in software comes to a kernel's USB: what a person types next, and where the device then is. */

import type { UsbAddress, UsbDevice } from "../../firmware-sim/usb/index.ts";
import { productId, vendorId } from "../../protocol/device/ids.ts";
import { isSocketPath, maxSocketPath } from "../../protocol/wire/address.ts";
import { formatLinkAddress } from "../../protocol/wire/links/address.ts";
import { SetupError } from "../../signer/setup-error.ts";

/** That of the tool. */
const usualPort = 3240;

export const usbAddress = (text: string, resolved: (path: string) => string): UsbAddress => {
  if (!/^\d+$/.test(text)) {
    const path = resolved(text);
    if (isSocketPath(path)) return { path };
    throw new SetupError("usage", `${path} is longer than the ${maxSocketPath} bytes of a socket's name`);
  }
  const port = Number(text);
  if (port <= 65_535) return { port };
  throw new SetupError("usage", `--usbip ${text}: ports end at 65535`);
};

export interface UsbSteps {
  readonly busId: string;
  readonly serial: string;
  readonly where: UsbAddress;
  /** For a shell, one after the other. */
  readonly commands: readonly string[];
  /** Of the signer's commands, whatever numbers the kernel gives out. */
  readonly addresses: readonly string[];
}

const quoted = (word: string): string =>
  /^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

export const usbSteps = (
  { busId, serialNumber }: Pick<UsbDevice, "busId" | "serialNumber">,
  where: UsbAddress,
): UsbSteps => {
  const port = "port" in where ? where.port : usualPort;
  const device = { vendor: vendorId, product: productId, serial: serialNumber };
  // The tool reaches no socket.
  const through = `socat TCP-LISTEN:${port},bind=127.0.0.1`;
  return {
    busId,
    serial: serialNumber,
    where,
    commands: [
      ...("path" in where ? [`${through} ${quoted(`UNIX-CONNECT:${where.path}`)} &`] : []),
      "sudo modprobe vhci-hcd",
      `sudo usbip --tcp-port ${port} attach --remote 127.0.0.1 --busid ${busId}`,
    ],
    addresses: (["hid", "usb"] as const).map((is) => formatLinkAddress({ is, device })),
  };
};

export const usbText = ({ busId, where, commands, addresses }: UsbSteps): string =>
  [
    `As a USB device: bus id ${busId} at ${"port" in where ? `port ${where.port} of this machine` : where.path}. To attach it to this kernel:`,
    ...commands.map((command) => `  ${command}`),
    "`countersign device list` then shows hid:/dev/hidraw*, serial:/dev/ttyACM* and the last of these; the first works as well:",
    ...addresses.map((address) => `  ${address}`),
  ].join("\n");
