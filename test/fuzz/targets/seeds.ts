import * as fc from "fast-check";
import type { Shape } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { arbitraryOf } from "../../unit/arbitrary.ts";

/** The same seed gives the same values. */
export const sampled = <T>(arbitrary: fc.Arbitrary<T>, seed: number, count: number): readonly T[] =>
  fc.sample(arbitrary, { seed: seed | 0, numRuns: Math.max(1, count) });

export const valuesOf = (shape: Shape, seed: number, count: number): readonly unknown[] =>
  sampled(arbitraryOf(shape), seed, count);

export const isMalformed = (error: unknown): error is Error => error instanceof Malformed;

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
