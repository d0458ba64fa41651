/** Files that nobody else may read: written whole or not at all, never over another, refused where others can read. */

import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { SetupError } from "./setup-error.ts";

/** Empty where it is no error of the system's. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

/** Undefined where owner and mode are as they should be; Windows has neither. */
export const exposure = (path: string, { uid, mode }: Stats): SetupError | undefined => {
  const self = process.getuid?.();
  if (self === undefined) return undefined;
  if (uid !== self)
    return new SetupError(
      "permissions",
      `${path} belongs to user ${uid}, not to the user ${self} that countersign runs as`,
      `Give it away with \`chown ${self} ${path}\`, or run countersign as its owner.`,
    );
  if ((mode & 0o077) !== 0)
    return new SetupError(
      "permissions",
      `${path} is open to other users (mode ${(mode & 0o777).toString(8).padStart(4, "0")})`,
      `Close it with \`chmod go= ${path}\`; if others could read it for some time, take what it holds as known.`,
    );
  return undefined;
};

const opened = <T>(path: string, action: (file: number) => T): T => {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") throw new SetupError("missing", `there is no ${path}`);
    if (codeOf(error) === "EACCES")
      throw new SetupError("permissions", `${path} cannot be read by the user that countersign runs as`);
    throw error;
  }
  try {
    return action(file);
  } finally {
    closeSync(file);
  }
};

/** The descriptor is judged, not the path: what was checked is what is read. */
export const readPrivate = (path: string): Uint8Array =>
  opened(path, (file) => {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new SetupError("invalid", `${path} is not a file`);
    const problem = exposure(path, stats);
    if (problem !== undefined) throw problem;
    return Uint8Array.from(readFileSync(file));
  });

/** A directory that others may write to, or read, is refused like a file. */
export const checkPrivateDirectory = (path: string): void =>
  opened(path, (file) => {
    const stats = fstatSync(file);
    if (!stats.isDirectory()) throw new SetupError("invalid", `${path} is not a directory`);
    const problem = exposure(path, stats);
    if (problem !== undefined) throw problem;
  });

export const syncDirectory = (path: string): void => {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
};

/**
 * On disk when it returns. A hard link and not a rename brings the file to its name, because a rename would
 * replace what stands there.
 */
export const createFile = (path: string, bytes: Uint8Array | string, mode = 0o600): void => {
  const directory = dirname(path);
  const unfinished = join(directory, `.${basename(path)}.${process.pid}.unfinished`);
  const file = openSync(unfinished, "wx", mode);
  try {
    writeFileSync(file, bytes);
    fsyncSync(file);
    linkSync(unfinished, path);
  } catch (error) {
    if (codeOf(error) === "EEXIST")
      throw new SetupError("exists", `${path} exists already, and nothing is ever written over it`);
    throw error;
  } finally {
    closeSync(file);
    unlinkSync(unfinished);
  }
  syncDirectory(directory);
};
