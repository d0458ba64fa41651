/** Does to a device what a script says, with a person in software beside it. */

import type { AutoPerson } from "./person.ts";
import type { DeviceProcess } from "./process.ts";
import { type Fact, pagesOf, render, type Screen } from "./screen.ts";
import type { Step } from "./script.ts";

export interface PlayerOptions {
  readonly device: Pick<DeviceProcess, "screen" | "press">;
  readonly person: AutoPerson;
  readonly cut: (after: number) => void;
  /** Calls back once, unless the function that it returns is called before. */
  readonly after: (ms: number, action: () => void) => () => void;
  /** How long an expected screen may take. */
  readonly patienceMs: number;
}

export interface Player {
  /** To be told of each screen. */
  shown(): void;
  /** False: nothing more is to be done. Rejects with `NotShown`. */
  perform(step: Step): Promise<boolean>;
}

/** What was expected is not on the screen. */
export class NotShown extends Error {
  override readonly name = "NotShown";
}

/** A page each: no text is found across two of them. */
const textsOf = (title: string, facts: readonly Fact[]): readonly string[] => [
  title,
  ...pagesOf(facts).map((lines) => lines.join(" ")),
];

const textOf = (screen: Screen): string => render(screen).join(" ").replaceAll(/\s+/g, " ");

export const openPlayer = ({ device, person, cut, after, patienceMs }: PlayerOptions): Player => {
  let isPresent = false;
  let isDue = false;
  let expected: { readonly text: string; readonly seen: () => void } | undefined;

  /** After whoever shows a screen waits for what comes of it. */
  const react = (): void => {
    if (!isPresent || isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      const button = isPresent ? person.react(device.screen) : undefined;
      if (button !== undefined) device.press(button);
    });
  };

  const expectText = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const cancel = after(patienceMs, () => {
        expected = undefined;
        reject(new NotShown(`${text} is not shown within ${patienceMs} ms, but: ${textOf(device.screen)}`));
      });
      expected = {
        text,
        seen: () => {
          expected = undefined;
          cancel();
          resolve();
        },
      };
      look();
    });

  const look = (): void => {
    if (expected !== undefined && textOf(device.screen).includes(expected.text)) expected.seen();
  };

  return {
    shown: () => {
      look();
      react();
    },
    perform: async (step) => {
      switch (step.is) {
        case "press":
          for (let n = 0; n < step.times; n++) device.press(step.button);
          return true;
        case "expect":
          await expectText(step.text);
          return true;
        case "sleep":
          await new Promise<void>((done) => void after(step.ms, done));
          return true;
        case "person":
          isPresent = step.on;
          break;
        case "pin":
          person.know({ pin: step.text });
          break;
        case "new-pin":
          person.know({ newPin: step.text });
          break;
        case "passphrase":
          person.know({ passphrase: step.text });
          break;
        case "code":
          person.know({ code: step.text });
          break;
        case "words":
          person.know({ words: step.words });
          break;
        case "consent": {
          const { to } = step;
          person.know({
            consents: (title, facts) =>
              to === "all" ||
              (to !== "nothing" && textsOf(title, facts).some((text) => text.includes(to.showing))),
          });
          break;
        }
        case "cut":
          cut(step.after);
          return true;
        case "quit":
          return false;
      }
      react();
      return true;
    },
  };
};
