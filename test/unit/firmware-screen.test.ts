import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openPanel } from "../../firmware-sim/panel.ts";
import {
  type Button,
  buttons,
  type Fact,
  pagesOf,
  press,
  render,
  type Screen,
} from "../../firmware-sim/screen.ts";
import { columns, elided, grouped, plain, quote, rows, satoshi } from "../../firmware-sim/text.ts";
import { steady } from "../steady.ts";

const address = "bc1p5d7rjq7g6rdk2yhzks9smlaqtedr4dekq08ge8ztwac72sfr9rusxg3297";
const payment: readonly Fact[] = [
  { label: "Amount", value: { is: "amount", msat: 1_234_567_000n } },
  { label: "Fee at most", value: { is: "amount", msat: 1_500n } },
  { label: "To", value: { is: "address", text: address } },
];

const hostile = fc.oneof(
  fc.string({ maxLength: 400 }),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.constantFrom(
    "\u202e\u2066evil\u2069",
    "a\nAmount, sat:\n1",
    "\r\u001b[2J",
    "раураl",
    "x".repeat(10_000),
    "\\u{41}",
    "\ud800",
    "e\u0301\u200b",
    "> quoted",
    "~ 3 lines not shown",
  ),
);

const value = fc.oneof(
  fc.bigInt({ min: 0n, max: 2_100_000_000_000_000_000n }).map((msat) => ({ is: "amount" as const, msat })),
  hostile.map((text) => ({ is: "address" as const, text })),
  hostile.map((text) => ({ is: "text" as const, text })),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => ({ is: "key" as const, bytes })),
  fc.bigInt({ min: 0n, max: 10n ** 12n }).map((count) => ({ is: "count" as const, count, unit: "blocks" })),
);
const facts = fc.array(fc.record({ label: fc.constantFrom("To", "Memo", "Fee at most"), value }), {
  maxLength: 8,
});
const anyScreen: fc.Arbitrary<Screen> = fc.oneof(
  fc.record({ facts, page: fc.nat(3) }).map(({ facts: some, page }) => ({
    is: "consent" as const,
    title: "Pay an invoice",
    facts: some,
    page: Math.min(page, pagesOf(some).length - 1),
  })),
  hostile.map((code) => ({ is: "pairing" as const, code })),
  hostile.map((text) => ({ is: "notice" as const, title: text, text })),
  fc.nat(23).map((at) => ({ is: "word" as const, at, of: 24, word: "abandon" })),
);

