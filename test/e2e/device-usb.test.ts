/** `countersign device sim --usbip`: what it says of itself is true, and enough to attach it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { usbAddress, usbSteps, usbText } from "../../cli/device/usbip.ts";
import { parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type Simulator, simulator } from "../scripted/device-sim.ts";
import { openHost } from "../unit/usb.kit.ts";

let dir: string;
let sim: Simulator | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "countersign-usbip-"));
});
afterEach(async () => {
  await sim?.stop();
  sim = undefined;
  rmSync(dir, { recursive: true, force: true });
});

interface Said {
  readonly busId: string;
  readonly serial: string;
  readonly where: { readonly port: number } | { readonly path: string };
  readonly commands: readonly string[];
  readonly addresses: readonly string[];
  readonly text: string;
}

const attached = async ({ where, busId }: Said): Promise<boolean> => {
  const host = await openHost(where);
  const isGiven = await host.attach(busId);
  host.socket.destroy();
  await host.ended;
  return isGiven;
};

test.each([["0"], ["usb.sock"]])(
  "exported at %s it says where, under which bus id, what to type and what its addresses are",
  async (at) => {
    const path = join(dir, "usb.sock");
    sim = await simulator(join(dir, "device"), "--usbip", at === "0" ? at : path);
    const said = (await sim.line(({ event }) => event === "usb")) as unknown as Said;
    const port = "port" in said.where ? said.where.port : 3240;
    expect(said).toMatchObject({
      busId: "1-1",
      where: at === "0" ? { port } : { path },
      commands: [
        ...(at === "0" ? [] : [`socat TCP-LISTEN:3240,bind=127.0.0.1 UNIX-CONNECT:${path} &`]),
        "sudo modprobe vhci-hcd",
        `sudo usbip --tcp-port ${port} attach --remote 127.0.0.1 --busid 1-1`,
      ],
      addresses: [`hid:1209:0001:${said.serial}`, `usb:1209:0001:${said.serial}`],
    });
    for (const each of [...said.commands, ...said.addresses]) expect(said.text).toContain(each);
    for (const address of said.addresses)
      expect(parseLinkAddress(address)).toMatchObject({ device: { serial: said.serial } });
    expect(await attached(said)).toBe(true);
    const ready = (await sim.line(({ event }) => event === "ready")) as { readonly key?: string };
    expect(ready.key?.startsWith(said.serial)).toBe(true);
    await expect(simulator(join(dir, "other"), "--usbip", at === "0" ? String(port) : path)).rejects.toThrow(
      /another process listens/,
    );
  },
);

test("a port is a port, anything else a path, and what is neither is wrong usage", () => {
  const resolved = (path: string): string => `/run/${path}`;
  expect(usbAddress("3240", resolved)).toEqual({ port: 3240 });
  expect(usbAddress("a", resolved)).toEqual({ path: "/run/a" });
  expect(() => usbAddress("65536", resolved)).toThrow(SetupError);
  expect(() => usbAddress("x".repeat(200), resolved)).toThrow(SetupError);
  const odd = usbSteps({ busId: "1-1", serialNumber: "s" }, { path: "/it's here/usb.sock" });
  expect(odd.commands[0]).toBe(
    "socat TCP-LISTEN:3240,bind=127.0.0.1 'UNIX-CONNECT:/it'\\''s here/usb.sock' &",
  );
  expect(usbText(odd)).toContain("bus id 1-1 at /it's here/usb.sock.");
});
