/** For the tests of BOLT 11 and BOLT 12. */
import { toHex } from "../../protocol/bytes.ts";

/** As JSON tells it: bytes in hex, large numbers as decimals. */
export const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, one: unknown) =>
      one instanceof Uint8Array ? toHex(one) : typeof one === "bigint" ? String(one) : one,
    ),
  );

export const changed = (bytes: Uint8Array, at: number, to: number): Uint8Array => bytes.with(at, to);
