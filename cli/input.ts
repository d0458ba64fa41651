/** A file that is named on the command line, or - for the input. */

import { readFileSync, readSync } from "node:fs";
import { codeOf } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";

const pause = new Int32Array(new SharedArrayBuffer(4));
const pauseMs = 20;

const joined = (pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
};

/** All of the input. Where another process made its pipe non-blocking, EAGAIN says no more than that nothing has come yet. */
export const wholeInput = (): Uint8Array<ArrayBuffer> => {
  const room = new Uint8Array(65_536);
  const pieces: Uint8Array[] = [];
  try {
    for (;;) {
      try {
        const length = readSync(0, room);
        if (length === 0) return joined(pieces);
        pieces.push(room.slice(0, length));
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") throw error;
        Atomics.wait(pause, 0, 0, pauseMs);
      }
    }
  } finally {
    // It may have been a passphrase.
    for (const piece of [room, ...pieces]) piece.fill(0);
  }
};

export const textIn = (file: string): string => {
  try {
    return file === "-" ? Buffer.from(wholeInput()).toString("utf8") : readFileSync(file, "utf8");
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
