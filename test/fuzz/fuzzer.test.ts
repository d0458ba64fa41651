/** The fuzzer itself: what it promises to notice, it notices. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { invalid } from "../../protocol/malformed.ts";
import { check, type Target } from "./check.ts";
import { keep, keptFor, keptTargets } from "./corpus.ts";
import { type Failure, fuzz } from "./loop.ts";
import { mutated } from "./mutate.ts";
import { random } from "./random.ts";
import { sampleOf } from "./sample.ts";
import { shrunk } from "./shrink.ts";
import { isMalformed } from "./targets/seeds.ts";

/** A length, then as many bytes. */
const honest: Target = {
  name: "planted",
  covers: [],
  seeds: (seed, count) => Array.from({ length: count }, (_, i) => Uint8Array.of(3, seed & 0x3f, i & 0x3f, 7)),
  decode: (bytes) => {
    if (bytes.length === 0 || bytes[0] !== bytes.length - 1) throw invalid("not its length");
    const value = { body: bytes.slice(1) };
    return { value, encode: () => Uint8Array.of(value.body.length, ...value.body) };
  },
  rejects: isMalformed,
  exact: true,
};

const busy = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

const planted: readonly (readonly [string, Partial<Target>, RegExp])[] = [
  [
    "throws something else",
    {
      decode: (bytes) => {
        if (bytes[1] === 0xff) throw new TypeError("undefined is not a function");
        return honest.decode(bytes);
      },
    },
    /threw TypeError/,
  ],
  [
    "takes a second encoding",
    {
      decode: (bytes) => {
        const value = { body: bytes.slice(1, 1 + (bytes[0] ?? 0)) };
        return { value, encode: () => Uint8Array.of(value.body.length, ...value.body) };
      },
    },
    /another encoding/,
  ],
  [
    "forgets a byte",
    {
      exact: false,
      decode: (bytes) => {
        const { value } = honest.decode(bytes);
        const { body } = value as { body: Uint8Array };
        return { value, encode: () => Uint8Array.of(body.length, ...body.map((byte) => byte & 0x7f)) };
      },
    },
    /decodes to something else/,
  ],
  [
    "can't encode what it read",
    {
      decode: (bytes) => ({
        value: honest.decode(bytes).value,
        encode: () => {
          if (bytes.length > 5) throw new RangeError("too long");
          return honest.decode(bytes).encode();
        },
      }),
    },
    /can't be encoded/,
  ],
  [
    "keeps a view of its input",
    {
      decode: (bytes) => {
        const { encode } = honest.decode(bytes);
        return { value: { body: bytes.subarray(1) }, encode };
      },
    },
    /lives in the bytes/,
  ],
  [
    "changes its input",
    {
      decode: (bytes) => {
        const decoded = honest.decode(bytes);
        bytes.fill(1);
        return decoded;
      },
    },
    /changed its input/,
  ],
  [
    "takes too long",
    {
      decode: (bytes) => {
        if (bytes.length > 4) busy(110);
        return honest.decode(bytes);
      },
    },
    /too long/,
  ],
];

describe("a decoder that", () => {
  test("is honest is left in peace", () => {
    let left = 200;
    const [work] = fuzz({ targets: [honest], seed: 5, goesOn: () => left-- > 0 });
    expect(work?.tally).toMatchObject({ failures: 0 });
    expect(work?.tally.accepted).toBeGreaterThan(300);
    expect(work?.tally.malformed).toBeGreaterThan(300);
  });

  test.each(planted)("%s is caught", (_, fault, why) => {
    const found: Failure[] = [];
    let left = 3_000;
    fuzz({
      targets: [{ ...honest, ...fault }],
      seed: 5,
      goesOn: () => left-- > 0 && found.length === 0,
      onFailure: (failure) => found.push(failure),
    });
    expect(found[0]?.why).toMatch(why);
    expect(found[0]?.input.length).toBeLessThan(12);
    expect(check({ ...honest, ...fault }, found[0]?.input ?? new Uint8Array(0)).is).toBe("failed");
  });
});

test("the same seed tries the same inputs, another one does not", () => {
  const inputsOf = (seed: number): string => {
    const tried: string[] = [];
    let left = 50;
    const trying = (_: Target, input: Uint8Array) => void tried.push(Buffer.from(input).toString("hex"));
    fuzz({ targets: [honest], seed, goesOn: () => left-- > 0, trying });
    return tried.slice(200).join();
  };
  expect(inputsOf(1)).toBe(inputsOf(1));
  expect(inputsOf(1)).not.toBe(inputsOf(2));
});

test("mutations leave the original alone", () => {
  const dice = random(9);
  const good = Uint8Array.from({ length: 60 }, (_, i) => i);
  const other = Uint8Array.from([10, 2, 8, 1, 18, 3, 1, 2, 3]);
  const seen = new Set<string>();
  for (let i = 0; i < 5_000; i++) {
    seen.add(mutated(good, dice, other).join());
    mutated(other, dice, good);
  }
  expect(good.join()).toBe(Uint8Array.from({ length: 60 }, (_, i) => i).join());
  expect(other.join()).toBe("10,2,8,1,18,3,1,2,3");
  expect(seen.size).toBeGreaterThan(3_000);
});

test("a failing input is shortened to what makes it fail", () => {
  const input = random(3)
    .bytes(300)
    .map((byte) => byte & 0x7f);
  input[123] = 0xff;
  input[250] = 0xfe;
  const short = shrunk(input, (bytes) => bytes.includes(0xff) && bytes.includes(0xfe));
  expect([...short]).toEqual([0xff, 0xfe]);
});

test("what is kept is found again, under the hash of its content", () => {
  const folder = `${mkdtempSync(join(tmpdir(), "corpus-"))}/`;
  const bytes = Uint8Array.of(1, 2, 3);
  expect(keptFor("planted", folder)).toEqual([]);
  expect(keep("planted", bytes, folder)).toBe(`${folder}planted/039058c6f2c0cb49.bin`);
  expect(keptTargets(folder)).toEqual(["planted"]);
  expect(keptFor("planted", folder)).toEqual([{ target: "planted", file: "039058c6f2c0cb49.bin", bytes }]);
});

test("a sample shows every kind that is taken, and reasons from all over", () => {
  const refused = Array.from({ length: 100 }, (_, i) => [`malformed ${i + 100}`, Uint8Array.of(i)] as const);
  const sample = sampleOf([
    ...refused,
    ["accepted a", Uint8Array.of(200)],
    ["accepted b", Uint8Array.of(201)],
    ["accepted c", new Uint8Array(5_000)],
  ]);
  expect(sample).toHaveLength(24);
  expect(sample.slice(0, 2).map(([first]) => first)).toEqual([200, 201]);
  expect(Math.max(...sample.slice(2).map(([first]) => first ?? 0))).toBeGreaterThan(90);
});
