/** Both backends, and how the tests of the curve ask them. */
import { expect } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { type Curve, loadNative, nobleCurve } from "../../protocol/curve/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Signature } from "../../protocol/units.ts";

export const native = await loadNative();
export const noble = nobleCurve();
export const backends: readonly Curve[] = [native, noble];

/** The order of the group. */
export const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export const bytes32 = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, "0"));
export const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`);
export const secret = (value: bigint): Secret => new Secret(bytes32(value));
export const text = (message: string): Uint8Array => new TextEncoder().encode(message);

export const signatureOf = (r: bigint, s: bigint): Signature =>
  fromHex(toHex(bytes32(r)) + toHex(bytes32(s))) as Signature;
export const halves = (signature: Uint8Array): { readonly r: bigint; readonly s: bigint } => ({
  r: number(signature.subarray(0, 32)),
  s: number(signature.subarray(32)),
});

/** What came out, in a form that can be compared: bytes, a truth value or the refusal. A fault fails the test. */
export const outcome = (ask: () => unknown): unknown => {
  try {
    const result = ask();
    if (result instanceof Secret) return result.use(toHex);
    return result instanceof Uint8Array ? toHex(result) : result;
  } catch (error) {
    if (error instanceof Malformed) return `Malformed: ${error.message}`;
    throw error;
  }
};

/** The answer that both give. */
export const both = (ask: (curve: Curve) => unknown): unknown => {
  const [first, second] = backends.map((curve) => outcome(() => ask(curve)));
  expect(first).toStrictEqual(second);
  return first;
};

export const refused = expect.stringMatching(/^Malformed: (not|no) /);
