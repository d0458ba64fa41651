/** What a person sees and presses: screens are data, drawn and pressed by pure functions. */

import { toHex } from "../protocol/bytes.ts";
import { columns, elided, grouped, own, plain, quote, rows, satoshi } from "./text.ts";

export type Value =
  | { readonly is: "amount"; readonly msat: bigint }
  | { readonly is: "count"; readonly count: bigint; readonly unit: string }
  /** Others wrote it: shown whole, after its ends. */
  | { readonly is: "address"; readonly text: string }
  | { readonly is: "key"; readonly bytes: Uint8Array }
  /** Others wrote it. */
  | { readonly is: "text"; readonly text: string }
  /** One of the device's own words. */
  | { readonly is: "word"; readonly word: string };

export interface Fact {
  readonly label: string;
  readonly value: Value;
}

export type Screen =
  | { readonly is: "idle"; readonly title: string; readonly hint: string }
  /** Nothing to press: the device works. */
  | { readonly is: "busy"; readonly title: string }
  /** One of the words of the seed. */
  | { readonly is: "word"; readonly at: number; readonly of: number; readonly word: string }
  /** One of some: digits of a PIN, letters of a word, words. What was entered so far shows, or how much of it. */
  | {
      readonly is: "pick";
      readonly title: string;
      readonly options: readonly string[];
      readonly at: number;
      readonly entered: { readonly text: string } | { readonly dots: number };
    }
  /** What is asked for: all pages have to be seen before a button is held. */
  | { readonly is: "consent"; readonly title: string; readonly facts: readonly Fact[]; readonly page: number }
  | { readonly is: "pairing"; readonly code: string }
  | { readonly is: "notice"; readonly title: string; readonly text: string };

export type ScreenKind = Screen["is"];

/** `both` is a short press of the two; `hold` is the two for two seconds. */
export const buttons = ["left", "right", "both", "hold"] as const;
export type Button = (typeof buttons)[number];

/** What a person did with a screen, for whoever showed it. */
export type Act =
  | { readonly is: "yes" | "no" | "next" | "back" | "undo" }
  | { readonly is: "picked"; readonly at: number };

export interface Pressed {
  readonly screen: Screen;
  readonly act?: Act;
}

const between = rows - 2;

const short = (value: Value): readonly string[] => {
  switch (value.is) {
    case "amount":
      return [satoshi(value.msat)];
    case "count":
      return [own(`${value.count} ${value.unit}`)];
    case "address":
      return [elided(value.text)];
    case "key":
      return [elided(toHex(value.bytes))];
    case "text":
      return quote(value.text);
    case "word":
      return [own(value.word)];
  }
};

const labelled = ({ label, value }: Fact): string => (value.is === "amount" ? `${label}, sat:` : `${label}:`);

const whole = ({ value }: Fact): readonly string[] => {
  if (value.is === "address") return grouped(value.text);
  return value.is === "key" ? grouped(toHex(value.bytes)) : [];
};

/** A fact begins on a page of its own where it would not fit on this one. */
const paged = (blocks: readonly (readonly string[])[]): readonly (readonly string[])[] => {
  const pages: string[][] = [[]];
  const turned = (): string[] => {
    const page: string[] = [];
    pages.push(page);
    return page;
  };
  for (const block of blocks) {
    let page = pages.at(-1) ?? [];
    if (page.length > 0 && page.length + block.length > between) page = turned();
    for (const line of block) {
      if (page.length === between) page = turned();
      page.push(line);
    }
  }
  return pages;
};

/** First a summary, then whole what the summary shows the ends of. */
export const pagesOf = (facts: readonly Fact[]): readonly (readonly string[])[] => {
  const summary = paged(facts.map((fact) => [own(labelled(fact)), ...short(fact.value)]));
  const details = facts.flatMap((fact) => {
    const lines = whole(fact);
    return lines.length < 2 ? [] : paged([[own(`${fact.label}, whole:`), ...lines]]);
  });
  return [...summary, ...details];
};

/** The body is plain already: what was shown by its number once would be cut off at a second time. */
const drawn = (title: string, body: readonly string[], hint: string): readonly string[] => {
  const lines = [title, ...body.slice(0, between)];
  while (lines.length < rows - 1) lines.push("");
  return [...lines, hint].map((line) => line.slice(0, columns).padEnd(columns));
};

const wrapped = (text: string): readonly string[] => {
  const lines: string[] = [];
  for (const word of plain(text).split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
};

const pageTitle = (title: string, page: number, of: number): string => {
  const number = `${page + 1}/${of}`;
  return `${own(title, columns - number.length - 1).padEnd(columns - number.length)}${number}`;
};

/** Eight lines of 21 characters of printable ASCII. */
export const render = (screen: Screen): readonly string[] => {
  switch (screen.is) {
    case "idle":
      return drawn("Countersign", ["", own(screen.title)], own(screen.hint));
    case "busy":
      return drawn(own(screen.title), ["", "Please wait."], "");
    case "word":
      return drawn(
        `Word ${screen.at + 1} of ${screen.of}`,
        ["", own(`  ${screen.word}`)],
        "< back         next >",
      );
    case "pick": {
      const { options, at, entered } = screen;
      const shown = "dots" in entered ? "*".repeat(entered.dots) : entered.text;
      const choice = own(`  < ${options[at] ?? ""} >`);
      return drawn(own(screen.title), ["", own(shown), "", choice], "both: take hold: undo");
    }
    case "consent": {
      const pages = pagesOf(screen.facts);
      const isLast = screen.page === pages.length - 1;
      return drawn(
        pageTitle(screen.title, screen.page, pages.length),
        pages[screen.page] ?? [],
        isLast ? "both: no    hold: yes" : "both: no       next >",
      );
    }
    case "pairing":
      return drawn(
        "Pair with a signer",
        [
          "Its screen must show",
          "the same:",
          "",
          own(`   ${screen.code.slice(0, 3)} ${screen.code.slice(3)}`),
        ],
        "both: no    hold: yes",
      );
    case "notice":
      return drawn(own(screen.title), wrapped(screen.text), "any button: go on");
  }
};

/** Pure: a button leads to a screen, and perhaps to an act. */
export const press = (screen: Screen, button: Button): Pressed => {
  switch (screen.is) {
    case "idle":
    case "busy":
      return { screen };
    case "word":
      if (button === "right") return { screen, act: { is: "next" } };
      return button === "left" && screen.at > 0 ? { screen, act: { is: "back" } } : { screen };
    case "pick": {
      const { options, at } = screen;
      if (button === "both") return { screen, act: { is: "picked", at } };
      if (button === "hold") return { screen, act: { is: "undo" } };
      const step = button === "right" ? 1 : options.length - 1;
      return { screen: { ...screen, at: (at + step) % options.length } };
    }
    case "consent": {
      const last = pagesOf(screen.facts).length - 1;
      if (button === "both") return { screen, act: { is: "no" } };
      if (button === "hold") return screen.page === last ? { screen, act: { is: "yes" } } : { screen };
      const page = screen.page + (button === "right" ? 1 : -1);
      return { screen: { ...screen, page: Math.min(last, Math.max(0, page)) } };
    }
    case "pairing":
      if (button === "hold") return { screen, act: { is: "yes" } };
      return button === "both" ? { screen, act: { is: "no" } } : { screen };
    case "notice":
      return { screen, act: { is: "next" } };
  }
};
