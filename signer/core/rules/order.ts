/** A channel advances one number at a time, and never back (BOLT 2, "Committing Updates So Far"). */

import { equal } from "../../../protocol/bytes.ts";
import type { CommitmentNumber, Point } from "../../../protocol/units.ts";
import type { Rule } from "../rule.ts";
import type { Live, Variant } from "../state.ts";

/** Contents of one number that may be live at once. */
export const maxVariants = 4;

export interface OrderView {
  readonly live: Live;
  readonly closing: boolean;
  readonly number: CommitmentNumber;
}

const at = <V extends Variant>(variants: readonly V[], number: bigint): readonly V[] =>
  variants.filter((variant) => variant.number === number);

const notClosed: Rule<OrderView> = {
  name: "commitment-not-closed",
  kind: "core",
  sentence: "After a mutual close was signed there is no new commitment.",
  hint: "The channel ends with the mutual close, or with a commitment that exists already.",
  check: ({ closing, number }) => (closing ? { number } : undefined),
};

const fewVariants = (side: "holder" | "counterparty"): Rule<OrderView> => ({
  name: "commitment-retry-same",
  kind: "core",
  sentence: `A live number has at most ${maxVariants} contents.`,
  hint: "The host asks for ever other contents of one commitment: ask again for one of those that it has.",
  check: ({ live, number }) => {
    const count = at<Variant>(live[side].variants, number).length;
    return count >= maxVariants ? { number, contents: count } : undefined;
  },
});

export const signCounterpartyOrder: readonly Rule<OrderView & { readonly point: Point }>[] = [
  {
    name: "commitment-previous-revoked",
    kind: "core",
    sentence: "The counterparty has at most one commitment that it has not revoked beside the next.",
    hint: "Bring the counterparty's revocation of the earlier commitment first.",
    check: ({ live: { counterparty }, number }) => {
      const { revoked } = counterparty;
      if (number < revoked || number > revoked + 1n) return { number, revoked };
      const last = number === 0n || number === revoked || at(counterparty.variants, number - 1n).length > 0;
      return last ? undefined : { number, unsigned: number - 1n };
    },
  },
  notClosed,
  {
    name: "commitment-retry-same",
    kind: "core",
    sentence: "Every content of a number has the same per-commitment point.",
    hint: "The counterparty's point of this number was another one.",
    check: ({ live, number, point }) => {
      const known = at(live.counterparty.variants, number)[0]?.point;
      return known === undefined || equal(known, point) ? undefined : { point, known };
    },
  },
  fewVariants("counterparty"),
];

export const validateHolderOrder: readonly Rule<OrderView>[] = [
  {
    name: "commitment-holder-not-revoked",
    kind: "core",
    sentence: "Nothing of a number whose secret was released is validated or signed.",
    hint: "The host is behind its own signer: restore its newest state.",
    check: ({ live: { holder }, number }) =>
      number < holder.revealed ? { number, revealed: holder.revealed } : undefined,
  },
  {
    name: "revoke-in-order",
    kind: "core",
    sentence: "Holder commitments are validated and revoked one number at a time.",
    hint: "Revoke the commitment before the last one first.",
    check: ({ live: { holder }, number }) => {
      if (number > holder.revealed + 1n) return { number, revealed: holder.revealed };
      const last = number === holder.revealed || at(holder.variants, number - 1n).length > 0;
      return last ? undefined : { number, missing: number - 1n };
    },
  },
  notClosed,
  fewVariants("holder"),
];

export const revokeRules: readonly Rule<OrderView>[] = [
  {
    name: "revoke-in-order",
    kind: "core",
    sentence: "Holder commitments are validated and revoked one number at a time.",
    hint: "Revoke the earlier commitment first.",
    check: ({ live: { holder }, number }) =>
      number > holder.revealed ? { number, revealed: holder.revealed } : undefined,
  },
  {
    name: "revoke-not-closed",
    kind: "core",
    sentence:
      "The secret of a commitment that was signed for broadcast stays here, as does any after a mutual close.",
    hint: "The channel is being closed: its present commitment can't be revoked any more.",
    check: ({ live: { holder }, closing, number }) =>
      closing || holder.broadcast.includes(number) ? { number, mutualClose: closing } : undefined,
  },
  {
    name: "revoke-new-commitment-signed",
    kind: "core",
    sentence: "A secret leaves only when the counterparty's signatures on the next commitment were verified.",
    hint: "Bring the next commitment with its signatures for validation first.",
    check: ({ live: { holder }, number }) =>
      at(holder.variants, number + 1n).length === 0 ? { number, notValidated: number + 1n } : undefined,
  },
];

export const revocationOrder: readonly Rule<OrderView>[] = [
  {
    name: "commitment-previous-revoked",
    kind: "core",
    sentence: "The counterparty revokes its oldest commitment, and only when it has the next.",
    hint: "The counterparty's revocations come in order, each after our signature on the next commitment.",
    check: ({ live: { counterparty }, number }) => {
      if (number !== counterparty.revoked) return { number, expected: counterparty.revoked };
      const next = at(counterparty.variants, number + 1n);
      return next.length === 0 ? { number, unsigned: number + 1n } : undefined;
    },
  },
];

export const signHolderOrder: readonly Rule<OrderView>[] = [
  {
    name: "commitment-holder-not-revoked",
    kind: "core",
    sentence: "Nothing of a number whose secret was released is validated or signed.",
    hint: "This commitment was revoked: to broadcast it would lose the channel's whole value.",
    check: ({ live: { holder }, number }) =>
      number < holder.revealed ? { number, revealed: holder.revealed } : undefined,
  },
];
