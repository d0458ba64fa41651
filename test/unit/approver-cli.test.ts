/** What an approver's machine reads, and what it shows. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerOf, parsePaper, parseSigned, type Signed } from "../../cli/approver/papers.ts";
import { questionText } from "../../cli/approver/text.ts";
import { answersIn } from "../../cli/device/gathered.ts";
import { plain } from "../../cli/json.ts";
import { toHex } from "../../protocol/bytes.ts";
import { type DeviceQuestion, statementBytes, type Verdict } from "../../protocol/device/limits.ts";
import type { NodeId } from "../../protocol/units.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type Approver, approver } from "../scripted/approvers.ts";
import { sat } from "../scripted/device-setting.ts";
import { curve } from "../scripted/road.ts";
import { attack } from "../scripted/tally.ts";
import { steady } from "../steady.ts";
import { alice } from "../unit/bolt12-messages.ts";

const paperOf = (shown: readonly { name: string; value: string }[], changes: object = {}) => ({
  ...{ schema: 1, is: "questions", node: `02${"11".repeat(32)}`, mark: "00".repeat(16) },
  questions: [{ id: "00".repeat(32), subject: "payment", amount: "1", shown, asked: "1" }],
  ...changes,
});
const questionWith = (name: string, value: string): DeviceQuestion => ({
  ...{ id: new Uint8Array(32), subject: "payment", amount: sat(5_000_000), asked: 1n },
  shown: [{ name, value }],
});
/** As a terminal breaks the lines that are longer than it is wide. */
const rowsOn = (columns: number, text: string): readonly string[] =>
  text.split("\n").flatMap((line) => {
    const rows = [""];
    let used = 0;
    for (const one of line) {
      used += (one.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
      if (used > columns) {
        rows.push("");
        used = 1;
      }
      rows[rows.length - 1] += one;
    }
    return rows;
  });

describe("an approver's machine", () => {
  const paper = (shown: { name: string; value: string }) => JSON.stringify(paperOf([shown]));

  test("refuses a file, by name, that holds what nobody can sign", async () => {
    for (const [what, shown] of [
      ["a text that is longer in bytes than in letters", { name: "x", value: "\u20ac".repeat(256) }],
      ["a name that is", { name: "\u20ac".repeat(64), value: "x" }],
      ["half a character", { name: "x", value: "\ud800" }],
    ] as const)
      await attack(what, () => {
        expect(() => parsePaper(paper(shown), "a stranger's file")).toThrow("a stranger's file");
      });
  });

  test("shows an approver no row that its writer drew", () => {
    const words = `coffee"${" ".repeat(59)}in all       0.00000001 BTC${" ".repeat(53)}`;
    const rows = rowsOn(80, questionText(questionWith("description", words)));
    expect(words.length).toBeLessThan(256);
    return attack("a second amount on a terminal of 80 columns", () => {
      expect(rows.filter((row) => row.startsWith("in all"))).toHaveLength(1);
    });
  });

  test("shows on a narrow terminal, and of wide letters, no row that its writer drew", () => {
    const own = ["to", "in all", "asked", "id"];
    const fills = ["x", "家", "\u3164", "\u00a0", "\u2800", "\u202e", "\n", "e\u0301"];
    for (const columns of [40, 60, 80, 120])
      for (const fill of fills)
        for (let n = 0; n < 120; n++) {
          const value = `${n % 2 === 0 ? "" : "x"}${fill.repeat(n / 2)}in all 0.00000001 BTC`;
          const rows = rowsOn(columns, questionText(questionWith("description", value), columns));
          // The 64 digits of the id are ours, and may take two rows.
          const odd = rows.filter((row) => own.some((label) => row.startsWith(label)));
          expect(odd).toHaveLength(own.length);
        }
  });

  test("takes no name of a stranger's for a row of its own", () => {
    expect(questionText(questionWith("in all  ", "0.00000001 BTC"))).toMatch(
      /^also +> in all\\\{2 blanks\}: 0\.00000001 BTC$/m,
    );
    expect(questionText(questionWith("x".repeat(64), "1"))).toMatch(/^also +> x{64}: 1$/m);
    expect(questionText(questionWith("description", ""))).toMatch(/^description +>$/m);
  });

  test("shows what nobody sees, or what covers other lines, by its number", () => {
    for (const blank of [
      "\u3164",
      "\u00a0",
      "\u2800",
      "\u2003",
      "\u3000",
      "\u115f",
      "\uffa0",
      "\u034f",
      "\ufe00",
    ])
      expect(plain(`a${blank}b`)).toBe(`a\\u{${blank.charCodeAt(0).toString(16)}}b`);
    expect(plain(`a${"\u0301".repeat(4)}b`)).toBe("a\u0301\u0301\\u{301}\\u{301}b");
    expect(plain("Miete für März, हिन्दी, שָׁלוֹם")).toBe("Miete für März, हिन्दी, שָׁלוֹם");
  });

  test("can sign whatever it reads, and reads nothing else", () => {
    let read = 0;
    const word = fc.oneof(fc.string({ unit: "binary", maxLength: 70 }), fc.string({ maxLength: 300 }));
    const odd = fc.oneof(
      ...[fc.anything(), fc.string(), fc.constantFrom("1", "0", "-1", "1e3", "99999999999999999999")],
      fc.string({ unit: "binary", maxLength: 70 }).map((text) => `${text}\ud800`),
    );
    const question = fc.record({
      id: fc.oneof({ weight: 50, arbitrary: fc.constant("00".repeat(32)) }, odd),
      subject: fc.oneof({ weight: 50, arbitrary: fc.constantFrom("payment", "outputs") }, odd),
      amount: fc.oneof({ weight: 50, arbitrary: fc.maxSafeNat().map(String) }, odd),
      shown: fc.array(fc.record({ name: word, value: fc.oneof({ weight: 50, arbitrary: word }, odd) })),
      asked: fc.oneof({ weight: 50, arbitrary: fc.nat().map(String) }, odd),
    });
    const whole = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.array(question, { maxLength: 3 }).map((questions) => paperOf([], { questions })),
      },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.string(), odd).map(([name, value]) => paperOf([], { [name]: value })),
      },
      { weight: 1, arbitrary: fc.anything() },
    );
    const property = fc.property(whole, (value) => {
      const text = JSON.stringify(value, (_, one) => (typeof one === "bigint" ? String(one) : one)) ?? "";
      for (const parse of [parsePaper, parseSigned])
        try {
          const paper = parse(text, "a file");
          if (paper.is !== "questions") continue;
          for (const one of paper.questions) {
            read++;
            expect(() => statementBytes(answerOf(paper, one, "approve"))).not.toThrow();
            expect(questionText(one)).toMatch(/^to /);
          }
        } catch (error) {
          if (!(error instanceof SetupError)) throw error;
          expect(error.message).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        }
    });
    steady(property, { numRuns: 200 });
    expect(read).toBeGreaterThan(20);
  });

  test("names what is wrong without a word to the terminal", () => {
    const text = JSON.stringify(paperOf([], { "\u001b[2Jnothing is wrong": 1 }));
    expect(() => parsePaper(text, "a file")).toThrow(/Unrecognized.*\\u\{1b\}/);
  });
});

