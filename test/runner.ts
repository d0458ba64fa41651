/** How a longer suite is called from `npm run`: its options, its help, and exit code 2 for what is wrong with them. */

import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** What was asked for can't be meant. */
export class Misused extends Error {
  override readonly name = "Misused";
}

const common = {
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O & typeof common }>
>["values"];

export interface Suite<O extends ParseArgsOptionsConfig> {
  readonly usage: string;
  /** Beside `--json` and `--help`. */
  readonly options: O;
  /** Gives the exit code. */
  readonly run: (values: Values<O>) => Promise<number>;
}

export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** A summary with JSON in one line, or a line for each of its figures. */
export const tell = (summary: object, json: boolean): void => {
  const lines = Object.entries(summary).map(([name, value]) => `${name.padEnd(20)} ${value}`);
  process.stdout.write(`${json ? JSON.stringify(summary) : lines.join("\n")}\n`);
};

export const whole = (option: string, text: string, least = 1): number => {
  const number = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(number) || number < least)
    throw new Misused(`--${option} is a whole number from ${least}, not ${JSON.stringify(text)}`);
  return number;
};

export const runSuite = async <const O extends ParseArgsOptionsConfig>(
  { usage, options, run }: Suite<O>,
  args: readonly string[] = process.argv.slice(2),
): Promise<number> => {
  const wrong = (why: string): number => {
    say(`${why}\n\n${usage}`);
    return 2;
  };
  let values: Values<O>;
  try {
    ({ values } = parseArgs({ args: [...args], options: { ...options, ...common } }));
  } catch (error) {
    return wrong((error as Error).message);
  }
  if ((values as { readonly help: boolean }).help) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    return await run(values);
  } catch (error) {
    if (error instanceof Misused) return wrong(error.message);
    throw error;
  }
};
