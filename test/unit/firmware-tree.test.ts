import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emptyTree, type Tree } from "../../firmware-sim/tree.ts";
import { sha256 } from "../../protocol/hash.ts";
import { steady } from "../steady.ts";

const leafOf = (n: number): Uint8Array => sha256(Uint8Array.of(n));
const changes = fc.array(fc.tuple(fc.string({ maxLength: 12 }), fc.option(fc.nat(255))), { maxLength: 40 });
type Changes = readonly (readonly [string, number | null])[];

const changed = (model: ReadonlyMap<string, number>, some: Changes): Map<string, number> => {
  const next = new Map(model);
  for (const [key, value] of some)
    if (value === null) next.delete(key);
    else next.set(key, value);
  return next;
};
const applied = (tree: Tree, some: Changes): Tree =>
  tree.with(new Map(some.map(([key, value]) => [key, value === null ? undefined : leafOf(value)])));
const built = (model: ReadonlyMap<string, number>): Tree => applied(emptyTree, [...model]);

describe("the root over all records", () => {
  test("follows from what is there alone: not from order, steps or what was forgotten", () => {
    steady(
      fc.property(fc.array(changes, { maxLength: 5 }), fc.nat(), (steps, turn) => {
        let [tree, model] = [emptyTree, new Map<string, number>()];
        for (const step of steps) [tree, model] = [applied(tree, step), changed(model, step)];
        expect(tree.size).toBe(model.size);
        const entries = [...model];
        const other = entries.map((_, i) => entries[(i + turn) % entries.length] as (typeof entries)[0]);
        expect(tree.root).toEqual(built(model).root);
        expect(built(new Map(other.toReversed())).root).toEqual(tree.root);
      }),
      { numRuns: 60 },
    );
  });

  test("is another one for any other contents", () => {
    steady(
      fc.property(changes, changes, (one, two) => {
        const [a, b] = [changed(new Map(), one), changed(new Map(), two)];
        const same = a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
        expect(Buffer.from(built(a).root).equals(built(b).root)).toBe(same);
      }),
      { numRuns: 100 },
    );
    const roots = ["a", "b", "ab", ""].map((key) => built(new Map([[key, 1]])).root.toString());
    expect(new Set([...roots, emptyTree.root.toString()]).size).toBe(5);
  });

  test("is not changed by what is tried out", () => {
    const tree = built(new Map([["a", 1]]));
    const before = tree.root.slice();
    applied(tree, [["a", null]]);
    expect(tree.root).toEqual(before);
    expect(tree.size).toBe(1);
  });
});
