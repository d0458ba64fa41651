/** Block headers: how one follows another, and what work it carries (Bitcoin Core, pow.cpp and validation.cpp). */

import { equal } from "../bytes.ts";
import { doubleSha256 } from "../hash.ts";
import { Malformed } from "../malformed.ts";
import type { Network } from "../operations/fields.ts";
import { type Height, height } from "../units.ts";
import { type Chain, chains } from "./chains.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export const headerLength = 80;

export interface Header {
  /** Signed, as consensus compares it. */
  readonly version: number;
  readonly previous: Uint8Array;
  readonly merkleRoot: Uint8Array;
  readonly time: number;
  /** The target, compact. */
  readonly bits: number;
  readonly nonce: number;
}

export const encodeHeader = (header: Header): Uint8Array =>
  new Writer(headerLength)
    .u32(header.version)
    .raw(header.previous)
    .raw(header.merkleRoot)
    .u32(header.time)
    .u32(header.bits)
    .u32(header.nonce).bytes;

export const decodeHeader = (bytes: Uint8Array): Header => {
  if (bytes.length !== headerLength) throw new Malformed("header", `${bytes.length} bytes where 80 belong`);
  const from = new Reader(Uint8Array.from(bytes));
  return {
    version: from.u32() | 0,
    previous: from.raw(32).slice(),
    merkleRoot: from.raw(32).slice(),
    time: from.u32(),
    bits: from.u32(),
    nonce: from.u32(),
  };
};

/** In the order in which it is hashed and sent; people read it backwards. */
export const blockHash = (header: Header): Uint8Array => doubleSha256(encodeHeader(header));

/** Undefined where consensus finds it negative, too large, or zero: such a header proves nothing. */
export const targetOf = (bits: number): bigint | undefined => {
  const size = bits >>> 24;
  const digits = BigInt(bits & 0x7f_ffff);
  const target = size <= 3 ? digits >> BigInt(8 * (3 - size)) : digits << BigInt(8 * (size - 3));
  const isNegative = (bits & 0x80_0000) !== 0;
  return target === 0n || isNegative || target >= 1n << 256n ? undefined : target;
};

/** Rounded down to the three digits that there are; the top bit is a sign, so it is never set. */
export const bitsOf = (target: bigint): number => {
  const length = Math.ceil(target.toString(2).length / 8);
  const digits = Number(
    length <= 3 ? target << BigInt(8 * (3 - length)) : target >> BigInt(8 * (length - 3)),
  );
  const [size, word] = digits >= 0x80_0000 ? [length + 1, digits >>> 8] : [length, digits];
  return ((size << 24) | word) >>> 0;
};

/** How many hashes are expected to be tried for it. */
export const workOf = (target: bigint): bigint => (1n << 256n) / (target + 1n);

const numberOf = (hash: Uint8Array): bigint => {
  let n = 0n;
  for (let i = 31; i >= 0; i--) n = (n << 8n) | BigInt(hash[i] as number);
  return n;
};

/** All that the next header is judged by: of constant size, so that each block's can be kept for a reorganisation. */
export interface ChainView {
  readonly height: Height;
  readonly hash: Uint8Array;
  /** Of every header from where the view began. */
  readonly work: bigint;
  readonly bits: number;
  /** Of the last eleven headers, oldest first; fewer near the genesis block. */
  readonly times: readonly number[];
  /** When the period of 2016 blocks began. */
  readonly periodStart: number;
  /** The target of the last header in this period that had it by rule, not by a pause. */
  readonly ruledBits: number;
}

const interval = 2016;
const timespan = 14 * 24 * 60 * 60;
const spacing = 10 * 60;
/** BIP 113. */
const medianOver = 11;

export const genesisView = (network: Network): ChainView => {
  const { genesis, genesisHash } = chains[network];
  const { bits, time } = decodeHeader(genesis);
  const work = workOf(targetOf(bits) as bigint);
  return {
    ...{ height: height(0), hash: genesisHash, work, bits },
    ...{ times: [time], periodStart: time, ruledBits: bits },
  };
};

/** A header must be later than this. */
export const medianTimePast = ({ times }: ChainView): number =>
  [...times].sort((a, b) => a - b)[times.length >> 1] as number;

/**
 * The two weeks are compared with 2015 intervals, not 2016: from the first header of the period to its last. With
 * these limits no product exceeds 256 bits, which Core's arithmetic would wrap and this does not.
 */
const retargeted = (view: ChainView, { powLimit }: Chain): number => {
  const last = view.times.at(-1) as number;
  const took = Math.min(Math.max(last - view.periodStart, timespan / 4), timespan * 4);
  const target = ((targetOf(view.bits) as bigint) * BigInt(took)) / BigInt(timespan);
  return bitsOf(target > powLimit ? powLimit : target);
};

const expectedBits = (view: ChainView, time: number, chain: Chain): number => {
  const isFirst = (view.height + 1) % interval === 0;
  if (isFirst) return chain.retargets ? retargeted(view, chain) : view.bits;
  if (!chain.easyAfterPause) return view.bits;
  const paused = time > (view.times.at(-1) as number) + 2 * spacing;
  return paused ? bitsOf(chain.powLimit) : view.ruledBits;
};

/** What a header broke, in words for an audit record. */
export interface BrokenHeader {
  readonly is: "broken";
  readonly rule: "previous" | "bits" | "work" | "time" | "version";
  readonly expected: string;
  readonly found: string;
}

export type Connection = { readonly is: "connected"; readonly view: ChainView } | BrokenHeader;

const broken = (rule: BrokenHeader["rule"], expected: string, found: string): BrokenHeader => ({
  is: "broken",
  rule,
  expected,
  found,
});

const readable = (hash: Uint8Array): string => numberOf(hash).toString(16).padStart(64, "0");
const hex = (bits: number): string => bits.toString(16).padStart(8, "0");

/** That a header is not too far in the future is for the caller, who has a clock. */
export const connect = (network: Network, view: ChainView, header: Header): Connection => {
  const chain = chains[network];
  if (!equal(header.previous, view.hash))
    return broken("previous", readable(view.hash), readable(header.previous));
  const bits = expectedBits(view, header.time, chain);
  if (header.bits !== bits) return broken("bits", hex(bits), hex(header.bits));
  const target = targetOf(header.bits);
  if (target === undefined || target > chain.powLimit)
    return broken("bits", `at most ${hex(bitsOf(chain.powLimit))}`, hex(header.bits));
  const hash = blockHash(header);
  if (numberOf(hash) > target) return broken("work", `at most ${hex(bits)}`, readable(hash));
  const median = medianTimePast(view);
  if (header.time <= median) return broken("time", `more than ${median}`, `${header.time}`);
  const at = view.height + 1;
  const version = 1 + chain.versionHeights.filter((since) => at >= since).length;
  if (version > 1 && header.version < version)
    return broken("version", `at least ${version}`, `${header.version}`);
  return { is: "connected", view: extended(view, header, { hash, target, chain }) };
};

const extended = (
  view: ChainView,
  { bits, time }: Header,
  { hash, target, chain }: { readonly hash: Uint8Array; readonly target: bigint; readonly chain: Chain },
): ChainView => {
  const at = height(view.height + 1);
  const isFirst = at % interval === 0;
  return {
    height: at,
    hash,
    work: view.work + workOf(target),
    bits,
    times: [...view.times, time].slice(-medianOver),
    periodStart: isFirst ? time : view.periodStart,
    ruledBits: isFirst || bits !== bitsOf(chain.powLimit) ? bits : view.ruledBits,
  };
};
