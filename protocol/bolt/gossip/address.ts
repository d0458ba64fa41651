/** Address descriptors of a `node_announcement` (BOLT 7). */

import * as P from "micro-packed";
import { unpack } from "../../codec.ts";
import { invalid } from "../../malformed.ts";
import { byte, bytes, part, short } from "./fields.ts";

export type Address =
  | { readonly is: "ipv4"; readonly address: Uint8Array; readonly port: number }
  | { readonly is: "ipv6"; readonly address: Uint8Array; readonly port: number }
  /** Deprecated, and still announced. */
  | { readonly is: "torV2"; readonly onion: Uint8Array; readonly port: number }
  /** Public key, checksum and version. */
  | { readonly is: "torV3"; readonly onion: Uint8Array; readonly port: number }
  | { readonly is: "dns"; readonly hostname: string; readonly port: number };

export interface Addresses {
  readonly known: readonly Address[];
  /** From the first descriptor of an unknown type on: nobody can tell where that one ends. */
  readonly rest: Uint8Array;
}

export const addressTypes = { ipv4: 1, ipv6: 2, torV2: 3, torV3: 4, dns: 5 } as const satisfies Record<
  Address["is"],
  number
>;

/** Printable ASCII, without space: it is shown to people. */
const hostname = P.apply(part(P.U8), {
  encode: (raw): string => {
    if (raw.length === 0 || raw.some((char) => char < 0x21 || char > 0x7e)) throw invalid("not a hostname");
    return String.fromCharCode(...raw);
  },
  decode: (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0)),
});

type BodyOf<K extends Address["is"]> = Omit<Extract<Address, { readonly is: K }>, "is">;

const bodies: { readonly [K in Address["is"]]: P.CoderType<BodyOf<K>> } = {
  ipv4: P.struct({ address: bytes(4), port: short }),
  ipv6: P.struct({ address: bytes(16), port: short }),
  torV2: P.struct({ onion: bytes(10), port: short }),
  torV3: P.struct({ onion: bytes(35), port: short }),
  dns: P.struct({ hostname, port: short }),
};

const descriptor = P.mappedTag(byte, {
  ipv4: [1, bodies.ipv4],
  ipv6: [2, bodies.ipv6],
  torV2: [3, bodies.torV2],
  torV3: [4, bodies.torV3],
  dns: [5, bodies.dns],
} as const);

type Tagged = P.UnwrapCoder<typeof descriptor>;

const known = new Set<number>(Object.values(addressTypes));

const untagged = ({ TAG, data }: Tagged): Address => ({ is: TAG, ...data }) as Address;
const tagged = ({ is, ...data }: Address): Tagged => ({ TAG: is, data }) as Tagged;

const list = P.array(null, descriptor);

const fixedLengths: Readonly<Record<number, number>> = {
  [addressTypes.ipv4]: 7,
  [addressTypes.ipv6]: 19,
  [addressTypes.torV2]: 13,
  [addressTypes.torV3]: 38,
};

/** Of the descriptor that begins there; a hostname tells its own. */
const lengthAt = (raw: Uint8Array, at: number): number =>
  fixedLengths[raw[at] as number] ?? 4 + (raw[at + 1] ?? 0);

export const addresses: P.CoderType<Addresses> = P.apply(part(P.U16BE), {
  encode: (raw): Addresses => {
    let at = 0;
    while (at < raw.length && known.has(raw[at] as number)) at += lengthAt(raw, at);
    return { known: unpack(list, raw.subarray(0, at)).map(untagged), rest: raw.slice(at) };
  },
  decode: ({ known, rest }: Addresses) => Uint8Array.from([...list.encode(known.map(tagged)), ...rest]),
});

/** What the origin must not do, in the specification's words; undefined where it does nothing of it. */
export const addressFault = ({ known, rest }: Addresses): string | undefined => {
  const types = known.map(({ is }) => addressTypes[is]);
  if (types.some((type, i) => type < (types[i - 1] ?? 0)))
    return "address descriptors are not in ascending order";
  if (known.some(({ is, port }) => port === 0 && is !== "torV2" && is !== "torV3")) return "port is 0";
  if (known.filter(({ is }) => is === "dns").length > 1) return "more than one DNS hostname";
  return rest.length > 0 ? "address descriptors of an unknown type" : undefined;
};
