import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { refusal } from "../../protocol/outcome.ts";
import { policyTable } from "../../signer/core/policy.ts";
import { refuse } from "../../signer/core/rule.ts";
import { allRules } from "../../signer/core/rules/index.ts";
import { asks, play } from "../scripted/story.ts";

const folder = join(import.meta.dirname, "../cases");

const changes = z.record(z.string(), z.unknown());
const refused = z.strictObject({
  final: z.boolean(),
  /** Another rule stops it: the one that the file is named after lets it pass. */
  rule: z.string().optional(),
  /** Those that matter; there may be more. */
  facts: z.record(z.string(), z.string()).optional(),
});

/** Not refused, but a person has to be asked first. */
const waits = z.strictObject({ standing: z.literal("pending") });

const spendWords = z.strictObject({
  take: z.array(z.string()),
  pay: z.array(z.string()),
  version: z.int().optional(),
  locktime: z.int().optional(),
  sequences: z.array(z.int()).optional(),
  stage: z.enum(["delay", "revocation", "delayed", "value", "script"]).optional(),
  scriptSig: z.string().optional(),
  twice: z.boolean().optional(),
});

const file = z
  .array(
    z.strictObject({
      /** What a reader should learn from it. */
      case: z.string().min(5),
      tier: z.enum(["full", "commitments", "stateless"]).optional(),
      policy: policyTable.optional(),
      terms: changes.optional(),
      unopened: z.boolean().optional(),
      chain: z.boolean().optional(),
      unproposed: z.boolean().optional(),
      pays: z.string().optional(),
      story: z.array(z.string()).optional(),
      ask: z.enum(Object.keys(asks) as [keyof typeof asks, ...(keyof typeof asks)[]]),
      with: changes.optional(),
      spend: spendWords.optional(),
      funds: spendWords.optional(),
      /** By the rule that the file is named after. */
      outcome: z.union([z.literal("accepted"), refused, waits]),
    }),
  )
  .min(2);

type Case = z.infer<typeof file>[number];

const casesOf = (name: string): readonly Case[] =>
  file.parse(JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")));

const names = readdirSync(folder)
  .map((path) => path.replace(/\.json$/, ""))
  .sort();

describe("the rules", () => {
  test("have a name each, and no case is of a rule that does not exist", () => {
    const ruled = allRules.map(({ name }) => name).sort();
    expect(new Set(ruled).size).toBe(ruled.length);
    expect(names).toEqual(ruled);
  });

  test.each(allRules)("$name fits into a refusal and is written for people", (rule) => {
    const told = refuse(rule, { a: new Uint8Array(600), b: 2n ** 64n, c: true });
    expect(() => refusal.packed.encode(told)).not.toThrow();
    expect(told.final).toBe(rule.kind === "core" && !rule.later);
    expect(rule.sentence).toMatch(/^[A-Z].*\.$/);
    expect(rule.hint).toMatch(/^[A-Z].*[.?]$/);
  });

  test.each(names)("%s has a case that passes and one that does not", (name) => {
    const outcomes = casesOf(name).map(({ outcome }) =>
      outcome === "accepted" || ("rule" in outcome && outcome.rule !== undefined) ? "accepted" : "refused",
    );
    expect(new Set(outcomes)).toEqual(new Set(["accepted", "refused"]));
  });
});

describe.each(names)("%s", (name) => {
  test.each(casesOf(name))("$case", async ({ outcome: wanted, ...scenario }) => {
    const { outcome, faults } = await play(scenario as never);
    expect(faults).toEqual([]);
    if (wanted === "accepted") {
      expect(outcome).toMatchObject({ is: "reply" });
      if (scenario.ask === "propose") expect(outcome).toMatchObject({ reply: { standing: "approved" } });
      return;
    }
    if ("standing" in wanted) {
      expect(outcome).toMatchObject({ is: "reply", reply: wanted });
      return;
    }
    expect(outcome).toMatchObject({
      is: "refusal",
      refusal: { rule: wanted.rule ?? name, final: wanted.final },
    });
    const facts = outcome.is === "refusal" ? outcome.refusal.facts : [];
    for (const [fact, value] of Object.entries(wanted.facts ?? {}))
      expect(facts).toContainEqual({ name: fact, value });
  });
});
