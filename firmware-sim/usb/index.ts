/**
 * The device as USB hardware: a kernel that speaks USB/IP attaches it, and takes it for one at a cable. It is to run in a process
 * other than the one that opens it: some libraries wait within their calls for what the device answers.
 */

import { deviceRelease, productId, vendorId } from "../../protocol/device/ids.ts";
import type { Transport } from "../../protocol/transport.ts";
import { type Port, serve } from "./connection.ts";
import { configurationValue, deviceKind, interfaceKinds } from "./descriptors.ts";
import { type GadgetOptions, gadget } from "./gadget.ts";
import { listenUsb, type UsbAddress } from "./listen.ts";
import type { Exported } from "./usbip.ts";

export { type Attached, type AttachOptions, attachUsb } from "./attach.ts";
export type { FunctionKind, UsbFunction } from "./gadget.ts";
export type { UsbAddress } from "./listen.ts";

export interface UsbDeviceOptions extends Pick<GadgetOptions, "onFunction"> {
  /** Printable, at most 126 characters; hosts tell devices apart by it. */
  readonly serialNumber: string;
}

export interface UsbDevice {
  /** `1-1` for the first: what a client imports. */
  readonly busId: string;
  readonly serialNumber: string;
  /** A host has it. */
  isAttached(): boolean;
  /** As one pulls the cable. */
  unplug(): void;
  /** It can be attached again; a host has to do that itself. */
  plug(): void;
}

export interface UsbExport {
  readonly address: UsbAddress;
  readonly devices: readonly UsbDevice[];
  close(): Promise<void>;
}

export interface UsbExportOptions {
  readonly address: UsbAddress;
  readonly devices: readonly UsbDeviceOptions[];
}

const isSerialNumber = (text: string): boolean => /^[\x21-\x7e]{1,126}$/.test(text);

const portOf = (
  { serialNumber, onFunction }: UsbDeviceOptions,
  at: number,
): { readonly port: Port; readonly device: UsbDevice } => {
  if (!isSerialNumber(serialNumber))
    throw new RangeError(`no serial number: ${JSON.stringify(serialNumber)}`);
  const number = at + 1;
  const busId = `1-${number}`;
  const exported: Exported = {
    ...{ busId, number, vendorId, productId, release: deviceRelease, kind: deviceKind },
    ...{ configuration: configurationValue, interfaces: interfaceKinds },
  };
  let isPlugged = true;
  let client: Transport | undefined;
  return {
    port: {
      exported,
      take: (transport) => {
        if (!isPlugged || client !== undefined) return undefined;
        client = transport;
        void transport.closed.then(() => {
          if (client === transport) client = undefined;
        });
        return gadget({ serialNumber, busId, onFunction });
      },
    },
    device: {
      busId,
      serialNumber,
      isAttached: () => client !== undefined,
      unplug: () => {
        isPlugged = false;
        void client?.close();
      },
      plug: () => {
        isPlugged = true;
      },
    },
  };
};

export const exportUsb = async ({ address, devices }: UsbExportOptions): Promise<UsbExport> => {
  const all = devices.map(portOf);
  const ports = all.map(({ port }) => port);
  const listener = await listenUsb(address, (transport) => serve({ transport, ports }));
  return {
    address: listener.address,
    devices: all.map(({ device }) => device),
    close: () => listener.close(),
  };
};
