import { describe, expect, test } from "vitest";
import { commitmentNumber } from "../../protocol/units.ts";
import {
  broadcast,
  giveCounterparty,
  reveal,
  takeHolder,
  takeRevocation,
} from "../../signer/core/advance.ts";
import type { CounterpartyVariant, HolderVariant, Live } from "../../signer/core/state.ts";
import { channelStates } from "../frozen/records.ts";

const live = channelStates.open as { readonly phase: "open" } & Live;
const holder = (n: bigint, byte: number): HolderVariant => ({
  ...(live.holder.variants[0] as HolderVariant),
  number: commitmentNumber(n),
  hash: new Uint8Array(32).fill(byte),
});
const counterparty = (n: bigint, byte: number): CounterpartyVariant => ({
  ...(live.counterparty.variants[0] as CounterpartyVariant),
  number: commitmentNumber(n),
  hash: new Uint8Array(32).fill(byte),
});
const numbers = (variants: readonly { readonly number: bigint; readonly hash: Uint8Array }[]) =>
  variants.map(({ number, hash }) => `${number}/${hash[0]}`);

const at6: Live = {
  ...live,
  holder: {
    revealed: commitmentNumber(6n),
    variants: [holder(6n, 1), holder(6n, 2), holder(7n, 3), holder(7n, 4)],
    broadcast: [],
    past: { hashes: [new Uint8Array(32).fill(9)] },
  },
  counterparty: {
    revoked: commitmentNumber(6n),
    variants: [counterparty(6n, 1), counterparty(6n, 2), counterparty(7n, 3), counterparty(7n, 4)],
    secrets: [],
    past: { hashes: [new Uint8Array(32).fill(9)] },
  },
};

describe("a step", () => {
  test("adds a variant beside the others", () => {
    expect(numbers(takeHolder(at6, holder(7n, 5)).variants)).toEqual(["6/1", "6/2", "7/3", "7/4", "7/5"]);
    expect(numbers(giveCounterparty(at6, counterparty(7n, 5)).variants)).toEqual([
      "6/1",
      "6/2",
      "7/3",
      "7/4",
      "7/5",
    ]);
  });

  test("of a revocation leaves what is above it, and remembers what was revoked until the next", () => {
    const { secrets } = live.counterparty;
    const next = takeRevocation(at6, commitmentNumber(6n), secrets);
    expect(next.revoked).toBe(7n);
    expect(next.secrets).toBe(secrets);
    expect(numbers(next.variants)).toEqual(["7/3", "7/4"]);
    expect(next.past.hashes.map(([byte]) => byte)).toEqual([1, 2]);
  });

  test("of a released secret does the same, and forgets what it was signed for broadcast beside", () => {
    const next = reveal(
      { ...at6, holder: { ...at6.holder, broadcast: [commitmentNumber(7n)] } },
      commitmentNumber(6n),
    );
    expect(next.revealed).toBe(7n);
    expect(numbers(next.variants)).toEqual(["7/3", "7/4"]);
    expect(next.broadcast).toEqual([7n]);
    expect(next.past.hashes.map(([byte]) => byte)).toEqual([1, 2]);
  });

  test("to a broadcast is taken once a number", () => {
    const once = { ...at6, holder: broadcast(at6, commitmentNumber(6n)) };
    expect(once.holder.broadcast).toEqual([6n]);
    expect(broadcast(once, commitmentNumber(6n))).toBe(once.holder);
    expect(broadcast(once, commitmentNumber(7n)).broadcast).toEqual([6n, 7n]);
  });
});
