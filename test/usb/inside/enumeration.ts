/** What the kernel and the libraries make of the descriptors. */

import { strict as assert } from "node:assert";
import { execFile, execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import {
  hidReportDescriptor,
  manufacturer,
  product,
  productId,
  vendorId,
} from "../../../protocol/device/ids.ts";
import { discover, type Found, survey } from "../../../protocol/wire/links/discover.ts";
import { watchDevices } from "../../../protocol/wire/links/watch.ts";
import { root } from "../../architecture/sources.ts";
import { type Bus, type Device, kinds, serialPath } from "./bus.ts";
import { type Case, eventually } from "./harness.ts";

const run = promisify(execFile);
const buses = "/sys/bus/usb/devices";
const text = (...path: readonly string[]): string => readFileSync(join(buses, ...path), "utf8").trim();

const placeOf = (serialNumber: string): string => {
  const found = readdirSync(buses).find((name) => {
    try {
      return text(name, "serial") === serialNumber;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`no device ${serialNumber} on any bus`);
  return found;
};

const driverOf = (name: string): string => {
  try {
    return basename(readlinkSync(join(buses, name, "driver")));
  } catch {
    return "none";
  }
};

const rules = "70-countersign.rules";

/** The group that rules give a device's files to; everybody else is to be kept out. */
const plugdev = (): number => {
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((one) => one.startsWith("plugdev:"));
  return Number(line?.split(":")[2] ?? Number.NaN);
};

const foundOf = async ({ serialNumber }: Device): Promise<readonly Found[]> =>
  (await discover()).filter(({ serial }) => serial === serialNumber);

/** Files behind the three ways in. */
const filesOf = async (device: Device): Promise<Readonly<Record<(typeof kinds)[number], string>>> => {
  const hid = (await foundOf(device)).find(({ kind }) => kind === "hid")?.address;
  if (hid?.is !== "hid" || !("path" in hid.device)) throw new Error("no hid is found");
  const place = placeOf(device.serialNumber);
  const number = (name: string): string => text(place, name).padStart(3, "0");
  return {
    hid: hid.device.path,
    serial: realpathSync(serialPath(device.serialNumber) ?? ""),
    usb: `/dev/bus/usb/${number("busnum")}/${number("devnum")}`,
  };
};

/** Whether somebody of this group, and nobody else's, can open it. */
const canOpen = (file: string, group: number): boolean => {
  const open = "const { openSync } = require('node:fs'); openSync(process.argv[1], 'r+');";
  try {
    execFileSync(process.execPath, ["-e", open, file], { uid: 65_534, gid: group, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

const hex = (n: number): string => n.toString(16).padStart(4, "0");

export const enumerationCases = ({ devices: [first] }: Bus): readonly Case[] => {
  if (first === undefined) throw new RangeError("one device at least");
  return [
    {
      name: "a device is plugged in, and all three ways in are there",
      isNeeded: true,
      run: () => first.plug(),
    },
    {
      name: "the kernel reads its descriptors as they are meant",
      run: async () => {
        const place = placeOf(first.serialNumber);
        const said = ["idVendor", "idProduct", "manufacturer", "product", "speed", "bNumInterfaces"].map(
          (name) => text(place, name),
        );
        assert.deepEqual(said, [hex(vendorId), hex(productId), manufacturer, product, "480", "4"]);
        const drivers = [0, 1, 2, 3].map((n) => driverOf(`${place}:1.${n}`));
        assert.deepEqual(drivers, ["usbhid", "cdc_acm", "cdc_acm", "none"]);
        const hid = readdirSync(join(buses, `${place}:1.0`)).find((name) => /^0003:/.test(name)) ?? "";
        const report = readFileSync(join(buses, `${place}:1.0`, hid, "report_descriptor"));
        assert.deepEqual([...report], [...hidReportDescriptor]);
      },
    },
    {
      name: "each way in is found, with the serial number, and nothing else is",
      run: async () => {
        const { found, blind } = await survey();
        assert.deepEqual(blind, []);
        assert.deepEqual(found.map(({ kind }) => kind).toSorted(), [...kinds]);
        for (const one of found) {
          assert.equal(one.serial, first.serialNumber);
          assert.equal(one.hindered, undefined);
        }
        assert.equal(found.find(({ kind }) => kind === "usb")?.product, product);
      },
    },
    {
      name: "devices that come and go are told of without anybody asking again",
      run: async () => {
        const seen: number[] = [];
        // So seldom that what is seen came by an event.
        const watching = watchDevices((found) => seen.push(found.length), { pollMs: 600_000 });
        try {
          await eventually("the device", () => seen.at(-1) === 3 || undefined);
          await first.unplug();
          await eventually("its going", () => seen.at(-1) === 0 || undefined);
          await first.plug();
          await eventually("its coming", () => seen.at(-1) === 3 || undefined);
        } finally {
          watching.stop();
        }
      },
    },
    {
      name: "the udev rules give its files to the group plugdev, and to nobody else",
      limit: 90_000,
      run: async () => {
        const before = await filesOf(first);
        for (const kind of ["hid", "usb"] as const)
          assert.equal(canOpen(before[kind], plugdev()), false, `${kind}, without the rules`);
        mkdirSync("/etc/udev/rules.d", { recursive: true });
        copyFileSync(join(root, "share/udev", rules), join("/etc/udev/rules.d", rules));
        execFileSync("udevadm", ["control", "--reload"]);
        await first.unplug();
        await first.plug();
        execFileSync("udevadm", ["settle"]);
        for (const [kind, file] of Object.entries(await filesOf(first))) {
          const { mode, gid } = statSync(file);
          assert.deepEqual([kind, mode & 0o777, gid], [kind, 0o660, plugdev()]);
          assert.equal(canOpen(file, plugdev()), true, kind);
          assert.equal(canOpen(file, 65_534), false, kind);
        }
      },
    },
    ...kinds.map((kind) => ({
      name: `opened and closed at once over ${kind}, ten times`,
      // In a process of its own: what a library throws behind our back would end this one.
      run: async () => {
        await run(process.execPath, [join(import.meta.dirname, "briefly.ts"), kind, first.serialNumber]);
      },
    })),
  ];
};
