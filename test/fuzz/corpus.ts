/** Inputs worth keeping: those that found a defect, and a few for each outcome that a target has. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";

export const corpusFolder = fileURLToPath(new URL("corpus/", import.meta.url));

export interface Kept {
  readonly target: string;
  readonly file: string;
  readonly bytes: Uint8Array;
}

export const fileOf = (bytes: Uint8Array): string => `${toHex(sha256(bytes)).slice(0, 16)}.bin`;

export const keep = (target: string, bytes: Uint8Array, folder = corpusFolder): string => {
  mkdirSync(`${folder}${target}`, { recursive: true });
  const path = `${folder}${target}/${fileOf(bytes)}`;
  writeFileSync(path, bytes);
  return path;
};

const names = (path: string): readonly string[] => {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
};

export const keptFor = (target: string, folder = corpusFolder): readonly Kept[] =>
  names(`${folder}${target}`).map((file) => ({
    target,
    file,
    bytes: new Uint8Array(readFileSync(`${folder}${target}/${file}`)),
  }));

export const keptTargets = (folder = corpusFolder): readonly string[] => names(folder);
