/**
 * Stands in for `vitest` in the worker: collects tests by number, so that one of them can be run alone and at once.
 * `expect` is vitest's own.
 */

export { expect, vi } from "vitest";

type Hook = () => unknown;
type Body = (...args: readonly unknown[]) => unknown;

export interface Suite {
  readonly parent: Suite | undefined;
  readonly before: Hook[];
  readonly after: Hook[];
  readonly beforeEach: Hook[];
  readonly afterEach: Hook[];
  begun: boolean;
}

export interface Test {
  readonly name: string;
  readonly suite: Suite;
  readonly run: () => unknown;
}

const suiteIn = (parent: Suite | undefined): Suite => ({
  parent,
  before: [],
  after: [],
  beforeEach: [],
  afterEach: [],
  begun: false,
});

let current = suiteIn(undefined);
let tests: Test[] = [];
const opened: Suite[] = [];

class Skipped extends Error {}
const context = {
  skip: (): never => {
    throw new Skipped("skipped");
  },
};

/** Vitest takes options or a timeout beside the body. */
const bodyOf = (args: readonly unknown[]): Body => {
  const body = args.find((one) => typeof one === "function");
  if (body === undefined) throw new TypeError("a test without a body");
  return body as Body;
};

const add = (name: string, run: () => unknown): void => void tests.push({ name, suite: current, run });
const ignore = (): void => {};

const rows = (table: readonly unknown[]): readonly (readonly unknown[])[] =>
  table.map((row) => (Array.isArray(row) ? row : [row]));

const plainTest = (name: string, ...args: readonly unknown[]): void => {
  const body = bodyOf(args);
  add(name, () => body(context));
};
const testEach =
  (table: readonly unknown[]) =>
  (name: string, ...args: readonly unknown[]): void => {
    const body = bodyOf(args);
    for (const [at, row] of rows(table).entries()) add(`${name} #${at}`, () => body(...row));
  };
const testFor =
  (table: readonly unknown[]) =>
  (name: string, ...args: readonly unknown[]): void => {
    const body = bodyOf(args);
    for (const [at, row] of table.entries()) add(`${name} #${at}`, () => body(row, context));
  };

export const test = Object.assign(plainTest, {
  each: testEach,
  for: testFor,
  skip: ignore,
  runIf: (on: unknown) => (on ? plainTest : ignore),
  skipIf: (off: unknown) => (off ? ignore : plainTest),
});

const plainDescribe = (name: string, ...args: readonly unknown[]): void => {
  const [outer, mark] = [current, tests.length];
  current = suiteIn(outer);
  try {
    bodyOf(args)();
  } finally {
    current = outer;
  }
  tests = tests.map((one, at) => (at < mark ? one : { ...one, name: `${name} > ${one.name}` }));
};

export const describe = Object.assign(plainDescribe, {
  each:
    (table: readonly unknown[]) =>
    (name: string, ...args: readonly unknown[]): void => {
      const body = bodyOf(args);
      for (const row of rows(table)) plainDescribe(`${name} ${String(row[0])}`, () => body(...row));
    },
  skip: ignore,
  runIf: (on: unknown) => (on ? plainDescribe : ignore),
  skipIf: (off: unknown) => (off ? ignore : plainDescribe),
});

export const beforeAll = (hook: Hook): void => void current.before.push(hook);
export const afterAll = (hook: Hook): void => void current.after.push(hook);
export const beforeEach = (hook: Hook): void => void current.beforeEach.push(hook);
export const afterEach = (hook: Hook): void => void current.afterEach.push(hook);

/** What one file declares while it loads. */
export const collect = async (load: () => Promise<unknown>): Promise<readonly Test[]> => {
  current = suiteIn(undefined);
  tests = [];
  await load();
  return tests;
};

/** From the outermost to the suite itself. */
const road = (suite: Suite): readonly Suite[] =>
  suite.parent === undefined ? [suite] : [...road(suite.parent), suite];

/** What the tests of a suite share; done once. */
export const enter = async ({ suite }: Test): Promise<void> => {
  for (const one of road(suite)) {
    if (one.begun) continue;
    one.begun = true;
    opened.push(one);
    for (const hook of one.before) await hook();
  }
};

export const run = async ({ suite, run }: Test): Promise<void> => {
  const suites = road(suite);
  for (const one of suites) for (const hook of one.beforeEach) await hook();
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
  } finally {
    for (const one of suites.toReversed()) for (const hook of one.afterEach) await hook();
  }
};

/** Ends every suite that was entered. */
export const leave = async (): Promise<void> => {
  for (const one of opened.splice(0).reverse()) for (const hook of one.after) await hook();
};
