/** `countersign doctor`: what this machine lacks, and what to do about it. */

import { readFile, stat, statfs } from "node:fs/promises";
import type { Command } from "commander";
import { openCurve } from "../protocol/curve/index.ts";
import { printUdevRules } from "../protocol/device/udev.ts";
import { survey } from "../protocol/wire/links/discover.ts";
import { loadNodeHid, loadSerialport, loadUsb } from "../protocol/wire/links/libraries.ts";
import { type Directory, diagnose, type Instruments } from "./diagnosis.ts";
import { doctorExit, doctorJson, doctorText } from "./diagnosis-text.ts";
import { findings } from "./hardened.ts";

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code));

const orAbsent = async <T>(action: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await action();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
};

const look = async (directory: string): Promise<Directory> => {
  const [{ mode }, { bavail, bsize }] = await Promise.all([stat(directory), statfs(directory)]);
  return { mode: mode & 0o777, freeBytes: bavail * bsize };
};

const instruments: Instruments = {
  nodeVersion: process.version,
  platform: process.platform,
  findings,
  loadCurve: () => openCurve("native"),
  libraries: { serialport: loadSerialport, "node-hid": loadNodeHid, usb: loadUsb },
  survey,
  read: (path) => orAbsent(() => readFile(path, "utf8")),
  look: (directory) => orAbsent(() => look(directory)),
};

interface DoctorOptions {
  readonly dir?: string;
  readonly json?: boolean;
  readonly udev?: boolean;
}

const examine = async ({ dir, json, udev }: DoctorOptions): Promise<void> => {
  if (udev === true) {
    process.stdout.write(printUdevRules());
    return;
  }
  const diagnosis = await diagnose(instruments, dir);
  process.stdout.write(`${json === true ? doctorJson(diagnosis) : doctorText(diagnosis)}\n`);
  process.exitCode = doctorExit(diagnosis);
};

export const registerDoctor = (program: Command): void => {
  program
    .command("doctor")
    .description("what this machine lacks for a signer and its devices, and which devices are plugged in")
    .option("--dir <directory>", "what init made: who may read it, and the room on its disk")
    .option("--json", "print JSON")
    .option("--udev", "print the rules of udev for devices, and nothing else")
    .action(examine);
};
