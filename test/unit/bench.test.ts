import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesOf, channelOf, digestsOf, keysOf, roundOf, sign, tasks } from "../../bench/commitments.ts";
import { openLimit } from "../../bench/limit.ts";
import { printTable } from "../../bench/print.ts";
import { median, quantile, rounded } from "../../bench/statistics.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";

const curve = await loadNative();

describe("the commitments of the bench", () => {
  const channel = channelOf(curve, "sign");
  const [first, second] = tasks(curve, channel, 20, [1, 2]);
  if (first === undefined || second === undefined) throw new RangeError("no tasks");
  const { htlcs, commitment } = digestsOf(first, keysOf(curve, channel, first));

  test("share no digest, and every HTLC has an output", () => {
    const others = digestsOf(second, keysOf(curve, channel, second));
    const all = [commitment.digest, ...htlcs, others.commitment.digest, ...others.htlcs].map(toHex);
    expect(new Set(all).size).toBe(42);
    expect(commitment.tx.outputs).toHaveLength(24);
  });

  test("are signed as the peer will verify", () => {
    const [signature, ...others] = sign(curve, channel, first, { commitment, htlcs }, true);
    const { funding } = channel.countersignatory.basepoints;
    expect(signature && curve.verify({ digest: commitment.digest, signature, key: funding })).toBe(true);
    const { countersignatoryHtlc: key } = keysOf(curve, channel, first);
    const jobs = others.map((signature, i) => ({ digest: htlcs[i] as Uint8Array, signature, key }));
    expect(curve.verifyBatch(jobs)).toEqual(Array.from({ length: 20 }, () => true));
    expect(others.every((one) => (one[0] ?? 0xff) < 0x80)).toBe(true);
  });

  test("are to the limit what they are to us, in signatures and in bytes", async ({ skip }) => {
    const limit = await openLimit();
    if ("absent" in limit) return skip(limit.absent);
    const { funding, htlc } = channel.countersignatory.secrets;
    const rounds = [roundOf(curve, channel, first), roundOf(curve, channel, second)];
    const jobs = {
      kind: "sign",
      lowR: true,
      funding: bytesOf(funding),
      htlcBase: bytesOf(htlc),
      rounds,
    } as const;
    const mixed = new Uint8Array(64);
    for (const task of [first, second]) {
      const digests = digestsOf(task, keysOf(curve, channel, task));
      for (const signature of sign(curve, channel, task, digests, true))
        for (let i = 0; i < 64; i++) mixed[i] = (mixed[i] as number) ^ (signature[i] as number);
    }
    expect((await limit.time(jobs)).xor).toBe(toHex(mixed));
    expect((await limit.time({ ...jobs, lowR: false })).xor).not.toBe(toHex(mixed));
  });
});

test("quantiles are measured values", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5);
  expect(quantile([5, 1, 4, 2, 3], 0)).toBe(1);
  expect(() => median([])).toThrow(RangeError);
  expect(rounded(1.23456)).toBe(1.23);
});

test("a table has a column for every key of any row", () => {
  const rows = [
    { name: "a", n: 1 },
    { name: "long", n: 22, extra: null },
  ];
  expect(printTable({ suite: "some", rows })).toBe("some\n\nname   n  extra\na      1\nlong  22\n");
});

describe("the command", () => {
  const bench = (...args: readonly string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, "../../bench/main.ts"), ...args], {
      encoding: "utf8",
    });

  test.each([
    [[], /which suite\?/],
    [["speed"], /no suite `speed`/],
    [["protocol", "signer"], /one suite at a time/],
    [["protocol", "--rounds", "0"], /not a number of rounds/],
    [["protocol", "--fast"], /--fast/],
  ])("%j is told what is wrong", (args, why) => {
    const { status, stdout, stderr } = bench(...args);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(why);
    expect(stderr).toContain("npm run bench -- SUITE");
  });
});
