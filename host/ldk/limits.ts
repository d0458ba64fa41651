/** What a payment may cost, and how often it is tried. */

import { msat as toMsat } from "../../protocol/units.ts";

export const attempts = 10;

/** LDK's default: one percent and 50 sat. */
const feeLimitFor = (msat: bigint): bigint => msat / 100n + 50_000n;
/** The bindings throw on what is no amount, and that would end the worker. */
export const limitOf = (msat: bigint, feeLimitMsat: bigint | undefined): bigint =>
  toMsat(feeLimitMsat ?? feeLimitFor(toMsat(msat)));
