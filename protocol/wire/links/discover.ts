/** Which devices are plugged in, as far as this user and this system's libraries can tell. */

import { existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { productId, vendorId } from "../../device/ids.ts";
import { formatLinkAddress, type LinkAddress, usualBaud } from "./address.ts";
import { isOurUsage } from "./hid.ts";
import { loadNodeHid, loadSerialport, loadUsb } from "./libraries.ts";
import { LinkUnavailable, unavailable } from "./trouble.ts";
import { devicesOf, type UsbDevice } from "./usb.ts";

/** One way to a device; on USB a device has three. */
export interface Found {
  readonly kind: LinkAddress["is"];
  /** For `openLinkAddress`, and as a person would write it. */
  readonly address: LinkAddress;
  readonly written: string;
  readonly product: string;
  readonly serial: string;
  /** Why it could not be opened as things are. */
  readonly hindered?: LinkUnavailable;
}

/** A kind of cable that could not be looked at. */
export interface Blind {
  readonly kind: LinkAddress["is"];
  readonly trouble: LinkUnavailable;
}

export interface Survey {
  readonly found: readonly Found[];
  readonly blind: readonly Blind[];
}

const hindrance = async (address: LinkAddress, path: string): Promise<{ hindered?: LinkUnavailable }> => {
  if (!path.startsWith("/")) return {};
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return {};
  } catch (error) {
    return { hindered: unavailable(address, error) };
  }
};

const foundAt = async (
  address: LinkAddress,
  path: string,
  product: string | null | undefined,
  serial: string | null | undefined,
): Promise<Found> => ({
  kind: address.is,
  address,
  written: formatLinkAddress(address),
  product: product ?? "",
  serial: serial ?? "",
  ...(await hindrance(address, path)),
});

const ids = { vendor: vendorId, product: productId };

const findHid = async (): Promise<readonly Found[]> => {
  const library = await loadNodeHid();
  const devices = (await library.devicesAsync(vendorId, productId)).filter(isOurUsage);
  return Promise.all(
    devices.map(({ path = "", product, serialNumber }) =>
      foundAt({ is: "hid", device: { path } }, path, product, serialNumber),
    ),
  );
};

const isId = (text: string | undefined, id: number): boolean => Number.parseInt(text ?? "", 16) === id;

const findSerial = async (): Promise<readonly Found[]> => {
  const { SerialPort } = await loadSerialport();
  const ports = (await SerialPort.list()).filter(
    (port) => isId(port.vendorId, vendorId) && isId(port.productId, productId),
  );
  return Promise.all(
    ports.map(({ path, manufacturer, serialNumber }) =>
      foundAt({ is: "serial", path, baud: usualBaud }, path, manufacturer, serialNumber),
    ),
  );
};

/** Where Linux has the file of a USB device; elsewhere no file decides. */
const usbFile = ({ bus, address }: UsbDevice): string => {
  const [first, second] = [Number(bus), address].map((n) => String(n).padStart(3, "0"));
  const path = `/dev/bus/usb/${first}/${second}`;
  return existsSync(path) ? path : "";
};

const findUsb = async (): Promise<readonly Found[]> => {
  const { usb } = await loadUsb();
  const devices = devicesOf(await usb.getDevices()).filter(
    (one) => one.vendorId === vendorId && one.productId === productId,
  );
  return Promise.all(
    devices.map((one) => {
      const serial = one.serialNumber ?? "";
      const device = serial === "" ? ids : { ...ids, serial };
      return foundAt({ is: "usb", device }, usbFile(one), one.productName, serial);
    }),
  );
};

const searches = { hid: findHid, serial: findSerial, usb: findUsb } as const;

const blindness = (kind: keyof typeof searches, error: unknown): LinkUnavailable => {
  if (error instanceof LinkUnavailable) return error;
  const words = error instanceof Error ? error.message : String(error);
  return /udevadm ENOENT/.test(words)
    ? new LinkUnavailable(
        "library",
        "Serial ports are not listed, because this system has no udevadm.",
        "On Debian and Ubuntu: sudo apt-get install udev. A port can be named all the same: serial:/dev/ttyACM0.",
      )
    : new LinkUnavailable("refused", `Devices on ${kind} can't be listed: ${words}.`, "");
};

/** What is there, and what could not be looked at. */
export const survey = async (): Promise<Survey> => {
  const found: Found[] = [];
  const blind: Blind[] = [];
  for (const kind of ["hid", "serial", "usb"] as const)
    try {
      found.push(...(await searches[kind]()));
    } catch (error) {
      blind.push({ kind, trouble: blindness(kind, error) });
    }
  return { found, blind };
};

export const discover = async (): Promise<readonly Found[]> => (await survey()).found;
