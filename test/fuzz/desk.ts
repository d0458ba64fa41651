/** A file in which a process says what it tries, for whoever has to explain its end. */

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

const header = 8;

/** Called before each input; an old one's longer tail stays behind the length. */
export const openDesk = (path: string): { put(target: number, input: Uint8Array): void; close(): void } => {
  const file = openSync(path, "w");
  const head = new Uint8Array(header);
  const view = new DataView(head.buffer);
  return {
    put: (target, input) => {
      view.setUint32(0, target);
      view.setUint32(4, input.length);
      writeSync(file, input, 0, input.length, header);
      writeSync(file, head, 0, header, 0);
    },
    close: () => closeSync(file),
  };
};

/** Undefined before the first input. */
export const readDesk = (path: string): { target: number; input: Uint8Array } | undefined => {
  const bytes = readFileSync(path);
  if (bytes.length < header) return undefined;
  const length = bytes.readUInt32BE(4);
  return { target: bytes.readUInt32BE(0), input: new Uint8Array(bytes.subarray(header, header + length)) };
};
