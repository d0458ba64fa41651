import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Transport, Unplugged } from "../../protocol/link.ts";
import { cable } from "../../protocol/wire/links/cable.ts";
import { isOurUsage, pickHid } from "../../protocol/wire/links/hid.ts";
import { LinkUnavailable, libraryTrouble, unavailable, whyOf } from "../../protocol/wire/links/trouble.ts";
import {
  type BulkInterface,
  pickBulk,
  pickUsb,
  transportOfUsb,
  type UsbConfiguration,
  type UsbDevice,
} from "../../protocol/wire/links/usb.ts";
import { watchDevices } from "../../protocol/wire/links/watch.ts";

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error) => error,
  );
const bytes = (n: number): Uint8Array => Uint8Array.of(n);
const never = (): Promise<never> => new Promise(() => {});

describe("a cable", () => {
  test("a write that never calls back closes it as stuck; what waits behind it ends too", async () => {
    const written: number[] = [];
    let shut = 0;
    const { transport } = cable({
      name: "x",
      stuckMs: 20,
      write: (one) => {
        written.push(one[0] as number);
        return one[0] === 1 ? Promise.resolve() : never();
      },
      shut: async () => void shut++,
    });
    await transport.send(bytes(1));
    const [second, third] = [caught(transport.send(bytes(2))), caught(transport.send(bytes(3)))];
    expect(await second).toMatchObject({ name: "Unplugged", why: "stuck" });
    expect(await third).toBe(await second);
    expect(await transport.closed).toBe(await second);
    await transport.close();
    expect([written, shut]).toEqual([[1, 2], 1]);
  });

  test.each([
    ["rejects", () => Promise.reject(new Error("cut"))],
    [
      "throws",
      (): Promise<void> => {
        throw new Error("cut");
      },
    ],
  ])("a write that %s ends it as gone, whatever the driver does on closing", async (_, write) => {
    const { transport } = cable({ name: "x", write, shut: () => Promise.reject(new Error("no such port")) });
    const error = await caught(transport.send(bytes(1)));
    expect(error).toMatchObject({ name: "Unplugged", why: "gone", message: "x is gone: cut" });
    expect(await transport.closed).toBe(error);
  });

  test("a driver that never closes keeps nobody waiting for ever", async () => {
    const { transport } = cable({ name: "x", write: never, shut: never });
    const sent = caught(transport.send(bytes(1)));
    await transport.close();
    expect(await sent).toBeInstanceOf(Unplugged);
    expect(await transport.closed).toMatchObject({ why: "closed" });
  });

  test("said to be over many times, it is over once, for the first reason; nothing arrives afterwards", async () => {
    let shut = 0;
    const got: number[] = [];
    const { transport, arrived, lost } = cable({ name: "x", write: never, shut: async () => void shut++ });
    transport.receive((one) => got.push(one[0] as number));
    arrived(bytes(1));
    lost(new Error("first"));
    arrived(bytes(2));
    lost(new Error("second"));
    await transport.close();
    expect(await transport.closed).toMatchObject({ why: "gone", message: "x is gone: first" });
    expect([got, shut]).toEqual([[1], 1]);
  });

  test("what came before anybody listened is kept, in order, up to a bound", async () => {
    const got: number[] = [];
    const { transport, arrived } = cable({ name: "x", write: never, shut: async () => undefined });
    for (let n = 0; n < 5; n++) arrived(new Uint8Array(60_000).fill(n));
    transport.receive((one) => got.push(one[0] as number));
    expect(got).toEqual([]);
    arrived(bytes(9));
    await pause(0);
    arrived(bytes(10));
    expect(got).toEqual([0, 1, 2, 3, 9, 10]);
    await transport.close();
  });
});

