/** `countersign device`, as a person types it, with a device in software that it put on the bus itself. */

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Screen } from "../../../firmware-sim/screen.ts";
import { attachUsb } from "../../../firmware-sim/usb/index.ts";
import { root } from "../../architecture/sources.ts";
import { kinds, openSoon } from "./bus.ts";
import { type Case, eventually } from "./harness.ts";

interface Said {
  readonly event?: string;
  readonly key?: string;
  readonly screen?: Screen;
}

const onBus = (dir: string, usbip: string) => {
  const args = ["sim", "--dir", dir, "--usbip", usbip, "--json"];
  const child = spawn(process.execPath, [...process.execArgv, join(root, "cli/main.ts"), "device", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const said: Said[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => said.push(JSON.parse(line) as Said));
  const ended = new Promise<number | null>((resolve) => void child.on("close", resolve));
  return {
    child,
    ended,
    get count() {
      return said.length;
    },
    write: (line: string) => void child.stdin.write(`${line}\n`),
    line: (fits: (one: Said) => boolean, from = 0) =>
      eventually("a line", () => said.slice(from).find(fits), 60_000),
  };
};

export const commandCases = (): readonly Case[] => [
  {
    name: "countersign device sim --usbip: listed, paired and asked over hid (signing)",
    limit: 180_000,
    run: async () => {
      // Here: most of what a command loads is loaded for nothing else.
      const { device, pairWith } = await import("../../scripted/device-sim.ts");
      const dir = mkdtempSync("/run/countersign-");
      chmodSync(dir, 0o700);
      const [usbip, signer] = [join(dir, "usb.sock"), join(dir, "signer")];
      const sim = onBus(join(dir, "device"), usbip);
      const { key = "" } = await sim.line(({ event }) => event === "ready");
      const serial = key.slice(0, 16);
      await attachUsb({ address: { path: usbip } });
      for (const kind of kinds) {
        const { transport } = await openSoon(kind, { serialNumber: serial });
        await transport.close();
      }
      const listed = await device("list", "--json");
      assert.equal(listed.code, 0, listed.stderr);
      const { found } = JSON.parse(listed.stdout) as { found: { kind: string; serial: string }[] };
      const ours = found.filter((one) => one.serial === serial).map(({ kind }) => kind);
      assert.deepEqual(ours.toSorted(), [...kinds]);

      sim.write("person on");
      const shows = async (fits: (screen: Screen) => boolean, from?: number): Promise<Screen> => {
        const { screen } = await sim.line((one) => one.screen !== undefined && fits(one.screen), from);
        if (screen === undefined) throw new Error("no screen");
        return screen;
      };
      const address = `hid:1209:0001:${serial}`;
      const paired = await pairWith({ ...sim, count: sim.count, address, shows } as never, signer);
      assert.equal(paired.code, 0, paired.stderr);
      const info = await device("info", "--dir", signer, "--json");
      assert.equal(info.code, 0, info.stderr);
      assert.match(info.stdout, /"stage":\s*"unprovisioned"/);
      sim.child.kill("SIGTERM");
      assert.equal(await sim.ended, 0);
    },
  },
];
