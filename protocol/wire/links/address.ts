/** Where a device is, as a person writes it. */

import { invalid } from "../../malformed.ts";
import { isSocketPath, maxSocketPath } from "../address.ts";

/** Without a serial number it is the one device with these ids. */
export interface UsbIdentity {
  readonly vendor: number;
  readonly product: number;
  readonly serial?: string;
}

export type LinkAddress =
  /** A socket of this machine: a simulator, or another process that has the cable. */
  | { readonly is: "unix"; readonly path: string }
  | { readonly is: "serial"; readonly path: string; readonly baud: number }
  | { readonly is: "hid"; readonly device: { readonly path: string } | UsbIdentity }
  | { readonly is: "usb"; readonly device: UsbIdentity };

/** What USB's serial ports ignore, and real ones most often have. */
export const usualBaud = 115_200;
const bauds = { least: 300, most: 12_000_000 } as const;

export const addressForms = [
  "unix:/path/to.sock",
  "serial:/dev/ttyACM0",
  "serial:/dev/ttyUSB0@115200",
  "hid:/dev/hidraw0",
  "hid:1209:0001",
  "hid:1209:0001:SERIAL",
  "usb:1209:0001",
  "usb:1209:0001:SERIAL",
] as const;

/** A string descriptor holds no more (USB 2.0, section 9.6.7). */
const maxSerial = 126;
const maxPath = 4_096;

// Control characters and halves of characters are in no name that a person typed.
const isPlain = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);

const pathOf = (text: string): string => {
  if (text === "") throw invalid("has no path");
  if (text.length > maxPath || !isPlain(text)) throw invalid("has a path that is none");
  return text;
};

const identity = /^([0-9a-f]{4}):([0-9a-f]{4})(?::(.+))?$/is;

const identityOf = (text: string): UsbIdentity | undefined => {
  const [, vendor, product, serial] = identity.exec(text) ?? [];
  if (vendor === undefined || product === undefined) return undefined;
  const ids = { vendor: Number.parseInt(vendor, 16), product: Number.parseInt(product, 16) };
  if (serial === undefined) return ids;
  if (serial.length > maxSerial || !isPlain(serial)) throw invalid("has a serial number that is none");
  return { ...ids, serial };
};

const serialOf = (text: string): LinkAddress => {
  const [, path, digits] = /^(.*)@(\d+)$/s.exec(text) ?? [];
  if (path === undefined || digits === undefined)
    return { is: "serial", path: pathOf(text), baud: usualBaud };
  const baud = Number(digits);
  if (digits.startsWith("0") || baud < bauds.least || baud > bauds.most)
    throw invalid(`has a speed that is not from ${bauds.least} to ${bauds.most} baud`);
  return { is: "serial", path: pathOf(path), baud };
};

const socketOf = (text: string): LinkAddress => {
  const path = pathOf(text);
  if (!isSocketPath(path)) throw invalid(`has a path of more than ${maxSocketPath} bytes`);
  return { is: "unix", path };
};

/** Linux, Windows, macOS. */
const isHidPath = (text: string): boolean => /^(\/|\\\\|DevSrvsID:)/.test(text);

const hidOf = (text: string): LinkAddress => {
  const device = identityOf(text);
  if (device !== undefined) return { is: "hid", device };
  if (!isHidPath(text))
    throw invalid("has neither a path nor a vendor and a product of four hex digits each");
  return { is: "hid", device: { path: pathOf(text) } };
};

const usbOf = (text: string): LinkAddress => {
  const device = identityOf(text);
  if (device === undefined) throw invalid("has no vendor and product of four hex digits each");
  return { is: "usb", device };
};

const kinds: Readonly<Record<LinkAddress["is"], (rest: string) => LinkAddress>> = {
  unix: socketOf,
  serial: serialOf,
  hid: hidOf,
  usb: usbOf,
};

const isKind = (text: string): text is LinkAddress["is"] => Object.hasOwn(kinds, text);

export const parseLinkAddress = (text: string): LinkAddress => {
  const colon = text.indexOf(":");
  const kind = text.slice(0, Math.max(colon, 0));
  if (!isKind(kind)) throw invalid(`is not an address of a device; these are: ${addressForms.join(", ")}`);
  return kinds[kind](text.slice(colon + 1));
};

const hex = (id: number): string => id.toString(16).padStart(4, "0");

const formatIdentity = ({ vendor, product, serial }: UsbIdentity): string =>
  [hex(vendor), hex(product), ...(serial === undefined ? [] : [serial])].join(":");

export const formatLinkAddress = (address: LinkAddress): string => {
  switch (address.is) {
    case "unix":
      return `unix:${address.path}`;
    case "serial": {
      // A path may itself end as a speed does.
      const isSaid = address.baud !== usualBaud || /@\d+$/.test(address.path);
      return `serial:${address.path}${isSaid ? `@${address.baud}` : ""}`;
    }
    case "hid":
      return `hid:${"path" in address.device ? address.device.path : formatIdentity(address.device)}`;
    case "usb":
      return `usb:${formatIdentity(address.device)}`;
  }
};
