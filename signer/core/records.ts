/**
 * State as bytes on disk. Each record begins with its version; the bytes of every version ever written are frozen,
 * and a reader for each stays.
 */

import * as P from "micro-packed";
import { blob, choice, fixed, list, message, packedFields, u8, u64, unpack } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import * as f from "../../protocol/operations/fields.ts";
import { msat } from "../../protocol/units.ts";
import type { ChannelState, CounterpartyVariant, Hidden, HolderVariant, Live, Settled } from "./state.ts";

const version = 2;
const digest = fixed("content hash", 32, (bytes) => bytes);
const past = message("Past", { hashes: list(digest, 8) });

const setup = message("Setup", {
  content: digest,
  peer: f.node,
  terms: f.terms,
  holder: f.basepoints,
  counterparty: f.basepoints,
  funding: f.outpoint,
  closingScript: f.script,
});

const millisatoshi = u64<bigint>("millisatoshi", msat);

const variant = {
  hash: digest,
  txid: f.txid,
  number: f.number,
  feerate: f.feerate,
  toHolder: f.sat,
  toCounterparty: f.sat,
  htlcs: f.htlcs,
  trimmed: f.commitment.trimmed,
  balance: message("Balance", { low: millisatoshi, high: millisatoshi }),
};
const counterpartyVariant = packedFields({ ...variant, point: f.point });
const holderVariant = packedFields({ ...variant, signature: f.signature, htlcSignatures: f.signatures });

type Fixed<V> = Omit<V, "settled" | "hidden">;
interface Hashed {
  readonly hash: Uint8Array;
}

/** What a variant says never changes, and may hold 966 HTLCs: each is packed once. Copies of it share its hash. */
const once = <T extends Hashed>(coder: P.CoderType<T>): P.CoderType<T> => {
  const made = new WeakMap<Uint8Array, Uint8Array>();
  const encode = (value: T): Uint8Array => {
    const known = made.get(value.hash);
    if (known !== undefined) return known;
    const bytes = coder.encode(value);
    made.set(value.hash, bytes);
    return bytes;
  };
  const decode = (bytes: Uint8Array): T => {
    const value = coder.decode(bytes);
    made.set(value.hash, bytes);
    return value;
  };
  // The names are the reader's: micro-packed calls the way from bytes "encode".
  return P.apply(blob("variant", 200_000, (b) => b).packed, { encode: decode, decode: encode });
};

/** More would mean that one side went on for hundreds of HTLCs while the other stood still. */
export const maxSettled = 2 * f.maxHtlcs;
const sum = u64<bigint>("millisatoshi", (n) => n);
const settled = list(message("Settled", { hash: f.hash, in: sum, out: sum }), maxSettled);
const hidden = message("Hidden", { lost: sum, gained: sum });

const none: { readonly settled: readonly Settled[]; readonly hidden: Hidden } = {
  settled: [],
  hidden: { lost: 0n, gained: 0n },
};

/** Version 1 knew nothing of payments. */
const first = <V extends Hashed>(coder: P.CoderType<Fixed<V>>): P.CoderType<V[]> =>
  P.apply(P.array(P.U8, once(coder as P.CoderType<Fixed<V> & Hashed>)), {
    encode: (all) => all.map((one) => ({ ...one, ...none }) as unknown as V),
    decode: (all) => all as unknown as (Fixed<V> & Hashed)[],
  });

interface Parts<V> {
  readonly says: Fixed<V> & Hashed;
  readonly settled: readonly Settled[];
  readonly hidden: Hidden;
}

const second = <V extends Hashed & typeof none>(coder: P.CoderType<Fixed<V>>): P.CoderType<V[]> =>
  P.array(
    P.U8,
    P.apply(
      P.struct({
        says: once(coder as P.CoderType<Fixed<V> & Hashed>),
        settled: settled.packed,
        hidden: hidden.packed,
      }) as unknown as P.CoderType<Parts<V>>,
      {
        encode: ({ says, settled, hidden }: Parts<V>) => ({ ...says, settled, hidden }) as unknown as V,
        decode: (value) => ({
          says: value as unknown as Fixed<V> & Hashed,
          settled: value.settled,
          hidden: value.hidden,
        }),
      },
    ),
  );

type Variants = typeof first & typeof second;

const live = (variants: Variants): P.CoderType<Live> =>
  P.struct({
    setup: setup.packed,
    holder: P.struct({
      revealed: f.number.packed,
      variants: variants<HolderVariant>(holderVariant as unknown as P.CoderType<Fixed<HolderVariant>>),
      broadcast: list(f.number, 2).packed,
      past: past.packed,
    }),
    counterparty: P.struct({
      revoked: f.number.packed,
      variants: variants<CounterpartyVariant>(
        counterpartyVariant as unknown as P.CoderType<Fixed<CounterpartyVariant>>,
      ),
      secrets: list(message("Secret", { number: f.number, secret: f.revocationSecret }), 49).packed,
      past: past.packed,
    }),
  }) as unknown as P.CoderType<Live>;

const phase = choice("Phase", ["stub", "open", "closing", "forgotten"]).packed;
const byte = u8("record version", (n) => n).packed;

const head = P.struct({ version: byte, phase });
const whole = {
  1: P.struct({ version: byte, phase, live: live(first as Variants) }),
  2: P.struct({ version: byte, phase, live: live(second as Variants) }),
} as const;

/** The reader that a record asks for in its first byte. */
export const ofVersion = <R>(readers: { readonly [version: number]: R }, bytes: Uint8Array): R => {
  const reader = readers[bytes[0] ?? 0];
  if (reader !== undefined) return reader;
  const known = Object.keys(readers).join(", ");
  throw new Malformed("version", `a record of version ${bytes[0]}; this signer reads ${known}`);
};

export const packChannel = (state: ChannelState): Uint8Array =>
  state.phase === "stub" || state.phase === "forgotten"
    ? head.encode({ version, phase: state.phase })
    : whole[version].encode({ version, phase: state.phase, live: state });

export const unpackChannel = (bytes: Uint8Array): ChannelState => {
  const reader = ofVersion(whole, bytes);
  if (bytes.length === 2) {
    const { phase } = unpack(head, bytes);
    if (phase !== "stub" && phase !== "forgotten")
      throw new Malformed("phase", "a channel without its state");
    return { phase };
  }
  const record = unpack(reader, bytes);
  if (record.phase === "stub") throw new Malformed("phase", "a stub with state");
  if (record.phase === "forgotten") throw new Malformed("phase", "a forgotten channel with state");
  return { phase: record.phase, ...record.live };
};
