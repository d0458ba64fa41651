import { expect, test } from "vitest";
import { SourceError, type Tip } from "../../chain/source.ts";
import { reached } from "../../cli/node/reached.ts";
import { height } from "../../protocol/units.ts";

const tip: Tip = { height: height(1), hash: new Uint8Array(32) };

const source = (answers: readonly (Tip | Error)[]) => {
  const left = [...answers];
  return {
    left,
    name: "esplora at there",
    tip: async () => {
      const next = left.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error("asked too often");
      return next;
    },
  };
};

test("a source of blocks is asked until it answers, and each reason is told once", async () => {
  const away = new SourceError("it can't be reached (ECONNREFUSED)");
  const chain = source([away, away, new SourceError("no answer within 5 ms"), tip]);
  const told: string[] = [];
  const waited: number[] = [];
  await reached({ chain, tell: (text) => told.push(text), wait: async (ms) => waited.push(ms) });
  expect(chain.left).toEqual([]);
  expect(waited).toEqual([2_000, 2_000, 2_000]);
  expect(told).toEqual([
    "No blocks of esplora at there yet, which is asked until it answers: it can't be reached (ECONNREFUSED)",
    "No blocks of esplora at there yet, which is asked until it answers: no answer within 5 ms",
  ]);
});

test("a source that answers is waited for no longer, and a fault is none of its silences", async () => {
  const never = () => expect.unreachable();
  await reached({ chain: source([tip]), tell: never, wait: never });
  await expect(
    reached({ chain: source([new TypeError("a bug")]), tell: never, wait: never }),
  ).rejects.toThrow("a bug");
});
