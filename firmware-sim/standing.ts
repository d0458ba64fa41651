/**
 * How far a channel has come, in flash beside the tree: the last word against a step back, also where the core were
 * wrong. None of these numbers ever goes back.
 */

import { maybe, message, u8, u64, unknown, unpack, type ValueOf } from "../protocol/codec.ts";
import { invalid } from "../protocol/malformed.ts";
import { commitmentNumber } from "../protocol/units.ts";
import type { ChannelState } from "../signer/core/state.ts";

const number = u64("commitment number", commitmentNumber);

const standing = message("ChannelStanding", {
  format: u8("version of the format", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this firmware`);
    return n;
  }),
  /** Validated for the holder, and signed for the counterparty: the numbers below. */
  holder: number,
  counterparty: number,
  /** Secrets that left, and that came: the numbers below. */
  revealed: number,
  revoked: number,
  /** Signed for the chain: of this number and later ones no secret leaves. */
  broadcast: maybe(number),
});
export type Standing = ValueOf<typeof standing>;

export const encodeStanding = (value: Standing): Uint8Array => standing.packed.encode(value);
export const decodeStanding = (bytes: Uint8Array): Standing => unpack(standing.packed, bytes);

const above = (numbers: readonly bigint[], least: bigint): bigint =>
  numbers.reduce((most, one) => (one >= most ? one + 1n : most), least);

/** Undefined for a channel that was not set up, or that was forgotten. */
export const standingOf = (state: ChannelState): Standing | undefined => {
  if (!("setup" in state)) return undefined;
  const { holder, counterparty } = state;
  const lowest = holder.broadcast.reduce<bigint | undefined>(
    (least, one) => (least === undefined || one < least ? one : least),
    undefined,
  );
  return {
    format: 1,
    holder: commitmentNumber(
      above(
        holder.variants.map((one) => one.number),
        holder.revealed,
      ),
    ),
    counterparty: commitmentNumber(
      above(
        counterparty.variants.map((one) => one.number),
        counterparty.revoked,
      ),
    ),
    revealed: holder.revealed,
    revoked: counterparty.revoked,
    broadcast: lowest === undefined ? unknown : commitmentNumber(lowest),
  };
};

/** What no step may lead to, wherever it begins: a secret without its successor, or of what is signed for the chain. */
const isWrong = ({ holder, counterparty, revealed, revoked, broadcast }: Standing): boolean =>
  (revealed > 0n && holder <= revealed) ||
  counterparty > revoked + 2n ||
  (broadcast !== unknown && broadcast < revealed);

export const goesBack = (before: Standing, after: Standing): boolean =>
  isWrong(after) ||
  after.holder < before.holder ||
  after.counterparty < before.counterparty ||
  after.revealed < before.revealed ||
  after.revoked < before.revoked ||
  (before.broadcast !== unknown && (after.broadcast === unknown || after.broadcast > before.broadcast));