describe("what several approvers signed", () => {
  const [mine, ...others] = [1, 2, 3, 4, 5, 6, 7, 8].map(approver) as [Approver, ...Approver[]];
  const id = new Uint8Array(32);
  const node = curve.publicKey(alice) as NodeId;
  const said = (key: Uint8Array, n: number, verdict: Verdict = "approve") =>
    ({ id, verdict, key, signature: new Uint8Array(64).fill(n) }) as const;
  const file = (...answers: ReturnType<typeof said>[]): Signed => ({
    ...{ schema: 1, is: "signed", node, limits: [] },
    answers,
  });

  test("is whole, whatever one of them repeats", () => {
    const [answer] = answersIn([
      file(...Array.from({ length: 9 }, () => said(mine.key, 1))),
      ...others.map(({ key }) => file(said(key, 2))),
    ]);
    return attack("one word nine times", () => {
      expect(answer?.signatures.map(({ key }) => toHex(key))).toEqual(
        [mine, ...others].map(({ key }) => toHex(key)),
      );
    });
  });

  test("is whole, whatever one of them says in the others' names", () => {
    const made = [mine, ...others].map(({ key }) => said(key, 1));
    const many = [2, 3, 4, 5, 6, 7, 8, 9].map((n) => said(mine.key, n));
    const isGood = (_: unknown, { signature }: { readonly signature: Uint8Array }) => signature[0] !== 1;
    const [answer] = answersIn(
      [file(...made, ...many), ...others.map(({ key }) => file(said(key, 2)))],
      isGood,
    );
    return attack("words that they never said, and eight of its own", () => {
      expect(answer?.signatures.map(({ key }) => toHex(key))).toEqual(
        [mine, ...others].map(({ key }) => toHex(key)),
      );
      expect(answer?.signatures.every((one) => isGood(id, one))).toBe(true);
    });
  });

  test("has a place for each key before any has a second", () => {
    const many = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => said(mine.key, n));
    const [answer] = answersIn([file(...many), ...others.map(({ key }) => file(said(key, 2)))]);
    expect(new Set(answer?.signatures.map(({ key }) => toHex(key))).size).toBe(8);
  });

  test("is brought with what says no first", () => {
    const verdicts = answersIn([file(said(mine.key, 1), said(mine.key, 2, "deny"))]);
    expect(verdicts.map(({ verdict, signatures }) => [verdict, signatures.length])).toEqual([
      ["deny", 1],
      ["approve", 1],
    ]);
  });
});

test("what one approver repeats crowds out nobody else's word", () => {
  const [mine, other] = [approver(1), approver(2)];
  const id = new Uint8Array(32);
  const said = (by: Approver) =>
    ({ id, verdict: "approve", key: by.key, signature: new Uint8Array(64) }) as const;
  const file = (answers: ReturnType<typeof said>[]): Signed => ({
    ...{ schema: 1, is: "signed", node: curve.publicKey(alice) as NodeId, limits: [] },
    answers,
  });
  const [answer] = answersIn([file(Array.from({ length: 9 }, () => said(mine))), file([said(other)])]);
  return attack("more signatures than a request may have", () => {
    expect(answer?.signatures.length).toBeLessThanOrEqual(8);
    expect(answer?.signatures.map(({ key }) => toHex(key))).toContain(toHex(other.key));
  });
});
