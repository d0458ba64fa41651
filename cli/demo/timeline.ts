/** What the demo shows: a line for each step as it is checked, for people, or a JSON object a line for scripts. */

import { plain, toJson } from "../json.ts";

/** What a step found, shown below it. */
export type Facts = Readonly<Record<string, string | number | bigint | boolean>>;

export interface Timeline {
  /** A step is checked or it ends the demo: `work` throws where something is not as it should be. */
  step<T>(title: string, work: () => Promise<T>, facts?: (result: T) => Facts): Promise<T>;
  /** What stands on a device's screen, line by line. */
  screen(lines: readonly string[]): void;
  /** A line between steps. */
  say(text: string): void;
  seconds(): number;
}

export interface TimelineOptions {
  readonly json: boolean;
  /** Rewrites the line of a step under way. */
  readonly live: boolean;
  readonly write: (text: string) => void;
  readonly now?: () => number;
}

const clear = "\r\x1b[2K";

export const openTimeline = ({
  json,
  live,
  write,
  now = () => performance.now(),
}: TimelineOptions): Timeline => {
  const begun = now();
  const seconds = (): number => Math.round((now() - begun) / 100) / 10;
  const stamp = (): string => `${seconds().toFixed(1).padStart(6)} s`;
  const line = (text: string): void => write(`${text}\n`);

  const shown = (facts: Facts): void => {
    const width = Math.max(0, ...Object.keys(facts).map((name) => name.length));
    for (const [name, value] of Object.entries(facts))
      line(`${" ".repeat(13)}${name.padEnd(width)}  ${plain(String(value))}`);
  };

  return {
    seconds,
    say: (text) => {
      if (json) line(toJson({ event: "said", text }));
      else line(`\n${text}`);
    },
    screen: (lines) => {
      if (json) {
        line(toJson({ event: "screen", lines }));
        return;
      }
      const last = lines.findLastIndex((text) => text.trim() !== "");
      const width = Math.max(0, ...lines.map((text) => text.length));
      const edge = "─".repeat(width + 2);
      const box = lines.slice(0, last + 1).map((text) => `│ ${plain(text.padEnd(width))} │`);
      if (live) write(clear);
      for (const text of [`┌${edge}┐`, ...box, `└${edge}┘`]) line(`${" ".repeat(13)}${text}`);
    },
    step: async (title, work, factsOf = () => ({})) => {
      if (live && !json) write(`${stamp()}  … ${title}`);
      try {
        const result = await work();
        const facts = factsOf(result);
        if (json) line(toJson({ event: "step", title, ok: true, seconds: seconds(), ...facts }));
        else {
          line(`${live ? clear : ""}${stamp()}  ✓ ${title}`);
          shown(facts);
        }
        return result;
      } catch (error) {
        const reason = plain((error as Error).message ?? String(error));
        if (json) line(toJson({ event: "step", title, ok: false, seconds: seconds(), reason }));
        else line(`${live ? clear : ""}${stamp()}  ✗ ${title}\n${" ".repeat(13)}${reason}`);
        throw error;
      }
    },
  };
};
