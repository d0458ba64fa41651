/**
 * State as bytes on disk. Each record begins with its version; the bytes of every version ever written are frozen,
 * and a reader for each stays.
 */

import * as P from "micro-packed";
import { blob, choice, fixed, list, message, packedFields, u8, u64, unpack } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import * as f from "../../protocol/operations/fields.ts";
import { msat } from "../../protocol/units.ts";
import type { ChannelState, CounterpartyVariant, HolderVariant, Live, NodeState } from "./state.ts";

const version = 1;
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

/** A variant never changes, and may hold 966 HTLCs: each is packed once. */
const once = <T extends object>(coder: P.CoderType<T>): P.CoderType<T> => {
  const made = new WeakMap<T, Uint8Array>();
  const encode = (value: T): Uint8Array => {
    const known = made.get(value);
    if (known !== undefined) return known;
    const bytes = coder.encode(value);
    made.set(value, bytes);
    return bytes;
  };
  const decode = (bytes: Uint8Array): T => {
    const value = coder.decode(bytes);
    made.set(value, bytes);
    return value;
  };
  // The names are the reader's: micro-packed calls the way from bytes "encode".
  return P.apply(blob("variant", 200_000, (b) => b).packed, { encode: decode, decode: encode });
};

const variants = <T extends object>(coder: P.CoderType<T>): P.CoderType<T[]> => P.array(P.U8, once(coder));

const live: P.CoderType<Live> = P.struct({
  setup: setup.packed,
  holder: P.struct({
    revealed: f.number.packed,
    variants: variants(holderVariant as P.CoderType<HolderVariant>),
    broadcast: list(f.number, 2).packed,
    past: past.packed,
  }),
  counterparty: P.struct({
    revoked: f.number.packed,
    variants: variants(counterpartyVariant as P.CoderType<CounterpartyVariant>),
    secrets: list(message("Secret", { number: f.number, secret: f.revocationSecret }), 49).packed,
    past: past.packed,
  }),
}) as unknown as P.CoderType<Live>;

const phase = choice("Phase", ["stub", "open", "closing"]).packed;
const versioned = u8("record version", (n) => {
  if (n !== version) throw new Malformed("version", `a record of version ${n}; this signer reads ${version}`);
  return n;
}).packed;

const head = P.struct({ version: versioned, phase });
const whole = P.struct({ version: versioned, phase, live });

export const packChannel = (state: ChannelState): Uint8Array =>
  state.phase === "stub"
    ? head.encode({ version, phase: state.phase })
    : whole.encode({ version, phase: state.phase, live: state });

export const unpackChannel = (bytes: Uint8Array): ChannelState => {
  if (bytes.length === 2) {
    const { phase } = unpack(head, bytes);
    if (phase !== "stub") throw new Malformed("phase", "a channel without its state");
    return { phase };
  }
  const record = unpack(whole, bytes);
  if (record.phase === "stub") throw new Malformed("phase", "a stub with state");
  return { phase: record.phase, ...record.live };
};

const node = packedFields({ version: u8("record version", (n) => n), nextChannel: f.channel });

export const packNode = (state: NodeState): Uint8Array => node.encode({ version, ...state });
export const unpackNode = (bytes: Uint8Array): NodeState => {
  const record = unpack(node, bytes);
  if (record.version !== version) throw new Malformed("version", `a record of version ${record.version}`);
  return { nextChannel: record.nextChannel };
};
