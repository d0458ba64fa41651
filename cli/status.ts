/** `countersign status`: how a running signer stands. */

import type { Command } from "commander";
import { isKnown } from "../protocol/codec.ts";
import type { Reply } from "../protocol/operations/index.ts";
import { showCount, showMsat } from "../signer/policy/amounts.ts";
import { type AdminOptions, print, withAdmin } from "./admin.ts";
import { exitCodes, Unable } from "./exit.ts";
import { plain, toJson } from "./json.ts";
import { table } from "./terminal.ts";

type Status = Reply<"status">;

const windows: Readonly<Record<Status["windows"][number]["name"], string>> = {
  sent: "payments approved, fee limits included",
  funded: "put into channels",
  trimmed: "hidden in HTLCs too small to list",
  fees: "on-chain fees",
  lost: "forwards that never came in",
};

const modes: Readonly<Record<Reply<"chainSource">["mode"], string>> = {
  own: "own",
  host: "host-fed (weaker: what the host does not show is not seen, and nothing is published)",
  proofs: "host-fed in parts (weakest: the host can hide a breach, and nothing is published)",
  none: "none",
};

export const chainText = ({ mode, name, trouble, height, unconfirmed }: Reply<"chainSource">): string => {
  if (mode !== "own") return `Blocks: ${modes[mode]}.`;
  const at = isKnown(height) ? `, at height ${height}` : "";
  const waits =
    unconfirmed === 0 ? "" : ` ${showCount(unconfirmed, "transaction")} published, not confirmed.`;
  return `Blocks: own: ${plain(name)}${at}.${waits}${trouble === "" ? "" : ` TROUBLE: ${plain(trouble)}`}`;
};

export const statusText = (status: Status, source?: Reply<"chainSource">): string => {
  const { network, tier, software, curve, constantTime, channels, pending, chain } = status;
  const height = isKnown(chain.height) ? ` at height ${chain.height}` : "";
  const waits = pending === 0 ? "Nothing waits" : `${showCount(pending, "approval")} waiting`;
  return [
    ...(status.fault === "" ? [] : [`FAULT: ${plain(status.fault)} Nothing is signed until it is mended.`]),
    ...status.alarms.map((alarm) => `ALARM: ${plain(alarm)}`),
    `${plain(software)} on ${network}, tier ${tier}, ${showCount(channels, "channel")}.`,
    `Keys by ${plain(curve)}, ${constantTime ? "in constant time" : "NOT in constant time"}.`,
    chain.followed
      ? `The chain is followed${height}.`
      : "No chain is followed: depth and deadlines are not checked.",
    ...(source === undefined || source.mode === "none" ? [] : [chainText(source)]),
    `${waits} for a person.`,
    "",
    table([
      ["in the last 24 hours", "spent", "limit"],
      ...status.windows.map(({ name, spent, limit }) => [windows[name], showMsat(spent), showMsat(limit)]),
    ]),
  ].join("\n");
};

/** A signer with a fault answers `status` alone. */
const faulted = (error: unknown): undefined => {
  if (!(error instanceof Unable)) throw error;
};

const show = ({ dir, json }: AdminOptions): Promise<void> =>
  withAdmin(dir, async ({ ask }) => {
    const status = await ask("status", {});
    const source = await ask("chainSource", {}).catch(faulted);
    print(json ? toJson({ ...status, source }) : statusText(status, source));
    if (status.fault !== "") process.exitCode = exitCodes.fault.code;
  });

export const registerStatus = (program: Command): void => {
  program
    .command("status")
    .description("how a running signer stands: what waits, what is left of each limit, what is wrong")
    .requiredOption("--dir <directory>", "what init made")
    .option("--json", "print JSON")
    .action(show);
};
