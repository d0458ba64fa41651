import { describe, expect, test } from "vitest";
import { Secret } from "../../protocol/secret.ts";
import { type Level, type Line, type Log, lines, openLog } from "../../signer/log.ts";

const captured = (level: Level = "debug") => {
  const out: string[] = [];
  const log = openLog({ level, to: { write: (text) => void out.push(text) } });
  return { log, read: () => out.map((text) => JSON.parse(text)) };
};

const malformed: Line = { event: "malformed", host: "h", path: "htlcs[3].amount", reason: "too large" };

describe("the log", () => {
  test("writes a line of JSON with the event, its sentence and the declared fields", () => {
    const { log, read } = captured();
    log.write({
      event: "refused",
      host: "h",
      operation: "new",
      channel: 7n,
      rule: "funding-max",
      final: false,
    });
    const [{ time, ...line }] = read();
    expect(line).toEqual({
      level: "warn",
      event: "refused",
      host: "h",
      operation: "new",
      channel: "7",
      rule: "funding-max",
      final: false,
      sentence: "A rule said no.",
    });
    expect(Date.parse(time)).toBeGreaterThan(Date.parse("2026-01-01"));
  });

  test("leaves out what is below its level", () => {
    const { log, read } = captured("error");
    log.write(malformed);
    log.write({ event: "fault", code: "store", where: "commit" });
    expect(read().map(({ event }) => event)).toEqual(["fault"]);
  });

  test("knows no other event and no other field: these lines do not compile", () => {
    const { log } = captured();
    const secret = new Secret(new Uint8Array(32));
    const never = (): void => {
      // @ts-expect-error an event that is not declared
      log.write({ event: "key-loaded" });
      // @ts-expect-error a field that is not declared
      log.write({ event: "fault", code: "store", where: "x", key: "00" });
      // @ts-expect-error a Secret is no text
      log.write({ event: "fault", code: "store", where: secret });
      // @ts-expect-error bytes are no text
      log.write({ event: "fault", code: "store", where: new Uint8Array(32) });
      // @ts-expect-error a field is missing
      log.write({ event: "fault", code: "store" });
    };
    expect(never).toBeTypeOf("function");
  });

  test("passes nothing at run time that the types were talked out of", () => {
    const { log, read } = captured();
    const bytes = new Uint8Array(32).fill(0x42);
    const smuggled: Record<string, unknown> = {
      event: "fault",
      code: new Secret(bytes),
      where: bytes,
      key: "4242",
      err: new Error("4242"),
    };
    log.write(smuggled as unknown as Line);
    const [{ time: _, ...line }] = read();
    expect(line).toEqual({
      level: "error",
      event: "fault",
      code: "[redacted]",
      where: "[redacted]",
      sentence: lines.fault.sentence,
    });
  });

  test.each(Object.keys(lines) as (keyof typeof lines)[])(
    "%s redacts a secret in each of its fields",
    (event) => {
      const { log, read } = captured();
      const { fields } = lines[event];
      const secret = new Secret(new Uint8Array(32).fill(0x42));
      const all = Object.fromEntries(Object.keys(fields).map((name) => [name, secret]));
      log.write({ event, ...all } as unknown as Line);
      const [line] = read();
      for (const name of Object.keys(fields)) expect(line[name]).toBe("[redacted]");
      expect(JSON.stringify(line)).not.toMatch(/4242|66,66/);
    },
  );

  test("a long text is cut, and a line break cannot forge a line", () => {
    const { log, read } = captured();
    log.write({ ...malformed, reason: `a\n{"event":"fault"}${"x".repeat(10_000)}` });
    const all = read();
    expect(all).toHaveLength(1);
    expect(all[0].reason).toHaveLength(512);
  });

  test("no field takes the name of one that every line has", () => {
    const names = Object.values(lines).flatMap(({ fields }) => Object.keys(fields));
    expect(names.filter((name) => ["time", "level", "event", "sentence"].includes(name))).toEqual([]);
  });

  test("every event has a sentence, and every sentence an end", () => {
    for (const { sentence } of Object.values(lines)) expect(sentence).toMatch(/^[A-Z].*\.$/);
    const closed: Log = captured().log;
    expect(() => closed.close()).not.toThrow();
  });
});
