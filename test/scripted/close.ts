/** A mutual close as honest nodes negotiate it. */

import { buildClosing, type Closing, settleClosing } from "../../protocol/bolt/closing.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Terms } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { type Sat, type Script, sat, script } from "../../protocol/units.ts";
import type { Opened } from "./channel.ts";
import type { Balances } from "./content.ts";

/** P2WPKH of nobody. */
export const peerScript: Script = script(Uint8Array.from([0x00, 0x14, ...new Uint8Array(20).fill(0x77)]));

/** Undefined where the opener can't pay the fee. */
export const closeOf = (
  { node, channel, shared, closingScript }: Opened,
  { holder, counterparty }: Balances,
  fee: bigint,
  dustLimit: Sat = sat(354n),
): Request<"signClosing"> | undefined => {
  const { opener }: Terms = shared.terms;
  const settled = settleClosing({
    opener: opener === "holder" ? holder : counterparty,
    accepter: opener === "holder" ? counterparty : holder,
    fee: sat(fee),
    dustLimit,
  });
  if (settled === undefined) return undefined;
  const { toOpener, toAccepter } = settled;
  return {
    node,
    channel,
    funding: shared.funding,
    toHolder: opener === "holder" ? toOpener : toAccepter,
    holderScript: closingScript,
    toCounterparty: opener === "holder" ? toAccepter : toOpener,
    counterpartyScript: peerScript,
    expected: unknown,
  };
};

/** The transaction, put together from what was asked alone. */
export const closingOf = ({ shared }: Opened, close: Request<"signClosing">): Closing =>
  buildClosing({
    fundingOutpoint: shared.funding,
    fundingValue: shared.terms.value,
    fundingKeys: [shared.counterparty.funding, shared.holder.funding],
    outputs: [
      { value: close.toHolder, script: close.holderScript },
      { value: close.toCounterparty, script: close.counterpartyScript },
    ],
  });
