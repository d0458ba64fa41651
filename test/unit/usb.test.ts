import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { configurationDescriptor, deviceDescriptor } from "../../firmware-sim/usb/descriptors.ts";
import { exportUsb, type UsbExport, type UsbFunction } from "../../firmware-sim/usb/index.ts";
import {
  encodeBusId,
  encodeOperation,
  encodeTransfer,
  longestTransfer,
} from "../../firmware-sim/usb/usbip.ts";
import { concat } from "../../protocol/bytes.ts";
import {
  endpoints,
  hidReportDescriptor,
  interfaces,
  productId,
  vendorId,
} from "../../protocol/device/ids.ts";
import { steady } from "../steady.ts";
import { type Host, openHost } from "./usb.kit.ts";

const open: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

interface World {
  readonly usb: UsbExport;
  readonly functions: UsbFunction[];
  join(): Promise<Host>;
}

const echo = ({ transport }: UsbFunction): void =>
  transport.receive((bytes) => void transport.send(bytes).catch(() => {}));

const exported = async (count = 1, onFunction: (one: UsbFunction) => void = echo): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), "usb-"));
  open.push(() => rmSync(folder, { recursive: true }));
  const functions: UsbFunction[] = [];
  const usb = await exportUsb({
    address: { path: join(folder, "s") },
    devices: Array.from({ length: count }, (_, i) => ({
      serialNumber: `SN${i + 1}`,
      onFunction: (one) => {
        functions.push(one);
        onFunction(one);
      },
    })),
  });
  open.push(() => usb.close());
  return {
    usb,
    functions,
    join: async () => {
      const host = await openHost(usb.address);
      open.push(() => host.socket.destroy());
      return host;
    },
  };
};

const attached = async (onFunction?: (one: UsbFunction) => void) => {
  const world = await exported(1, onFunction);
  const host = await world.join();
  expect(await host.attach()).toBe(true);
  expect((await host.configure()).status).toBe(0);
  return { ...world, host };
};

const filled = (length: number, n = 7): Uint8Array => new Uint8Array(length).fill(n);
const [stalled, overflow, short, unlinked] = [-32, -75, -121, -104];

const kinds = [
  ["hid", endpoints.hid],
  ["serial", endpoints.serialData],
  ["usb", endpoints.bulk],
] as const;

describe("what is exported", () => {
  test("is listed, with its interfaces, to its owner alone", async () => {
    const { usb, join: joined } = await exported(2);
    const host = await joined();
    host.socket.write(encodeOperation("list"));
    const view = new DataView((await host.read(12 + 2 * (312 + 16))).buffer);
    expect([view.getUint16(0), view.getUint16(2), view.getUint32(4), view.getUint32(8)]).toEqual([
      0x0111, 5, 0, 2,
    ]);
    expect([view.getUint16(12 + 300), view.getUint16(12 + 302)]).toEqual([vendorId, productId]);
    expect(view.getUint8(12 + 311)).toBe(4);
    const classes = [0, 1, 2, 3].map((n) => view.getUint8(12 + 312 + 4 * n));
    expect(classes).toEqual([0x03, 0x02, 0x0a, 0xff]);
    if (!("path" in usb.address)) throw new Error("no path");
    expect(statSync(usb.address.path).mode & 0o777).toBe(0o600);
  });

  test("is reached over TCP too, from this machine", async () => {
    const usb = await exportUsb({
      address: { port: 0 },
      devices: [{ serialNumber: "SN1", onFunction: echo }],
    });
    open.push(() => usb.close());
    const host = await openHost(usb.address);
    expect(await host.attach()).toBe(true);
    expect((await host.configure()).status).toBe(0);
    await host.out(endpoints.bulk, filled(5));
    expect((await host.in(endpoints.bulk, 512)).bytes).toEqual(filled(5));
    await usb.close();
    await host.ended;
  });

  test("is one host's at a time, and only while it is plugged in", async () => {
    const { usb, join: joined } = await exported(2);
    const [device] = usb.devices;
    const [first, second] = [await joined(), await joined()];
    expect(await first.attach()).toBe(true);
    expect(device?.isAttached()).toBe(true);
    expect(await second.attach("1-1")).toBe(false);
    expect(await second.attach("1-3")).toBe(false);
    expect(await second.attach("1-2")).toBe(true);
    device?.unplug();
    await first.ended;
    const third = await joined();
    expect(await third.attach()).toBe(false);
    device?.plug();
    expect(await third.attach()).toBe(true);
    third.socket.destroy();
    await expect.poll(() => device?.isAttached()).toBe(false);
    expect(await (await joined()).attach()).toBe(true);
  });

  test("bears no serial number that no descriptor can", async () => {
    for (const serialNumber of ["", "a b", "é", "x".repeat(127)])
      await expect(
        exportUsb({ address: { port: 0 }, devices: [{ serialNumber, onFunction: echo }] }),
      ).rejects.toThrow(RangeError);
  });
});

