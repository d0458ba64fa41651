/** A channel advances one number at a time, and never back (BOLT 2, "Committing Updates So Far"). */

import { equal } from "../../../protocol/bytes.ts";
import type { CommitmentNumber, Point } from "../../../protocol/units.ts";
import type { Rule } from "../rule.ts";
import type { Live, Variant } from "../state.ts";
import { rule } from "./table.ts";

/** Contents of one number that may be live at once. */
export const maxVariants = 4;

export interface OrderView {
  readonly live: Live;
  readonly closing: boolean;
  readonly number: CommitmentNumber;
}

const at = <V extends Variant>(variants: readonly V[], number: bigint): readonly V[] =>
  variants.filter((variant) => variant.number === number);

const notClosed = rule<OrderView>("commitment-not-closed", ({ closing, number }) =>
  closing ? { number } : undefined,
);

const oneOfFew = (side: "holder" | "counterparty"): Rule<OrderView> =>
  rule("commitment-retry-same", ({ live, number }) => {
    const contents = at<Variant>(live[side].variants, number).length;
    return contents >= maxVariants ? { number, contents } : undefined;
  });

export const signCounterpartyOrder: readonly Rule<OrderView & { readonly point: Point }>[] = [
  rule("commitment-previous-revoked", ({ live: { counterparty }, number }) => {
    const { revoked } = counterparty;
    if (number < revoked || number > revoked + 1n) return { number, revoked };
    const last = number === revoked || at(counterparty.variants, number - 1n).length > 0;
    return last ? undefined : { number, unsigned: number - 1n };
  }),
  notClosed,
  rule("commitment-retry-same", ({ live, number, point }) => {
    const known = at(live.counterparty.variants, number)[0]?.point;
    return known === undefined || equal(known, point) ? undefined : { point, known };
  }),
  oneOfFew("counterparty"),
];

const holderNotRevoked = rule<OrderView>("commitment-holder-not-revoked", ({ live: { holder }, number }) =>
  number < holder.revealed ? { number, revealed: holder.revealed } : undefined,
);

export const validateHolderOrder: readonly Rule<OrderView>[] = [
  holderNotRevoked,
  rule("revoke-in-order", ({ live: { holder }, number }) => {
    if (number > holder.revealed + 1n) return { number, revealed: holder.revealed };
    const last = number === holder.revealed || at(holder.variants, number - 1n).length > 0;
    return last ? undefined : { number, missing: number - 1n };
  }),
  notClosed,
  oneOfFew("holder"),
];

export interface RevokeView extends OrderView {
  readonly refused: CommitmentNumber | undefined;
  /** On the chain: whoever signed it, its secret would give all of it away. */
  readonly published: CommitmentNumber | undefined;
}

export const revokeRules: readonly Rule<RevokeView>[] = [
  rule("revoke-in-order", ({ live: { holder }, number }) =>
    number > holder.revealed ? { number, revealed: holder.revealed } : undefined,
  ),
  rule("revoke-not-closed", ({ live: { holder }, closing, number, published }) =>
    closing || holder.broadcast.includes(number) || published === number
      ? { number, mutualClose: closing, onChain: published === number }
      : undefined,
  ),
  rule("revoke-new-commitment-valid", ({ live: { holder }, number, refused }) =>
    refused === number + 1n && at(holder.variants, refused).length === 0 ? { number, refused } : undefined,
  ),
  rule("revoke-new-commitment-signed", ({ live: { holder }, number }) =>
    at(holder.variants, number + 1n).length === 0 ? { number, notValidated: number + 1n } : undefined,
  ),
];

export const revocationOrder: readonly Rule<OrderView>[] = [
  rule("commitment-previous-revoked", ({ live: { counterparty }, number }) => {
    if (number !== counterparty.revoked) return { number, expected: counterparty.revoked };
    const next = at(counterparty.variants, number + 1n);
    return next.length === 0 ? { number, unsigned: number + 1n } : undefined;
  }),
];

export const signHolderOrder: readonly Rule<OrderView>[] = [holderNotRevoked];
