import { resolve } from "node:path";
import { expect, test } from "vitest";
import { listText, plainFound } from "../../cli/device/list.ts";
import { addressOption } from "../../cli/device/reach.ts";
import { standingText } from "../../cli/device/standing.ts";
import { changesOf } from "../../cli/device/watch.ts";
import type { Found } from "../../protocol/wire/links/discover.ts";
import { LinkUnavailable } from "../../protocol/wire/links/trouble.ts";
import { SetupError } from "../../signer/setup-error.ts";

const found = (written: string, hindered?: LinkUnavailable): Found => ({
  kind: "hid",
  address: { is: "hid", device: { path: "/dev/hidraw0" } },
  written,
  product: "Signer\x1b[2J",
  serial: "77",
  ...(hindered === undefined ? {} : { hindered }),
});
const denied = new LinkUnavailable("denied", "This user may not open it.", "Install the udev rules.");
const nothing = { found: [], blind: [] };
const paired = {
  name: "wallet",
  address: "hid:/dev/hidraw0",
  key: new Uint8Array(32).fill(0xab),
  pairedAt: 0,
};

test("a list says what is paired and what is plugged in, and what hinders", () => {
  expect(listText(undefined, nothing)).toBe("No device is plugged in, as far as this system shows.");
  expect(listText([], nothing)).toMatch(/^No device is paired with this signer\.\n/);
  const known = [{ device: paired, standing: { is: "unreachable", why: "it is gone" } as const }];
  const text = listText(known, {
    found: [found("hid:/dev/hidraw0"), found("hid:/dev/hidraw1", denied)],
    blind: [{ kind: "usb", trouble: new LinkUnavailable("library", "No library.", "") }],
  });
  expect(text).toContain("wallet  hid:/dev/hidraw0  abababababababab...  not reachable: it is gone");
  expect(text).toContain(
    "hid:/dev/hidraw1  Signer\\u{1b}[2J  77      This user may not open it. Install the udev rules.",
  );
  expect(text).toContain("Not looked at (usb): No library.");
  expect(plainFound(found("a", denied))).toMatchObject({ hindered: "denied" });
});

test("what comes and goes is told once each", () => {
  const [a, b] = [found("hid:/dev/hidraw0"), found("hid:/dev/hidraw1")];
  expect(changesOf([], [a, b]).map(({ text }) => text)).toEqual([
    "plugged: hid:/dev/hidraw0 Signer\\u{1b}[2J",
    "plugged: hid:/dev/hidraw1 Signer\\u{1b}[2J",
  ]);
  expect(changesOf([a, b], [b]).map(({ event, more }) => [event, more["address"]])).toEqual([
    ["unplugged", "hid:/dev/hidraw0"],
  ]);
  expect(changesOf([a, b], [b, a])).toEqual([]);
});

test("each standing has words", () => {
  expect(standingText({ is: "in-use" })).toContain("in use");
  expect(standingText({ is: "fault", why: "worn out" })).toBe("FAULT: worn out");
  expect(standingText({ is: "locked" })).toBe("locked");
});

test("an address that a person types is the same from any directory", () => {
  for (const [typed, path] of [
    ["unix:toy/device.sock", resolve("toy/device.sock")],
    ["unix:/run/device.sock", "/run/device.sock"],
    ["serial:ttyACM0@9600", resolve("ttyACM0")],
  ] as const)
    expect(addressOption(typed)).toMatchObject({ path });
  expect(addressOption("hid:/dev/hidraw0")).toEqual({ is: "hid", device: { path: "/dev/hidraw0" } });
  expect(addressOption("usb:1209:0001")).toMatchObject({ is: "usb" });
  expect(() => addressOption(`unix:${"d".repeat(110)}`)).toThrow(SetupError);
});
