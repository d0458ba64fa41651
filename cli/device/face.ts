/** How a device in software shows itself: drawn on a terminal, a line for each screen in a pipe, or JSON. */

import { emitKeypressEvents, type Key as Typed } from "node:readline";
import { type Button, render, type Screen } from "../../firmware-sim/screen.ts";
import { above, keyOf, mention, redraw } from "../../firmware-sim/terminal.ts";
import { toJson } from "../json.ts";

export interface Face {
  show(screen: Screen): void;
  /** What happens beside the screen. */
  tell(event: string, text: string, more?: Readonly<Record<string, unknown>>): void;
  close(): void;
}

type Write = (text: string) => void;

export const jsonFace = (write: Write): Face => ({
  show: (screen) => write(`${toJson({ event: "screen", screen, lines: render(screen) })}\n`),
  tell: (event, text, more = {}) => write(`${toJson({ event, text, ...more })}\n`),
  close: () => {},
});

export const plainFace = (write: Write): Face => {
  let last = "";
  return {
    show: (screen) => {
      const line = mention(screen);
      if (line !== last) write(`${line}\n`);
      last = line;
    },
    tell: (_, text) => write(`${text}\n`),
    close: () => {},
  };
};

/** What appeared under a finger that was on its way to another screen is not agreed to. */
const settleMs = 400;

export interface KeyboardOptions {
  readonly input: NodeJS.ReadStream;
  readonly write: Write;
  readonly now: () => number;
  readonly press: (button: Button) => void;
  readonly quit: () => void;
}

export const terminalFace = ({ input, write, now, press, quit }: KeyboardOptions): Face => {
  let shown: Screen | undefined;
  let since = 0;
  const typed = (_: unknown, key: Typed): void => {
    const meant = keyOf(key);
    if (meant === undefined) return;
    if (meant === "quit") quit();
    else if (meant !== "hold" || now() - since >= settleMs) press(meant);
  };
  emitKeypressEvents(input);
  input.setRawMode(true);
  input.on("keypress", typed);
  input.resume();
  return {
    show: (screen) => {
      write(redraw(screen, shown === undefined));
      if (shown?.is !== screen.is) since = now();
      shown = screen;
    },
    tell: (_, text) => write(shown === undefined ? `${text}\n` : above(text, shown)),
    close: () => {
      input.off("keypress", typed);
      input.setRawMode(false);
      input.pause();
    },
  };
};
