/**
 * What an approver reads before they sign. As on a device's screen, each line of what others wrote begins with a mark, with
 * which no line of our own does; so none of them looks like another row, however it is filled.
 */

import { addressOf } from "../../protocol/bitcoin/address.ts";
import { isWitnessProgram } from "../../protocol/bitcoin/script.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { DeviceLimits, DeviceQuestion } from "../../protocol/device/limits.ts";
import type { Fact } from "../../protocol/outcome.ts";
import { showFeerate, showMsat } from "../../signer/policy/amounts.ts";
import { plain } from "../json.ts";
import { table } from "../terminal.ts";

const subjects: Readonly<Record<DeviceQuestion["subject"], string>> = {
  payment: "pay",
  outputs: "send on chain",
  opening: "open a channel with our money",
  cover: "give up what covers a payment that is on its way",
  channel: "say that this channel is in the chain",
  over: "say that this channel is over: its keys never sign again, and what is ours in it is lost if it is not",
};

export const timeOf = (seconds: bigint): string =>
  seconds === 0n ? "" : new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");

/** Of a terminal that does not say how wide it is. */
const usualColumns = 80;
const quoteMark = "> ";
/** Between a label and what stands behind it. */
const gap = 2;

/** A label is our core's own word; whatever else stands in its place is quoted as well. */
const label = /^[A-Za-z][A-Za-z0-9]{0,17}$/;

/** East Asian letters and pictures take two columns. */
const widthOf = (one: string): number => ((one.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2);

const chunks = (words: string, columns: number): readonly string[] => {
  const lines = [""];
  let used = 0;
  for (const one of words) {
    used += widthOf(one);
    if (used > columns) {
      lines.push("");
      used = widthOf(one);
    }
    lines[lines.length - 1] += one;
  }
  return lines;
};

/** Several blanks in a row could push what follows to where it looks like something else. */
const seen = (words: string): string =>
  plain(words).replaceAll(/ {2,}|^ | $/g, ({ length }) =>
    length === 1 ? "\\u{20}" : `\\{${length} blanks}`,
  );

const labelled = ({ name, value }: Fact): readonly [string, string] =>
  label.test(name) ? [name, value] : ["also", `${name}: ${value}`];

const quotedRows = (shown: readonly Fact[], columns: number): readonly (readonly string[])[] => {
  const rows = shown.map(labelled);
  const widest = Math.max(...["in all", ...rows.map(([name]) => name)].map(({ length }) => length));
  const room = Math.max(16, columns - widest - gap - quoteMark.length);
  return rows.flatMap(([name, words]) =>
    chunks(seen(words), room).map((line, i) => [i > 0 ? "" : name, `${quoteMark}${line}`]),
  );
};

export const questionText = (
  { id, subject, amount, shown, asked }: DeviceQuestion,
  columns = usualColumns,
): string =>
  table([
    ["to", subjects[subject]],
    ["in all", showMsat(amount)],
    ...quotedRows(shown, Math.min(columns, usualColumns)),
    ...(asked === 0n ? [] : [["asked", timeOf(asked)]]),
    ["id", toHex(id)],
  ]);

/** Its list of outputs ends before they do; on the device's screen too. */
export const hasMore = ({ shown }: DeviceQuestion): boolean => shown.some(({ name }) => name === "andMore");

/** The networks differ in the address's beginning alone, and which one it is the limits do not say. */
const destination = (hex: string): string => {
  const bytes = fromHex(hex);
  if (!isWitnessProgram(bytes as never)) return `script ${hex}`;
  return `script ${hex} (on bitcoin ${addressOf("bitcoin", bytes as never)})`;
};

/** All of them: what is said to be as before may be said by a signer that lies. */
export const limitsRows = (limits: DeviceLimits): readonly (readonly string[])[] => [
  ["unasked, in all", showMsat(limits.allowance)],
  ["unasked, each", showMsat(limits.each)],
  ["forwards", limits.forwarding ? "yes" : "no"],
  ["fee of a commitment up to", showFeerate(limits.maxFeerate)],
  ["fee of a close up to", showFeerate(limits.maxClosingFeerate)],
  ["fee of what is sent up to", showFeerate(limits.maxOnchainFeerate)],
  ["fee of a sweep up to", showFeerate(limits.maxSweepFeerate)],
  ...(limits.destinations.length === 0 ? [["paid unasked on chain", "nobody"]] : []),
  ...limits.destinations.map((one) => ["paid unasked on chain", destination(toHex(one))]),
  ...(limits.payees.length === 0 ? [["invoices paid unasked", "nobody's"]] : []),
  ...limits.payees.map((one) => ["invoices paid unasked", toHex(one)]),
  ...(limits.approvers.length === 0
    ? [["approvers", "none: the person at the device alone"]]
    : [["approvers that must agree", `${limits.needed} of ${limits.approvers.length}`]]),
  ...limits.approvers.map((one) => ["approver", toHex(one)]),
];