describe("what is drawn", () => {
  test("is eight lines of 21 printable characters, whatever it is made of", () => {
    steady(
      fc.property(anyScreen, (screen) => {
        const lines = render(screen);
        expect(lines).toHaveLength(rows);
        for (const line of lines) expect(line).toMatch(/^[ -~]{21}$/);
      }),
      { numRuns: 300 },
    );
  });

  test("of others' text never begins a line as the device's own does", () => {
    steady(
      fc.property(hostile, (text) => {
        const screen = {
          is: "consent",
          title: "T",
          facts: [{ label: "Memo", value: { is: "text", text } }],
        } as const;
        for (let page = 0; page < pagesOf(screen.facts).length; page++) {
          const [title, ...body] = render({ ...screen, page });
          expect(title).toMatch(/^T +\d+\/\d+$/);
          const shown = body.slice(0, -1).filter((line) => line.trim() !== "");
          const own = page === 0 ? shown.shift() : undefined;
          if (page === 0) expect(own?.trim()).toBe("Memo:");
          for (const line of shown) expect(line).toMatch(/^(> |~ )/);
          for (const line of shown.filter((one) => one.startsWith("~ ")))
            expect(line.trim()).toMatch(/^~ (\(empty\)|\d+ lines not shown)$/);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("of others' text is all there, up to where it is said to be left out", () => {
    const marked = fc.string({ unit: fc.constantFrom("\\", "a", " ", "\u202e"), maxLength: 150 });
    steady(
      fc.property(fc.oneof(marked, hostile), (text) => {
        const screen = {
          is: "consent",
          title: "T",
          facts: [{ label: "Memo", value: { is: "text", text } }],
        } as const;
        const lines = pagesOf(screen.facts).flatMap((_, page) => render({ ...screen, page }).slice(1, -1));
        const shown = lines.filter((line) => line.startsWith("> ")).map((line) => line.slice(2));
        if (lines.some((line) => line.startsWith("~ "))) return;
        expect(shown.join("").trimEnd()).toBe(plain(text).trimEnd());
      }),
      { numRuns: 200 },
    );
  });

  test("tells any two texts apart that are short enough to be shown whole", () => {
    const short = fc.string({ unit: "binary", maxLength: 12 });
    steady(
      fc.property(short, short, (a, b) => {
        if (a !== b) expect(quote(a)).not.toEqual(quote(b));
      }),
      { numRuns: 300 },
    );
    expect(quote("раураl")).not.toEqual(quote("paypal"));
    expect(plain("\u202eevil\\")).toBe("\\u{202e}evil\\\\");
  });

  test("of an address is both its ends, and then all of it in groups", () => {
    expect(elided(address)).toBe("> bc1p5d7r...usxg3297");
    expect(elided(address)).toHaveLength(columns);
    const whole = grouped(address);
    expect(whole.map((line) => line.slice(2).replaceAll(" ", "")).join("")).toBe(address);
    for (const line of whole) expect(line.length).toBeLessThanOrEqual(columns);
  });

  test("of amounts is exact", () => {
    expect(satoshi(1_234_567_000n)).toBe("1 234 567");
    expect(satoshi(1_500n)).toBe("1.500");
    expect(satoshi(0n)).toBe("0");
    expect(satoshi(2_100_000_000_000_000_000n)).toBe("2 100 000 000 000 000");
    expect(satoshi(2_099_999_999_999_999_999n)).toBe("2099999999999999.999");
  });

  test("of a payment is this", () => {
    const screen = { is: "consent", title: "Pay an invoice", facts: payment } as const;
    expect([0, 1].map((page) => render({ ...screen, page }).map((line) => line.trimEnd()))).toEqual([
      [
        "Pay an invoice    1/2",
        "Amount, sat:",
        "1 234 567",
        "Fee at most, sat:",
        "1.500",
        "To:",
        "> bc1p5d7r...usxg3297",
        "both: no       next >",
      ],
      [
        "Pay an invoice    2/2",
        "To, whole:",
        "> bc1p 5d7r jq7g 6rdk",
        "> 2yhz ks9s mlaq tedr",
        "> 4dek q08g e8zt wac7",
        "> 2sfr 9rus xg32 97",
        "",
        "both: no    hold: yes",
      ],
    ]);
  });
});

describe("buttons", () => {
  const pressing = (screen: Screen, ...pressed: readonly Button[]) =>
    pressed.reduce((now, button) => press(now.screen, button), press(screen, "left"));

  test("give consent by holding alone, and only when every page was seen", () => {
    const screen = { is: "consent", title: "Pay", facts: payment, page: 0 } as const;
    expect(pressing(screen, "hold").act).toBeUndefined();
    expect(pressing(screen, "right", "hold").act).toEqual({ is: "yes" });
    expect(pressing(screen, "right", "right", "left", "hold").act).toBeUndefined();
    steady(
      fc.property(facts, fc.array(fc.constantFrom(...buttons), { maxLength: 30 }), (some, presses) => {
        let now: Screen = { is: "consent", title: "Pay", facts: some, page: 0 };
        const last = pagesOf(some).length - 1;
        const seen = new Set([0]);
        for (const button of presses) {
          const { screen: next, act } = press(now, button);
          if (act?.is === "yes") {
            expect(button).toBe("hold");
            expect(seen.size).toBe(last + 1);
          }
          now = next;
          if (now.is === "consent") seen.add(now.page);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("go round the options, take one, and take one back", () => {
    const screen: Screen = {
      is: "pick",
      title: "PIN",
      options: ["a", "b", "c"],
      at: 0,
      entered: { dots: 2 },
    };
    expect(press(screen, "left").screen).toMatchObject({ at: 2 });
    expect(press({ ...screen, at: 2 }, "right").screen).toMatchObject({ at: 0 });
    expect(press({ ...screen, at: 1 }, "both").act).toEqual({ is: "picked", at: 1 });
    expect(press(screen, "hold").act).toEqual({ is: "undo" });
    expect(render(screen).map((line) => line.trim())).toEqual([
      "PIN",
      "",
      "**",
      "",
      "< a >",
      "",
      "",
      "both: take hold: undo",
    ]);
  });

  test("do nothing where there is nothing to do", () => {
    for (const screen of [
      { is: "busy", title: "Wait" },
      { is: "idle", title: "Ready", hint: "" },
    ] as const)
      for (const button of buttons) expect(press(screen, button)).toEqual({ screen });
    expect(press({ is: "pairing", code: "123456" }, "left").act).toBeUndefined();
    expect(press({ is: "word", at: 0, of: 24, word: "x" }, "left").act).toBeUndefined();
  });
});

describe("the panel", () => {
  const consent: Screen = { is: "consent", title: "Pay", facts: [], page: 0 };

  test("counts a press for the screen on which it began: another one can't slip under it", async () => {
    const panel = openPanel({ is: "idle", title: "", hint: "" });
    const { signal } = new AbortController();
    const begunOn = panel.screen;
    const asked = panel.ask(consent, signal);
    panel.press("hold", begunOn);
    panel.press("both", panel.screen);
    expect(await asked).toEqual({ is: "no" });
  });

  test("stops asking when nobody waits, and asks one thing at a time", async () => {
    const panel = openPanel({ is: "idle", title: "", hint: "" });
    const abort = new AbortController();
    const asked = panel.ask(consent, abort.signal);
    await expect(panel.ask(consent, abort.signal)).rejects.toThrow("another screen");
    abort.abort(new Error("unplugged"));
    await expect(asked).rejects.toThrow("unplugged");
    await expect(panel.ask(consent, abort.signal)).rejects.toThrow("unplugged");
    const again = panel.ask(consent, new AbortController().signal);
    panel.press("hold", panel.screen);
    expect(await again).toEqual({ is: "yes" });
  });
});
