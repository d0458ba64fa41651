import { invalid } from "../malformed.ts";

/** Bitcoin's wire form, read where it lies. What it returns are views: whoever keeps one copies it. */
export class Reader {
  readonly bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  skip(length: number): void {
    if (length > this.left) throw invalid(`ends ${length - this.left} bytes too early`);
    this.#at += length;
  }

  raw(length: number): Uint8Array {
    const start = this.#at;
    this.skip(length);
    return this.bytes.subarray(start, this.#at);
  }

  u8(): number {
    this.skip(1);
    return this.bytes[this.#at - 1] as number;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  u32(): number {
    return (this.u16() | (this.u16() << 16)) >>> 0;
  }

  u64(): bigint {
    const low = this.u32();
    return (BigInt(this.u32()) << 32n) | BigInt(low);
  }

  /** A compact size in its shortest form, as Bitcoin Core demands it; more than 32 bits count nothing that exists. */
  size(): number {
    const first = this.u8();
    if (first < 0xfd) return first;
    if (first === 0xff) throw invalid("a count beyond 32 bits");
    const n = first === 0xfd ? this.u16() : this.u32();
    if (n < (first === 0xfd ? 0xfd : 0x1_0000)) throw invalid("a count in a longer form than it needs");
    return n;
  }

  sized(): Uint8Array {
    return this.raw(this.size());
  }

  end(): void {
    if (this.left > 0) throw invalid(`${this.left} bytes too many`);
  }
}
