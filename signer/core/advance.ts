/** The steps that a channel can take. Each is taken only after its rules said yes. */

import type { ShachainStore } from "../../protocol/bolt/shachain.ts";
import { type CommitmentNumber, commitmentNumber } from "../../protocol/units.ts";
import type {
  CounterpartySide,
  CounterpartyVariant,
  HolderSide,
  HolderVariant,
  Live,
  Variant,
} from "./state.ts";

const above = <V extends Variant>(variants: readonly V[], number: bigint): readonly V[] =>
  variants.filter((variant) => variant.number > number);

const hashesOf = (variants: readonly Variant[], number: bigint): readonly Uint8Array[] =>
  variants.filter((variant) => variant.number === number).map(({ hash }) => hash);

const next = (number: CommitmentNumber): CommitmentNumber => commitmentNumber(number + 1n);

export const giveCounterparty = ({ counterparty }: Live, variant: CounterpartyVariant): CounterpartySide => ({
  ...counterparty,
  variants: [...counterparty.variants, variant],
});

export const takeHolder = ({ holder }: Live, variant: HolderVariant): HolderSide => ({
  ...holder,
  variants: [...holder.variants, variant],
});

export const takeRevocation = (
  { counterparty }: Live,
  number: CommitmentNumber,
  secrets: ShachainStore,
): CounterpartySide => ({
  revoked: next(number),
  variants: above(counterparty.variants, number),
  secrets,
  past: { hashes: hashesOf(counterparty.variants, number) },
});

export const reveal = ({ holder }: Live, number: CommitmentNumber): HolderSide => ({
  revealed: next(number),
  variants: above(holder.variants, number),
  broadcast: holder.broadcast.filter((signed) => signed > number),
  past: { hashes: hashesOf(holder.variants, number) },
});

export const broadcast = ({ holder }: Live, number: CommitmentNumber): HolderSide =>
  holder.broadcast.includes(number) ? holder : { ...holder, broadcast: [...holder.broadcast, number] };
