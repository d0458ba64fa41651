/**
 * What the chain says, as bytes on disk; the same promises as the other records. A view is one context and the
 * headers after it: what follows from them is computed again, so damage is found. 16 kB, written with each batch.
 */

import * as P from "micro-packed";
import {
  blockHash,
  connect,
  decodeHeader,
  encodeHeader,
  type Header,
  type ChainView as HeaderView,
  headerLength,
  targetOf,
} from "../../../protocol/bitcoin/header.ts";
import { fromHex, toHex } from "../../../protocol/bytes.ts";
import {
  choice,
  fixed,
  isKnown,
  list,
  maybe,
  message,
  packedFields,
  u8,
  u32,
  unknown,
  unpack,
} from "../../../protocol/codec.ts";
import { invalid, Malformed } from "../../../protocol/malformed.ts";
import * as f from "../../../protocol/operations/fields.ts";
import type { Closer, Funding, Onchain, Output, Role, Spent, Way } from "./onchain.ts";
import { type ChainView, type KnownBlock, maxKept, oldestOf, tipOf } from "./view.ts";

const version = 1;
const versioned = u8("record version", (n) => {
  if (n !== version) throw new Malformed("", `a record of version ${n}; this signer reads ${version}`);
  return n;
}).packed;

const digest = fixed("hash", 32, (bytes) => bytes);
const time = u32("seconds since 1970", (n) => n);
const coverage = choice("Coverage", ["whole", "part"]);
const compact = u32("compact target", (n) => n);

