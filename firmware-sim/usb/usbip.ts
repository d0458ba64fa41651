/**
 * USB/IP 1.1.1, byte for byte (Linux, Documentation/usb/usbip_protocol.rst): first an operation, a list of devices or the
 * import of one; after an import the same stream carries that device's transfers. Numbers are big-endian.
 */

import type { CoderType } from "micro-packed";
import { concat } from "../../protocol/bytes.ts";
import { type Fields, fixed, packedFields, u8, u16, u32, unpack, type Values } from "../../protocol/codec.ts";
import { invalid, Malformed, within } from "../../protocol/malformed.ts";

const same = <T>(value: T): T => value;
const n8 = u8("", same);
const n16 = u16("", same);
const n32 = u32("", same);
const bytes = (length: number) => fixed("", length, same);
const coder = <F extends Fields>(fields: F): CoderType<Values<F>> => packedFields(fields);

const protocolVersion = 0x0111;
const requestBit = 0x8000;
const codes = { list: 0x0005, import: 0x0003 } as const;
export type OperationKind = keyof typeof codes;

const operation = coder({ version: n16, code: n16, status: n32 });
export const operationLength = 8;

export const encodeOperation = (kind: OperationKind): Uint8Array =>
  operation.encode({ version: protocolVersion, code: codes[kind] | requestBit, status: 0 });

/** Of the first eight bytes that a client sends. An import's bus id follows. */
export const decodeOperation = (raw: Uint8Array): OperationKind => {
  const { version, code, status } = unpack(operation, raw);
  if (version !== protocolVersion) throw new Malformed("version", `not ${protocolVersion}`);
  if (status !== 0) throw new Malformed("status", "a request has none");
  switch (code) {
    case codes.list | requestBit:
      return "list";
    case codes.import | requestBit:
      return "import";
    default:
      throw new Malformed("code", "no operation that is known");
  }
};

export const busIdLength = 32;

const padded = (text: string, length: number): Uint8Array => {
  const raw = new Uint8Array(length);
  if (new TextEncoder().encodeInto(text, raw.subarray(0, length - 1)).read < text.length)
    throw new RangeError(`${text} is longer than ${length - 1} bytes`);
  return raw;
};

const isPrintable = (code: number): boolean => code > 0x20 && code < 0x7f;

export const encodeBusId = (busId: string): Uint8Array => padded(busId, busIdLength);

/** What stands behind the zero that ends it is not read, as nobody does. */
export const decodeBusId = (raw: Uint8Array): string => {
  const end = raw.indexOf(0);
  if (raw.length !== busIdLength || end <= 0) throw invalid("not ended by a zero");
  const text = raw.subarray(0, end);
  if (!text.every(isPrintable)) throw invalid("not of printable characters");
  return String.fromCharCode(...text);
};

/** As Linux numbers them (`enum usb_device_speed`). */
export const highSpeed = 3;

export interface Exported {
  readonly busId: string;
  /** The device's number on its bus, from 1. */
  readonly number: number;
  readonly vendorId: number;
  readonly productId: number;
  readonly release: number;
  /** Class, subclass and protocol. */
  readonly kind: readonly [number, number, number];
  readonly configuration: number;
  readonly interfaces: readonly (readonly [number, number, number])[];
}

const deviceFields = {
  path: bytes(256),
  busId: bytes(busIdLength),
  bus: n32,
  number: n32,
  speed: n32,
  vendorId: n16,
  productId: n16,
  release: n16,
  kind: bytes(3),
  configuration: n8,
  configurations: n8,
  interfaces: n8,
};
const device = coder(deviceFields);
export const deviceLength = 312;

const bus = 1;
/** What names it in each of its transfers. */
export const deviceIdOf = (number: number): number => bus * 0x1_0000 + number;

const encodeDevice = (one: Exported): Uint8Array =>
  device.encode({
    path: padded(`/countersign/${one.busId}`, 256),
    busId: encodeBusId(one.busId),
    bus,
    number: one.number,
    speed: highSpeed,
    vendorId: one.vendorId,
    productId: one.productId,
    release: one.release,
    kind: Uint8Array.from(one.kind),
    configuration: one.configuration,
    configurations: 1,
    interfaces: one.interfaces.length,
  });

const answer = (kind: OperationKind, status: 0 | 1): Uint8Array =>
  operation.encode({ version: protocolVersion, code: codes[kind], status });

export const encodeList = (devices: readonly Exported[]): Uint8Array =>
  concat(
    answer("list", 0),
    Uint8Array.of(0, 0, 0, devices.length),
    ...devices.flatMap((one) => [
      encodeDevice(one),
      ...one.interfaces.map((kind) => Uint8Array.of(...kind, 0)),
    ]),
  );

/** Undefined: it is not there, or another has it. */
export const encodeImported = (one: Exported | undefined): Uint8Array =>
  one === undefined ? answer("import", 1) : concat(answer("import", 0), encodeDevice(one));

export interface Imported {
  readonly deviceId: number;
  readonly speed: number;
}

