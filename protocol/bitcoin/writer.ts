import type { Outpoint, Sat, Script } from "../units.ts";

/** The bytes of a compact size. */
export const sizeLength = (n: number): number => (n < 0xfd ? 1 : n <= 0xffff ? 3 : 5);

/** The bytes of a part with its length in front. */
export const sizedLength = (part: Uint8Array): number => sizeLength(part.length) + part.length;

export const outputLength = (output: { readonly script: Script }): number => 8 + sizedLength(output.script);

/** Bitcoin's wire form, written into one buffer whose size is known before. */
export class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
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

  u32(n: number): this {
    this.#view.setUint32(this.#at, n, true);
    this.#at += 4;
    return this;
  }

  u64(n: bigint): this {
    this.#view.setBigUint64(this.#at, n, true);
    this.#at += 8;
    return this;
  }

  size(n: number): this {
    if (n < 0xfd) {
      this.bytes[this.#at] = n;
    } else if (n <= 0xffff) {
      this.bytes[this.#at] = 0xfd;
      this.#view.setUint16(this.#at + 1, n, true);
    } else {
      this.bytes[this.#at] = 0xfe;
      this.#view.setUint32(this.#at + 1, n, true);
    }
    this.#at += sizeLength(n);
    return this;
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