describe("descriptors", () => {
  test("are whole, and each endpoint stands once", () => {
    expect(deviceDescriptor).toHaveLength(18);
    const all = [...configurationDescriptor];
    expect((all[2] ?? 0) | ((all[3] ?? 0) << 8)).toBe(all.length);
    const parts: number[][] = [];
    for (let at = 0; at < all.length; at += all[at] ?? 0) {
      expect(all[at]).toBeGreaterThan(1);
      parts.push(all.slice(at, at + (all[at] ?? 0)));
    }
    expect(parts.flat()).toEqual(all);
    const addresses = parts.filter(([, type]) => type === 5).map(([, , address]) => address);
    expect(addresses).toEqual([0x81, 0x01, 0x82, 0x83, 0x03, 0x84, 0x04]);
    expect(parts.filter(([, type]) => type === 4).map(([, , n]) => n)).toEqual(Object.values(interfaces));
  });

  test("are given out in the length that is asked for", async () => {
    const { join: joined } = await exported();
    const host = await joined();
    await host.attach();
    const get = async (value: number, length: number, to: "device" | "interface" = "device") =>
      host.control({ isIn: true, to, request: 6, value, length });
    expect((await get(0x0100, 8)).bytes).toEqual(deviceDescriptor.slice(0, 8));
    expect((await get(0x0200, 4_096)).bytes).toEqual(configurationDescriptor);
    expect((await get(0x2200, 255, "interface")).bytes).toEqual(Uint8Array.from(hidReportDescriptor));
    expect(Buffer.from((await get(0x0303, 255)).bytes.slice(2)).toString("utf16le")).toBe("SN1");
    // No other speed, no second configuration, no fourth string.
    for (const value of [0x0600, 0x0201, 0x0304, 0x0f00]) expect((await get(value, 64)).status).toBe(stalled);
  });
});

describe("endpoint 0", () => {
  test("answers what drivers ask, and stalls at the rest", async () => {
    const { host } = await attached();
    const serial = { kind: "class", to: "interface", index: interfaces.serialControl } as const;
    const hid = { kind: "class", to: "interface", index: interfaces.hid } as const;
    const coding = Uint8Array.of(0x80, 0x25, 0, 0, 1, 2, 7);
    expect((await host.control({ ...serial, request: 0x20 }, coding)).status).toBe(0);
    expect((await host.control({ ...serial, request: 0x21, isIn: true, length: 7 })).bytes).toEqual(coding);
    expect((await host.control({ ...serial, request: 0x20 }, filled(6))).status).toBe(stalled);
    expect((await host.control({ ...serial, request: 0x22, value: 3 })).status).toBe(0);
    expect((await host.control({ ...serial, request: 0x23 })).status).toBe(stalled);
    expect((await host.control({ ...hid, request: 10, value: 0x0500 })).status).toBe(0);
    expect((await host.control({ ...hid, request: 2, isIn: true, length: 1 })).bytes).toEqual(
      Uint8Array.of(5),
    );
    expect((await host.control({ ...hid, request: 1, value: 0x0100, isIn: true, length: 64 })).count).toBe(
      64,
    );
    expect((await host.control({ ...hid, request: 1, value: 0x0300, isIn: true, length: 64 })).status).toBe(
      stalled,
    );
    expect((await host.control({ kind: "vendor", request: 1, isIn: true, length: 9 })).status).toBe(stalled);
    expect((await host.control({ request: 9, value: 2 })).status).toBe(stalled);
    expect((await host.control({ request: 8, isIn: true, length: 1 })).bytes).toEqual(Uint8Array.of(1));
    expect(
      (await host.control({ to: "endpoint", request: 0, index: 0x05, isIn: true, length: 2 })).status,
    ).toBe(stalled);
  });

  test("takes a report as HID's own endpoint does", async () => {
    const { host } = await attached();
    const report = {
      kind: "class",
      to: "interface",
      index: interfaces.hid,
      request: 9,
      value: 0x0200,
    } as const;
    expect((await host.control(report, filled(64, 3))).status).toBe(0);
    expect((await host.in(endpoints.hid, 64)).bytes).toEqual(filled(64, 3));
    expect((await host.control(report, filled(63, 3))).status).toBe(stalled);
  });

  test("halts an endpoint, and lets it go on", async () => {
    const { host } = await attached();
    const feature = { to: "endpoint", value: 0, index: 0x80 | endpoints.bulk } as const;
    const waits = host.in(endpoints.bulk, 512);
    expect((await host.control({ ...feature, request: 3 })).status).toBe(0);
    expect((await waits).status).toBe(stalled);
    await host.out(endpoints.bulk, filled(3));
    expect((await host.in(endpoints.bulk, 512)).status).toBe(stalled);
    const status = { to: "endpoint", index: feature.index, isIn: true, length: 2 } as const;
    expect((await host.control(status)).bytes).toEqual(Uint8Array.of(1, 0));
    expect((await host.control({ ...feature, request: 1 })).status).toBe(0);
    expect((await host.in(endpoints.bulk, 512)).bytes).toEqual(filled(3));
  });
});

