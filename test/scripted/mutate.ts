/** One change to a request, of the kinds that a compromised host would try. */

import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Tape } from "./play.ts";

type Plain = Readonly<Record<string, unknown>>;

const flip = (bytes: Uint8Array, tape: Tape): Uint8Array => {
  const out = Uint8Array.from(bytes);
  if (out.length === 0) return Uint8Array.of(tape.next(256));
  // Not the first byte: a point whose form is wrong would be caught by any decoder.
  const at = out.length === 1 ? 0 : 1 + tape.next(out.length - 1);
  out[at] = (out[at] as number) ^ (1 << tape.next(8));
  return out;
};

const bigints = (value: bigint, tape: Tape): bigint => {
  const to = tape.pick([
    value + 1n,
    value - 1n,
    value + 1_000n,
    value - 1_000n,
    value - 2_000n,
    value / 2n,
    value * 2n,
    0n,
    1n << 47n,
  ]);
  return to < 0n ? 0n : to;
};

const mutated = (value: unknown, tape: Tape): unknown => {
  if (typeof value === "bigint") return bigints(value, tape);
  if (typeof value === "number") return Number(bigints(BigInt(value), tape) & 0xff_ffffn);
  if (value === unknown) return flip(new Uint8Array(60), tape);
  if (typeof value === "string") return value === "holder" ? "counterparty" : "holder";
  if (value instanceof Uint8Array) return flip(value, tape);
  if (Array.isArray(value)) return list(value, tape);
  return one(value as Plain, tape);
};

const list = (items: readonly unknown[], tape: Tape): unknown => {
  if (items.length === 0) return items;
  const at = tape.next(items.length);
  switch (tape.next(3)) {
    case 0:
      return items.filter((_, i) => i !== at);
    case 1:
      return [...items, items[at]];
    default:
      return items.map((item, i) => (i === at ? mutated(item, tape) : item));
  }
};

const one = (body: Plain, tape: Tape): Plain => {
  const names = Object.keys(body);
  const name = tape.pick(names);
  return { ...body, [name]: mutated(body[name], tape) };
};

/** Never the node: that would be another session's. */
export const mutate = <B extends Plain>(body: B, tape: Tape): B => {
  if ("htlcs" in body && tape.next(4) === 0) return between(body, tape);
  const { node, ...rest } = body;
  return { node, ...one(rest, tape) } as unknown as B;
};

/** What keeps the sums: value moved from one place to another. */
const between = <B extends Plain>(body: B, tape: Tape): B => {
  const said = body as unknown as {
    toHolder: bigint;
    toCounterparty: bigint;
    htlcs: Htlc[];
    trimmed: Htlc[];
  };
  const by = tape.pick([1n, 2n, 353n, 10_000n, said.toHolder]);
  const less = said.toHolder >= by ? said.toHolder - by : 0n;
  const moved = said.toHolder - less;
  switch (tape.next(4)) {
    case 0:
      return { ...body, toHolder: less, toCounterparty: said.toCounterparty + moved };
    case 1: {
      const [first, ...others] = said.htlcs;
      if (first === undefined) return { ...body, toHolder: less };
      return { ...body, htlcs: others, toCounterparty: said.toCounterparty + first.amount / 1000n };
    }
    case 2: {
      const [first, ...others] = said.htlcs;
      if (first === undefined) return { ...body, toHolder: less };
      return { ...body, htlcs: others, trimmed: [...said.trimmed, first] };
    }
    default:
      return { ...body, htlcs: said.htlcs.map((h) => ({ ...h, offeredBy: "counterparty" })) };
  }
};
