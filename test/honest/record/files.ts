/** Where recordings lie: one compressed file each, by the name of what was played. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { packRecording, type Recording, unpackRecording } from "./recording.ts";

const folder = join(import.meta.dirname, "../recordings");
const suffix = ".bin";
/** Of what a file may unfold to. */
const longest = 16_000_000;

export const recorded = (): readonly string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .sort();

export const loadRecording = (name: string): Recording =>
  unpackRecording(
    brotliDecompressSync(readFileSync(join(folder, `${name}${suffix}`)), { maxOutputLength: longest }),
  );

/** The length of the file. */
export const saveRecording = (name: string, recording: Recording): number => {
  const packed = packRecording(recording);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 };
  const bytes = brotliCompressSync(packed, { params });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}${suffix}`), bytes);
  return bytes.length;
};
