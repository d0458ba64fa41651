import * as fc from "fast-check";
import { expect, test } from "vitest";
import { openPerson } from "../../firmware-sim/person.ts";
import { type Fact, press, type Screen } from "../../firmware-sim/screen.ts";
import { steady } from "../steady.ts";

const digits = [..."0123456789", "done"];
const pick = (
  title: string,
  options: readonly string[],
  at = 0,
  entered: { dots: number } | { text: string } = { dots: 0 },
) => ({ is: "pick", title, options, at, entered }) as const;

/** Presses until something comes of it. */
const acts = (person: ReturnType<typeof openPerson>, first: Screen) => {
  let screen = first;
  for (let n = 0; n < 100; n++) {
    const button = person.react(screen);
    if (button === undefined) return "waits";
    const pressed = press(screen, button);
    if (pressed.act?.is === "picked" && screen.is === "pick") return screen.options[pressed.act.at];
    if (pressed.act !== undefined) return pressed.act.is;
    screen = pressed.screen;
  }
  throw new Error("goes round in circles");
};

test("picks each digit of a PIN from wherever the device begins, in no more than half a round", () => {
  steady(
    fc.property(fc.nat({ max: 10 }), fc.nat({ max: 4 }), (at, dots) => {
      const person = openPerson({ pin: "2460" });
      expect(acts(person, pick("PIN", digits, at, { dots }))).toBe([..."2460", "done"][dots]);
    }),
    { numRuns: 100 },
  );
  const person = openPerson({ pin: "9" });
  expect(person.react(pick("PIN", digits, 1))).toBe("left");
  expect(person.react(pick("PIN", digits, 8))).toBe("right");
});

test("takes back what is too much, and gives up without a PIN", () => {
  expect(openPerson({ pin: "12" }).react(pick("PIN", digits, 0, { dots: 3 }))).toBe("hold");
  expect(acts(openPerson(), pick("PIN", digits))).toBe("undo");
});

test("keeps the old PIN, the new one and a passphrase apart", () => {
  const person = openPerson({ pin: "1", newPin: "2", passphrase: " x" });
  expect(acts(person, pick("PIN", digits))).toBe("1");
  expect(acts(person, pick("New PIN", digits))).toBe("2");
  expect(acts(person, pick("The same PIN again", digits))).toBe("2");
  expect(acts(person, pick("Passphrase", ["a", "x", "space"]))).toBe("space");
  expect(acts(person, pick("New passphrase", ["a", "x", "space"], 0, { dots: 1 }))).toBe("x");
  person.know({ newPin: "" });
  expect(acts(person, pick("New PIN", digits))).toBe("1");
});

test("writes words down and gives back the ones that are asked for", () => {
  const person = openPerson({ words: ["old", "older", "oldest"] });
  expect(acts(person, { is: "word", at: 0, of: 24, word: "zebra" })).toBe("next");
  expect(acts(person, { is: "word", at: 1, of: 24, word: "abandon" })).toBe("next");
  expect(person.words).toEqual(["zebra", "abandon"]);
  const asked = (n: number) => pick(`Which is word ${n}?`, ["able", "abandon", "zebra"], 2, { text: "" });
  expect(acts(person, asked(2))).toBe("abandon");
  expect(acts(person, asked(1))).toBe("zebra");
  // What they did not write down they do not guess.
  expect(acts(person, asked(3))).toBe("undo");
});

test("spells words letter by letter, and takes a wrong letter back", () => {
  const person = openPerson({ words: ["zebra", "abandon"] });
  const title = "Word 2 of 24";
  expect(acts(person, pick(title, ["a", "b"], 1, { text: "" }))).toBe("a");
  expect(acts(person, pick(title, ["abandon", "ability"], 1, { text: "ab" }))).toBe("abandon");
  expect(acts(person, pick(title, ["x"], 0, { text: "b" }))).toBe("undo");
});

test("compares each pairing's code with its own signer's, once", () => {
  const person = openPerson();
  const screen = { is: "pairing", code: "123456" } as const;
  expect(acts(person, screen)).toBe("waits");
  person.know({ code: "123457" });
  expect(acts(person, screen)).toBe("no");
  expect(acts(person, screen)).toBe("waits");
  person.know({ code: "123456" });
  expect(acts(person, screen)).toBe("yes");
  expect(acts(person, screen)).toBe("waits");
});

test("sees all pages before it agrees, and agrees to nothing by itself", () => {
  const facts: readonly Fact[] = [
    { label: "To", value: { is: "address", text: "bcrt1q".padEnd(62, "x") } },
    { label: "Amount", value: { is: "amount", msat: 5_000n } },
  ];
  const screen = { is: "consent", title: "Pay", facts, page: 0 } as const;
  expect(acts(openPerson(), screen)).toBe("no");
  const asked: unknown[] = [];
  const person = openPerson({
    consents: (title, shown) => {
      asked.push([title, shown]);
      return true;
    },
  });
  expect(person.react(screen)).toBe("right");
  expect(asked).toEqual([]);
  expect(acts(person, screen)).toBe("yes");
  expect(asked).toEqual([["Pay", facts]]);
});

test("presses nothing where nothing is asked", () => {
  const person = openPerson({ pin: "1", consents: () => true });
  expect(person.react({ is: "idle", title: "Ready", hint: "" })).toBeUndefined();
  expect(person.react({ is: "busy", title: "PIN" })).toBeUndefined();
  expect(person.react({ is: "notice", title: "Not the same", text: "" })).toBe("right");
});