describe("transfers", () => {
  test.each(kinds)("of %s reach its own function, and come back", async (kind, endpoint) => {
    const { host, functions } = await attached();
    expect(functions.map((one) => one.kind)).toEqual(["hid", "serial", "usb"]);
    const waits = host.in(endpoint, 512);
    expect(await host.out(endpoint, filled(64, 9))).toMatchObject({ status: 0, count: 64 });
    expect(await waits).toMatchObject({ status: 0, bytes: filled(64, 9) });
    expect(functions.find((one) => one.kind === kind)?.transport.name).toBe(`usb 1-1 ${kind}`);
  });

  test("arrive packet by packet, and what is said at once ends with a short one", async () => {
    const heard: number[] = [];
    const { host, functions } = await attached(({ transport }) =>
      transport.receive((bytes) => heard.push(bytes.length)),
    );
    await host.out(endpoints.bulk, filled(1_100));
    await host.out(endpoints.hid, filled(130));
    expect(heard).toEqual([512, 512, 76, 64, 64, 2]);
    const bulk = functions[2]?.transport;
    const sent = Promise.all([bulk?.send(filled(1_024)), bulk?.send(filled(3, 1))]);
    expect((await host.in(endpoints.bulk, 512)).count).toBe(512);
    expect((await host.in(endpoints.bulk, 4_096)).count).toBe(512);
    expect((await host.in(endpoints.bulk, 4_096, true)).status).toBe(short);
    await sent;
  });

  test("that have too little room for a packet say so", async () => {
    const { host, functions } = await attached();
    const sent = functions[2]?.transport.send(filled(300));
    expect(await host.in(endpoints.bulk, 100)).toMatchObject({ status: overflow, count: 0 });
    await sent;
  });

  test("of a device that does not listen wait, and are taken back", async () => {
    const { host, functions } = await attached(() => undefined);
    const [read, written] = [host.in(endpoints.bulk, 512), host.out(endpoints.bulk, filled(2))];
    expect(await host.unlink(read.sequence)).toBe(unlinked);
    expect(await host.unlink(read.sequence)).toBe(0);
    const heard: Uint8Array[] = [];
    functions[2]?.transport.receive((bytes) => heard.push(bytes));
    expect((await written).status).toBe(0);
    expect(heard).toEqual([filled(2)]);
    // What would have been the answer to the first goes to the next.
    const sent = functions[2]?.transport.send(filled(4));
    expect((await host.in(endpoints.bulk, 512)).bytes).toEqual(filled(4));
    await sent;
  });

  test("before the device is configured, and after, stall", async () => {
    const { join: joined, functions } = await exported();
    const host = await joined();
    await host.attach();
    expect((await host.out(endpoints.bulk, filled(1))).status).toBe(stalled);
    await host.configure();
    await host.configure(0);
    expect((await functions[0]?.transport.closed)?.why).toBe("gone");
    expect((await host.in(endpoints.bulk, 512)).status).toBe(stalled);
    expect((await host.in(9, 512)).status).toBe(stalled);
  });
});

