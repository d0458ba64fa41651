/** What the device says that it is: descriptors of USB 2.0 (section 9.6), HID 1.11 (6.2) and CDC 1.2 (5.2). */

import {
  deviceRelease,
  endpoints,
  hidReportDescriptor,
  interfaces,
  manufacturer,
  packetLengths,
  product,
  productId,
  vendorId,
} from "../../protocol/device/ids.ts";

export const descriptorTypes = {
  device: 1,
  configuration: 2,
  string: 3,
  interface: 4,
  endpoint: 5,
  association: 11,
  hid: 0x21,
  hidReport: 0x22,
  classInterface: 0x24,
} as const;
const types = descriptorTypes;

const pair = (n: number): readonly number[] => [n & 0xff, n >> 8];
/** Each begins with its own length. */
const described = (type: number, ...body: readonly number[]): readonly number[] => [
  body.length + 2,
  type,
  ...body,
];

const strings = { none: 0, manufacturer: 1, product: 2, serialNumber: 3 } as const;
const english = 0x0409;
export const configurationValue = 1;
export const directionIn = 0x80;

/** Class, subclass and protocol. With an association the device's own class says so (USB ECN, Interface Association). */
export const deviceKind = [0xef, 0x02, 0x01] as const;
const kinds = {
  hid: [0x03, 0x00, 0x00],
  serialControl: [0x02, 0x02, 0x00],
  serialData: [0x0a, 0x00, 0x00],
  bulk: [0xff, 0x00, 0x00],
} as const;
/** By their numbers. */
export const interfaceKinds = Object.entries(interfaces)
  .toSorted(([, a], [, b]) => a - b)
  .map(([name]) => kinds[name as keyof typeof interfaces]);

export const deviceDescriptor = Uint8Array.from(
  described(
    types.device,
    ...pair(0x0200),
    ...deviceKind,
    ...[64, ...pair(vendorId), ...pair(productId), ...pair(deviceRelease)],
    ...[strings.manufacturer, strings.product, strings.serialNumber, 1],
  ),
);

const interfaceOf = (name: keyof typeof interfaces, count: number): readonly number[] =>
  described(types.interface, interfaces[name], 0, count, ...kinds[name], strings.none);

const transferTypes = { bulk: 2, interrupt: 3 } as const;
/** An interval of n is 2^(n-1) eighths of a millisecond at high speed. */
const everyMs = 4;
const every32Ms = 9;

const endpointOf = (
  name: keyof typeof endpoints,
  direction: number,
  type: keyof typeof transferTypes,
  interval: number,
): readonly number[] =>
  described(
    types.endpoint,
    endpoints[name] | direction,
    transferTypes[type],
    ...pair(packetLengths[name]),
    interval,
  );
const both = (...[name, type, interval]: [keyof typeof endpoints, keyof typeof transferTypes, number]) => [
  ...endpointOf(name, directionIn, type, interval),
  ...endpointOf(name, 0, type, interval),
];

export const hidDescriptor = Uint8Array.from(
  described(types.hid, ...pair(0x0111), 0, 1, types.hidReport, ...pair(hidReportDescriptor.length)),
);
export const reportDescriptor = Uint8Array.from(hidReportDescriptor);

/** CDC 1.2, table 13, and PSTN 1.2, section 5.3: header, call management, what ACM can do, union. */
const serialFunctions = [
  ...described(types.classInterface, 0x00, ...pair(0x0120)),
  ...described(types.classInterface, 0x01, 0x00, interfaces.serialData),
  ...described(types.classInterface, 0x02, 0x02),
  ...described(types.classInterface, 0x06, interfaces.serialControl, interfaces.serialData),
];

const parts = [
  ...interfaceOf("hid", 2),
  ...hidDescriptor,
  ...both("hid", "interrupt", everyMs),
  ...described(types.association, interfaces.serialControl, 2, ...kinds.serialControl, strings.none),
  ...interfaceOf("serialControl", 1),
  ...serialFunctions,
  ...endpointOf("serialNotice", directionIn, "interrupt", every32Ms),
  ...interfaceOf("serialData", 2),
  ...both("serialData", "bulk", 0),
  ...interfaceOf("bulk", 2),
  ...both("bulk", "bulk", 0),
];

const headLength = 9;
const busPowered = 0x80;
const milliamperes = 100;

export const configurationDescriptor = Uint8Array.from([
  ...[headLength, types.configuration, ...pair(headLength + parts.length)],
  ...[interfaceKinds.length, configurationValue, strings.none, busPowered, milliamperes / 2],
  ...parts,
]);

const longestString = 126;

/** Of string descriptors, by index; undefined where there is none. */
export const stringDescriptor = (index: number, serialNumber: string): Uint8Array | undefined => {
  if (index === 0) return Uint8Array.from(described(types.string, ...pair(english)));
  const texts: Readonly<Record<number, string>> = {
    [strings.manufacturer]: manufacturer,
    [strings.product]: product,
    [strings.serialNumber]: serialNumber,
  };
  const text = texts[index];
  if (text === undefined) return undefined;
  if (text.length > longestString) throw new RangeError("longer than a string descriptor can be");
  const units = Array.from({ length: text.length }, (_, i) => pair(text.charCodeAt(i))).flat();
  return Uint8Array.from(described(types.string, ...units));
};
