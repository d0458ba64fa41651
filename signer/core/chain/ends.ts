/** Channels whose end the chain has, and what of each somebody has still to take for us. */

import { isKnown } from "../../../protocol/codec.ts";
import { type ChannelId, type Height, height, type Outpoint } from "../../../protocol/units.ts";
import { type PreimageOf, preimagesIn } from "../payments/preimages.ts";
import type { Live } from "../state.ts";
import { liveOf, type View } from "../step.ts";
import { inclusion } from "./depths.ts";
import { type Close, type Output, type Standing, standingOf } from "./onchain.ts";
import { heightOf } from "./view.ts";

export interface Open {
  readonly outpoint: Outpoint;
  /** From here on it can be taken by us, or almost. */
  readonly since: Height;
  /** From here on somebody else may take it. Undefined: nobody may. */
  readonly until: Height | undefined;
}

export interface Ended {
  readonly channel: ChannelId;
  readonly is: Standing["is"];
  readonly txid: Uint8Array;
  /** Not spent by any block. */
  readonly open: readonly Open[];
}

export interface Ends {
  /** Undefined: no chain is followed, and nothing is known. */
  readonly height: Height | undefined;
  readonly channels: readonly Ended[];
  /** The height at which a coin of ours came or went last: what could not be paid for may be paid for since. */
  readonly stirred: number;
}

const later = (from: Height, blocks: number): Height => height(from + blocks);

const openOf = (
  { outpoint, role, height: since }: Output,
  is: Standing["is"],
  { live, preimageOf }: { readonly live: Live; readonly preimageOf: PreimageOf },
): Open[] => {
  const whenever: Open = { outpoint, since, until: undefined };
  const { terms } = live.setup;
  switch (role.is) {
    case "unlisted":
      return [];
    case "remote":
      return is === "holder" ? [] : [whenever];
    case "delayed":
    case "second":
      if (is === "revoked") return [{ outpoint, since, until: later(since, terms.holder.toSelfDelay) }];
      return is === "holder"
        ? [{ outpoint, since: later(since, terms.counterparty.toSelfDelay), until: undefined }]
        : [];
    case "htlc": {
      // Through its second stage it can still be punished; but each stage costs another fee.
      if (is === "revoked") return [{ outpoint, since, until: later(since, inclusion) }];
      const { offeredBy, expiry, hash } = role.htlc;
      // Nobody can take it for us without a preimage.
      if (offeredBy === "counterparty")
        return preimageOf(hash) === undefined ? [] : [{ outpoint, since, until: expiry }];
      const due = height(Math.max(since, expiry));
      return [{ outpoint, since: due, until: later(due, inclusion) }];
    }
  }
};

const endedOf = (
  channel: ChannelId,
  close: Close | undefined,
  { live, preimageOf }: { readonly live: Live | undefined; readonly preimageOf: PreimageOf },
): Ended[] => {
  if (live === undefined || close === undefined) return [];
  const { is } = standingOf(close, live);
  const open = close.outputs.flatMap((output) =>
    output.spent === undefined ? openOf(output, is, { live, preimageOf }) : [],
  );
  return open.length === 0 ? [] : [{ channel, is, txid: close.txid, open }];
};

/** Empty where no chain is followed: what was known of one may be long past. */
export const endsIn = (
  sight: Pick<View, "channels" | "payments" | "ledger" | "chain"> & {
    readonly purse: Pick<View["purse"], "coins">;
  },
): Ends => {
  const { channels, chain, purse } = sight;
  const stirred = Math.max(
    0,
    ...[...purse.coins.values()].map(({ height, spent }) => (isKnown(spent) ? spent : height)),
  );
  if (chain.view === undefined) return { height: undefined, channels: [], stirred };
  const preimageOf = preimagesIn(sight);
  return {
    height: heightOf(chain.view),
    stirred,
    channels: [...chain.onchain].flatMap(([id, { close }]) =>
      endedOf(id, close, { live: liveOf(channels.get(id)), preimageOf }),
    ),
  };
};
