import { describe, expect, test } from "vitest";
import { diagnose, type Instruments } from "../../cli/diagnosis.ts";
import { doctorExit, doctorJson, doctorText } from "../../cli/diagnosis-text.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { productId, vendorId } from "../../protocol/device/ids.ts";
import { printUdevRules } from "../../protocol/device/udev.ts";
import type { Found } from "../../protocol/wire/links/discover.ts";
import { LinkUnavailable, libraryTrouble, unavailable } from "../../protocol/wire/links/trouble.ts";

const rulesPath = "/etc/udev/rules.d/70-countersign.rules";

const healthy: Instruments = {
  nodeVersion: "v26.10.0",
  platform: "linux",
  findings: [],
  loadCurve: async () => nobleCurve(),
  libraries: { serialport: async () => 1, "node-hid": async () => 1, usb: async () => 1 },
  survey: async () => ({ found: [], blind: [] }),
  read: async (path) => (path === rulesPath ? printUdevRules() : undefined),
  look: async () => ({ mode: 0o700, freeBytes: 2 ** 40 }),
};

const device: Found = {
  kind: "hid",
  address: { is: "hid", device: { path: "/dev/hidraw0" } },
  written: "hid:/dev/hidraw0",
  product: "Countersign signing device",
  serial: "7",
};

const denied = unavailable(device.address, Object.assign(new Error("x"), { code: "EACCES" }));
const noLibusb = libraryTrouble("node-hid", new Error("libusb-1.0.so.0: cannot open shared object file"));
const failing = (error: unknown) => (): Promise<never> => Promise.reject(error);

describe("doctor", () => {
  test("on a machine with all there is", async () => {
    const diagnosis = await diagnose(
      { ...healthy, survey: async () => ({ found: [device], blind: [] }) },
      "/d",
    );
    expect(diagnosis.checks.map(({ subject, state }) => `${subject} ${state}`)).toEqual([
      "node fine",
      "curve fine",
      "directory fine",
      "disk fine",
      "serialport fine",
      "node-hid fine",
      "usb fine",
      "udev fine",
      "device fine",
    ]);
    expect(doctorExit(diagnosis)).toBe(0);
    expect(JSON.parse(doctorJson(diagnosis))).toMatchObject({
      ok: true,
      devices: [{ kind: "hid", address: "hid:/dev/hidraw0", serial: "7", hindered: null }],
    });
  });

  test.each<readonly [string, Partial<Instruments>, string, number, string]>([
    ["an old Node.js", { nodeVersion: "v20.20.0" }, "node wrong", 69, "Node.js 26"],
    ["no native curve", { loadCurve: failing(new Error("ELF")) }, "curve wrong", 69, "secp256k1"],
    [
      "a library of the system is missing",
      { libraries: { ...healthy.libraries, "node-hid": failing(noLibusb) } },
      "node-hid note",
      0,
      "apt-get install libusb-1.0-0",
    ],
    ["no rules of udev", { read: async () => undefined }, "udev note", 0, "sudo tee /etc/udev"],
    ["older rules", { read: async () => "# older\n" }, "udev note", 0, "not the one of this version"],
    [
      "a device that this user may not open",
      { survey: async () => ({ found: [{ ...device, hindered: denied }], blind: [] }) },
      "device wrong",
      69,
      "udevadm control --reload",
    ],
    [
      "core dumps",
      { findings: [{ subject: "core-dump", sentence: "a crash would write", remedy: "LimitCORE=1" }] },
      "core-dump wrong",
      6,
      "LimitCORE=1",
    ],
    [
      "swap on a disk",
      {
        read: async (path) =>
          path === "/proc/swaps"
            ? "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n/dev/zram0 partition 1 0 5\n"
            : undefined,
      },
      "swap note",
      0,
      "/dev/sda2.",
    ],
    ["no directory", { look: async () => undefined }, "directory wrong", 4, "countersign init"],
    [
      "an open directory",
      { look: async () => ({ mode: 0o755, freeBytes: 2 ** 40 }) },
      "directory wrong",
      6,
      "chmod go= /d",
    ],
    [
      "a full disk",
      { look: async () => ({ mode: 0o700, freeBytes: 2 ** 20 }) },
      "disk wrong",
      69,
      "Make room",
    ],
    ["little room", { look: async () => ({ mode: 0o700, freeBytes: 2 ** 29 }) }, "disk note", 0, "512 MiB"],
  ])("%s", async (_, instruments, expected, exit, words) => {
    const diagnosis = await diagnose({ ...healthy, ...instruments }, "/d");
    expect(diagnosis.checks.map(({ subject, state }) => `${subject} ${state}`)).toContain(expected);
    expect(doctorExit(diagnosis)).toBe(exit);
    expect(doctorText(diagnosis)).toContain(words);
  });

  test("what does not load is said once", async () => {
    const diagnosis = await diagnose({
      ...healthy,
      libraries: { ...healthy.libraries, "node-hid": failing(noLibusb) },
      survey: async () => ({
        found: [],
        blind: [
          { kind: "hid", trouble: noLibusb },
          { kind: "usb", trouble: new LinkUnavailable("refused", "Devices on usb can't be listed.", "") },
        ],
      }),
    });
    const text = doctorText(diagnosis);
    expect(text.split("libusb-1.0-0.").length).toBe(3);
    expect(text).toContain("Devices on usb can't be listed.");
  });
});

describe("the rules of udev", () => {
  test("name our ids, each way to a device, and end at a label", () => {
    const lines = printUdevRules().split("\n");
    const hex = (id: number): string => id.toString(16).padStart(4, "0");
    const granting = lines.filter((line) => line.includes("uaccess"));
    expect(granting.map((line) => /SUBSYSTEM=="(\w+)"/.exec(line)?.[1])).toEqual(["usb", "hidraw", "tty"]);
    for (const line of granting) {
      expect(line).toContain(`{idVendor}=="${hex(vendorId)}"`);
      expect(line).toContain(`{idProduct}=="${hex(productId)}"`);
      expect(line).toContain('MODE="0660"');
    }
    expect(lines).toContain('LABEL="countersign_end"');
  });
});
