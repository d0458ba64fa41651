import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Malformed } from "../../protocol/malformed.ts";
import {
  addressForms,
  formatLinkAddress,
  type LinkAddress,
  parseLinkAddress,
} from "../../protocol/wire/links/address.ts";
import { carrierOf } from "../../protocol/wire/links/open.ts";
import { steady } from "../steady.ts";

describe("the address of a device", () => {
  test.each<readonly [string, LinkAddress, string]>([
    ["unix:/run/device.sock", { is: "unix", path: "/run/device.sock" }, "bulk"],
    ["serial:/dev/ttyACM0", { is: "serial", path: "/dev/ttyACM0", baud: 115_200 }, "serial"],
    ["serial:/dev/ttyUSB0@921600", { is: "serial", path: "/dev/ttyUSB0", baud: 921_600 }, "serial"],
    ["serial:COM3", { is: "serial", path: "COM3", baud: 115_200 }, "serial"],
    ["hid:/dev/hidraw0", { is: "hid", device: { path: "/dev/hidraw0" } }, "hid"],
    ["hid:1209:0001", { is: "hid", device: { vendor: 0x1209, product: 1 } }, "hid"],
    ["hid:1209:0001:A:1", { is: "hid", device: { vendor: 0x1209, product: 1, serial: "A:1" } }, "hid"],
    ["usb:1209:0001", { is: "usb", device: { vendor: 0x1209, product: 1 } }, "bulk"],
    ["usb:1209:00ff:S", { is: "usb", device: { vendor: 0x1209, product: 0xff, serial: "S" } }, "bulk"],
  ])("%s", (text, address, carrier) => {
    expect(parseLinkAddress(text)).toEqual(address);
    expect(formatLinkAddress(address)).toBe(text);
    expect(carrierOf(address).name).toBe(carrier);
  });

  test("each form that a person is told of is one", () => {
    for (const form of addressForms) expect(() => parseLinkAddress(form)).not.toThrow();
  });

  test.each([
    ["", addressForms[0]],
    ["/dev/ttyACM0", addressForms[1]],
    ["tcp:localhost:1", addressForms[2]],
    ["toString:1", addressForms[3]],
    ["unix:", "no path"],
    [`unix:/${"a".repeat(200)}`, "103 bytes"],
    ["serial:", "no path"],
    ["serial:@115200", "no path"],
    ["serial:/dev/ttyACM0@1", "baud"],
    ["serial:/dev/ttyACM0@0115200", "baud"],
    ["serial:/dev/ttyACM0@99999999999999999999", "baud"],
    ["serial:/dev/tty\nACM0", "path that is none"],
    ["hid:", "four hex digits"],
    ["hid:1209", "four hex digits"],
    ["hid:1209:001", "four hex digits"],
    ["usb:/dev/bus/usb/001/002", "four hex digits"],
    ["usb:1209:0001:", "four hex digits"],
    ["usb:1209:0001:a\u001b[31m", "serial number"],
    ["unix:/a\ud800", "path that is none"],
  ])("%j is none, and is told why", (text, words) => {
    expect(() => parseLinkAddress(text)).toThrow(Malformed);
    expect(() => parseLinkAddress(text)).toThrow(words);
  });

  test("what is written is read as what it was", () => {
    const plain = fc.stringMatching(/^[!-~]{1,40}$/);
    const identity = fc.record(
      { vendor: fc.nat(0xffff), product: fc.nat(0xffff), serial: plain },
      { requiredKeys: ["vendor", "product"] },
    );
    const address = fc.oneof(
      fc.record({ is: fc.constant("unix" as const), path: plain }),
      fc.record({
        is: fc.constant("serial" as const),
        path: fc.oneof(plain, fc.constant("/dev/by-id/x@9600")),
        baud: fc.oneof(fc.constant(115_200), fc.integer({ min: 300, max: 12_000_000 })),
      }),
      fc.record({
        is: fc.constant("hid" as const),
        device: fc.oneof(identity, fc.record({ path: plain.map((name) => `/${name}`) })),
      }),
      fc.record({ is: fc.constant("usb" as const), device: identity }),
    );
    steady(
      fc.property(address, (one) => {
        expect(parseLinkAddress(formatLinkAddress(one as LinkAddress))).toEqual(one);
      }),
      { numRuns: 400 },
    );
  });
});
