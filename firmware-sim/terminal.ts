/** Display and buttons of a device in software on a terminal: pure drawings, and what the keys mean. */

import { type Button, render, type Screen } from "./screen.ts";
import { columns, rows } from "./text.ts";

export type Key = Button | "quit";

/** A terminal does not tell how long a key is held, so there is one for it. */
const keys: Readonly<Record<string, Key>> = {
  left: "left",
  right: "right",
  return: "both",
  enter: "both",
  space: "hold",
  h: "hold",
  q: "quit",
};

/** As Node's readline names what was typed. */
export const keyOf = ({
  name = "",
  ctrl = false,
}: {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
}): Key | undefined => {
  if (ctrl) return ["c", "d"].includes(name) ? "quit" : undefined;
  return Object.hasOwn(keys, name) ? keys[name] : undefined;
};

export const help = "← →  buttons    Enter  both    Space  hold both    q  switch off";

const buttonLine = `${"(◄)".padEnd(columns - 1)}(►)`;

/** The case, as wide as its display and a little more. */
export const drawing = (screen: Screen): readonly string[] => [
  `┌${"─".repeat(columns + 2)}┐`,
  ...render(screen).map((line) => `│ ${line} │`),
  `└${"─".repeat(columns + 2)}┘`,
  ` ${buttonLine}`,
  help,
];

export const drawingHeight = rows + 4;

/** Over the last one, where there is one. */
export const redraw = (screen: Screen, isFirst: boolean): string => {
  const up = isFirst ? "" : `\x1b[${drawingHeight}A\r`;
  return `${up}${drawing(screen)
    .map((line) => `\x1b[2K${line}\n`)
    .join("")}`;
};

/** A line of its own above the case, which moves down. */
export const above = (text: string, screen: Screen): string =>
  `\x1b[${drawingHeight}A\r\x1b[J${text}\n${redraw(screen, true)}`;

/**
 * One line for a file or a pipe, which may be kept: of words, digits and codes it says that they are shown, and not
 * which.
 */
export const mention = (screen: Screen): string => {
  switch (screen.is) {
    case "idle":
      return screen.hint === "" ? screen.title : `${screen.title} (${screen.hint})`;
    case "busy":
      return `${screen.title} ...`;
    case "word":
      return `word ${screen.at + 1} of ${screen.of} is shown`;
    case "pick":
      return `asks: ${screen.title}`;
    case "consent":
      return `asks for consent: ${screen.title}`;
    case "pairing":
      return "shows six digits, and asks whether the signer shows the same";
    case "notice":
      return `${screen.title}: ${screen.text}`;
  }
};
