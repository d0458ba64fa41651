import type { Outpoint, Sat, Script } from "../units.ts";

/** The bytes of a compact size. */
export const sizeLength = (n: number): number => (n < 0xfd ? 1 : n <= 0xffff ? 3 : 5);

/** The bytes of a part with its length in front. */
export const sizedLength = (part: Uint8Array): number => sizeLength(part.length) + part.length;

export const outputLength = (output: { readonly script: Script }): number => 8 + sizedLength(output.script);

/** Bitcoin's wire form, written into one buffer whose size is known before. */
export class Writer {
  /** Without a DataView: that would move an array this short out of V8's heap, which costs more than a hash. */
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  /** A view of what was written, good until the next use: the writer begins anew. */
  take(): Uint8Array {
    const written = this.bytes.subarray(0, this.#at);
    this.#at = 0;
    return written;
  }

  raw(part: Uint8Array): this {
    this.bytes.set(part, this.#at);
    this.#at += part.length;
    return this;
  }

  u8(n: number): this {
    if (this.#at >= this.bytes.length) throw new RangeError("written behind the end");
    this.bytes[this.#at++] = n;
    return this;
  }

  u16(n: number): this {
    return this.u8(n).u8(n >>> 8);
  }

  u32(n: number): this {
    return this.u16(n).u16(n >>> 16);
  }

  u64(n: bigint): this {
    return this.u32(Number(n & 0xffff_ffffn)).u32(Number(n >> 32n));
  }

  size(n: number): this {
    if (n < 0xfd) return this.u8(n);
    return n <= 0xffff ? this.u8(0xfd).u16(n) : this.u8(0xfe).u32(n);
  }

  sized(part: Uint8Array): this {
    return this.size(part.length).raw(part);
  }

  outpoint({ txid, index }: Outpoint): this {
    return this.raw(txid).u32(index);
  }

  output({ value, script }: { readonly value: Sat; readonly script: Script }): this {
    return this.u64(value).sized(script);
  }
}
