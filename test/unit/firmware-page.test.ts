import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePage, encodePage, openPage, sealPage } from "../../firmware-sim/page.ts";
import { longestPage, mostContent } from "../../protocol/device/core.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import { steady } from "../steady.ts";

const keyOf = (n: number): Secret => new Secret(new Uint8Array(32).fill(n));
const about = fc.record({
  step: fc.bigInt({ min: 1n, max: 1n << 60n }),
  version: fc.bigInt({ min: 1n, max: 1n << 60n }),
  key: fc.stringMatching(/^[a-z]{1,9}\/[0-9a-f]{0,64}$/),
});
const content = fc.uint8Array({ maxLength: 300 });

describe("a page", () => {
  test("comes back as it was, the same bytes each time; under another key nothing comes", () => {
    steady(
      fc.property(about, content, (head, bytes) => {
        const sealed = sealPage(keyOf(1), head, bytes);
        expect(sealPage(keyOf(1), head, bytes)).toEqual(sealed);
        const page = decodePage(sealed);
        expect(encodePage(page)).toEqual(sealed);
        expect(page).toMatchObject(head);
        expect(openPage(keyOf(1), page)).toEqual(bytes);
        expect(openPage(keyOf(2), page)).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  test("is bound to its place, version and step: any bit of it that is another one is noticed", () => {
    steady(
      fc.property(about, content, fc.nat(), (head, bytes, n) => {
        const sealed = sealPage(keyOf(1), head, bytes);
        const bit = n % (sealed.length * 8);
        const changed = sealed.slice();
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        let opened: Uint8Array | undefined;
        try {
          opened = openPage(keyOf(1), decodePage(changed));
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
        expect(opened).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  test("has a nonce of its own for each content, place, version and step", () => {
    const head = { step: 1n, version: 1n, key: "node" };
    const others = [
      { ...head, step: 2n },
      { ...head, version: 2n },
      { ...head, key: "nod" },
    ];
    const nonces = [
      ...[head, ...others].map((one) => decodePage(sealPage(keyOf(1), one, Uint8Array.of(1))).nonce),
      decodePage(sealPage(keyOf(1), head, Uint8Array.of(2))).nonce,
      decodePage(sealPage(keyOf(2), head, Uint8Array.of(1))).nonce,
    ];
    expect(new Set(nonces.map(String)).size).toBe(nonces.length);
  });

  test("holds so much and no more, and then fits into a message", () => {
    const head = { step: 1n << 63n, version: 1n << 63n, key: "x".repeat(160) };
    expect(sealPage(keyOf(1), head, new Uint8Array(mostContent)).length).toBeLessThanOrEqual(longestPage);
    expect(() => sealPage(keyOf(1), head, new Uint8Array(mostContent + 1))).toThrow(RangeError);
  });
});
