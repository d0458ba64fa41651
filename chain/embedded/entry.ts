/** A transaction as the chain keeps it, with what is asked of it again and again. */

import { type DecodedTx, decodeTx, encodeWitnessTx, txidOf, weightOf } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import type { Outpoint, Txid } from "../../protocol/units.ts";

export interface Entry extends DecodedTx {
  readonly raw: Uint8Array;
  readonly txid: Txid;
  /** The id, as a key of maps. */
  readonly id: string;
  readonly wtxid: Uint8Array;
  readonly weight: number;
}

export const entryOf = (decoded: DecodedTx): Entry => {
  const raw = encodeWitnessTx(decoded.tx, decoded.witnesses);
  const id = txidOf(decoded.tx);
  return {
    ...decoded,
    raw,
    txid: id,
    id: toHex(id),
    wtxid: doubleSha256(raw),
    weight: weightOf(decoded.tx, decoded.witnesses),
  };
};

export const entryFrom = (bytes: Uint8Array): Entry => entryOf(decodeTx(bytes));

/** BIP 141, "Transaction size calculations". */
export const virtualSize = ({ weight }: Entry): number => Math.ceil(weight / 4);

export const keyOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;
