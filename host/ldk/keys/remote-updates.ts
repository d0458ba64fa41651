/** What LDK's monitor updates add to its calls: HTLCs too small for an output, and preimages. */

import { toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import { type Htlc, maxHtlcs } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { type Preimage, preimage } from "../../../protocol/units.ts";
import { htlcOf, type ReadCommitment } from "../reading/commitment.ts";
import type { ReadUpdate } from "../reading/update.ts";
import type { RemoteChannel } from "./remote-channels.ts";
import type { Remote } from "./remote-parts.ts";
import type { RemoteStore, TheirCommitment } from "./remote-store.ts";

export const remember = (
  { id, preimages }: RemoteChannel,
  seen: readonly Uint8Array[],
  store: RemoteStore,
): void => {
  for (const raw of seen) {
    const one = preimage(Uint8Array.from(raw));
    const hash = toHex(sha256(one));
    if (preimages.has(hash)) continue;
    preimages.set(hash, one);
    store.addPreimage(id, one);
  }
};

/**
 * LDK names the preimages of what we offered to both calls, and of what we received to one alone. What is still pending
 * needs none yet; the others are told now, and forgotten.
 */
const preimagesFor = (
  { id, preimages }: RemoteChannel,
  told: readonly Preimage[],
  pending: readonly Htlc[],
  store: RemoteStore,
): readonly Preimage[] => {
  const open = new Set(pending.map(({ hash }) => toHex(hash)));
  const all = new Map(told.map((one) => [toHex(sha256(one)), one]));
  for (const [hash, one] of preimages) {
    if (open.has(hash)) continue;
    all.set(hash, one);
    preimages.delete(hash);
    store.dropPreimage(id, one);
  }
  return [...all.values()].slice(0, maxHtlcs);
};

export const placedOf = ({ htlcs }: ReadCommitment): TheirCommitment["htlcs"] =>
  htlcs.flatMap((one) =>
    one.index === undefined ? [] : [{ index: one.index, htlc: htlcOf(one, "counterparty") }],
  );

export const apply = (
  channel: RemoteChannel,
  { steps }: ReadUpdate,
  { node, road, store }: Pick<Remote, "node" | "road" | "store">,
): void => {
  for (const step of steps)
    switch (step.is) {
      case "other":
        break;
      case "closed":
        road.abandon(channel.id);
        break;
      case "preimage":
        remember(channel, [step.preimage], store);
        // The peer may never take the HTLC back, and this host never come again: the signer claims it then.
        road.put("showPreimages", { node, preimages: [preimage(Uint8Array.from(step.preimage))] });
        break;
      case "commitment": {
        remember(channel, step.preimages, store);
        if (step.owner === "counterparty") {
          store.setTrimmed(channel.id, step.number, step.txid, step.trimmed);
          break;
        }
        const held = channel.held.get(step.number);
        if (held === undefined) break;
        channel.held.delete(step.number);
        store.release(held);
        const told = isKnown(held.preimages) ? held.preimages : [];
        const request: Request<"validateHolderCommitment"> = {
          ...held,
          trimmed: step.trimmed,
          preimages: preimagesFor(channel, told, [...held.htlcs, ...step.trimmed], store),
        };
        road.put("validateHolderCommitment", request);
      }
    }
};
