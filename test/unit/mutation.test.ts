import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { equivalents, isEquivalent, outdated } from "../mutation/equivalent.ts";
import { graphOf, suitesFor } from "../mutation/graph.ts";
import { applied, mutantsOf } from "../mutation/mutants.ts";
import { scoreOf, tableOf } from "../mutation/report.ts";
import { importsOf, parse } from "../mutation/syntax.ts";
import { typed } from "../mutation/typed.ts";

const root = join(import.meta.dirname, "../..");

/** What a text becomes, each mutant in turn. */
const texts = (text: string): readonly string[] =>
  mutantsOf("a.ts", text).map((mutant) => applied(text, mutant));

describe("the mutator", () => {
  test.each([
    ["a boundary", "x = a < b;", ["x = (a <= b);", "x = (a >= b);"]],
    ["an equality", "x = a === b;", ["x = (a !== b);"]],
    ["a condition", "if (a) b();", ["if (!(a)) b();", ";"]],
    ["a logical operator", "x = a && b;", ["x = (a || b);", "x = a;", "x = b;"]],
    ["one that falls back", "x = a ?? b;", ["x = a;", "x = b;"]],
    ["arithmetic", "x = a + b;", ["x = (a - b);"]],
    ["a factor", "x = a * b;", ["x = (a / b);"]],
    ["a negation", "x = !a;", ["x = a;"]],
    ["a boolean", "x = true;", ["x = false;"]],
    ["a number", "x = 1_000;", ["x = 1001;", "x = (999);"]],
    ["a bigint", "x = 1_000n;", ["x = 1001n;", "x = (999n);"]],
    ["a side", 'x = "holder";', ['x = "counterparty";']],
    ["a quantifier", "x = a.some(b);", ["x = a.every(b);"]],
    ["an extreme", "x = max(a, b);", ["x = min(a, b);"]],
    ["a filter", "x = a.filter(b);", ["x = a;"]],
    ["a list", "x = [a, b];", ["x = [ b];", "x = [a, ];"]],
    ["a spread", "x = { ...a, b };", ["x = {  b };"]],
    ["a result", "const f = (a) => { return a; };", ["const f = (a) => { return undefined; };"]],
  ])("breaks %s", (_, text, expected) => {
    expect(texts(text)).toEqual(expect.arrayContaining(expected));
  });

  test.each([
    ["types", "type A = { readonly a: 1 | 2 }; interface B { b: true }"],
    ["imports", 'import { a } from "holder";'],
    ["keys", 'x = { "holder": a, 1: b };'],
    ["annotations", "const f: (a: 1) => true = g;"],
  ])("leaves %s alone", (_, text) => {
    expect(texts(text).filter((one) => /\b(2|0|3|false|counterparty)\b/.test(one))).toEqual([]);
  });

  test("keeps to what the words mean where operators bind differently", () => {
    // Were `a - b` not in parentheses, the whole would be `a - b * c` with another value.
    expect(texts("x = (a, b) => a * (b + c);")).toContain("x = (a, b) => a * ((b - c));");
    expect(texts("x = a || b && c;")).toContain("x = (a && b && c);");
  });

  const files = globSync("signer/core/**/*.ts", { cwd: root });

  test("makes of the core mutants that parse, differ from it and from each other", () => {
    expect(files.length).toBeGreaterThan(15);
    let count = 0;
    for (const path of files) {
      const text = readFileSync(join(root, path), "utf8");
      const mutants = mutantsOf(path, text);
      const made = mutants.map((mutant) => applied(text, mutant));
      expect(new Set([text, ...made]).size).toBe(made.length + 1);
      for (const one of made.filter((_, at) => at % 7 === 0)) expect(() => parse(one)).not.toThrow();
      for (const { line, source } of mutants)
        expect(text.split("\n")[line - 1]?.replace(/\s+/g, " ").trim()).toBe(source);
      count += made.length;
    }
    expect(count).toBeGreaterThan(1_000);
  });
});

describe("mutants that do not compile", () => {
  test("are left out, the others are not", async () => {
    const path = "protocol/made-up.ts";
    const text =
      'import { sat, type Sat } from "./units.ts";\nexport const f = (a: Sat | undefined): Sat => a ?? sat(0n);\n';
    const changes = (await typed({ root, mutants: mutantsOf(path, text), textOf: () => text })).map(
      ({ change }) => change,
    );
    expect(changes).toContain("0n => 1n");
    expect(changes).toContain("a ?? sat(0n) => sat(0n)");
    expect(changes).not.toContain("a ?? sat(0n) => a");
    expect(changes).not.toContain("a ?? sat(0n) => undefined");
  }, 60_000);
});

describe("the tests that could notice", () => {
  const graph = graphOf(root);

  test("are those that stand on the source when it runs", () => {
    const suites = suitesFor(root, graph, ["signer/core/rules/order.ts"]);
    expect(suites).toContain("test/unit/rules.test.ts");
    expect(suites).toContain("test/redteam/revocation.test.ts");
    expect(suites).not.toContain("test/unit/codec.test.ts");
  });

  test("start no process of their own, which would load the source as it is on disk", () => {
    const paths = ["signer/core/policy.ts"];
    expect(graph.reached("test/unit/init.test.ts").has(paths[0] ?? "")).toBe(true);
    expect(suitesFor(root, graph, paths)).not.toContain("test/unit/init.test.ts");
  });

  test("types alone are no reason", () => {
    expect(
      importsOf('import type { A } from "./a.ts";\nimport { b } from "./b.ts";\nexport { c } from "c";'),
    ).toEqual(["./b.ts", "c"]);
  });
});

describe("the report", () => {
  const [mutant] = mutantsOf("a.ts", "x = a === b;");
  if (mutant === undefined) throw new RangeError("no mutant");
  const tried = [
    { mutant, fate: { is: "killed", by: "a test" } },
    { mutant, fate: { is: "timeout", by: "a test" } },
    { mutant, fate: { is: "survived", tests: 3 } },
  ] as const;

  test("counts what hung among the killed, and rounds nothing up", () => {
    expect(scoreOf(tried)).toEqual({ mutants: 3, killed: 2, survived: 1, timeout: 1, score: 66.66 });
    expect(tableOf(tried)).toMatch(/^a\.ts +3 +2 +1 +1 +66\.66 %$/m);
  });
});

describe("a mutant that is called equivalent", () => {
  const path = "signer/core/balance.ts";
  const mutants = mutantsOf(path, readFileSync(join(root, path), "utf8"));

  test("is left out as long as its line is what was reviewed, and told of when it is not", () => {
    const [one] = mutants.filter(isEquivalent);
    if (one === undefined) throw new RangeError("none of this file is on the list");
    expect(isEquivalent({ ...one, source: `${one.source} ` })).toBe(false);
    expect(isEquivalent({ ...one, path: "signer/core/rule.ts" })).toBe(false);
    expect(outdated([path], mutants)).not.toContainEqual(expect.objectContaining({ line: one.source }));
    expect(outdated([path], [])).toContainEqual(expect.objectContaining({ line: one.source }));
  });

  test("is of a file that exists", () => {
    for (const { file } of equivalents) expect(existsSync(join(root, file)), file).toBe(true);
  });
});
