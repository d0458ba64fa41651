/** `npm run test:usb`: see the usage below. */

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { root } from "../architecture/sources.ts";
import { runSuite, say, whole } from "../runner.ts";
import { bootTrouble, runGuest } from "./guest/guest.ts";
import { fetchParts, Missing } from "./guest/parts.ts";

const usage = `npm run test:usb -- [--required] [--only TEXT] [--seconds N]

Devices in software that a real kernel takes for hardware: attached over USB/IP in an emulated machine, and reached through
the very libraries that reach the real ones. The machine's root is this one's, and nothing that it writes is kept.

Options:
  --required    what is missing on this machine is a failure, and not a reason to skip
  --only TEXT   tests whose name has this in it
  --command C   this instead of the tests
  --seconds N   after which it is given up (600)
`;

const libraries = "/usr/lib/x86_64-linux-gnu";
const inPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** Debian's plain `busybox` asks for a loader that the first root does not have. */
const isStatic = (path: string): boolean => !readFileSync(path).includes("/ld-linux");

const needs = (): { readonly busybox: string; readonly missing: readonly string[] } => {
  const busybox = inPath("busybox") ?? "";
  const has: Readonly<Record<string, boolean>> = {
    "qemu-system-x86": inPath("qemu-system-x86_64") !== undefined,
    seabios: existsSync("/usr/share/seabios/bios-256k.bin"),
    "busybox-static": busybox !== "" && isStatic(busybox),
    "libusb-1.0-0": existsSync(join(libraries, "libusb-1.0.so.0")),
    libudev1: existsSync(join(libraries, "libudev.so.1")),
  };
  return { busybox, missing: Object.keys(has).filter((name) => has[name] !== true) };
};

/** Of the machine: a test that fails has failed. */
const attempts = 3;

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

const code = await runSuite({
  usage,
  options: {
    required: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    command: { type: "string" },
    seconds: { type: "string", default: "600" },
  },
  run: async ({ required, only, command, seconds }) => {
    const skipped = (why: string): number => {
      process.stdout.write(`skipped: ${why}\n`);
      return required ? 1 : 0;
    };
    if (process.platform !== "linux" || process.arch !== "x64" || inPath("apt-get") === undefined)
      return skipped("this is no Debian on x86-64");
    const { busybox, missing } = needs();
    if (missing.length > 0)
      return skipped(
        `the emulated machine needs more (apt-get install --no-install-recommends ${missing.join(" ")})`,
      );
    const tests = join(root, "test/usb/inside/main.ts");
    const compiled = mkdtempSync(join(tmpdir(), "countersign-compiled-"));
    const inside = [process.execPath, tests, only].map(quoted).join(" ");
    try {
      const filler = join(import.meta.dirname, "guest/compiled.ts");
      const env = { ...process.env, NODE_COMPILE_CACHE: compiled };
      await promisify(execFile)(process.execPath, [filler], { env });
      const options = {
        parts: await fetchParts(say),
        busybox,
        command: `cd ${quoted(root)} && export NODE_COMPILE_CACHE=${quoted(compiled)} && ${command ?? inside}\n`,
        bootMs: 90_000,
        runMs: 1_000 * whole("seconds", seconds),
        memoryMiB: 1_536,
        say,
      };
      for (let tries = 1; ; tries++) {
        const ended = await runGuest(options);
        if (ended !== bootTrouble || tries === attempts) return ended;
        say("once more: what ended was the machine, and not a test");
      }
    } catch (error) {
      if (error instanceof Missing) return skipped(error.message);
      throw error;
    } finally {
      rmSync(compiled, { recursive: true, force: true });
    }
  },
});
process.exit(code);