/** Of the server's answer, whose status says whether a device follows. */
export const decodeImported = (raw: Uint8Array): Imported | "refused" => {
  const { version, code, status } = unpack(operation, raw.subarray(0, operationLength));
  if (version !== protocolVersion || code !== codes.import)
    throw new Malformed("code", "no answer to an import");
  if (status !== 0) return "refused";
  return within("device", () => {
    const { bus: onBus, number, speed } = unpack(device, raw.subarray(operationLength));
    if (onBus > 0xffff || number > 0xffff) throw invalid("numbers that none has");
    return { deviceId: onBus * 0x1_0000 + number, speed };
  });
};

const commands = { submit: 1, unlink: 2, submitted: 3, unlinked: 4 } as const;
const isIn = 1;

const head = { command: n32, sequence: n32, deviceId: n32, direction: n32, endpoint: n32 };
const submit = coder({
  ...head,
  flags: n32,
  length: n32,
  startFrame: n32,
  packets: n32,
  interval: n32,
  setup: bytes(8),
});
const unlink = coder({ ...head, victim: n32, rest: bytes(24) });
const submitted = coder({
  ...head,
  status: n32,
  length: n32,
  startFrame: n32,
  packets: n32,
  errors: n32,
  rest: bytes(8),
});
const unlinked = coder({ ...head, status: n32, rest: bytes(24) });

export const transferHead = 48;
/** Linux's own drivers stay far below; a stranger's number is no reason to wait for a gigabyte. */
export const longestTransfer = 1_048_576;

/** A transfer as a host asks for it (a URB), or its withdrawal. Of an OUT transfer the bytes follow. */
export type Transfer =
  | {
      readonly is: "submit";
      readonly sequence: number;
      readonly deviceId: number;
      readonly isIn: boolean;
      readonly endpoint: number;
      /** Whether less than was asked for is an error. */
      readonly mustFill: boolean;
      readonly length: number;
      /** Of a control transfer. */
      readonly setup: Uint8Array;
    }
  | { readonly is: "unlink"; readonly sequence: number; readonly deviceId: number; readonly victim: number };

const shortNotOk = 0x0001;

export const decodeTransfer = (raw: Uint8Array): Transfer => {
  if (raw.length !== transferHead) throw invalid(`not of ${transferHead} bytes`);
  switch (new DataView(raw.buffer, raw.byteOffset).getUint32(0)) {
    case commands.submit: {
      const { sequence, deviceId, direction, endpoint, flags, length, setup } = unpack(submit, raw);
      if (direction > 1) throw new Malformed("direction", "neither out nor in");
      if (endpoint > 15) throw new Malformed("endpoint", "more than a device can have");
      if (length > longestTransfer) throw new Malformed("length", `more than ${longestTransfer}`);
      const mustFill = (flags & shortNotOk) !== 0;
      return {
        is: "submit",
        sequence,
        deviceId,
        isIn: direction === isIn,
        endpoint,
        mustFill,
        length,
        setup,
      };
    }
    case commands.unlink: {
      const { sequence, deviceId, victim } = unpack(unlink, raw);
      return { is: "unlink", sequence, deviceId, victim };
    }
    default:
      throw new Malformed("command", "none that a host has");
  }
};

const none = { deviceId: 0, direction: 0, endpoint: 0 };
const zeros = (length: number): Uint8Array => new Uint8Array(length);

/** For who plays the host. */
export const encodeTransfer = (one: Transfer): Uint8Array => {
  const { sequence, deviceId } = one;
  switch (one.is) {
    case "submit":
      return submit.encode({
        ...{ command: commands.submit, sequence, deviceId, direction: one.isIn ? isIn : 0 },
        ...{ endpoint: one.endpoint, flags: one.mustFill ? shortNotOk : 0, length: one.length },
        ...{ startFrame: 0, packets: 0, interval: 0, setup: one.setup },
      });
    case "unlink":
      return unlink.encode({
        ...{ ...none, command: commands.unlink, sequence, deviceId },
        ...{ victim: one.victim, rest: zeros(24) },
      });
  }
};

/** Linux's error numbers, as the kernel's drivers hear them. */
export const statuses = {
  done: 0,
  stalled: -32,
  overflow: -75,
  short: -121,
  unlinked: -104,
} as const;
export type Status = keyof typeof statuses;

const numberOf = (status: Status): number => statuses[status] >>> 0;

/** `count`: bytes that moved; `content`: those that come back with an IN transfer. */
export const encodeSubmitted = (
  sequence: number,
  status: Status,
  count: number,
  content: Uint8Array,
): Uint8Array =>
  concat(
    submitted.encode({
      ...{ ...none, command: commands.submitted, sequence, status: numberOf(status), length: count },
      ...{ startFrame: 0, packets: 0, errors: 0, rest: zeros(8) },
    }),
    content,
  );

/** `done`: it was over before. */
export const encodeUnlinked = (sequence: number, status: "unlinked" | "done"): Uint8Array =>
  unlinked.encode({
    ...none,
    command: commands.unlinked,
    sequence,
    status: numberOf(status),
    rest: zeros(24),
  });
