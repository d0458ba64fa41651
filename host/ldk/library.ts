/** LDK's WebAssembly, loaded once a thread, and the care that its bindings need. */

import { readFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as ldk from "lightningdevkit";

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

/** WebAssembly stopped where it stood; LDK may hold locks for ever. */
export const isPanic = (error: unknown): boolean => error instanceof Error && error.name === "RuntimeError";
