/** A message of one of several kinds: one byte that says which, then its fields. */

import type * as P from "micro-packed";
import { type Fields, packedFields, type Shape, unpack, type Values } from "../codec.ts";
import { invalid } from "../malformed.ts";

export interface Kind<F extends Fields = Fields> {
  readonly sentence: string;
  readonly fields: F;
}
export const kind = <const F extends Fields>(sentence: string, fields: F): Kind<F> => ({ sentence, fields });
type Kinds = Readonly<Record<string, Kind>>;

export type UnionOf<K extends Kinds> = {
  readonly [N in keyof K]: { readonly is: N } & Values<K[N]["fields"]>;
}[keyof K];

/** What a printer needs to know of a kind. */
export interface KindShape {
  readonly number: number;
  readonly name: string;
  readonly sentence: string;
  readonly fields: Readonly<Record<string, Shape>>;
}

export interface Union<T> {
  encode(value: T): Uint8Array;
  /** Malformed where these bytes are none. */
  decode(bytes: Uint8Array): T;
  readonly shapes: readonly KindShape[];
}

/** The numbers are on the wire and follow the order of the kinds, from 1: appended to, never reordered. */
export const union = <const K extends Kinds>(kinds: K): Union<UnionOf<K>> => {
  const coders = Object.entries(kinds).map(
    ([name, { fields }]) => [name, packedFields(fields) as P.CoderType<unknown>] as const,
  );
  return {
    shapes: Object.entries(kinds).map(([name, { sentence, fields }], at) => ({
      number: at + 1,
      name,
      sentence,
      fields: Object.fromEntries(Object.entries(fields).map(([field, { shape }]) => [field, shape])),
    })),
    encode: (value) => {
      const at = coders.findIndex(([name]) => name === value.is);
      const coder = coders[at]?.[1];
      if (coder === undefined) throw new RangeError(`${String(value.is)} is no kind`);
      const body = coder.encode(value);
      const bytes = new Uint8Array(1 + body.length);
      bytes[0] = at + 1;
      bytes.set(body, 1);
      return bytes;
    },
    decode: (bytes) => {
      const kind = coders[(bytes[0] ?? 0) - 1];
      if (kind === undefined) throw invalid("no kind that is known");
      const [is, coder] = kind;
      return { is, ...(unpack(coder, bytes.subarray(1)) as object) } as UnionOf<K>;
    },
  };
};
