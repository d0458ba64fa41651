/** Questions and progress go to the error stream, results to the output: so a script can read the one without the other. */

import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { SetupError } from "../signer/setup-error.ts";

export interface Terminal {
  /** A person is there to ask. */
  readonly interactive: boolean;
  /** That a line has; undefined where nobody knows. */
  readonly columns: number | undefined;
  tell(text: string): void;
  ask(question: string): Promise<string>;
  /** What is typed is not shown. */
  askHidden(question: string): Promise<string>;
  /** Until Enter; on a terminal neither the screen nor its history keeps it. */
  showOnce(text: string): Promise<void>;
  close(): void;
}

export interface TerminalStreams {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

const otherScreen = "\x1b[?1049h\x1b[H";
const usualScreen = "\x1b[2J\x1b[?1049l";

/** Nothing is read, and no terminal is put into another mode, before the first question. */
export const openTerminal = ({ input, output }: TerminalStreams): Terminal => {
  const interactive = input.isTTY === true && output.isTTY === true;
  let hidden = false;
  let conversation: ReturnType<typeof begin> | undefined;

  const begin = () => {
    const echo = new Writable({
      write: (chunk, _encoding, done) => {
        if (!hidden) output.write(chunk);
        done();
      },
    });
    const reader = createInterface({ input, output: echo, terminal: interactive, historySize: 0 });
    const arrived: string[] = [];
    let ended: SetupError | undefined;
    let waiting: { take: (line: string) => void; fail: (error: SetupError) => void } | undefined;
    const end = (error: SetupError): void => {
      ended ??= error;
      waiting?.fail(ended);
      waiting = undefined;
      reader.close();
    };
    reader.on("line", (line) => {
      if (waiting === undefined) arrived.push(line);
      else waiting.take(line);
      waiting = undefined;
    });
    reader.on("SIGINT", () => {
      // The cursor stands behind the question. Where the answer is hidden, whoever asked begins the line.
      if (!hidden) output.write("\n");
      end(new SetupError("interrupted", "interrupted"));
    });
    reader.on("close", () =>
      end(new SetupError("usage", "the input ended before the question was answered")),
    );
    const next = (question: string): Promise<string> => {
      if (ended === undefined) {
        reader.setPrompt(question);
        reader.prompt();
      } else output.write(question);
      const line = arrived.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (ended !== undefined) return Promise.reject(ended);
      return new Promise((take, fail) => {
        waiting = { take, fail };
      });
    };
    return { next, close: () => reader.close() };
  };

  const ask = (question: string): Promise<string> => {
    conversation ??= begin();
    return conversation.next(question);
  };

  return {
    interactive,
    columns: output.columns,
    tell: (text) => void output.write(`${text}\n`),
    ask,
    askHidden: async (question) => {
      const answer = ask(question);
      hidden = true;
      try {
        return await answer;
      } finally {
        hidden = false;
        output.write("\n");
      }
    },
    showOnce: async (text) => {
      output.write(interactive ? `${otherScreen}${text}\n` : `${text}\n`);
      try {
        await ask("Press Enter when you have written it down. ");
      } finally {
        if (interactive) output.write(usualScreen);
      }
    },
    close: () => conversation?.close(),
  };
};

/** Columns as wide as their widest cell, two spaces between. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};
