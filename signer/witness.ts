/**
 * How far the store has come, kept in a file of its own, best on another disk: a store that was put back to an older
 * copy is behind it. Two slots are written in turn, so that a write cut short leaves the one before it whole.
 */

import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { concat, equal } from "../protocol/bytes.ts";
import { fixed, message, u8, u64, unpack } from "../protocol/codec.ts";
import { sha256 } from "../protocol/hash.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import { codeOf, exposure, syncDirectory } from "./private-file.ts";
import { SetupError } from "./setup-error.ts";
import { type Head, StoreFault } from "./store/store.ts";

export interface Seen extends Head {
  /** Of the store. */
  readonly id: Uint8Array;
  /** Milliseconds since 1970: when this was witnessed. */
  readonly time: number;
}

const label = new TextEncoder().encode("countersign/witness/1");
const bytes32 = (unit: string) => fixed(unit, 32, (bytes) => bytes);
const whole = (unit: string) =>
  u64(unit, (n) => {
    if (n > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`${n} is more than can be counted`);
    return n;
  });

const slot = message("Witnessed", {
  schema: u8("version of the slot", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this version of countersign`);
    return n;
  }),
  id: bytes32("the store's id"),
  version: whole("commits"),
  sequence: whole("number of the last audit record"),
  hash: bytes32("its hash"),
  time: whole("milliseconds since 1970"),
}).packed;

const bodyLength = 1 + 32 + 8 + 8 + 32 + 8;
const slotLength = bodyLength + 32;
/** Far enough apart that no sector, and no page of flash, holds both. */
const spacing = 65_536;
const fileLength = 2 * spacing;

const checksum = (body: Uint8Array): Uint8Array => sha256(concat(label, body));

/** One slot without its checksum. */
export const packSeen = ({ id, version, sequence, hash, time }: Seen): Uint8Array => {
  const counts = { version: BigInt(version), sequence: BigInt(sequence), time: BigInt(Math.max(0, time)) };
  return slot.encode({ schema: 1, id, hash, ...counts });
};

const sealed = (body: Uint8Array): Uint8Array => concat(body, checksum(body));

const unpackSlot = (bytes: Uint8Array): Seen => {
  const body = bytes.subarray(0, bodyLength);
  if (!equal(checksum(body), bytes.subarray(bodyLength, slotLength))) throw invalid("the checksum is wrong");
  const { id, version, sequence, hash, time } = unpack(slot, body);
  return { id, version: Number(version), sequence: Number(sequence), hash, time: Number(time) };
};

export interface Slots {
  readonly seen: Seen;
  /** Which of the two holds it. */
  readonly at: 0 | 1;
}

const slotAt = (file: Uint8Array, at: 0 | 1): Slots | Malformed => {
  try {
    return { seen: unpackSlot(file.subarray(at * spacing, at * spacing + slotLength)), at };
  } catch (error) {
    if (error instanceof Malformed) return error.within(`slots[${at}]`);
    throw error;
  }
};

/** The newer of the two slots; one of them may be empty, or torn by a crash. */
export const unpackWitness = (file: Uint8Array): Slots => {
  if (file.length !== fileLength) throw invalid(`${file.length} bytes where ${fileLength} belong`);
  const [first, second] = [slotAt(file, 0), slotAt(file, 1)];
  if (first instanceof Malformed) {
    if (second instanceof Malformed) throw first;
    return second;
  }
  if (second instanceof Malformed) return first;
  if (!equal(first.seen.id, second.seen.id)) throw invalid("its two slots speak of two stores");
  return second.seen.version > first.seen.version ? second : first;
};

/** A new file: the other slot is empty. */
export const fileOf = (body: Uint8Array): Uint8Array => {
  const file = new Uint8Array(fileLength);
  file.set(sealed(body), 0);
  return file;
};

export interface Witness {
  readonly path: string;
  /** What it said when it was opened. */
  readonly seen: Seen;
  /** On its disk when it returns; a fault otherwise. */
  keep(seen: Seen): void;
  close(): void;
}

/** What stands at a path in place of a witness. */
export type Unreadable = { readonly is: "missing" | "damaged"; readonly sentence: string };

const readAll = (file: number): Uint8Array => {
  const bytes = new Uint8Array(fileLength + 1);
  let length = 0;
  for (let got = -1; got !== 0; length += got)
    got = readSync(file, bytes, length, bytes.length - length, length);
  return bytes.subarray(0, length);
};

const open = (path: string, how: "r" | "r+"): number | Unreadable => {
  try {
    return openSync(path, how);
  } catch (error) {
    switch (codeOf(error)) {
      case "ENOENT":
      case "ENOTDIR":
        return { is: "missing", sentence: `there is no witness at ${path}` };
      case "EACCES":
      case "EROFS":
        throw new SetupError(
          "permissions",
          `the user that countersign runs as may not write the witness ${path}`,
        );
      case "EISDIR":
        throw new SetupError("invalid", `the witness ${path} is a directory`, "Name a file in it.");
      default:
        throw error;
    }
  }
};

/** For the signer, which will write to it; `look` for whoever only reads. */
export const openWitness = (path: string, how: "write" | "look" = "write"): Witness | Unreadable => {
  const file = open(path, how === "write" ? "r+" : "r");
  if (typeof file !== "number") return file;
  try {
    const problem = exposure(path, fstatSync(file));
    if (problem !== undefined) throw problem;
    const { seen, at } = unpackWitness(readAll(file));
    let next: 0 | 1 = at === 0 ? 1 : 0;
    // The system gives the descriptor's number to the next file that is opened.
    let closed = false;
    return {
      path,
      seen,
      keep: (now) => {
        try {
          if (closed) throw new Error("it is closed");
          const bytes = sealed(packSeen(now));
          if (writeSync(file, bytes, 0, bytes.length, next * spacing) !== bytes.length)
            throw new Error("it was written in part only");
          fdatasyncSync(file);
          next = next === 0 ? 1 : 0;
        } catch (error) {
          const words = error instanceof Error ? error.message : String(error);
          const sentence = `the witness can't be written (${words}): ${path}. Look at its disk, then restart the signer`;
          throw new StoreFault("io", sentence, error);
        }
      },
      close: () => {
        if (!closed) closeSync(file);
        closed = true;
      },
    };
  } catch (error) {
    closeSync(file);
    if (error instanceof Malformed)
      return { is: "damaged", sentence: `the witness ${path} is damaged: ${error.message}` };
    throw error;
  }
};

/** Never over a file. Not by a link, which the file systems of memory sticks lack. */
export const createWitness = (path: string, seen: Seen): void => {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    switch (codeOf(error)) {
      case "EEXIST":
        throw new SetupError("exists", `${path} exists already, and nothing is ever written over it`);
      case "ENOENT":
      case "ENOTDIR":
        throw new SetupError("missing", `there is no directory ${dirname(path)} for the witness`);
      case "EACCES":
      case "EROFS":
        throw new SetupError(
          "permissions",
          `the user that countersign runs as may not write to ${dirname(path)}`,
        );
      default:
        throw error;
    }
  }
  try {
    writeSync(file, fileOf(packSeen(seen)));
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  syncDirectory(dirname(path));
};

/** In the place of what is there: a person said so. */
export const replaceWitness = (path: string, seen: Seen): void => {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  createWitness(draft, seen);
  renameSync(draft, path);
  syncDirectory(dirname(path));
};

/** A disk that is put back takes both along. */
export const onOneDisk = (one: string, other: string): boolean => statSync(one).dev === statSync(other).dev;
