/** What the device reads in its records for itself, beside the core. */

import { toHex } from "../protocol/bytes.ts";
import { isKnown } from "../protocol/codec.ts";
import { variantsOf } from "../signer/core/payments/lines.ts";
import { unpackChannel } from "../signer/core/records.ts";
import type { Live } from "../signer/core/state.ts";
import { liveOf } from "../signer/core/step.ts";
import type { Ledger } from "./ledger.ts";
import { channelIn } from "./store.ts";

/** Something came in through it, or is on its way: before, nobody needs to know whether it is in the chain. */
const receives = (live: Live): boolean =>
  variantsOf(live).some(
    ({ htlcs, trimmed, settled }) =>
      [...htlcs, ...(isKnown(trimmed) ? trimmed : [])].some(
        ({ offeredBy }) => offeredBy === "counterparty",
      ) || settled.some((one) => one.in > 0n),
  );

/**
 * Where others paid in, as far as the records say, and something came in: only what is all our own needs nobody's word, and
 * strangers' channels that are never funded are not to be looked up.
 */
export const uncertainIn = function* ({
  records,
}: Pick<Ledger, "records">): Generator<readonly [bigint, Live]> {
  for (const [key, { bytes }] of records()) {
    const id = channelIn(key);
    const live = id === undefined ? undefined : liveOf(unpackChannel(bytes));
    if (id === undefined || live === undefined) continue;
    const { contribution, value } = live.setup.terms;
    if (contribution !== value && receives(live)) yield [id, live];
  }
};

/** Hashes of what is on its way out at this moment, in any commitment that may still be published. */
export const offeredIn = function* ({ records }: Pick<Ledger, "records">): Generator<string> {
  for (const [key, { bytes }] of records()) {
    const live = channelIn(key) === undefined ? undefined : liveOf(unpackChannel(bytes));
    for (const { htlcs } of live === undefined ? [] : variantsOf(live))
      for (const { offeredBy, hash } of htlcs) if (offeredBy === "holder") yield toHex(hash);
  }
};
