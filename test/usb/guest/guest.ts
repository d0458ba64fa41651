/** A machine in software with a kernel of its own, for one command. */

import { spawn } from "node:child_process";
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Entry, file, folder, packArchive } from "./archive.ts";
import type { Parts } from "./parts.ts";

/** It did not come up, or was gone before the command's end: nothing that a test has found out. */
export const bootTrouble = 97;
/** The command took too long. */
export const timedOut = 98;

export interface GuestOptions {
  readonly parts: Parts;
  /** Path of a static busybox. */
  readonly busybox: string;
  /** For bash, as root. */
  readonly command: string;
  readonly bootMs: number;
  readonly runMs: number;
  readonly memoryMiB: number;
  readonly say: (line: string) => void;
}

const treeUnder = (base: string, prefix: string): readonly Entry[] =>
  readdirSync(base, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((path) => {
      const full = join(base, path);
      const { mode } = lstatSync(full);
      const isLink = (mode & 0o170000) === 0o120000;
      const isFile = (mode & 0o170000) === 0o100000;
      const content = isLink
        ? Buffer.from(readlinkSync(full))
        : isFile
          ? readFileSync(full)
          : new Uint8Array(0);
      return { path: `${prefix}/${path}`, mode, content };
    });

const script = (name: string): Uint8Array => readFileSync(join(import.meta.dirname, name));

const initrdOf = ({ parts, busybox, command }: GuestOptions): Uint8Array =>
  packArchive([
    folder("bin"),
    file("bin/busybox", readFileSync(busybox), true),
    file("init", script("init.sh"), true),
    file("start", script("start.sh")),
    file("command", Buffer.from(command)),
    folder("modules"),
    ...parts.modules.map((path) => file(`modules/${basename(path)}`, readFileSync(path))),
    folder("udev"),
    ...treeUnder(parts.udev, "udev"),
  ]);

/**
 * KVM is not tried first: where it cannot run this kernel it hangs and does not fail. One thread for both processors: with one
 * for each, QEMU 7.2 misses code that an engine writes on the one and runs on the other (3 of 10 processes of Node died of it).
 */
const machineOf = (place: string, { parts, memoryMiB }: GuestOptions): readonly string[] => [
  ...[
    "-accel",
    "tcg,thread=single",
    "-M",
    "q35,usb=off",
    "-cpu",
    "qemu64",
    "-smp",
    "2",
    "-m",
    String(memoryMiB),
  ],
  ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
  ...["-kernel", parts.kernel, "-initrd", join(place, "initrd")],
  ...["-append", "console=ttyS1 quiet panic=-1 usbcore.autosuspend=-1 random.trust_cpu=on"],
  ...["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"],
  ...["-device", "virtio-9p-pci,fsdev=root,mount_tag=root"],
  ...["-chardev", "stdio,id=said,signal=off", "-device", "isa-serial,chardev=said"],
  ...["-chardev", `file,id=log,path=${join(place, "log")}`, "-device", "isa-serial,chardev=log"],
];

const logOf = (place: string): string => {
  try {
    return readFileSync(join(place, "log"), "utf8");
  } catch {
    return "";
  }
};

/** The command's exit code, or one of the two above. */
export const runGuest = async (options: GuestOptions): Promise<number> => {
  const { bootMs, runMs, say } = options;
  const place = mkdtempSync(join(tmpdir(), "countersign-guest-"));
  try {
    writeFileSync(join(place, "initrd"), initrdOf(options));
    const qemu = spawn("qemu-system-x86_64", machineOf(place, options), {
      // Where its input ends, its output does.
      stdio: ["pipe", "inherit", "inherit"],
    });
    const stopped = new Promise<void>((resolve, reject) => {
      qemu.on("error", reject).on("close", () => resolve());
    });
    const stop = (): void => void qemu.kill("SIGKILL");
    process.on("exit", stop);
    let isUp = false;
    let isLate = false;
    const began = performance.now();
    const watch = setInterval(() => {
      const passed = performance.now() - began;
      if (!isUp && / guest: up\s/.test(logOf(place))) {
        isUp = true;
        say(`the guest is up after ${(passed / 1_000).toFixed(1)} s`);
      }
      isLate = passed > (isUp ? bootMs + runMs : bootMs);
      if (isLate) stop();
    }, 100);
    await stopped;
    clearInterval(watch);
    process.off("exit", stop);
    const log = logOf(place);

    const code = / guest: rc=(\d+)\s/.exec(log)?.[1];
    if (code !== undefined) return Number(code);
    say(
      `the guest ${isLate ? "took too long" : "went down"} ${isUp ? "in the tests" : "while it booted"}; its kernel's last words:`,
    );
    say(log.split("\n").slice(-25).join("\n"));
    return isUp && isLate ? timedOut : bootTrouble;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
};
