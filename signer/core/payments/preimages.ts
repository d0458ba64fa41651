/**
 * A preimage that was shown is kept with the payment of its hash while a live commitment of any channel received
 * something under it: then the signer can claim that on chain with nobody's help. The payment is closed, and the
 * preimage forgotten, with the last channel that speaks of the hash; so there are never more than such hashes.
 */

import { fromHex, toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import { type PaymentHash, type Preimage, paymentHash } from "../../../protocol/units.ts";
import type { Onchain } from "../chain/onchain.ts";
import { freshPayment, type Live, type Payment } from "../state.ts";
import { type Change, liveOf, type View } from "../step.ts";
import { lineOf, variantsOf } from "./lines.ts";

/** By hash, in hexadecimal. */
export type Shown = ReadonlyMap<string, Preimage>;

export const shownBy = (preimages: Iterable<Preimage>): Shown =>
  new Map(Array.from(preimages, (one) => [toHex(sha256(one)), one]));

const made = new WeakMap<Onchain, Shown>();

/** By who took an HTLC with one. What follows from the chain alone is worked out once: alarms ask for each hash. */
export const shownOnChain = (onchain: Onchain): Shown => {
  const known = made.get(onchain);
  if (known !== undefined) return known;
  const outputs = onchain.close?.outputs ?? [];
  const shown = shownBy(
    outputs.flatMap(({ spent }) => (spent?.way.is === "preimage" ? [spent.way.preimage] : [])),
  );
  made.set(onchain, shown);
  return shown;
};

const receives = (live: Live | undefined, hash: string): boolean =>
  live !== undefined && variantsOf(live).some((variant) => lineOf(variant, hash).received.length > 0);

const isReceived = ({ ledger, channels }: Pick<View, "ledger" | "channels">, hash: string): boolean =>
  [...ledger.channelsOf(hash)].some((id) => receives(liveOf(channels.get(id)), hash));

/** What of it is new, and has a use. `next`: a channel as it would be. */
export const keeping = (
  view: Pick<View, "payments" | "ledger" | "channels">,
  shown: Shown,
  next?: Live,
): Pick<Change, "payments"> => {
  const payments = new Map<string, Payment>();
  for (const [hash, preimage] of shown) {
    const payment = view.payments.get(hash) ?? freshPayment(paymentHash(fromHex(hash)));
    if (!isKnown(payment.preimage) && (receives(next, hash) || isReceived(view, hash)))
      payments.set(hash, { ...payment, preimage });
  }
  return payments.size === 0 ? {} : { payments };
};

export type PreimageOf = (hash: PaymentHash) => Preimage | undefined;

/** What is kept; and what the chain showed before anything was. */
export const preimagesIn =
  ({ payments, ledger, chain }: Pick<View, "payments" | "ledger" | "chain">): PreimageOf =>
  (hash) => {
    const key = toHex(hash);
    const kept = payments.get(key)?.preimage ?? unknown;
    if (isKnown(kept)) return kept;
    for (const id of ledger.channelsOf(key)) {
      const onchain = chain.onchain.get(id);
      const found = onchain === undefined ? undefined : shownOnChain(onchain).get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  };
