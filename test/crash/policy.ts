/** Of the signer that is killed: a regtest's, but that a person is asked for what is large. */

import { msat, sat } from "../../protocol/units.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";

/** Millisatoshi. */
export const unattended = 20_000_000n;
/** Satoshi. */
export const unattendedOnchain = 1_500_000n;

export const crashPolicy: Policy = {
  ...defaultPolicy("regtest"),
  unattendedPayment: msat(unattended),
  unattendedFunding: sat(unattendedOnchain),
};

/** So that a device's person, who sees amounts and little else, can tell what to say no to: millisatoshi. */
export const unwelcome = 13_000n;
export const isUnwelcome = (amount: bigint): boolean => amount % 100_000n === unwelcome;
