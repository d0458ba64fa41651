/** What the process of a device is told, and what it tells: each a line of JSON. */

import type { Button } from "../../../firmware-sim/screen.ts";

export const blocks = 32;
export const pin = "4711";

export interface Case {
  readonly flash: string;
  readonly socket: string;
  /** What the factory burnt into the chip, by hex. */
  readonly secret: string;
  /** On the person's paper. */
  readonly words: readonly string[];
  /** Of what a cut leaves. */
  readonly seed: string;
  /** The power goes after so many writes to the flash, from the first on. */
  readonly cut: number | null;
}

export type Act =
  | { readonly do: "press"; readonly button: Button }
  | { readonly do: "code"; readonly digits: string }
  /** The power goes in the middle of the write so many writes from now, and comes back with `on`. */
  | { readonly do: "cut"; readonly after: number }
  | { readonly do: "on" }
  /** Killed before the write so many writes from now. */
  | { readonly do: "die"; readonly after: number };

/** A line on the output. */
export type Told =
  | { readonly is: "ready"; readonly key: string }
  | { readonly is: "code"; readonly digits: string }
  | { readonly is: "power-cut" }
  | { readonly is: "damaged"; readonly why: string };
