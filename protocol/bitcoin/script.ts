import { concat } from "../bytes.ts";
import { hash160, sha256 } from "../hash.ts";
import type { Point, Script } from "../units.ts";

export const op = {
  0: 0x00,
  1: 0x51,
  2: 0x52,
  16: 0x60,
  return: 0x6a,
  if: 0x63,
  notif: 0x64,
  else: 0x67,
  endif: 0x68,
  ifdup: 0x73,
  drop: 0x75,
  dup: 0x76,
  swap: 0x7c,
  size: 0x82,
  equal: 0x87,
  equalverify: 0x88,
  hash160: 0xa9,
  checksig: 0xac,
  checksigverify: 0xad,
  checkmultisig: 0xae,
  checklocktimeverify: 0xb1,
  checksequenceverify: 0xb2,
} as const;

/** A number below 2^31 in its shortest form (BIP 62), with the push that puts it on the stack. */
export const pushNumber = (n: number): Uint8Array => {
  if (n === 0) return Uint8Array.of(op[0]);
  if (n <= 16) return Uint8Array.of(op[1] + n - 1);
  // The top bit is the sign, so a number that has it set takes one more byte.
  const length = n < 0x80 ? 1 : n < 0x8000 ? 2 : n < 0x80_0000 ? 3 : 4;
  const out = new Uint8Array(1 + length);
  out[0] = length;
  for (let i = 0; i < length; i++) out[1 + i] = n >>> (8 * i);
  return out;
};

const push = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length > 75) throw new RangeError(`a push of ${bytes.length} bytes`);
  return concat(Uint8Array.of(bytes.length), bytes);
};

/** Opcodes as numbers, pushes of up to 75 bytes as bytes. */
export const script = (...parts: readonly (number | Uint8Array)[]): Script =>
  concat(...parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : push(part)))) as Script;

const program = (hash: Uint8Array): Script => {
  const out = new Uint8Array(2 + hash.length);
  out[1] = hash.length;
  out.set(hash, 2);
  return out as Script;
};

/** An output script that is spent by a witness: a version, and a push of 2 to 40 bytes (BIP 141). */
export const isWitnessProgram = (script: Script): boolean => {
  const [version = 0xff, length = 0] = script;
  const known = version === op[0] || (version >= op[1] && version <= op[16]);
  return known && length >= 2 && length <= 40 && script.length === 2 + length;
};

/** The output script that pays to a witness script (BIP 141). */
export const p2wsh = (witnessScript: Script): Script => program(sha256(witnessScript));

export const p2wpkh = (key: Point): Script => program(hash160(key));

/** What a BIP 143 digest of a P2WPKH input commits to in place of a witness script. */
export const p2wpkhScriptCode = (key: Point): Script =>
  script(op.dup, op.hash160, hash160(key), op.equalverify, op.checksig);
