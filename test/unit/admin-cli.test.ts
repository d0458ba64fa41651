/** What the commands print, and how they read what a person types. */

import { describe, expect, test } from "vitest";
import { approvalsText, chosen } from "../../cli/approvals.ts";
import { explainedText } from "../../cli/explain.ts";
import { plain, toJson } from "../../cli/json.ts";
import { parseRequest } from "../../cli/request.ts";
import { statusText } from "../../cli/status.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { ListedApproval } from "../../protocol/operations/admin.ts";
import { type Name, namesOf, packRequest, type Reply } from "../../protocol/operations/index.ts";
import { requestShape } from "../../protocol/operations/shapes.ts";
import { msat, point } from "../../protocol/units.ts";
import { exampleOf, readable } from "../frozen/example.ts";

const node = point(new Uint8Array(33).fill(2));

const approval = (id: string, changes: Partial<ListedApproval> = {}): ListedApproval => ({
  id: fromHex(id.padEnd(64, "0")),
  subject: "payment",
  standing: "pending",
  amount: msat(60_000_500n),
  shown: [{ name: "description", value: "tea" }],
  asked: 1_700_000_000n,
  until: 1_700_086_400n,
  by: "",
  ...changes,
});

describe("an approval's id", () => {
  const approvals = [approval("aabb"), approval("aacc"), approval("bb", { standing: "expired" })];

  test("may be given by its beginning, as far as no other begins so", () => {
    expect(toHex(chosen("aab", { approvals, more: 0 }))).toMatch(/^aabb0/);
    expect(toHex(chosen("b", { approvals, more: 0 }))).toMatch(/^bb0/);
    expect(() => chosen("aa", { approvals, more: 0 })).toThrow(/2 approvals begin with aa/);
    expect(() => chosen("cc", { approvals, more: 0 })).toThrow(/no approval begins/);
  });

  test("has to be given whole where not all are listed", () => {
    expect(() => chosen("aab", { approvals, more: 1 })).toThrow(/whole id/);
  });
});

describe("what strangers wrote", () => {
  const hostile = "tea\u001b[2K\u001b[1A approved\r\n\u202eevil\u0085\u2028\u{e0041}\u200b";

  test("shows as one line, without a single control or formatting character", () => {
    const shown = plain(hostile);
    expect(shown).toBe(
      "tea\\u{1b}[2K\\u{1b}[1A approved\\u{d}\\u{a}\\u{202e}evil\\u{85}\\u{2028}\\u{e0041}\\u{200b}",
    );
    expect(plain("Miete für März, 家賃 ☕")).toBe("Miete für März, 家賃 ☕");
  });

  test("cannot write over the list of approvals, the status or an explanation", () => {
    const shown = [{ name: "description", value: hostile }];
    const explained: Reply<"explain"> = {
      verdict: "refused",
      rule: "node-known",
      final: true,
      sentence: hostile,
      facts: shown,
      hint: hostile,
      applied: [hostile],
    };
    const status: Reply<"status"> = {
      network: "regtest",
      tier: "full",
      software: hostile,
      curve: hostile,
      constantTime: true,
      channels: 0,
      pending: 0,
      windows: [],
      chain: { followed: false, height: "unknown" },
      alarms: [hostile],
      fault: hostile,
    };
    const texts = [
      approvalsText([approval("aa", { shown, by: hostile, standing: "approved" })], 0),
      explainedText(explained),
      statusText(status),
    ];
    for (const text of texts) expect(text).not.toMatch(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/u);
  });

  test("amounts and times are readable, the whole id is there, and so is what is not listed", () => {
    const text = approvalsText([approval("aabb", { standing: "approved", by: "alice" })], 3);
    expect(text).toMatch(/^id +for +at most +until +by\n/);
    expect(text).toMatch(/aabb0{12} +payment +approved +60,000\.500 sat +2023-11-15T22:13:20Z +alice/);
    expect(text).toContain(`id aabb${"0".repeat(60)}`);
    expect(text).toContain("... and 3 more");
    expect(approvalsText([], 0)).toBe("Nothing waits for a person.");
  });
});

describe("a request as JSON", () => {
  const written = (name: Name): Record<string, unknown> => ({
    operation: name,
    ...(readable(exampleOf(requestShape(name))) as object),
  });

  test.each(namesOf("host"))("%s is what a host would send", (name) => {
    const expected = packRequest(name, exampleOf(requestShape(name)) as never);
    expect(toHex(parseRequest(JSON.stringify(written(name)), node))).toBe(toHex(expected));
    expect(toHex(parseRequest(` ${toHex(expected)}\n`, node))).toBe(toHex(expected));
  });

  test("may leave out the node, and nothing else", () => {
    const { node: _, ...rest } = written("points");
    const body = { ...(exampleOf(requestShape("points")) as object), node };
    expect(toHex(parseRequest(JSON.stringify(rest), node))).toBe(toHex(packRequest("points", body as never)));
    const { numbers: __, ...less } = rest;
    expect(() => parseRequest(JSON.stringify(less), node)).toThrow(Malformed);
  });

  test.each([
    ["{", ""],
    ["[]", ""],
    ["{}", "operation"],
    ['{"operation":"status"}', "operation"],
    ['{"operation":"points","channel":-1,"numbers":[]}', "channel"],
    ['{"operation":"points","channel":1.5,"numbers":[]}', "channel"],
    ['{"operation":"points","channel":"18446744073709551616","numbers":[]}', "channel"],
    ['{"operation":"points","channel":1,"numbers":[1,2,"281474976710656"]}', "numbers.2"],
    ['{"operation":"points","channel":1,"numbers":[],"more":1}', ""],
    ['{"operation":"ecdh","point":"00"}', "point"],
    ['{"operation":"ecdh","point":"AB"}', "point"],
  ])("%s is malformed", (text, path) => {
    let error: unknown;
    try {
      parseRequest(text, node);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Malformed);
    expect((error as Malformed).path).toBe(path);
  });

  test("printed, has bytes in hexadecimal and large numbers as strings", () => {
    expect(toJson({ a: Uint8Array.of(1, 0xff), b: [1n << 60n], c: { d: true } })).toBe(
      '{"a":"01ff","b":["1152921504606846976"],"c":{"d":true}}',
    );
  });
});