describe("trouble", () => {
  const coded = (code: string): Error => Object.assign(new Error("x"), { code });

  test.each([
    [coded("EACCES"), "denied"],
    [coded("ENOENT"), "missing"],
    [coded("ECONNREFUSED"), "missing"],
    [coded("EBUSY"), "busy"],
    [new Error("Error: Permission denied, cannot open /dev/ttyACM0"), "denied"],
    [new Error("Error: No such file or directory, cannot open /dev/nothing"), "missing"],
    [new Error("Error: Resource temporarily unavailable Cannot lock port"), "busy"],
    [
      new Error(
        "cannot open device with path /dev/null: ioctl(GRDESCSIZE) error for '/dev/null', not a HIDRAW device?: Inappropriate ioctl for device",
      ),
      "refused",
    ],
    [
      Object.assign(new Error("open error: failed to open device (errno 13)"), { code: "GenericFailure" }),
      "denied",
    ],
    [new Error("claimInterface error: interface is busy (errno 16)"), "busy"],
    [new Error("getDevices error: /sys/bus/usb/devices/ not found (errno 2)"), "missing"],
    ["a string", "refused"],
  ])("%s", (error, why) => {
    expect(whyOf(error)).toBe(why);
    const told = unavailable({ is: "serial", path: "/dev/ttyACM0", baud: 115_200 }, error);
    expect(told).toMatchObject({ name: "LinkUnavailable", why });
    expect(told.message).toContain("serial:/dev/ttyACM0");
    if (why !== "refused") expect(told.hint).not.toBe("");
    expect(unavailable({ is: "unix", path: "/a" }, told)).toBe(told);
  });

  test.each([
    ["libusb-1.0.so.0: cannot open shared object file: No such file or directory", "libusb-1.0-0"],
    ["libudev.so.1: cannot open shared object file: No such file or directory", "libudev1"],
  ])("a library of the system is missing: its package is told", (words, debian) => {
    const error = Object.assign(new Error(words), { code: "ERR_DLOPEN_FAILED" });
    expect(libraryTrouble("node-hid", error).hint).toBe(
      `On Debian and Ubuntu: sudo apt-get install ${debian}.`,
    );
  });

  test("a library that was not installed is told apart from one that does not load", () => {
    const absent = Object.assign(new Error("Cannot find package 'usb'"), { code: "ERR_MODULE_NOT_FOUND" });
    expect(libraryTrouble("usb", absent).sentence).toBe("The library usb is not installed.");
    expect(libraryTrouble("usb", new Error("wrong ELF class")).sentence).toContain("wrong ELF class");
  });
});

const identity = { vendor: 0x1209, product: 0x0001 };

