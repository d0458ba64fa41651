import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { channelId, point } from "../../protocol/units.ts";
import { extend } from "../../signer/audit/chain.ts";
import {
  type AuditEntry,
  type AuditRow,
  type AuditVerdict,
  genesis,
  link,
  readRecord,
  record,
  refusalLog,
  verifyAudit,
} from "../../signer/audit.ts";

const node = point(new Uint8Array(33).fill(2));
const asked = {
  host: "lnd-1",
  node,
  operation: 0x20,
  channel: channelId(7n),
  content: new Uint8Array(32).fill(9),
};

/** Changing one of these, or its bytes in the frozen file, breaks every log that exists. */
const entries: Readonly<Record<string, AuditEntry>> = {
  start: { kind: "start", time: 1_700_000_000_000, detail: "countersign 0.1.0, epoch 1" },
  decision: { kind: "decision", time: 1_700_000_000_001, outcome: "reply", ...asked },
  fault: { kind: "decision", time: 1_700_000_000_002, outcome: "fault", ...asked, channel: unknown },
  refusals: {
    kind: "refusals",
    time: 1_700_000_000_003,
    rule: "commitment-previous-revoked",
    count: 12,
    ...asked,
  },
  overflow: {
    kind: "refusals",
    time: 1_700_000_000_004,
    host: "lnd-1",
    node: unknown,
    operation: unknown,
    channel: unknown,
    content: unknown,
    rule: "",
    count: 0xffff_ffff,
  },
  admin: { kind: "admin", time: 1_700_000_000_005, detail: "policy changed: größer" },
  stop: { kind: "stop", time: 0xffff_ffff_ffff, detail: "" },
};

describe("the record", () => {
  const path = new URL("../frozen/audit-v1.json", import.meta.url);
  const frozen = JSON.parse(readFileSync(path, "utf8")) as {
    store: string;
    genesis: string;
    records: readonly { name: string; bytes: string; hash: string }[];
  };

  test("version 1 keeps its bytes and its hashes", () => {
    const start = genesis(fromHex(frozen.store));
    expect(toHex(start)).toBe(frozen.genesis);
    const packed = Object.entries(entries).map(([name, entry]) => ({ name, bytes: record(entry) }));
    const rows = extend(
      { sequence: 0, hash: start },
      packed.map(({ bytes }) => bytes),
    );
    const now = packed.map(({ name, bytes }, i) => ({
      name,
      bytes: toHex(bytes),
      hash: toHex(rows[i]?.hash ?? start),
    }));
    expect(now).toEqual(frozen.records);
  });

  test("is read back as it was written", () => {
    for (const entry of Object.values(entries)) {
      const read = readRecord(record(entry));
      expect(read).toMatchObject({ ...entry, time: BigInt(entry.time), version: 1 });
    }
    expect(readRecord(record({ kind: "refusals", time: 0, ...asked, rule: "r", count: 2 })).outcome).toBe(
      "refusal",
    );
  });

  test("of another version, cut or prolonged is Malformed", () => {
    const bytes = record({ kind: "decision", time: 1, outcome: "reply", ...asked });
    const other = bytes.slice();
    other[0] = 2;
    expect(() => readRecord(other)).toThrow(/version.*2 is not known/);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readRecord(bytes.subarray(0, length))).toThrow(Malformed);
    }
    expect(() => readRecord(Uint8Array.of(...bytes, 0))).toThrow(Malformed);
  });
});

const start = genesis(new Uint8Array(32).fill(1));
const count = 9;
const packed = Array.from({ length: count }, (_, i) =>
  record({ kind: "admin", time: i, detail: `change ${i}` }),
);
const rows = extend({ sequence: 0, hash: start }, packed);
const head = rows.at(-1) ?? { sequence: 0, hash: start };
const forged = record({ kind: "admin", time: 99, detail: "nothing happened" });

const verdict = (tampered: readonly AuditRow[]): AuditVerdict =>
  verifyAudit({ genesis: start, head, rows: tampered });
/** What a forger does who knows that records are numbered. */
const numbered = (list: readonly AuditRow[]): readonly AuditRow[] =>
  list.map((row, i) => ({ ...row, sequence: i + 1 }));
const place = (n: number): AuditRow => rows[n - 1] as AuditRow;
const places = Array.from({ length: count }, (_, i) => i + 1);

