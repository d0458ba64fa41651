/** LDK's WebAssembly, loaded once a thread, and the care that its bindings need. */

import { readFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as ldk from "lightningdevkit";
import * as bindings from "lightningdevkit/bindings.mjs";

/** Before anything of the bindings is called. They print their version; a worker's output is its parent's to show. */
export const loadLdk = async (): Promise<void> => {
  const manifest = findPackageJSON("lightningdevkit", import.meta.url);
  if (manifest === undefined) throw new Error("the package lightningdevkit is not installed");
  await ldk.initializeWasmFromBinary(await readFile(join(dirname(manifest), "liblightningjs.wasm")));
};

/** What LDK holds is outside of V8's heap, so V8 sees no reason to collect the handles that keep it. */
export const openCollector = (): (() => void) => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  return typeof collect === "function" ? () => void collect() : () => undefined;
};

interface Handle {
  ptrs_to: object[];
}

/**
 * A handle keeps all that was ever passed to it, so those that live as long as the node grow with every message. What they
 * had when they were built is what LDK holds on to; the rest goes.
 */
export const trimmer = (...handles: readonly object[]): (() => void) => {
  const kept = handles.map((handle) => {
    const { ptrs_to } = handle as Handle;
    return { ptrs_to, length: ptrs_to.length };
  });
  return () => {
    for (const { ptrs_to, length } of kept) ptrs_to.length = length;
  };
};

/** Bindings read past the end of what is too short (and LDK panics on keys off the curve): asked before every call. */
export const exactly = (length: number, bytes: Uint8Array, what: string): Uint8Array => {
  if (bytes.length !== length) throw new RangeError(`${what} of ${bytes.length} bytes instead of ${length}`);
  return bytes;
};

/** Not among the types of the package. */
const { getU8ArrayElem } = bindings as unknown as {
  getU8ArrayElem(array: number, index: number): number;
};

/** Of what LDK gives. The bindings' own `scalar_bytes` has the first of them, and zeros behind it. */
export const scalarBytes = (scalar: ldk.BigEndianScalar): Uint8Array => {
  // Above the address is whether the handle owns what is there. An element is looked for behind a length of 8 bytes.
  const at = Number(BigInt.asUintN(32, (scalar as unknown as { readonly ptr: bigint }).ptr)) - 8;
  return Uint8Array.from({ length: 32 }, (_, index) => getU8ArrayElem(at, index));
};

/** WebAssembly stopped where it stood; LDK may hold locks for ever. */
export const isPanic = (error: unknown): boolean => error instanceof Error && error.name === "RuntimeError";
