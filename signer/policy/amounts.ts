/** Figures as people read them. */

import type { Feerate, Msat, Sat } from "../../protocol/units.ts";

/** With a comma between each three digits, whatever the system's language. */
export const grouped = (n: bigint | number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

export const showSat = (n: Sat): string => `${grouped(n)} sat`;

export const showMsat = (n: Msat): string => {
  const rest = n % 1000n;
  return `${grouped(n / 1000n)}${rest === 0n ? "" : `.${String(rest).padStart(3, "0")}`} sat`;
};

/** A transaction's weight is four times its size in vB (BIP 141), so 250 sat/kw are 1 sat/vB. */
export const showFeerate = (n: Feerate): string => `${grouped(n)} sat/kw (${Math.round(n / 25) / 10} sat/vB)`;

export const showShare = (ppm: number): string => `${ppm / 10_000} %`;

const counted = (n: number, what: string): string => `${grouped(n)} ${what}${n === 1 ? "" : "s"}`;

export const showBlocks = (n: number): string => counted(n, "block");

export const showSeconds = (n: number): string =>
  n % 3600 === 0
    ? counted(n / 3600, "hour")
    : n % 60 === 0
      ? counted(n / 60, "minute")
      : counted(n, "second");

export const showCount = counted;
