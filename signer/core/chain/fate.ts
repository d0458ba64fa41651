/** What became of a channel's funding and HTLCs, as far as the chain has decided it. */

import { equal } from "../../../protocol/bytes.ts";
import { sha256 } from "../../../protocol/hash.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Height, Preimage } from "../../../protocol/units.ts";
import type { Live } from "../state.ts";
import { deep, depthAt } from "./depths.ts";
import { type Close, type Onchain, type Output, standingOf } from "./onchain.ts";

/** Confirmations; 0 while it is not there, or is not this channel's. */
export const fundingDepth = ({ funding }: Onchain, tip: Height): number =>
  funding.is === "confirmed" ? depthAt(funding.height, tip) : 0;

export type Fate =
  | { readonly is: "pending" }
  /** At any depth: a preimage that was seen once is known. */
  | { readonly is: "paid"; readonly preimage: Preimage; readonly height: Height }
  /** Irrevocably without having been paid; the height is of the transaction that settled it. */
  | { readonly is: "gone"; readonly height: Height };

const pending: Fate = { is: "pending" };

export const alike = (a: Htlc, b: Htlc): boolean =>
  a.offeredBy === b.offeredBy && a.amount === b.amount && a.expiry === b.expiry && equal(a.hash, b.hash);

/** Where it is, or may be: an output that nobody can name may hold any HTLC. */
const candidates = ({ outputs }: Close, htlc: Htlc): readonly Output[] => {
  const named = outputs.filter(({ role }) => role.is === "htlc" && alike(role.htlc, htlc));
  return named.length > 0 ? named : outputs.filter(({ role }) => role.is === "unlisted");
};

const paidBy = (outputs: readonly Output[], { hash, offeredBy }: Htlc): Fate | undefined => {
  const paid = outputs
    .flatMap(({ spent }): (Fate & { readonly is: "paid" })[] =>
      spent?.way.is === "preimage" && equal(sha256(spent.way.preimage), hash)
        ? [{ is: "paid", preimage: spent.way.preimage, height: spent.height }]
        : [],
    )
    .toSorted((a, b) => a.height - b.height);
  // The worst of ours is the first that was taken, and of theirs the last, or one that was not taken.
  if (offeredBy === "holder") return paid[0];
  return paid.length < outputs.length ? undefined : paid.at(-1);
};

/** Of HTLCs that are alike in everything nobody can tell which was paid: all share the worst fate. */
export const fateOf = ({ close }: Onchain, live: Live, htlc: Htlc, tip: Height): Fate => {
  if (close === undefined) return pending;
  const where = candidates(close, htlc);
  const paid = paidBy(where, htlc);
  if (paid !== undefined) return paid;
  const standing = standingOf(close, live);
  if (standing.is === "unknown") return pending;
  const settled = [close.height, ...where.map(({ spent }) => spent?.height)];
  const decided = settled.every((at) => at !== undefined && depthAt(at, tip) >= deep);
  if (!decided) return pending;
  return {
    is: "gone",
    height: settled.reduce<Height>((a, b) => (b !== undefined && b > a ? b : a), close.height),
  };
};

/** An HTLC that we offered can be failed back: nobody can take it any more. */
export const offeredGone = (onchain: Onchain, live: Live, htlc: Htlc, tip: Height): boolean =>
  htlc.offeredBy === "holder" && fateOf(onchain, live, htlc, tip).is === "gone";
