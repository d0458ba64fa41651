/** What is done to a device in software, line by line: buttons, what its screen must show, and what the person in software knows. */

import { wordlist } from "@scure/bip39/wordlists/english.js";
import { invalid } from "../protocol/malformed.ts";
import { type Button, buttons } from "./screen.ts";
import { wordCount } from "./vault.ts";

export type Step =
  | { readonly is: "press"; readonly button: Button; readonly times: number }
  /** Waits until the screen shows it. */
  | { readonly is: "expect"; readonly text: string }
  | { readonly is: "sleep"; readonly ms: number }
  /** Whether the person in software presses what it would. */
  | { readonly is: "person"; readonly on: boolean }
  | { readonly is: "pin" | "new-pin" | "passphrase" | "code"; readonly text: string }
  | { readonly is: "words"; readonly words: readonly string[] }
  /** To all that is asked, to nothing, or to what shows this text. */
  | { readonly is: "consent"; readonly to: "all" | "nothing" | { readonly showing: string } }
  /** The power goes in the middle of the write so many writes from now. */
  | { readonly is: "cut"; readonly after: number }
  | { readonly is: "quit" };

export const stepForms = [
  "left | right | both | hold [TIMES]",
  "expect TEXT",
  "sleep MILLISECONDS",
  "person on | off",
  "pin DIGITS",
  "new-pin DIGITS",
  "passphrase TEXT",
  "words WORD ...",
  "code DIGITS",
  "consent all | nothing | to TEXT",
  "cut WRITES",
  "quit",
] as const;

const longestLine = 1_000;

const whole = (text: string, least: number, most: number): number => {
  if (!/^(0|[1-9]\d{0,6})$/.test(text) || Number(text) < least || Number(text) > most)
    throw invalid(`not a number from ${least} to ${most}`);
  return Number(text);
};

const digits = (text: string, least: number, most: number): string => {
  if (!/^\d+$/.test(text) || text.length < least || text.length > most)
    throw invalid(least === most ? `not ${least} digits` : `not ${least} to ${most} digits`);
  return text;
};

const some = (text: string): string => {
  if (text === "") throw invalid("says nothing");
  return text;
};

const known = new Set(wordlist);

const wordsIn = (text: string): readonly string[] => {
  const words = text.split(" ");
  const stranger = words.findIndex((word) => !known.has(word));
  if (words.length !== wordCount) throw invalid(`not ${wordCount} words`);
  // Which one it is, and not what stands there: it may be a slip in a real seed.
  if (stranger >= 0) throw invalid(`word ${stranger + 1} is in no list`);
  return words;
};

const consentTo = (text: string): Extract<Step, { is: "consent" }>["to"] => {
  if (text === "all" || text === "nothing") return text;
  if (!text.startsWith("to ")) throw invalid("neither all, nothing nor to TEXT");
  return { showing: some(text.slice(3).trim()) };
};

const isButton = (name: string): name is Button => buttons.some((one) => one === name);

/** Undefined where the line says nothing: it is empty or a comment. */
export const parseStep = (line: string): Step | undefined => {
  const text = line.trim().replaceAll(/\s+/g, " ");
  if (text === "" || text.startsWith("#")) return undefined;
  if (text.length > longestLine) throw invalid("too long");
  const space = text.indexOf(" ");
  const [name, rest] = space < 0 ? [text, ""] : [text.slice(0, space), text.slice(space + 1)];
  if (isButton(name)) return { is: "press", button: name, times: rest === "" ? 1 : whole(rest, 1, 1_000) };
  switch (name) {
    case "expect":
      return { is: "expect", text: some(rest) };
    case "sleep":
      return { is: "sleep", ms: whole(rest, 0, 600_000) };
    case "person":
      if (rest !== "on" && rest !== "off") throw invalid("neither on nor off");
      return { is: "person", on: rest === "on" };
    case "pin":
    case "new-pin":
      return { is: name, text: digits(rest, 1, 12) };
    case "code":
      return { is: "code", text: digits(rest, 6, 6) };
    case "passphrase":
      return { is: "passphrase", text: rest };
    case "words":
      return { is: "words", words: wordsIn(rest) };
    case "consent":
      return { is: "consent", to: consentTo(rest) };
    case "cut":
      return { is: "cut", after: whole(rest, 0, 1_000_000) };
    case "quit":
      if (rest !== "") throw invalid("takes nothing");
      return { is: "quit" };
    default:
      throw invalid(`is no step; these are: ${stepForms.join("; ")}`);
  }
};

export const printStep = (step: Step): string => {
  switch (step.is) {
    case "press":
      return step.times === 1 ? step.button : `${step.button} ${step.times}`;
    case "expect":
    case "pin":
    case "new-pin":
    case "passphrase":
    case "code":
      return `${step.is} ${step.text}`.trim();
    case "sleep":
      return `sleep ${step.ms}`;
    case "person":
      return `person ${step.on ? "on" : "off"}`;
    case "words":
      return `words ${step.words.join(" ")}`;
    case "consent":
      return `consent ${typeof step.to === "string" ? step.to : `to ${step.to.showing}`}`;
    case "cut":
      return `cut ${step.after}`;
    case "quit":
      return "quit";
  }
};
