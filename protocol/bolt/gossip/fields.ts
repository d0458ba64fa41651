/** What the three gossip messages are made of (BOLT 7). Network byte order, copied out of the reader's buffer. */

import * as P from "micro-packed";
import { chains } from "../../bitcoin/chains.ts";
import { equal } from "../../bytes.ts";
import { fixed, u8, u16, u32, u64 } from "../../codec.ts";
import { invalid } from "../../malformed.ts";
import type { Network } from "../../operations/fields.ts";
import { msat, point, signature } from "../../units.ts";

const same = <T>(value: T): T => value;

export const byte = u8("byte", same).packed;
export const short = u16("number", same).packed;
export const word = u32("number", same).packed;
export const amount = u64("millisatoshi", msat).packed;
export const key = fixed("public key", 33, point).packed;
export const sig = fixed("signature", 64, signature).packed;
export const bytes = (length: number): P.CoderType<Uint8Array> => fixed("bytes", length, same).packed;

/** A copy of a part whose length another coder tells; null takes all that is left. */
export const part = (length: P.CoderType<number> | null): P.CoderType<Uint8Array> =>
  P.apply(P.bytes(length), { encode: (raw): Uint8Array => Uint8Array.from(raw), decode: same });

/**
 * At most 255 bytes, which no assigned or known experimental bit exceeds. So an announcement begins with a zero,
 * where the preimage of a BIP 143 digest has the lowest byte of a transaction's version: 2 in every transaction of a
 * channel, 1 to 3 in all that is relayed. Whatever its length, none of those is read as an announcement.
 */
export const features = part(
  P.validate(P.U16BE, (length) => {
    if (length > 255) throw invalid(`${length} bytes of features`);
    return length;
  }),
);

/** Fields that later versions append are signed too, and can't be read. */
export const tail = part(null);

const networks = Object.keys(chains) as readonly Network[];

/**
 * Only the hash of a chain that is known: in a `channel_announcement` it stands where the preimage that spends a
 * funding output has bytes of other hashes (see index.ts).
 */
export const chain: P.CoderType<Network> = P.apply(P.bytes(32), {
  encode: (hash): Network => {
    const network = networks.find((one) => equal(chains[one].genesisHash, hash));
    if (network === undefined) throw invalid("the hash of no known chain");
    return network;
  },
  decode: (network: Network) => chains[network].genesisHash,
});

/** Where the funding output lies; in a private channel's updates it may be a number that the peer made up. */
export interface ShortChannelId {
  readonly block: number;
  readonly transaction: number;
  readonly output: number;
}

const u24 = P.apply(P.bytes(3), {
  encode: ([high = 0, middle = 0, low = 0]) => high * 0x1_0000 + middle * 0x100 + low,
  decode: (n: number) => Uint8Array.of(n >> 16, n >> 8, n),
});

export const shortChannelId: P.CoderType<ShortChannelId> = P.struct({
  block: u24,
  transaction: u24,
  output: P.U16BE,
});

export const formatShortChannelId = ({ block, transaction, output }: ShortChannelId): string =>
  `${block}x${transaction}x${output}`;

export const isSameChannel = (a: ShortChannelId, b: ShortChannelId): boolean =>
  a.block === b.block && a.transaction === b.transaction && a.output === b.output;

/** No leading zero: "the minimum length required to hold the `features` bits". */
export const isMinimal = (features: Uint8Array): boolean => features[0] !== 0;

/** What BOLT 9 calls bit n; they are counted from the end. */
export const hasFeature = (features: Uint8Array, bit: number): boolean =>
  (((features.at(-1 - (bit >> 3)) ?? 0) >> (bit & 7)) & 1) === 1;
