/**
 * What a signer says while it runs: JSON lines, each declared here with all its fields. Nothing else can be logged:
 * another event or field does not compile, and does not pass at run time either.
 */

import { type DestinationStream, destination, pino, stdTimeFunctions } from "pino";

export type Level = "debug" | "info" | "warn" | "error";

/** The kinds of fields. Bytes and objects are none, so neither is a Secret. */
interface Kinds {
  readonly text: string;
  readonly count: number | bigint;
  readonly flag: boolean;
}
type Kind = keyof Kinds;
type Fields = Readonly<Record<string, Kind>>;

interface Declared<F extends Fields> {
  readonly level: Level;
  readonly sentence: string;
  readonly fields: F;
}

const line = <const F extends Fields>(level: Level, sentence: string, fields: F): Declared<F> => ({
  level,
  sentence,
  fields,
});

export const lines = {
  "signer-started": line("info", "The signer answers requests.", {
    version: "text",
    network: "text",
    tier: "text",
    nodes: "count",
    address: "text",
    curve: "text",
    constantTime: "flag",
  }),
  "node-served": line("info", "One of the nodes for which it answers.", { node: "text", keys: "text" }),
  "signer-stopped": line("info", "The signer has stopped: all that was answered is on disk.", {
    reason: "text",
  }),
  "not-hardened": line(
    "warn",
    "Something outside of the signer leaves its memory less guarded than it could be.",
    {
      subject: "text",
      finding: "text",
      remedy: "text",
    },
  ),
  "witness-behind": line(
    "warn",
    "The store is further than its witness: the signer ran without it, or an older witness was put back.",
    { witness: "text", commits: "count" },
  ),
  "witness-near": line(
    "warn",
    "The witness is on the same disk as the store: what puts the one back may put the other back with it.",
    { witness: "text" },
  ),
  "chain-followed": line("info", "Blocks come from a source of the signer's own.", {
    node: "text",
    source: "text",
    height: "count",
  }),
  "chain-trouble": line(
    "warn",
    "The signer's own chain source is of no use now: nothing is seen, and nothing published.",
    { source: "text", reason: "text" },
  ),
  "chain-well": line("info", "The signer's own chain source is of use again.", { source: "text" }),
  "block-taken-back": line("warn", "A block was taken back: the chain is being reorganised.", {
    node: "text",
    height: "count",
  }),
  published: line("info", "A transaction was published; it is again with each block until it confirms.", {
    node: "text",
    /** Empty where a person handed it in. */
    channel: "text",
    txid: "text",
    what: "text",
    /** The source had it. */
    known: "flag",
  }),
  "publish-refused": line(
    "warn",
    "The chain source did not take a transaction; it is offered again with the next block.",
    {
      node: "text",
      channel: "text",
      txid: "text",
      what: "text",
      reason: "text",
    },
  ),
  "publish-failed": line("warn", "Publishing stopped before its end; it is tried again soon.", {
    node: "text",
    reason: "text",
  }),
  "claims-refused": line(
    "error",
    "A rule said no to what would take our money of a channel that has ended.",
    {
      node: "text",
      channel: "count",
      reason: "text",
    },
  ),
  "device-open": line("info", "The device that has the keys is open.", { device: "text" }),
  "device-away": line(
    "warn",
    "The device that has the keys can't be asked now: what needs it waits, or is refused.",
    {
      device: "text",
      is: "text",
      reason: "text",
    },
  ),
  "claim-left": line(
    "warn",
    "Something that is ours of a channel that has ended can't be brought home now.",
    {
      node: "text",
      channel: "count",
      reason: "text",
    },
  ),
  answered: line("debug", "A request was answered.", {
    host: "text",
    operation: "text",
    channel: "count",
    microseconds: "count",
  }),
  refused: line("warn", "A rule said no.", {
    host: "text",
    operation: "text",
    channel: "count",
    rule: "text",
    final: "flag",
  }),
  malformed: line("warn", "Bytes that are no request: the stream was closed.", {
    host: "text",
    path: "text",
    reason: "text",
  }),
  fault: line(
    "error",
    "Something broke: nothing more is signed until it is mended and the signer restarted.",
    {
      code: "text",
      where: "text",
    },
  ),
} as const;

type Lines = typeof lines;
export type Event = keyof Lines;
type LineOf<E extends Event> = { readonly event: E } & {
  readonly [F in keyof Lines[E]["fields"]]: Lines[E]["fields"][F] extends Kind
    ? Kinds[Lines[E]["fields"][F]]
    : never;
};
export type Line = { [E in Event]: LineOf<E> }[Event];

export interface Log {
  write(line: Line): void;
  /** What was written is out when it returns. */
  close(): void;
}

const redacted = "[redacted]";
const longest = 512;

const clean = (kind: Kind, value: unknown): unknown => {
  switch (kind) {
    case "text":
      return typeof value === "string" ? value.slice(0, longest) : redacted;
    case "count":
      return typeof value === "bigint" ? value.toString() : typeof value === "number" ? value : redacted;
    case "flag":
      return typeof value === "boolean" ? value : redacted;
  }
};

export interface LogOptions {
  readonly level: Level;
  /** Standard error when left out. */
  readonly to?: DestinationStream;
}

export const openLog = ({ level, to }: LogOptions): Log => {
  // Asynchronous, because a reader that stalls must not stall the signer.
  const standard = to === undefined ? destination({ dest: 2, sync: false }) : undefined;
  const logger = pino(
    {
      level,
      base: null,
      messageKey: "sentence",
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    to ?? standard ?? destination(2),
  );
  return {
    write: (given) => {
      const values: Readonly<Record<string, unknown>> = given;
      const declared: Declared<Fields> = lines[given.event];
      const fields = Object.entries(declared.fields).map(([name, kind]) => [name, clean(kind, values[name])]);
      logger[declared.level]({ event: given.event, ...Object.fromEntries(fields) }, declared.sentence);
    },
    close: () => standard?.flushSync(),
  };
};
