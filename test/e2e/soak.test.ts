/** A short soak: `npm run soak` runs longer ones. And the books: each way in which money can go astray is seen. */

import { describe, expect, test } from "vitest";
import type { PaymentRow } from "../../host/ldk/index.ts";
import { misfits, reckon } from "../soak/reckoning.ts";
import { soak } from "../soak/run.ts";

const row = (
  direction: "in" | "out",
  state: PaymentRow["state"],
  more: Partial<PaymentRow> = {},
): PaymentRow => ({
  ...{ id: "aa", hash: "aa", direction, state, msat: 5n, feeMsat: undefined, preimage: undefined },
  ...{ reason: undefined, ...more },
});
const counts = (
  outs: readonly PaymentRow[],
  ins: readonly PaymentRow[],
  said?: "paid" | "failed",
): Record<string, number> => {
  const books = [
    { name: "a", rows: outs },
    { name: "b", rows: ins },
  ];
  const found = reckon(books, new Map(said === undefined ? [] : [["aa", said]]));
  const { settled, failed, stuck, lost, double } = found;
  return { settled, failed, stuck: stuck.length, lost: lost.length, double: double.length };
};
const none = { settled: 0, failed: 0, stuck: 0, lost: 0, double: 0 };

describe("the books", () => {
  test.each([
    ["paid and received", { settled: 1 }, [row("out", "done")], [row("in", "done")], "paid"],
    ["failed alike", { failed: 1 }, [row("out", "failed")], [row("in", "waiting")], "failed"],
    ["never begun", {}, [], [row("in", "waiting")], undefined],
    ["under way", { stuck: 1 }, [row("out", "waiting")], [row("in", "done")], undefined],
    ["paid, not received", { lost: 1 }, [row("out", "done")], [row("in", "waiting")], undefined],
    ["received, not paid", { lost: 1 }, [row("out", "failed")], [row("in", "done")], undefined],
    ["paid twice", { double: 1 }, [row("out", "done"), row("out", "done")], [row("in", "done")], undefined],
    ["another amount", { double: 1 }, [row("out", "done")], [row("in", "done", { msat: 4n })], undefined],
    ["told and forgotten", { lost: 1 }, [], [row("in", "waiting")], "paid"],
    ["told as failed", { double: 1 }, [row("out", "done")], [row("in", "done")], "failed"],
  ] as const)("%s", (_name, expected, outs, ins, said) =>
    expect(counts(outs, ins, said)).toEqual({ ...none, ...expected }),
  );

  test("what payers pay in fees is what forwarders earn, and nobody has less", () => {
    const payer = {
      ...{ name: "a", before: 100n, after: 94n },
      rows: [row("out", "done", { feeMsat: 1n }), row("out", "failed")],
    };
    const payee = { name: "c", before: 0n, after: 5n, rows: [row("in", "done")] };
    const purses = (earned: bigint) => [
      payer,
      { name: "b", before: 7n, after: 7n + earned, rows: [] },
      payee,
    ];
    expect(misfits(purses(1n))).toEqual([]);
    expect(misfits(purses(2n))).toHaveLength(1);
    expect(misfits(purses(0n))).toHaveLength(1);
    expect(misfits(purses(-1n))).toHaveLength(2);
  });
});

test("signer and node are killed, and nothing is lost, stuck or closed", { timeout: 180_000 }, async () => {
  const { payments, kills, disconnects, notes, ...rest } = await soak({
    ...{ seconds: 8, seed: "short", keyless: 1, pace: 3 },
  });
  expect(notes).toEqual([]);
  const zero = { stuck: 0, lost: 0, double: 0, closed_unexpectedly: 0, refused: 0, broken: 0 };
  expect(rest).toEqual(zero);
  expect(payments).toBeGreaterThan(0);
  expect(kills).toBeGreaterThan(1);
  expect(disconnects).toBeGreaterThan(0);
});
