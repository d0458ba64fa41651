import { BigEndianScalar, Option_BigEndianScalarZ, Option_BigEndianScalarZ_Some } from "lightningdevkit";
import { expect, test } from "vitest";
import { loadLdk, scalarBytes } from "../../host/ldk/library.ts";

await loadLdk();

test("a scalar of LDK has all its bytes, also as the tweak of a blinded path", () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
  const scalar = BigEndianScalar.constructor_new(bytes);
  expect(scalarBytes(scalar)).toEqual(bytes);
  const tweak = Option_BigEndianScalarZ.constructor_some(scalar);
  expect(tweak instanceof Option_BigEndianScalarZ_Some && scalarBytes(tweak.some)).toEqual(bytes);
});