describe("the chain", () => {
  test("is whole when nobody touched it, and an empty one too", () => {
    expect(verdict(rows)).toEqual({ is: "whole", records: count });
    const empty = { sequence: 0, hash: start };
    expect(verifyAudit({ genesis: start, head: empty, rows: [] })).toEqual({ is: "whole", records: 0 });
  });

  test("each hash covers the one before it, the number and every byte", () => {
    const first = link(start, 1, forged);
    expect(toHex(link(rows[0]?.hash ?? start, 1, forged))).not.toBe(toHex(first));
    expect(toHex(link(start, 2, forged))).not.toBe(toHex(first));
    expect(toHex(link(start, 1 + 2 ** 32, forged))).not.toBe(toHex(first));
    expect(toHex(link(start, 1, forged.subarray(1)))).not.toBe(toHex(first));
  });

  test.each(places)("without record %i", (n) => {
    const cut = rows.filter((row) => row.sequence !== n);
    expect(verdict(cut)).toMatchObject({ is: "broken", what: "missing", sequence: n });
    expect(verdict(numbered(cut))).toMatchObject({ is: "broken", what: "missing", sequence: n });
  });

  test("without several records", () => {
    const cut = rows.filter(({ sequence }) => sequence < 3 || sequence > 5);
    const where = { is: "broken", what: "missing", sequence: 3, sentence: /records 3 to 5 are missing/ };
    for (const tampered of [cut, numbered(cut)]) {
      expect(verdict(tampered)).toMatchObject({ ...where, sentence: expect.stringMatching(where.sentence) });
    }
  });

  test.each(places)("cut off behind record %i, or before it", (n) => {
    if (n < count) {
      expect(verdict(rows.slice(0, n))).toMatchObject({ is: "broken", what: "missing", sequence: n + 1 });
    }
    if (n > 1) expect(verdict(rows.slice(n - 1))).toMatchObject({ what: "missing", sequence: 1 });
    expect(verdict([])).toMatchObject({ is: "broken", what: "missing", sequence: 1 });
  });

  test.each(places)("with record %i changed", (n) => {
    const bytes = place(n).bytes.slice();
    for (let i = 0; i < bytes.length; i++) {
      const bent = bytes.slice();
      bent[i] = (bent[i] ?? 0) ^ 1;
      const tampered = rows.with(n - 1, { ...place(n), bytes: bent });
      expect(verdict(tampered)).toMatchObject({ is: "broken", what: "changed", sequence: n });
    }
    const tampered = rows.with(n - 1, { ...place(n), hash: new Uint8Array(32) });
    expect(verdict(tampered)).toMatchObject({ is: "broken", what: "changed", sequence: n });
  });

  test.each(places)("with record %i changed and hashed anew", (n) => {
    const hash = link(n === 1 ? start : place(n - 1).hash, n, forged);
    const found = verdict(rows.with(n - 1, { sequence: n, bytes: forged, hash }));
    if (n < count) expect(found).toMatchObject({ is: "broken", what: "changed", sequence: n + 1 });
    else expect(found).toMatchObject({ is: "broken", what: "head", sequence: n });
  });

  test("with everything from a record on hashed anew: the head gives it away", () => {
    const anew = extend(place(4), [forged, ...packed.slice(5)]);
    expect(verdict([...rows.slice(0, 4), ...anew])).toMatchObject({ what: "head", sequence: count });
  });

  const pairs = places.flatMap((a) => places.filter((b) => b > a).map((b) => [a, b] as const));
  test("with any two records swapped", () => {
    for (const [a, b] of pairs) {
      const swapped = rows.with(a - 1, place(b)).with(b - 1, place(a));
      const expected = { is: "broken", what: "reordered", sequence: a };
      expect(verdict(numbered(swapped))).toMatchObject(expected);
      const bytesAlone = rows
        .with(a - 1, { ...place(a), bytes: place(b).bytes })
        .with(b - 1, { ...place(b), bytes: place(a).bytes });
      expect(verdict(bytesAlone)).toMatchObject(expected);
      // With their own numbers the later one comes first: a gap, which is where the order broke.
      expect(verdict(swapped)).toMatchObject({ is: "broken", sequence: a });
    }
  });

  test("with any record moved back", () => {
    for (const [a, b] of pairs) {
      const rest = rows.filter(({ sequence }) => sequence !== a);
      const moved = numbered(rest.toSpliced(b - 1, 0, place(a)));
      expect(verdict(moved)).toMatchObject({ is: "broken", what: "reordered", sequence: a });
    }
  });

  test.each([...places, count + 1])("with a forged record in place %i", (n) => {
    const before = n === 1 ? start : place(n - 1).hash;
    for (const hash of [new Uint8Array(32), link(before, n, forged)]) {
      const tampered = numbered(rows.toSpliced(n - 1, 0, { sequence: n, bytes: forged, hash }));
      expect(verdict(tampered)).toMatchObject({ is: "broken", what: "inserted", sequence: n });
    }
  });

  test("of another store", () => {
    const other = genesis(new Uint8Array(32).fill(2));
    expect(verifyAudit({ genesis: other, head, rows })).toMatchObject({ what: "changed", sequence: 1 });
  });
});

