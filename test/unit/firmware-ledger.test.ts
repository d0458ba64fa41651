import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openJournal } from "../../firmware-sim/journal.ts";
import {
  decodeRoot,
  encodeRoot,
  type Ledger,
  openLedger,
  type RecordChange,
} from "../../firmware-sim/ledger.ts";
import { decodeStanding, encodeStanding, goesBack, type Standing } from "../../firmware-sim/standing.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { mostContent } from "../../protocol/device/core.ts";
import { Secret } from "../../protocol/secret.ts";
import { commitmentNumber } from "../../protocol/units.ts";
import { random } from "../fuzz/random.ts";
import { steady } from "../steady.ts";
import { freshFlash } from "./firmware.kit.ts";

const key = new Secret(new Uint8Array(32).fill(3));
type Flash = ReturnType<typeof freshFlash>;
const ledgerOn = (flash: Flash): Ledger => openLedger({ journal: openJournal(flash), key });

/** As the signer has it. */
type Kept = Map<string, Uint8Array>;
const keep = (kept: Kept, ledger: Ledger): void => {
  for (const { key: name, page } of ledger.since(ledger.step - 1n) ?? [])
    if (isKnown(page)) kept.set(name, page);
    else kept.delete(name);
};
const loaded = (flash: Flash, pages: Iterable<Uint8Array>) => {
  const ledger = ledgerOn(flash);
  for (const page of pages) expect(ledger.load(page)).toBeUndefined();
  return { ledger, begun: ledger.begin() };
};

const writing = (ledger: Ledger, name: string, bytes: Uint8Array | undefined): RecordChange => ({
  key: name,
  version: (ledger.records().get(name)?.version ?? 0) + 1,
  bytes,
});

const steps = fc.array(
  fc.array(fc.tuple(fc.constantFrom("node", "payment/a", "payment/b", "approval/c"), fc.nat(3)), {
    minLength: 1,
    maxLength: 3,
  }),
  { minLength: 1, maxLength: 8 },
);

/** Takes them; 0 forgets what is there. Gives what was kept after each step. */
const taken = (flash: Flash, all: readonly (readonly (readonly [string, number])[])[]) => {
  const ledger = ledgerOn(flash);
  expect(ledger.begin().is).toBe("begun");
  const kept: Kept = new Map();
  const history: Kept[] = [new Map()];
  const changes: (readonly RecordChange[])[] = [];
  for (const [n, step] of all.entries()) {
    const named = new Map(step);
    const some = [...named].flatMap(([name, value]) =>
      value === 0 && !ledger.records().has(name)
        ? []
        : [writing(ledger, name, value === 0 ? undefined : Uint8Array.of(value, n))],
    );
    if (some.length === 0) continue;
    expect(ledger.take(some, BigInt(n))).toEqual({ is: "taken" });
    keep(kept, ledger);
    changes.push(some);
    history.push(new Map(kept));
  }
  return { ledger, kept, history, changes };
};

const same = (a: Kept, b: Kept): boolean =>
  a.size === b.size && [...a].every(([name, page]) => String(b.get(name)) === String(page));

