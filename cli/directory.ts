/** A directory that a command begins with, where it is not there yet. */

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { checkPrivateDirectory, codeOf } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";

const reasons: Readonly<Record<string, string>> = {
  EEXIST: "is not a directory",
  ENOTDIR: "leads through a file",
  EACCES: "can't be made by the user that countersign runs as",
  EROFS: "can't be made on a disk that is read-only",
};

/** Its whole path. It is for its owner alone, also where it was there before. */
export const ownDirectory = (place: string): string => {
  const dir = resolve(place);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = reasons[codeOf(error)];
    if (reason === undefined) throw error;
    throw new SetupError("usage", `${dir} ${reason}`, "Name another directory with --dir.");
  }
  checkPrivateDirectory(dir);
  return dir;
};
