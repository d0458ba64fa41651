/**
 * Somebody may route a payment through us under the hash of an invoice of ours. Passed on, it would cover nothing, and the
 * signer refuses the commitment that passes it on: the channel would stand still until the HTLC expires, and then close.
 * LDK 0.1.2 asks nobody before it forwards, so such an onion is made unreadable, and LDK gives the HTLC back itself
 * (BOLT 4, `invalid_onion_hmac`).
 */

import {
  type Logger,
  type NodeSigner,
  PendingHTLCRouting_Forward,
  Result_PendingHTLCInfoInboundHTLCErrZ_OK,
  Result_UpdateAddHTLCDecodeErrorZ_OK,
  UpdateAddHTLC,
  UtilMethods,
} from "lightningdevkit";
import { toHex } from "../../protocol/bytes.ts";

export interface OwnHashParts {
  /** Of an invoice of ours. */
  readonly isOurs: (hash: string) => boolean;
  readonly nodeSigner: NodeSigner;
  readonly logger: Logger;
  readonly height: () => number;
}

/** `channel_id`, `id`, `amount_msat`, `payment_hash`, `cltv_expiry`, then the packet up to its hmac (BOLT 2, BOLT 4). */
const hmacAt = 32 + 8 + 8 + 32 + 4 + (1 + 33 + 1300);

const unreadable = (message: UpdateAddHTLC): UpdateAddHTLC => {
  const bytes = Uint8Array.from(message.write());
  const hmac = bytes.subarray(hmacAt, hmacAt + 32);
  if (hmac.length !== 32) throw new Error("an update_add_htlc without its onion");
  hmac[0] = (hmac[0] ?? 0) ^ 1;
  const read = UpdateAddHTLC.constructor_read(bytes);
  if (!(read instanceof Result_UpdateAddHTLCDecodeErrorZ_OK))
    throw new Error("not an update_add_htlc any more");
  return read.res;
};

/** What LDK is given of an HTLC: itself, unless it is a forward under a hash of ours. */
export const keepingOwnHashes =
  ({ isOurs, nodeSigner, logger, height }: OwnHashParts) =>
  (message: UpdateAddHTLC): UpdateAddHTLC => {
    if (!isOurs(toHex(message.get_payment_hash()))) return message;
    const peeled = UtilMethods.constructor_peel_payment_onion(message, nodeSigner, logger, height(), false);
    // What can't be read, or is not to be passed on, LDK fails or takes as it always does.
    if (!(peeled instanceof Result_PendingHTLCInfoInboundHTLCErrZ_OK)) return message;
    return peeled.res.get_routing() instanceof PendingHTLCRouting_Forward ? unreadable(message) : message;
  };
