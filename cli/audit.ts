/** `countersign audit`: what the signer decided, and the proof that nothing of it was changed. */

import { join, resolve } from "node:path";
import type { Command } from "commander";
import { toHex } from "../protocol/bytes.ts";
import { isKnown, type Maybe } from "../protocol/codec.ts";
import { nameOf } from "../protocol/operations/index.ts";
import { type AuditFile, type AuditRecord, readAudit, readRecord, verifyAudit } from "../signer/audit.ts";
import { configFile, pathsOf, readConfig } from "../signer/config.ts";
import { SetupError } from "../signer/setup-error.ts";
import { StoreFault } from "../signer/store/store.ts";
import { openWitness, type Witness } from "../signer/witness.ts";
import { exitCodes } from "./exit.ts";
import { table } from "./terminal.ts";

interface AuditOptions {
  readonly dir: string;
  readonly json?: true;
}

const openAudit = ({ dir }: AuditOptions): AuditFile => {
  const file = join(resolve(dir), configFile);
  try {
    return readAudit(pathsOf(readConfig(file), file).store);
  } catch (error) {
    if (error instanceof StoreFault)
      throw new SetupError(error.trouble === "held" ? "unavailable" : "invalid", error.message);
    throw error;
  }
};

/** Where the chain once ended, as another disk has it. One that can't be read is `countersign witness show`'s to tell. */
const witnessOf = ({ dir }: AuditOptions): Witness | undefined => {
  const file = join(resolve(dir), configFile);
  const path = pathsOf(readConfig(file), file).witness;
  if (path === undefined) return undefined;
  const witness = openWitness(path, "look");
  if ("is" in witness)
    throw new SetupError("invalid", witness.sentence, `See \`countersign witness show --dir ${dir}\`.`);
  witness.close();
  return witness;
};

const verify = (options: AuditOptions): void => {
  const witness = witnessOf(options);
  const audit = openAudit(options);
  try {
    const { genesis, head } = audit;
    const witnessed = witness === undefined ? {} : { witnessed: witness.seen };
    const verdict = verifyAudit({ genesis, head, rows: audit.rows(), ...witnessed });
    const beside = witness === undefined ? "" : ` Record ${witness.seen.sequence} is as it was witnessed.`;
    const told =
      verdict.is === "whole"
        ? `The audit log is whole: ${verdict.records} records, each in its place.${beside}`
        : `The audit log is broken at record ${verdict.sequence}: ${verdict.sentence}.`;
    process.stdout.write(`${options.json ? JSON.stringify(verdict) : told}\n`);
    if (verdict.is === "broken") process.exitCode = exitCodes.fault.code;
  } finally {
    audit.close();
  }
};

const shown = <T>(value: Maybe<T>, as: (known: T) => string): string => (isKnown(value) ? as(value) : "");

const fieldsOf = (sequence: number, record: AuditRecord) => ({
  sequence,
  time: new Date(Number(record.time)).toISOString(),
  kind: record.kind,
  node: shown(record.node, toHex),
  operation: shown(record.operation, nameOf),
  channel: shown(record.channel, String),
  outcome: shown(record.outcome, String),
  rule: shown(record.rule, String),
  count: record.count,
  content: shown(record.content, toHex),
  host: shown(record.host, String),
  detail: shown(record.detail, String),
});

const tail = (options: AuditOptions & { readonly count: string }): void => {
  const count = Number(options.count);
  if (!Number.isInteger(count) || count < 1)
    throw new SetupError("usage", `--count ${options.count}: not a count`);
  const audit = openAudit(options);
  try {
    const records = [...audit.rows(Math.max(0, audit.head.sequence - count))].map(({ sequence, bytes }) =>
      fieldsOf(sequence, readRecord(bytes)),
    );
    if (options.json) {
      for (const record of records) process.stdout.write(`${JSON.stringify(record)}\n`);
      return;
    }
    const rows = records.map(({ sequence, time, kind, operation, channel, rule, count: times, detail }) => {
      const what = kind === "refusals" ? (times === 1 ? rule : `${rule} (${times} times)`) : detail;
      return [String(sequence), time, kind, operation, channel, what];
    });
    process.stdout.write(`${table([["record", "time", "kind", "operation", "channel", ""], ...rows])}\n`);
  } finally {
    audit.close();
  }
};

export const registerAudit = (program: Command): void => {
  const audit = program
    .command("audit")
    .description("read the log of decisions, while the signer does not run");
  const command = (name: string, description: string) =>
    audit
      .command(name)
      .description(description)
      .requiredOption("--dir <directory>", "what init made")
      .option("--json", "print JSON");
  command("verify", "find a record that is missing, changed or out of its place").action(verify);
  command("tail", "the last records").option("--count <n>", "how many", "20").action(tail);
};