describe("which device is meant", () => {
  const hid = { vendorId: 0x1209, productId: 1, release: 0, interface: 0, usagePage: 0xffa0, usage: 1 };

  test("of several interfaces of HID the one with our usage", () => {
    const keyboard = { ...hid, path: "/dev/hidraw0", usagePage: 1, usage: 6, interface: 4 };
    const fido = { ...hid, path: "/dev/hidraw1", usagePage: 0xf1d0, usage: 1, interface: 5 };
    const other = { ...hid, path: "/dev/hidraw2", vendorId: 0x046d };
    expect(pickHid([keyboard, fido, other, { ...hid, path: "/dev/hidraw3" }], identity)).toBe("/dev/hidraw3");
    expect([keyboard, fido, hid, { usagePage: undefined, usage: undefined }].map(isOurUsage)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(() => pickHid([keyboard, fido, other], identity)).toThrow(LinkUnavailable);
  });

  test("two of them need a serial number, and are named", () => {
    const two = ["A", "B"].map((serialNumber) => ({ ...hid, serialNumber, path: `/dev/${serialNumber}` }));
    expect(() => pickHid(two, identity)).toThrow(/2 devices are hid:1209:0001.*A, B/);
    expect(pickHid(two, { ...identity, serial: "B" })).toBe("/dev/B");
    const usb = two.map(({ vendorId, productId, serialNumber }) => ({ vendorId, productId, serialNumber }));
    expect(() => pickUsb(usb, identity)).toThrow(expect.objectContaining({ why: "ambiguous" }));
    expect(pickUsb(usb, { ...identity, serial: "A" })).toBe(usb[0]);
    expect(() => pickUsb(usb, { ...identity, serial: "C" })).toThrow(
      expect.objectContaining({ why: "missing" }),
    );
  });

  test("the vendor's interface with bulk endpoints, not that of a serial port", () => {
    const bulk = (endpointNumber: number) =>
      (["in", "out"] as const).map((direction) => ({
        endpointNumber,
        direction,
        type: "bulk",
        packetSize: 512,
      }));
    const of = (interfaceNumber: number, interfaceClass: number, endpoints: ReturnType<typeof bulk>) => ({
      interfaceNumber,
      alternate: { interfaceClass, endpoints },
    });
    const whole: UsbConfiguration = {
      interfaces: [of(0, 3, []), of(2, 0x0a, bulk(3)), of(1, 0xff, bulk(5).slice(1)), of(3, 0xff, bulk(4))],
    };
    expect(pickBulk(whole)).toEqual({ number: 3, in: 4, out: 4, packetLength: 512 });
    expect(pickBulk({ interfaces: whole.interfaces.slice(0, 3) })).toBeUndefined();
  });
});

describe("bulk transfers", () => {
  const bulk: BulkInterface = { number: 3, in: 4, out: 4, packetLength: 512 };
  const failure = (words: string): Error => Object.assign(new Error(words), { code: "GenericFailure" });

  /** Answers each read with what is next, after a moment; then as an idle device. */
  const device = (reads: readonly (Uint8Array<ArrayBuffer> | Error)[], out?: UsbDevice["transferOut"]) => {
    const calls: string[] = [];
    const left = [...reads];
    let underWay = 0;
    const called = async (name: string): Promise<void> => void calls.push(`${name} ${underWay}`);
    const usb: UsbDevice = {
      vendorId: 0,
      productId: 0,
      bus: "1",
      address: 1,
      open: () => called("open"),
      close: () => called("close"),
      claimInterface: () => called("claim"),
      releaseInterface: () => called("release"),
      clearHalt: () => called("clearHalt"),
      transferIn: async (_, length) => {
        underWay++;
        expect(underWay).toBe(1);
        expect(length).toBe(512);
        await pause(2);
        underWay--;
        const next = left.shift() ?? failure("transferIn error: Cancelled");
        if (next instanceof Error) throw next;
        return { data: new DataView(next.buffer) };
      },
      transferOut: out ?? (async (_, sent) => ({ bytesWritten: sent.length })),
    };
    return { usb, calls };
  };

  const listened = (transport: Transport): number[] => {
    const got: number[] = [];
    transport.receive((one) => got.push(...one));
    return got;
  };

  test("a read whose time ran out is no trouble; closing waits for it before the interface goes", async () => {
    const cancelled = failure("transferIn error: Cancelled");
    const { usb, calls } = device([Uint8Array.of(1, 2), cancelled, cancelled, Uint8Array.of(3)]);
    const transport = transportOfUsb(usb, bulk, "usb", {});
    const got = listened(transport);
    while (got.length < 3) await pause(1);
    await transport.send(bytes(1));
    await transport.close();
    expect(got).toEqual([1, 2, 3]);
    expect(calls).toEqual(["release 0", "close 0"]);
  });

  test.each([
    ["Disconnected", ["release 0", "close 0"]],
    ["Stall", ["clearHalt 0", "release 0", "close 0"]],
  ])("%s ends it", async (words, expected) => {
    const { usb, calls } = device([failure(`transferIn error: ${words}`)]);
    const transport = transportOfUsb(usb, bulk, "usb", {});
    expect(await transport.closed).toMatchObject({ why: "gone" });
    expect(calls).toEqual(expected);
  });

  test("half a write ends it: what follows would not fit", async () => {
    const { usb } = device([], async () => ({ bytesWritten: 1 }));
    const transport = transportOfUsb(usb, bulk, "usb", {});
    expect(await caught(transport.send(new Uint8Array(3)))).toMatchObject({ why: "gone" });
    await transport.closed;
  });

  test("a write that hangs is stuck", async () => {
    const { usb } = device([], never);
    const transport = transportOfUsb(usb, bulk, "usb", { stuckMs: 10 });
    expect(await caught(transport.send(new Uint8Array(3)))).toMatchObject({ why: "stuck" });
    expect(await transport.closed).toMatchObject({ why: "stuck" });
  });
});

describe("watching", () => {
  test("tells what is there, then each change once, and nothing after the end; a failed look is no change", async () => {
    const at = (path: string) => ({
      kind: "serial" as const,
      address: { is: "serial" as const, path, baud: 115_200 },
      written: `serial:${path}`,
      product: "",
      serial: "",
    });
    const looks = [[], [], new Error("busy"), [at("/a")], [at("/a")], [at("/a"), at("/b")], [at("/b")]];
    const told: (readonly string[])[] = [];
    const done = Promise.withResolvers<void>();
    const watching = watchDevices(
      (found) => {
        told.push(found.map(({ written }) => written));
        if (told.length === 4) done.resolve();
      },
      {
        pollMs: 1,
        look: async () => {
          const next = looks.shift() ?? [];
          if (next instanceof Error) throw next;
          return next;
        },
      },
    );
    await done.promise;
    watching.stop();
    expect(told).toEqual([[], ["serial:/a"], ["serial:/a", "serial:/b"], ["serial:/b"]]);
  });
});