describe("records that come back", () => {
  test("are the newest, or those before the last step, and no others", () => {
    steady(
      fc.property(steps, (all) => {
        const flash = freshFlash(1);
        const { history, kept, ledger } = taken(flash, all);
        const last = ledger.step;
        for (const [at, pages] of history.entries()) {
          const { ledger: again, begun } = loaded(flash, pages.values());
          if (same(pages, kept)) {
            expect(begun.is).toBe("begun");
            expect(again.isBehind).toBe(false);
            expect([...again.records()]).toHaveLength(kept.size);
          } else if (at === history.length - 2) {
            expect([begun.is, again.isBehind]).toEqual(["begun", true]);
          } else if (!same(pages, history.at(-2) ?? kept)) {
            expect(begun).toEqual({
              is: "refused",
              why: pages.size === 0 ? "pages-missing" : "pages-old",
            });
          }
          expect(again.step).toBe(last);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("are not mixed from two times", () => {
    const flash = freshFlash(1);
    const { kept, history } = taken(flash, [
      [
        ["node", 1],
        ["payment/a", 1],
      ],
      [
        ["node", 2],
        ["payment/a", 2],
      ],
    ]);
    const before = history[1] as Kept;
    for (const name of ["node", "payment/a"]) {
      const mixed = new Map([...kept, [name, before.get(name) as Uint8Array]]);
      expect(loaded(flash, mixed.values()).begun).toEqual({ is: "refused", why: "pages-old" });
    }
    expect(loaded(flash, kept.values()).begun).toEqual({ is: "begun" });
  });
});

describe("a step that was taken and not heard of", () => {
  test("is taken again as it was, whatever comes first; another one is refused, and leaves nothing", () => {
    steady(
      fc.property(steps, fc.nat(255), (all, n) => {
        const flash = freshFlash(1);
        const { ledger, history, changes } = taken(flash, all);
        const last = changes.at(-1);
        const before = history.at(-2);
        if (last === undefined || before === undefined) return;
        const answer = ledger.since(ledger.step - 1n);
        const { ledger: again } = loaded(flash, before.values());
        expect(again.isBehind).toBe(true);
        const { counter } = openJournal(flash.fork({ int: random(1).int }));
        const other = last.map((one, i) => (i > 0 ? one : { ...one, bytes: Uint8Array.of(n, 9, 9) }));
        expect(again.take(other, 0n)).toEqual({ is: "refused", why: "page-differs" });
        expect(again.take([], 0n)).toEqual({ is: "refused", why: "page-differs" });
        expect(again.isBehind).toBe(true);
        expect(again.take(last, 0n)).toEqual({ is: "taken" });
        expect(again.since(again.step - 1n)).toEqual(answer);
        expect(again.step).toBe(ledger.step);
        // Nothing was written for it: a start moves the bank, and no step more.
        expect(openJournal(flash.fork({ int: random(1).int })).counter).toBe(counter);
      }),
      { numRuns: 40 },
    );
  });
});

describe("what is refused before it is in flash", () => {
  test("more than a page or a message holds, and anything after it was wiped", () => {
    const flash = freshFlash(1);
    const { ledger } = taken(flash, [[["node", 1]]]);
    const { step } = ledger;
    const large = new Uint8Array(mostContent);
    const none = { is: "refused", why: "room" };
    expect(ledger.take([writing(ledger, "payment/a", new Uint8Array(mostContent + 1))], 0n)).toEqual(none);
    expect(
      ledger.take(
        ["a", "b"].map((name) => writing(ledger, name, large)),
        0n,
      ),
    ).toEqual(none);
    expect([ledger.step, ledger.notTaken]).toEqual([step, "room"]);
    expect(ledger.take([writing(ledger, "payment/a", large)], 0n)).toEqual({ is: "taken" });
    ledger.wipe();
    expect(ledger.take([writing(ledger, "payment/a", Uint8Array.of(1))], 0n)).toEqual({
      is: "refused",
      why: "order",
    });
    expect(ledger.step).toBe(step + 1n);
  });

  test("a channel that would go back", () => {
    const flash = freshFlash(1);
    const { ledger } = taken(flash, [[["node", 1]]]);
    const at = (changes: Partial<Standing>): RecordChange => ({
      ...writing(ledger, "channel/1", Uint8Array.of(1)),
      channel: { id: 1n, standing: { ...standing, ...changes } },
    });
    expect(ledger.take([at({})], 0n)).toEqual({ is: "taken" });
    expect(() => ledger.take([at({ revealed: commitmentNumber(2n) })], 0n)).toThrow("take a channel back");
    expect(ledger.take([at({ revoked: commitmentNumber(4n) })], 0n)).toEqual({ is: "taken" });
    const gone = {
      ...writing(ledger, "channel/1", Uint8Array.of(0)),
      channel: { id: 1n, standing: undefined },
    };
    expect(ledger.take([gone], 0n)).toEqual({ is: "taken" });
    // Forgotten, it does not begin again.
    expect(() => ledger.take([at({})], 0n)).toThrow("take a channel back");
  });
});

const n = commitmentNumber;
const standing: Standing = {
  format: 1,
  holder: n(5n),
  counterparty: n(5n),
  revealed: n(3n),
  revoked: n(3n),
  broadcast: unknown,
};

describe("a standing", () => {
  const cases: readonly (readonly [string, Partial<Standing>, Partial<Standing>, boolean])[] = [
    ["as it was", {}, {}, false],
    ["one more of each", {}, { holder: n(6n), counterparty: n(6n), revealed: n(4n), revoked: n(4n) }, false],
    ["fewer validated", {}, { holder: n(4n) }, true],
    ["fewer signed", {}, { counterparty: n(4n) }, true],
    ["a secret taken back", {}, { revealed: n(2n) }, true],
    ["a secret forgotten", {}, { revoked: n(2n) }, true],
    ["signed for the chain", {}, { broadcast: n(3n) }, false],
    ["a revoked one signed for the chain", {}, { broadcast: n(2n) }, true],
    ["a secret without its successor", {}, { revealed: n(5n) }, true],
    ["three unrevoked ones of the counterparty", {}, { counterparty: n(6n) }, true],
    ["its mark forgotten", { broadcast: n(3n) }, {}, true],
    ["its mark moved on", { broadcast: n(3n) }, { broadcast: n(4n) }, true],
    ["another one as well", { broadcast: n(4n) }, { broadcast: n(3n) }, false],
    ["its secret", { broadcast: n(3n) }, { broadcast: n(3n), revealed: n(4n), holder: n(6n) }, true],
  ];
  test.each(cases)("%s", (_, before, after, back) => {
    expect(goesBack({ ...standing, ...before }, { ...standing, ...after })).toBe(back);
  });

  test("and a root come back from flash as they were", () => {
    for (const broadcast of [unknown, n(4n)] as const)
      expect(decodeStanding(encodeStanding({ ...standing, broadcast }))).toEqual({ ...standing, broadcast });
    const root = {
      ...({ format: 1, step: 7n, witness: 9n } as const),
      ...{ root: new Uint8Array(32).fill(1), before: new Uint8Array(32).fill(2) },
    };
    expect(decodeRoot(encodeRoot(root))).toEqual(root);
  });
});