describe("refusals", () => {
  const limits = { limitPerHost: 4, window: 60_000, pending: 6, flushAfter: 1000 };
  const refused = { ...asked, rule: "commitment-previous-revoked", time: 0 };
  const read = (packed: readonly Uint8Array[]) => packed.map(readRecord);

  test("identical ones are one record with a count", () => {
    const log = refusalLog(limits);
    for (let i = 0; i < 1000; i++) log.note({ ...refused, time: i, content: new Uint8Array(32).fill(i) });
    const records = read(log.drain(1000));
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ ...refused, time: 0n, count: 1000, content: new Uint8Array(32) });
    expect(log.drain(1000)).toEqual([]);
  });

  test("another node, channel, rule, operation or host is another record", () => {
    const log = refusalLog({ ...limits, limitPerHost: 100, pending: 100 });
    const others = [
      { node: point(new Uint8Array(33).fill(3)) },
      { node: unknown },
      { channel: channelId(8n) },
      { channel: unknown },
      { rule: "other" },
      { operation: 0x21 },
      { operation: unknown },
      { host: "lnd-2" },
    ] as const;
    log.note(refused);
    for (const other of others) log.note({ ...refused, ...other });
    log.note(refused);
    const records = read(log.drain(0));
    expect(records.map(({ count }) => count)).toEqual([2, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test("a host that makes up channels gets its records and one counter a window, however often they are drained", () => {
    const log = refusalLog(limits);
    let written = 0;
    let told = 0;
    const noted = 100_000;
    for (let i = 0; i < noted; i++) {
      const time = Math.floor((i / noted) * 10 * limits.window);
      log.note({ ...refused, time, channel: channelId(BigInt(i)) });
      for (const { count } of read(log.drain(time))) {
        written += 1;
        told += count;
      }
    }
    for (const { count } of read(log.drain(10 * limits.window, "last"))) {
      written += 1;
      told += count;
    }
    expect(told).toBe(noted);
    expect(written).toBe(10 * (limits.limitPerHost + 1));
  });

  test("a flood by one host leaves room for another", () => {
    const log = refusalLog(limits);
    for (let i = 0; i < 50; i++) log.note({ ...refused, channel: channelId(BigInt(i)) });
    log.note({ ...refused, host: "lnd-2" });
    const records = read(log.drain(0, "last"));
    expect(records.filter(({ host }) => host === "lnd-2")).toMatchObject([{ count: 1, rule: refused.rule }]);
    const overflow = {
      host: "lnd-1",
      rule: "",
      count: 46,
      node: unknown,
      channel: unknown,
      operation: unknown,
    };
    expect(records.at(-1)).toMatchObject(overflow);
    expect(records).toHaveLength(limits.limitPerHost + 2);
  });

  test("they are due when many wait, when the oldest has waited long, and when a window with overflow is over", () => {
    const log = refusalLog(limits);
    expect(log.due(10 ** 12)).toBe(false);
    log.note(refused);
    expect(log.due(999)).toBe(false);
    expect(log.due(1000)).toBe(true);
    log.drain(1000);
    expect(log.due(10 ** 12)).toBe(false);

    for (let i = 0; i < 6; i++) log.note({ ...refused, host: `lnd-${i}`, time: 2000 });
    expect(log.due(2000)).toBe(true);
    log.note({ ...refused, host: "lnd-7", time: 2000 });
    expect(read(log.drain(2000))).toHaveLength(6);
    expect(log.due(limits.window - 1)).toBe(false);
    expect(log.due(limits.window)).toBe(true);
    expect(read(log.drain(limits.window))).toMatchObject([{ host: "lnd-7", rule: "", count: 1 }]);
    expect(log.due(limits.window)).toBe(false);
  });

  test("a clock set back silences nobody", () => {
    const log = refusalLog(limits);
    const late = 100 * limits.window;
    for (let i = 0; i < 10; i++) log.note({ ...refused, time: late, channel: channelId(BigInt(i)) });
    log.drain(late);
    log.note({ ...refused, time: 5 });
    expect(read(log.drain(5)).map(({ rule, count }) => [rule, count])).toEqual([
      [refused.rule, 1],
      ["", 6],
    ]);
  });
});
