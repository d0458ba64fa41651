/** `countersign device`, as a person types it, with a device in software that it put on the bus itself. */

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Screen } from "../../../firmware-sim/screen.ts";
import { attachUsb } from "../../../firmware-sim/usb/index.ts";
import { root } from "../../architecture/sources.ts";
import { kinds, openSoon } from "./bus.ts";
import { type Case, eventually, sleep } from "./harness.ts";

interface Said {
  readonly event?: string;
  readonly key?: string;
  readonly screen?: Screen;
}

const onBus = (dir: string, usbip: string) => {
  const args = ["device", "sim", "--dir", dir, "--usbip", usbip, "--json"];
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(root, "cli/main.ts"), ...args], {
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const said: Said[] = [];
  let end: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => said.push(JSON.parse(line) as Said));
  child.on("close", (code, signal) => {
    end = { code, signal };
  });
  const line = async (fits: (one: Said) => boolean, from = 0): Promise<Said> => {
    const found = await eventually("a line", () => said.slice(from).find(fits) ?? end, 60_000);
    if (!("signal" in found)) return found;
    throw new Error(`it ended before that: ${JSON.stringify(found)}`);
  };
  return {
    line,
    get count() {
      return said.length;
    },
    write: (text: string) => void child.stdin.write(`${text}\n`),
    shows: async (fits: (screen: Screen) => boolean, from?: number): Promise<Screen> => {
      const { screen } = await line((one) => one.screen !== undefined && fits(one.screen), from);
      if (screen === undefined) throw new Error("a line without a screen");
      return screen;
    },
    stop: () => {
      child.kill("SIGTERM");
      return eventually("its end", () => end);
    },
  };
};

const listedPairedAsked = async (): Promise<void> => {
  // Here: most of what a command loads is loaded for nothing else.
  const { device, pairWith } = await import("../../scripted/device-sim.ts");
  const dir = mkdtempSync("/run/countersign-");
  const [usbip, signer] = [join(dir, "usb.sock"), join(dir, "signer")];
  const sim = onBus(join(dir, "device"), usbip);
  try {
    const { key = "" } = await sim.line(({ event }) => event === "ready");
    const serial = key.slice(0, 16);
    await attachUsb({ address: { path: usbip } });
    for (const kind of kinds) {
      const { transport } = await openSoon(kind, { serialNumber: serial });
      await sleep(5);
      await transport.close();
    }
    const listed = await device("list", "--json");
    assert.equal(listed.code, 0, listed.stderr);
    const { found } = JSON.parse(listed.stdout) as { found: { kind: string; serial: string }[] };
    const ours = found.filter((one) => one.serial === serial).map(({ kind }) => kind);
    assert.deepEqual(ours.toSorted(), [...kinds]);

    sim.write("person on");
    const { write, shows } = sim;
    const asked = { write, shows, address: `hid:1209:0001:${serial}` };
    const paired = await pairWith(Object.create(sim, Object.getOwnPropertyDescriptors(asked)), signer);
    assert.equal(paired.code, 0, paired.stderr);
    const info = await device("info", "--dir", signer, "--json");
    assert.equal(info.code, 0, info.stderr);
    assert.equal(JSON.parse(info.stdout).stage, "unprovisioned", info.stdout);
  } finally {
    const { code } = await sim.stop();
    process.stdout.write(code === 0 ? "" : `        the simulator ended with ${code}\n`);
  }
};

export const commandCases = (): readonly Case[] => [
  {
    name: "countersign device sim --usbip: listed, paired and asked over hid (signing)",
    limit: 180_000,
    run: listedPairedAsked,
  },
];
