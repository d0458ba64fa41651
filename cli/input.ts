/** A file that is named on the command line, or - for the input. */

import { readFileSync } from "node:fs";
import { codeOf } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";

export const textIn = (file: string): string => {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    switch (codeOf(error)) {
      case "ENOENT":
        throw new SetupError("missing", `there is no ${file}`);
      case "EACCES":
        throw new SetupError("permissions", `${file} cannot be read by the user that countersign runs as`);
      case "EISDIR":
        throw new SetupError("invalid", `${file} is a directory`);
      default:
        throw error;
    }
  }
};
