/**
 * USB's bulk endpoints. The library's transfers run in threads of its own and are not ended by closing, so each has a time
 * limit. One that runs out loses what it already had; therefore a read asks for one packet, which comes whole or not at all.
 */

import type { Transport } from "../../transport.ts";
import { formatLinkAddress, type LinkAddress, type UsbIdentity } from "./address.ts";
import { type CableOptions, cable, usualStuckMs } from "./cable.ts";
import { loadUsb } from "./libraries.ts";
import { only } from "./select.ts";
import { isCancelled, isStalled, LinkUnavailable, unavailable } from "./trouble.ts";

export interface UsbOptions extends Pick<CableOptions, "stuckMs"> {
  readonly device: UsbIdentity;
}

/** What is used of a device. WebUSB does not know the time limits, which this library takes. */
export interface UsbDevice {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber?: string | null | undefined;
  readonly productName?: string | null | undefined;
  readonly bus: string;
  readonly address: number;
  readonly configuration?: UsbConfiguration | null | undefined;
  open(): Promise<void>;
  close(): Promise<void>;
  claimInterface(number: number): Promise<void>;
  releaseInterface(number: number): Promise<void>;
  clearHalt(direction: "in" | "out", endpoint: number): Promise<void>;
  transferIn(endpoint: number, length: number, timeoutMs: number): Promise<{ readonly data?: DataView }>;
  transferOut(
    endpoint: number,
    bytes: Uint8Array<ArrayBuffer>,
    timeoutMs: number,
  ): Promise<{ readonly bytesWritten: number }>;
}

export interface UsbConfiguration {
  readonly interfaces: readonly {
    readonly interfaceNumber: number;
    readonly alternate: {
      readonly interfaceClass: number;
      readonly endpoints: readonly {
        readonly endpointNumber: number;
        readonly direction: "in" | "out";
        readonly type: string;
        readonly packetSize: number;
      }[];
    };
  }[];
}

export interface BulkInterface {
  readonly number: number;
  readonly in: number;
  readonly out: number;
  readonly packetLength: number;
}

/** USB-IF's class for what has none. */
const vendorSpecific = 0xff;

/** The vendor's own interface with a pair of bulk endpoints; the first, should there be more. */
export const pickBulk = ({ interfaces }: UsbConfiguration): BulkInterface | undefined => {
  for (const { interfaceNumber, alternate } of interfaces) {
    if (alternate.interfaceClass !== vendorSpecific) continue;
    const bulk = (direction: "in" | "out") =>
      alternate.endpoints.find((one) => one.type === "bulk" && one.direction === direction);
    const [into, out] = [bulk("in"), bulk("out")];
    if (into === undefined || out === undefined) continue;
    return {
      number: interfaceNumber,
      in: into.endpointNumber,
      out: out.endpointNumber,
      packetLength: into.packetSize,
    };
  }
  return undefined;
};

export const pickUsb = <D extends Pick<UsbDevice, "vendorId" | "productId" | "serialNumber">>(
  devices: readonly D[],
  identity: UsbIdentity,
): D =>
  only(
    formatLinkAddress({ is: "usb", device: identity }),
    devices.filter(
      (one) =>
        one.vendorId === identity.vendor &&
        one.productId === identity.product &&
        (identity.serial === undefined || one.serialNumber === identity.serial),
    ),
    ({ serialNumber }) => serialNumber || "one without a serial number",
  );

/** How long a closing may have to wait for a read. */
const readMs = 250;
/** A write is given up by the cable; this ends the thread that it hangs in. */
const graceMs = 1_000;

export const transportOfUsb = (
  usb: UsbDevice,
  bulk: BulkInterface,
  name: string,
  options: Pick<CableOptions, "stuckMs">,
): Transport => {
  let isClosing = false;
  let writing: Promise<unknown> = Promise.resolve();
  let reading: Promise<void> = Promise.resolve();
  const { transport, arrived, lost } = cable({
    ...options,
    name,
    write: async (bytes) => {
      const transfer = usb.transferOut(
        bulk.out,
        Uint8Array.from(bytes),
        (options.stuckMs ?? usualStuckMs) + graceMs,
      );
      writing = transfer.catch(() => undefined);
      const { bytesWritten } = await transfer;
      if (bytesWritten !== bytes.length)
        throw new Error(`${bytesWritten} of ${bytes.length} bytes were written`);
    },
    shut: async () => {
      isClosing = true;
      // Nothing may be under way when the interface goes.
      await Promise.all([reading, writing]);
      await usb.releaseInterface(bulk.number).catch(() => undefined);
      await usb.close();
    },
  });
  const read = async (): Promise<void> => {
    while (!isClosing) {
      try {
        const { data } = await usb.transferIn(bulk.in, bulk.packetLength, readMs);
        if (data !== undefined) arrived(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      } catch (error) {
        if (isCancelled(error)) continue;
        // A halt outlives this transport.
        if (isStalled(error)) await usb.clearHalt("in", bulk.in).catch(() => undefined);
        lost(error);
        return;
      }
    }
  };
  reading = read();
  return transport;
};

const opened = async (usb: UsbDevice, where: string): Promise<BulkInterface> => {
  await usb.open();
  try {
    const bulk = usb.configuration == null ? undefined : pickBulk(usb.configuration);
    if (bulk === undefined)
      throw new LinkUnavailable(
        "refused",
        `${where} has no bulk endpoints of the vendor's own.`,
        "It may be another maker's device with the same ids; or try hid: or serial: instead.",
      );
    await usb.claimInterface(bulk.number);
    return bulk;
  } catch (error) {
    await usb.close().catch(() => undefined);
    throw error;
  }
};

/** The library's own types lean on those of browsers, which are not loaded here. */
export const devicesOf = (devices: unknown): readonly UsbDevice[] => devices as readonly UsbDevice[];

export const connectUsb = async ({ device, ...options }: UsbOptions): Promise<Transport> => {
  const address: LinkAddress = { is: "usb", device };
  const where = formatLinkAddress(address);
  const library = await loadUsb();
  try {
    const usb = pickUsb(devicesOf(await library.usb.getDevices()), device);
    const bulk = await opened(usb, where);
    return transportOfUsb(usb, bulk, where, options);
  } catch (error) {
    throw unavailable(address, error);
  }
};
