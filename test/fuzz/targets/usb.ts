/** What a device in software reads from whoever holds its USB/IP connection. */

import * as fc from "fast-check";
import { serve } from "../../../firmware-sim/usb/connection.ts";
import { configurationValue, deviceKind, interfaceKinds } from "../../../firmware-sim/usb/descriptors.ts";
import { gadget } from "../../../firmware-sim/usb/gadget.ts";
import { decodeSetup, encodeSetup, type Setup } from "../../../firmware-sim/usb/setup.ts";
import {
  decodeBusId,
  decodeImported,
  decodeOperation,
  decodeTransfer,
  deviceIdOf,
  type Exported,
  encodeBusId,
  encodeImported,
  encodeOperation,
  encodeTransfer,
  type Transfer,
} from "../../../firmware-sim/usb/usbip.ts";
import { concat } from "../../../protocol/bytes.ts";
import { type Transport, Unplugged } from "../../../protocol/transport.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled } from "./seeds.ts";

const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);

export const anySetup: fc.Arbitrary<Setup> = fc.record({
  isIn: fc.boolean(),
  kind: fc.constantFrom("standard", "class", "vendor"),
  to: fc.constantFrom("device", "interface", "endpoint", "other"),
  request: fc.oneof(fc.nat(11), fc.nat(0x23), fc.nat(255)),
  value: fc.oneof(fc.constantFrom(0, 1, 0x0100, 0x0200, 0x0303), u16),
  index: fc.oneof(fc.nat(4), u16),
  length: fc.oneof(fc.nat(64), u16),
});

const submit = fc.record({
  is: fc.constant("submit" as const),
  sequence: fc.nat(9),
  deviceId: fc.constant(deviceIdOf(1)),
  isIn: fc.boolean(),
  endpoint: fc.nat(5),
  mustFill: fc.boolean(),
  length: fc.nat(70),
  setup: anySetup.map(encodeSetup),
});
const unlink = fc.record({
  is: fc.constant("unlink" as const),
  sequence: fc.nat(9),
  deviceId: fc.constant(deviceIdOf(1)),
  victim: fc.nat(9),
});
export const anyTransfer: fc.Arbitrary<Transfer> = fc.oneof(submit, unlink);

const configure: Transfer = {
  ...{ is: "submit", sequence: 1_000, deviceId: deviceIdOf(1), isIn: false, endpoint: 0, mustFill: false },
  length: 0,
  setup: encodeSetup({
    ...{ isIn: false, kind: "standard", to: "device", request: 9, value: configurationValue },
    ...{ index: 0, length: 0 },
  }),
};

/** As a host sends them: behind an OUT transfer its bytes. */
const sent = (one: Transfer): Uint8Array =>
  one.is === "submit" && !one.isIn
    ? concat(encodeTransfer(one), new Uint8Array(one.length).fill(one.sequence))
    : encodeTransfer(one);

const exported: Exported = {
  ...{ busId: "1-1", number: 1, vendorId: 0x1209, productId: 1, release: 0x100, kind: deviceKind },
  ...{ configuration: configurationValue, interfaces: interfaceKinds },
};

/** A whole connection, whose device says again what it hears. */
const answered = (bytes: Uint8Array): readonly Uint8Array[] => {
  const answers: Uint8Array[] = [];
  const closed = Promise.withResolvers<Unplugged>();
  let listener: ((bytes: Uint8Array) => void) | undefined;
  const transport: Transport = {
    name: "memory",
    closed: closed.promise,
    send: async (answer) => {
      answers.push(answer);
    },
    receive: (to) => {
      listener = to;
    },
    close: async () => closed.resolve(new Unplugged("closed", "closed")),
  };
  const device = gadget({
    serialNumber: "SN1",
    busId: "1-1",
    onFunction: (one) => one.transport.receive((heard) => void one.transport.send(heard).catch(() => {})),
  });
  serve({ transport, ports: [{ exported, take: () => device }] });
  listener?.(bytes);
  device.detach();
  return answers;
};

const opening = concat(encodeOperation("import"), encodeBusId("1-1"), sent(configure));

const target = <T>(
  name: string,
  covers: string,
  values: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
  exact: boolean,
): Target => ({
  name,
  covers: [`firmware-sim/usb/${covers}`],
  seeds: (seed, count) => sampled(values, seed, count).map(encode),
  decode: (bytes) => {
    const value = decode(bytes);
    return { value, encode: () => encode(value) };
  },
  rejects: isMalformed,
  exact,
});

const number = fc.integer({ min: 1, max: 200 });

export const usbTargets: readonly Target[] = [
  target(
    "usbip-operation",
    "usbip.ts decodeOperation",
    fc.constantFrom("list", "import"),
    encodeOperation,
    decodeOperation,
    true,
  ),
  // Behind the zero that ends it anything may stand.
  target(
    "usbip-bus-id",
    "usbip.ts decodeBusId",
    number.map((n) => `1-${n}`),
    encodeBusId,
    decodeBusId,
    false,
  ),
  // Most of a device's fields are the kernel's to read.
  {
    name: "usbip-imported",
    covers: ["firmware-sim/usb/usbip.ts decodeImported"],
    seeds: (seed, count) =>
      sampled(fc.option(number), seed, count).map((n) =>
        encodeImported(n === null ? undefined : { ...exported, number: n }),
      ),
    decode: (bytes) => {
      const value = decodeImported(bytes);
      const of = value === "refused" ? undefined : { ...exported, number: value.deviceId & 0xffff };
      return { value: of?.number ?? value, encode: () => encodeImported(of) };
    },
    rejects: isMalformed,
    exact: false,
  },
  // Of the flags one is read, and of isochronous transfers nothing.
  target(
    "usbip-transfer",
    "usbip.ts decodeTransfer",
    fc.oneof(
      anyTransfer,
      fc.record({
        ...{ is: fc.constant("unlink" as const), sequence: u32, deviceId: u32, victim: u32 },
      }),
    ),
    encodeTransfer,
    decodeTransfer,
    false,
  ),
  target("usb-setup", "setup.ts decodeSetup", anySetup, encodeSetup, decodeSetup, true),
  {
    name: "usbip-connection",
    covers: [],
    seeds: (seed, count) =>
      sampled(fc.array(anyTransfer, { maxLength: 8 }), seed, count).map((transfers) =>
        concat(opening, ...transfers.map(sent)),
      ),
    decode: (bytes) => {
      const given = bytes.slice();
      const answers = answered(bytes);
      return { value: answers.length, encode: () => given };
    },
    // Whatever comes, it never throws.
    rejects: (_error): _error is Error => false,
    exact: false,
    kindOf: (value) => String(value),
  },
];
