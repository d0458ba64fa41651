import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { jsonFace, plainFace, terminalFace } from "../../cli/device/face.ts";
import { openPerson } from "../../firmware-sim/person.ts";
import { type Button, press, type Screen } from "../../firmware-sim/screen.ts";
import { parseStep, stepForms } from "../../firmware-sim/script.ts";
import { openPlayer } from "../../firmware-sim/script-player.ts";
import { drawing, drawingHeight, keyOf, mention } from "../../firmware-sim/terminal.ts";
import { Malformed } from "../../protocol/malformed.ts";

const locked: Screen = { is: "idle", title: "Locked", hint: "hold: unlock" };
const word: Screen = { is: "word", at: 6, of: 24, word: "zebra" };
const pairing: Screen = { is: "pairing", code: "987654" };
const pick: Screen = { is: "pick", title: "PIN", options: ["3", "4"], at: 0, entered: { dots: 2 } };
const consent: Screen = {
  is: "consent",
  title: "Pay",
  facts: [{ label: "Amount", value: { is: "amount", msat: 1_000n } }],
  page: 0,
};

describe("a drawing", () => {
  test("is the screen in a case, always of one size", () => {
    expect(drawing(word).slice(0, 10)).toEqual([
      "┌───────────────────────┐",
      "│ Word 7 of 24          │",
      "│                       │",
      "│   zebra               │",
      "│                       │",
      "│                       │",
      "│                       │",
      "│                       │",
      "│ < back         next > │",
      "└───────────────────────┘",
    ]);
    for (const screen of [locked, word, pairing, pick, consent]) {
      expect(drawing(screen)).toHaveLength(drawingHeight);
      for (const line of drawing(screen).slice(0, 10)) expect(line).toHaveLength(25);
    }
  });

  test("in a pipe is a line that gives no word, digit or code away", () => {
    const said = [locked, word, pairing, pick, consent].map(mention);
    expect(said).toEqual([
      "Locked (hold: unlock)",
      "word 7 of 24 is shown",
      "shows six digits, and asks whether the signer shows the same",
      "asks: PIN",
      "asks for consent: Pay",
    ]);
  });
});

