/** What a person enters with two buttons: PINs, words, a passphrase. None of it passes through the host. */

import { wordlist } from "@scure/bip39/wordlists/english.js";
import { Secret } from "../protocol/secret.ts";
import type { Panel } from "./panel.ts";
import type { Fact, Screen } from "./screen.ts";
import { pinLengths, wordCount } from "./vault.ts";

/** A person said no. */
export class Denied extends Error {
  override readonly name = "Denied";
}

export interface Person {
  readonly panel: Panel;
  readonly signal: AbortSignal;
  /** Below `below`. */
  readonly int: (below: number) => number;
}

const done = "done";

/** Whether the button was held at the end of all pages. */
export const consents = async (
  { panel, signal }: Person,
  title: string,
  facts: readonly Fact[],
): Promise<boolean> => {
  const act = await panel.ask({ is: "consent", title, facts, page: 0 }, signal);
  return act.is === "yes";
};

export const agree = async (person: Person, title: string, facts: readonly Fact[]): Promise<void> => {
  if (!(await consents(person, title, facts))) throw new Denied();
};

export const tell = async ({ panel, signal }: Person, title: string, text: string): Promise<void> => {
  await panel.ask({ is: "notice", title, text }, signal);
};

type Entered = Extract<Screen, { is: "pick" }>["entered"];

/** Undefined: the one before should be taken back. */
const pick = async (
  { panel, signal, int }: Person,
  title: string,
  options: readonly string[],
  entered: Entered,
): Promise<string | undefined> => {
  // From anywhere: who sees the buttons, and not the screen, learns nothing from how often they are pressed.
  const act = await panel.ask({ is: "pick", title, options, at: int(options.length), entered }, signal);
  return act.is === "picked" ? options[act.at] : undefined;
};

const digits = [..."0123456789"];

export const enterPin = async (person: Person, title: string): Promise<Secret> => {
  const typed = new Uint8Array(pinLengths.most);
  let length = 0;
  try {
    for (;;) {
      const options = [
        ...(length < pinLengths.most ? digits : []),
        ...(length >= pinLengths.least ? [done] : []),
      ];
      const one = await pick(person, title, options, { dots: length });
      if (one === done) return new Secret(typed.subarray(0, length));
      // Nothing to take back: not this time.
      if (one === undefined && length === 0) throw new Denied();
      if (one === undefined) length -= 1;
      else typed[length++] = one.charCodeAt(0);
    }
  } finally {
    typed.fill(0);
  }
};

const sameSecret = (a: Secret, b: Secret): boolean =>
  a.use((one) => b.use((other) => one.length === other.length && one.every((byte, i) => byte === other[i])));

/** Twice, until both are the same. */
const twice = async (
  person: Person,
  enter: (title: string) => Promise<Secret>,
  name: string,
): Promise<Secret> => {
  for (;;) {
    const first = await enter(`New ${name}`);
    try {
      const second = await enter(`The same ${name} again`);
      const isSame = sameSecret(first, second);
      second.wipe();
      if (isSame) return first;
    } catch (error) {
      first.wipe();
      throw error;
    }
    first.wipe();
    await tell(person, "Not the same", `The two were not the same ${name}. Once more.`);
  }
};

export const newPin = (person: Person): Promise<Secret> =>
  twice(person, (title) => enterPin(person, title), "PIN");

const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789", "space"];
const longestPassphrase = 50;

/** A text that JavaScript can't wipe: a device in hardware would not make one. */
export const enterPassphrase = async (person: Person, title: string): Promise<Secret> => {
  let typed = "";
  for (;;) {
    const options = [...(typed.length < longestPassphrase ? letters : []), ...(typed === "" ? [] : [done])];
    const one = await pick(person, title, options, { dots: typed.length });
    if (one === done) return new Secret(new TextEncoder().encode(typed));
    if (one === undefined && typed === "") throw new Denied();
    typed = one === undefined ? typed.slice(0, -1) : typed + (one === "space" ? " " : one);
  }
};

export const newPassphrase = (person: Person): Promise<Secret> =>
  twice(person, (title) => enterPassphrase(person, title), "passphrase");

/** A list short enough to choose from. */
const fewWords = 8;

/** Letter by letter, and then from what is left; undefined takes back the word before. */
const enterWord = async (person: Person, title: string): Promise<string | undefined> => {
  let prefix = "";
  for (;;) {
    const left = wordlist.filter((word) => word.startsWith(prefix));
    // No word of the list begins more than so many, so each of them is in one of these short lists.
    const options =
      left.length <= fewWords ? left : [...new Set(left.map((word) => word.charAt(prefix.length)))];
    const one = await pick(person, title, options, { text: prefix });
    if (one === undefined) {
      if (prefix === "") return undefined;
      prefix = prefix.slice(0, -1);
    } else if (left.length <= fewWords) return one;
    else prefix += one;
  }
};

export const enterWords = async (person: Person): Promise<readonly string[]> => {
  const words: string[] = [];
  while (words.length < wordCount) {
    const word = await enterWord(person, `Word ${words.length + 1} of ${wordCount}`);
    if (word !== undefined) words.push(word);
    else if (words.pop() === undefined) throw new Denied();
  }
  return words;
};

export const showWords = async ({ panel, signal }: Person, words: readonly string[]): Promise<void> => {
  for (let at = 0; at < words.length; ) {
    const act = await panel.ask({ is: "word", at, of: words.length, word: words[at] ?? "" }, signal);
    at += act.is === "back" ? -1 : 1;
  }
};

const asked = 4;
const choices = 5;

/** Some of the words, each among others. */
export const knowsWords = async (person: Person, words: readonly string[]): Promise<boolean> => {
  const places = new Set<number>();
  while (places.size < asked) places.add(person.int(words.length));
  for (const at of [...places].toSorted((a, b) => a - b)) {
    const right = words[at] ?? "";
    const options = new Set([right]);
    while (options.size < choices) options.add(wordlist[person.int(wordlist.length)] ?? right);
    const one = await pick(person, `Which is word ${at + 1}?`, [...options].toSorted(), { text: "" });
    if (one === undefined) throw new Denied();
    if (one !== right) return false;
  }
  return true;
};