describe("a firmware's transports", () => {
  test("end with the cable, and what waits to leave rejects", async () => {
    const { usb, host, functions } = await attached(() => undefined);
    const [hid] = functions;
    const sent = hid?.transport.send(filled(64));
    usb.devices[0]?.unplug();
    await expect(sent).rejects.toMatchObject({ name: "Unplugged", why: "gone" });
    await expect(hid?.transport.send(filled(1))).rejects.toMatchObject({ why: "gone" });
    expect((await hid?.transport.closed)?.why).toBe("gone");
    await host.ended;
  });

  test("that it closed are opened anew when the host says more, without what was left", async () => {
    let isAwake = false;
    const { host, functions } = await attached((one) => {
      if (isAwake) echo(one);
    });
    for (const { transport } of [...functions]) {
      const left = transport.send(filled(5, 1)).catch(() => undefined);
      await transport.close();
      await left;
    }
    isAwake = true;
    expect(functions).toHaveLength(3);
    for (const [at, [kind, endpoint]] of kinds.entries()) {
      await host.out(endpoint, filled(8, 2));
      expect(functions.slice(3).map((one) => one.kind)).toEqual(kinds.slice(0, at + 1).map(([name]) => name));
      expect((await host.in(endpoint, 512)).bytes).toEqual(filled(8, 2));
      await host.out(endpoint, filled(9, 3));
      expect((await host.in(endpoint, 512)).bytes).toEqual(filled(9, 3));
      expect(functions.at(-1)?.kind).toBe(kind);
    }
    expect(functions).toHaveLength(6);
  });
});

describe("hostile clients", () => {
  const attach = concat(encodeOperation("import"), encodeBusId("1-1"));
  const transfer = { is: "submit", sequence: 1, deviceId: 0x1_0001, isIn: true, endpoint: 4 } as const;
  const submitted = (more: object): Uint8Array =>
    encodeTransfer({ ...transfer, mustFill: false, length: 512, setup: new Uint8Array(8), ...more });

  test.each([
    ["another version", Uint8Array.of(1, 0, 0x80, 3, 0, 0, 0, 0)],
    ["an operation that is none", Uint8Array.of(1, 0x11, 0x80, 9, 0, 0, 0, 0)],
    ["a bus id without an end", concat(encodeOperation("import"), filled(32, 0x31))],
    ["another device's transfer", concat(attach, submitted({ deviceId: 0x1_0002 }))],
    ["a length that is no length", concat(attach, submitted({ length: longestTransfer + 1 }))],
    ["a command that is none", concat(attach, new Uint8Array(48))],
    ["one number twice", concat(attach, submitted({}), submitted({}))],
    [
      "more than any host has",
      concat(attach, ...Array.from({ length: 1_200 }, (_, n) => submitted({ sequence: n }))),
    ],
  ])("end themselves alone: %s", async (_name, bytes) => {
    const { join: joined } = await exported(1, () => undefined);
    const [hostile, honest] = [await joined(), await joined()];
    // Endpoints of an unconfigured device would stall at once.
    const configured = bytes.length > 100 ? concat(attach, configure, bytes.subarray(attach.length)) : bytes;
    hostile.socket.write(configured);
    await hostile.ended;
    expect(await honest.attach()).toBe(true);
    expect((await honest.configure()).status).toBe(0);
  });

  const configure = submitted({
    ...{ sequence: 99_999, isIn: false, endpoint: 0, length: 0 },
    setup: Uint8Array.of(0, 9, 1, 0, 0, 0, 0, 0),
  });

  test("that ask and never read are given up", async () => {
    const { join: joined } = await exported();
    const [hostile, honest] = [await joined(), await joined()];
    hostile.socket.pause();
    const ask = submitted({ endpoint: 0, length: 4_096, setup: Uint8Array.of(0x80, 6, 0, 2, 0, 0, 0, 16) });
    hostile.socket.write(attach);
    const flood = concat(...Array.from({ length: 500 }, () => ask));
    let isOver = false;
    void hostile.ended.then(() => {
      isOver = true;
    });
    for (let i = 0; i < 40 && !isOver; i++)
      await new Promise<void>((resolve) => void hostile.socket.write(flood, () => resolve()));
    hostile.socket.resume();
    await hostile.ended;
    expect(await honest.attach()).toBe(true);
  });

  test("of any other kind", async () => {
    const { join: joined } = await exported();
    await steady(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.constantFrom(new Uint8Array(0), attach, concat(attach, configure)),
        async (bytes, before) => {
          const hostile = await joined();
          hostile.socket.end(concat(before, bytes));
          await hostile.ended;
        },
      ),
      { numRuns: 100 },
    );
    const honest = await joined();
    await expect.poll(() => honest.attach()).toBe(true);
    expect((await honest.configure()).status).toBe(0);
    await honest.out(endpoints.hid, filled(64, 8));
    expect((await honest.in(endpoints.hid, 64)).bytes).toEqual(filled(64, 8));
  });
});