test("keys are buttons, and all others nothing", () => {
  const named = (name: string, ctrl = false) => keyOf({ name, ctrl });
  expect(["left", "right", "return", "enter", "space", "h", "q"].map((name) => named(name))).toEqual([
    ...["left", "right", "both", "both", "hold", "hold", "quit"],
  ]);
  expect([named("c", true), named("d", true)]).toEqual(["quit", "quit"]);
  for (const name of ["c", "up", "toString", "__proto__", ""]) expect(named(name)).toBeUndefined();
  expect([named("h", true), keyOf({}), keyOf({ name: undefined })]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

describe("a face", () => {
  const keyboard = () => {
    const input = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (on: boolean) => void modes.push(on),
    });
    const modes: boolean[] = [];
    const [pressed, written]: [string[], string[]] = [[], []];
    let now = 1_000;
    const face = terminalFace({
      input: input as unknown as NodeJS.ReadStream,
      write: (text) => void written.push(text),
      now: () => now,
      press: (button) => void pressed.push(button),
      quit: () => void pressed.push("quit"),
    });
    const type = async (text: string): Promise<void> => {
      input.write(text);
      await new Promise((done) => setImmediate(done));
    };
    const pass = (ms: number): void => {
      now += ms;
    };
    return { face, pressed, written, modes, type, pass };
  };

  test("on a terminal is drawn over the last one, and moves down below what is told", async () => {
    const { face, written, type, pressed, modes } = keyboard();
    face.show(locked);
    face.show(word);
    face.tell("fault", "FAULT");
    expect(written[0]).not.toContain("\x1b[12A");
    expect(written[1]?.startsWith("\x1b[12A\r\x1b[2K┌")).toBe(true);
    expect(written[2]?.startsWith("\x1b[12A\r\x1b[JFAULT\n\x1b[2K┌")).toBe(true);
    await type("\x1b[C");
    await type("\x1b[D");
    await type("\r");
    await type("x");
    expect(pressed).toEqual(["right", "left", "both"]);
    face.close();
    await type("\x1b[C");
    expect(pressed).toHaveLength(3);
    expect(modes).toEqual([true, false]);
  });

  test("does not take a hold for what has only just appeared", async () => {
    const { face, type, pressed, pass } = keyboard();
    face.show(locked);
    pass(1_000);
    face.show(consent);
    pass(100);
    await type(" ");
    expect(pressed).toEqual([]);
    pass(400);
    await type(" ");
    expect(pressed).toEqual(["hold"]);
  });

  test("in a pipe says the same thing once, and as JSON everything", () => {
    const [plain, json]: [string[], string[]] = [[], []];
    for (const face of [
      plainFace((text) => void plain.push(text)),
      jsonFace((text) => void json.push(text)),
    ]) {
      for (const at of [0, 1, 0]) face.show({ ...pick, at });
      face.show(consent);
      face.tell("stopped", "Switched off.", { why: "quit" });
    }
    expect(plain).toEqual(["asks: PIN\n", "asks for consent: Pay\n", "Switched off.\n"]);
    expect(json).toHaveLength(5);
    expect(JSON.parse(json[3] ?? "")).toMatchObject({
      event: "screen",
      screen: { is: "consent", facts: [{ value: { msat: "1000" } }] },
      lines: expect.arrayContaining([expect.stringContaining("Amount, sat:")]),
    });
    expect(JSON.parse(json[4] ?? "")).toEqual({ event: "stopped", text: "Switched off.", why: "quit" });
  });
});

describe("a script", () => {
  test.each([
    ["left", { is: "press", button: "left", times: 1 }],
    ["  hold   3 ", { is: "press", button: "hold", times: 3 }],
    ["expect Word  1 of 24", { is: "expect", text: "Word 1 of 24" }],
    ["person on", { is: "person", on: true }],
    ["pin 0042", { is: "pin", text: "0042" }],
    ["passphrase a b7", { is: "passphrase", text: "a b7" }],
    ["consent to 5 000", { is: "consent", to: { showing: "5 000" } }],
    ["consent nothing", { is: "consent", to: "nothing" }],
    ["cut 0", { is: "cut", after: 0 }],
    ["# left", undefined],
    [" ", undefined],
  ])("%s", (line, step) => expect(parseStep(line)).toEqual(step));

  test.each([
    "up",
    "left 0",
    "left x",
    "expect",
    "person",
    "pin 12a",
    "code 12345",
    "consent",
    "consent to",
    "cut -1",
    "quit now",
    "words abandon",
  ])("%s is none", (line) => expect(() => parseStep(line)).toThrow(Malformed));

  test("has a form for each step", () => {
    for (const form of stepForms) {
      const [name = ""] = form.split(" ");
      expect(() => parseStep(`${name} ~`)).not.toThrow(/is no step/);
    }
  });

  const stage = (first: Screen) => {
    let screen = first;
    const pressed: Button[] = [];
    const timers = new Set<() => void>();
    const device = {
      get screen() {
        return screen;
      },
      press: (button: Button) => {
        pressed.push(button);
        const { screen: next, act } = press(screen, button);
        screen = act === undefined ? next : locked;
        player.shown();
      },
    };
    const player = openPlayer({
      device,
      person: openPerson(),
      cut: () => {},
      after: (_, action) => {
        timers.add(action);
        return () => timers.delete(action);
      },
      patienceMs: 10_000,
    });
    const show = (next: Screen): void => {
      screen = next;
      player.shown();
    };
    const ring = (): void => {
      for (const action of [...timers]) action();
    };
    return { player, pressed, show, ring };
  };
  const steps = async ({ player }: ReturnType<typeof stage>, ...lines: string[]): Promise<boolean> => {
    let goesOn = true;
    for (const line of lines) {
      const step = parseStep(line);
      if (step !== undefined) goesOn &&= await player.perform(step);
    }
    return goesOn;
  };
  const settled = () => new Promise((done) => setTimeout(done, 5));

  test("waits for a screen, and says what is there instead", async () => {
    const at = stage(locked);
    expect(await steps(at, "expect Locked hold: unlock")).toBe(true);
    const later = steps(at, "expect zebra");
    at.show(word);
    expect(await later).toBe(true);
    const never = steps(at, "expect Ready");
    at.ring();
    await expect(never).rejects.toThrow("Word 7 of 24 zebra");
    expect(await steps(at, "quit")).toBe(false);
  });

  test("lets its person answer while it is there, and consents to what it was told", async () => {
    const at = stage(consent);
    await steps(at, "consent to Amount");
    await settled();
    expect(at.pressed).toEqual([]);
    await steps(at, "person on");
    await settled();
    expect(at.pressed).toEqual(["hold"]);
    await steps(at, "consent to Fee");
    at.show({ ...consent });
    await settled();
    expect(at.pressed).toEqual(["hold", "both"]);
    await steps(at, "person off");
    at.show({ ...consent });
    await settled();
    expect(at.pressed).toHaveLength(2);
  });
});