const work: P.CoderType<bigint> = P.apply(P.bytes(32), {
  encode: (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`),
  decode: (n: bigint): Uint8Array => fromHex(n.toString(16).padStart(64, "0")),
});

/** A header without the hash of the one before, which is known. */
const following = message("Following", {
  version: u32("version, unsigned", (n) => n),
  merkleRoot: digest,
  time,
  bits: compact,
  nonce: u32("nonce", (n) => n),
  coverage,
});

const view = P.struct({
  version: versioned,
  network: f.network.packed,
  best: P.struct({ height: f.height.packed, hash: digest.packed, work }),
  /** The oldest block that is kept, and all that the next is judged by. */
  oldest: P.struct({
    header: fixed("header", headerLength, (bytes) => bytes).packed,
    height: f.height.packed,
    work,
    times: list(time, 11).packed,
    periodStart: time.packed,
    ruledBits: compact.packed,
    coverage: coverage.packed,
    unproven: f.height.packed,
  }),
  following: list(following, maxKept).packed,
  wholeFrom: maybe(f.height).packed,
});

export const packView = ({ network, best, blocks, wholeFrom }: ChainView): Uint8Array => {
  const { header, at, coverage, unproven } = oldestOf({ blocks });
  return view.encode({
    version,
    network,
    best,
    oldest: {
      header: encodeHeader(header),
      height: at.height,
      work: at.work,
      times: at.times,
      periodStart: at.periodStart,
      ruledBits: at.ruledBits,
      coverage,
      unproven,
    },
    following: blocks.slice(1).map(({ header: { version, merkleRoot, time, bits, nonce }, coverage }) => ({
      ...{ version: version >>> 0, merkleRoot, time, bits, nonce, coverage },
    })),
    wholeFrom: wholeFrom ?? unknown,
  });
};

export const unpackView = (bytes: Uint8Array): ChainView => {
  const { network, best, oldest, following, wholeFrom } = unpack(view, bytes);
  const { work, times, periodStart, ruledBits, coverage, unproven } = oldest;
  const header = decodeHeader(oldest.header);
  if (times.at(-1) !== header.time) throw new Malformed("oldest.times", "they do not end with the header's");
  if (targetOf(header.bits) === undefined) throw new Malformed("oldest.header", "it carries no work");
  if (unproven > oldest.height) throw new Malformed("oldest.unproven", "above its block");
  const first: HeaderView = {
    ...{ height: oldest.height, hash: blockHash(header), work, bits: header.bits },
    ...{ times, periodStart, ruledBits },
  };
  const blocks: KnownBlock[] = [{ header, at: first, coverage, unproven }];
  for (const [i, { coverage, version, ...fields }] of following.entries()) {
    const before = tipOf({ blocks });
    const header: Header = { ...fields, version: version | 0, previous: before.at.hash };
    const connected = connect(network, before.at, header);
    if (connected.is === "broken")
      throw new Malformed(
        `following[${i}].${connected.rule}`,
        `${connected.expected}, and not ${connected.found}`,
      );
    const at = connected.view;
    blocks.push({ header, at, coverage, unproven: coverage === "whole" ? before.unproven : at.height });
  }
  const { at } = tipOf({ blocks });
  if (best.work < at.work) throw new Malformed("best.work", "less than the tip's");
  return { network, blocks, best, ...(isKnown(wholeFrom) ? { wholeFrom } : {}) };
};

/** One of several forms, told by a number; 0 is none, so that zeroed bytes are Malformed. */
const union = <T extends { readonly is: string }>(
  forms: { readonly [K in T["is"]]: P.CoderType<Omit<Extract<T, { is: K }>, "is">> },
): P.CoderType<T> => {
  const names = Object.keys(forms) as T["is"][];
  const tags = Object.fromEntries(names.map((name, i) => [name, [i + 1, forms[name]]]));
  const tagged = P.mappedTag(P.U8, tags as Record<string, [number, P.CoderType<object>]>);
  return P.apply(tagged, {
    encode: ({ TAG, data }): T => ({ is: TAG, ...data }) as unknown as T,
    decode: ({ is, ...data }: T) => ({ TAG: is, data }),
  });
};

const empty = P.struct({});

const funding = union<Funding>({
  unseen: empty,
  confirmed: packedFields({ height: f.height }),
  false: packedFields({ height: f.height }),
});

const closer = union<Closer>({
  mutual: empty,
  holder: packedFields({ number: f.number, content: digest }),
  counterparty: packedFields({ number: f.number, content: maybe(digest) }),
  unknown: packedFields({ number: f.number }),
});

const role = union<Role>({
  delayed: empty,
  remote: empty,
  htlc: packedFields({ htlc: f.htlc }),
  unlisted: empty,
  second: packedFields({ of: u32("output", (n) => n) }),
});

const way = union<Way>({
  preimage: packedFields({ preimage: f.preimage }),
  timeout: empty,
  revocation: empty,
  plain: empty,
});

const spent: P.CoderType<Spent> = P.struct({ txid: f.txid.packed, height: f.height.packed, way });

const output = P.struct({
  outpoint: f.outpoint.packed,
  value: f.sat.packed,
  role,
  height: f.height.packed,
  spent: P.optional(P.bool, spent),
}) as unknown as P.CoderType<Output>;

/** `to_local`, `to_remote` and every HTLC, and as many second stages. */
const maxOutputs = 2 + 2 * f.maxHtlcs;
const outputs = P.array(
  P.validate(P.U16BE, (n) => {
    if (n > maxOutputs) throw invalid(`${n} where at most ${maxOutputs} may be`);
    return n;
  }),
  output,
);

const onchain = P.struct({
  version: versioned,
  funding,
  close: P.optional(
    P.bool,
    P.struct({ txid: f.txid.packed, height: f.height.packed, closer, delayed: f.script.packed, outputs }),
  ),
});

export const packOnchain = ({ funding, close }: Onchain): Uint8Array =>
  onchain.encode({
    version,
    funding,
    close: close === undefined ? undefined : { ...close, outputs: [...close.outputs] },
  });

export const unpackOnchain = (bytes: Uint8Array): Onchain => {
  const { funding, close } = unpack(onchain, bytes);
  return { funding, close };
};
