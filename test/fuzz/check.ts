/** What every decoder promises of every input, held against one of them. */

import { isDeepStrictEqual } from "node:util";
import { equal } from "../../protocol/bytes.ts";

export interface Decoded {
  readonly value: unknown;
  encode(): Uint8Array;
}

export interface Target {
  readonly name: string;
  /** The exported decoders behind it, as `file name`. */
  readonly covers: readonly string[];
  /** Encodings of values; as many as asked, or about. */
  seeds(seed: number, count: number): readonly Uint8Array[];
  decode(bytes: Uint8Array): Decoded;
  /** The one error that wrong bytes may end as. */
  rejects(error: unknown): error is Error;
  /** Whether a value has one encoding: then whatever decodes is what it is encoded as. Of older versions it is not. */
  readonly exact: boolean | ((input: Uint8Array) => boolean);
  /** What of the accepted ones differs, and what of the reasons, for telling outcomes apart. */
  kindOf?(value: unknown): string;
  reasonOf?(error: Error): string;
}

export type Verdict =
  | { readonly is: "malformed"; readonly sign: string }
  | { readonly is: "accepted"; readonly sign: string }
  | { readonly is: "failed"; readonly sign: string; readonly why: string };

/** Milliseconds. A request is at most some 200 kB; the machine may be busy. */
const allowance = (length: number): number => 100 + length / 500;

const failed = (sign: string, detail = ""): Verdict => ({
  is: "failed",
  sign,
  why: detail === "" ? sign : `${sign}: ${detail}`,
});

/** Numbers and quotations out: what is left tells one outcome from another. */
const signOf = (reason: string): string =>
  reason
    .replaceAll(/(["'`]).*?\1/gs, "…")
    .replaceAll(/[0-9a-f]{8,}|\d+/g, "#")
    .slice(0, 120);

const described = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 6).join("\n") : String(error);

const unexpected = (what: string, error: unknown): Verdict =>
  failed(
    `${what} ${error instanceof Error ? `${error.name}: ${signOf(error.message)}` : typeof error}`,
    described(error),
  );

const encodings = (
  target: Target,
  input: Uint8Array,
  given: Uint8Array,
  decoded: Decoded,
): Verdict | undefined => {
  const { value } = decoded;
  let encoded: Uint8Array;
  try {
    encoded = decoded.encode();
  } catch (error) {
    return unexpected("what was decoded can't be encoded:", error);
  }
  const exact = typeof target.exact === "boolean" ? target.exact : target.exact(input);
  if (exact && !equal(encoded, input)) return failed("what was decoded has another encoding");
  let again: Decoded;
  try {
    again = target.decode(encoded);
  } catch (error) {
    return unexpected("what was encoded can't be decoded:", error);
  }
  if (!isDeepStrictEqual(again.value, value)) return failed("what was encoded decodes to something else");
  // The buffer belongs to whoever gave it, and is used again.
  given.fill(0xee);
  if (!isDeepStrictEqual(again.value, value))
    return failed("the value lives in the bytes that it was read from");
  return undefined;
};

const checkOnce = (target: Target, input: Uint8Array): { verdict: Verdict; ms: number } => {
  const given = input.slice();
  const start = performance.now();
  let decoded: Decoded;
  try {
    decoded = target.decode(given);
  } catch (error) {
    const ms = performance.now() - start;
    const verdict: Verdict = target.rejects(error)
      ? { is: "malformed", sign: signOf(target.reasonOf?.(error) ?? error.message) }
      : unexpected("threw", error);
    return { verdict, ms };
  }
  const ms = performance.now() - start;
  if (!equal(given, input)) return { verdict: failed("changed its input"), ms };
  const verdict = encodings(target, input, given, decoded) ?? {
    is: "accepted" as const,
    sign: target.kindOf?.(decoded.value) ?? "",
  };
  return { verdict, ms };
};

export const check = (target: Target, input: Uint8Array): Verdict => {
  const { verdict, ms } = checkOnce(target, input);
  // A pause of the machine is not the decoder's: it would have to take three of them.
  const isSlow = (took: number): boolean => took > allowance(input.length);
  if (isSlow(ms) && isSlow(checkOnce(target, input).ms) && isSlow(checkOnce(target, input).ms))
    return failed("takes too long", `${ms.toFixed(0)} ms for ${input.length} bytes`);
  return verdict;
};
