/** A careful person in software, for tests and demos: what they would press at a screen, from what they know. */

import { type Button, type Fact, pagesOf, type Screen } from "./screen.ts";

export interface Manner {
  readonly pin: string;
  /** Where another one is chosen. */
  readonly newPin: string;
  readonly passphrase: string;
  /** What is on their paper: words of a seed, as they were shown or as it is to be restored. */
  readonly words: readonly string[];
  /** Six digits on the signer's screen; empty while they have not looked there. */
  readonly code: string;
  readonly consents: (title: string, facts: readonly Fact[]) => boolean;
}

export interface AutoPerson {
  /** Undefined: there is nothing to press, or nothing that they know. */
  react(screen: Screen): Button | undefined;
  know(more: Partial<Manner>): void;
  readonly words: readonly string[];
}

type Pick = Extract<Screen, { is: "pick" }>;

/** The shorter way round. */
const towards = ({ options, at }: Pick, wanted: string): Button | undefined => {
  const target = options.indexOf(wanted);
  if (target < 0) return undefined;
  if (target === at) return "both";
  return (target - at + options.length) % options.length <= options.length / 2 ? "right" : "left";
};

/** What is entered blindly is only counted: too much of it is taken back. */
const enter = (pick: Pick, whole: string, dots: number): Button | undefined => {
  if (whole === "" || dots > whole.length) return "hold";
  const next = whole[dots] ?? "done";
  return towards(pick, next === " " ? "space" : next);
};

const spell = (pick: Pick, word: string, before: string): Button | undefined => {
  if (!word.startsWith(before)) return "hold";
  return towards(pick, pick.options.includes(word) ? word : word.charAt(before.length));
};

export const openPerson = (first: Partial<Manner> = {}): AutoPerson => {
  let manner: Manner = {
    pin: "",
    newPin: "",
    passphrase: "",
    words: [],
    code: "",
    consents: () => false,
    ...first,
  };

  const note = (at: number, word: string): void => {
    const words = manner.words.slice(0, at);
    manner = { ...manner, words: [...words, word] };
  };

  /** A code is for one pairing: the next one has another. */
  const compare = (shown: string): Button | undefined => {
    const { code } = manner;
    if (code === "") return undefined;
    manner = { ...manner, code: "" };
    return shown === code ? "hold" : "both";
  };

  const choose = (screen: Pick): Button | undefined => {
    const { title, entered } = screen;
    const asked = /^Which is word (\d+)\?$/.exec(title)?.[1];
    // Who has lost the paper says so.
    if (asked !== undefined) return towards(screen, manner.words[Number(asked) - 1] ?? "") ?? "hold";
    const spelt = /^Word (\d+) of \d+$/.exec(title)?.[1];
    if (spelt !== undefined && "text" in entered)
      return spell(screen, manner.words[Number(spelt) - 1] ?? "", entered.text);
    if (!("dots" in entered)) return undefined;
    if (/passphrase/i.test(title)) return enter(screen, manner.passphrase, entered.dots);
    if (title === "PIN") return enter(screen, manner.pin, entered.dots);
    return enter(screen, manner.newPin === "" ? manner.pin : manner.newPin, entered.dots);
  };

  return {
    react: (screen) => {
      switch (screen.is) {
        case "idle":
        case "busy":
          return undefined;
        case "notice":
          return "right";
        case "word":
          note(screen.at, screen.word);
          return "right";
        case "pairing":
          return compare(screen.code);
        case "consent":
          if (screen.page < pagesOf(screen.facts).length - 1) return "right";
          return manner.consents(screen.title, screen.facts) ? "hold" : "both";
        case "pick":
          return choose(screen);
      }
    },
    know: (more) => {
      manner = { ...manner, ...more };
    },
    get words() {
      return manner.words;
    },
  };
};
