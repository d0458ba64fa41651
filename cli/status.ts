/** `countersign status`: how a running signer stands. */

import type { Command } from "commander";
import { isKnown } from "../protocol/codec.ts";
import type { Reply } from "../protocol/operations/index.ts";
import { showCount, showMsat } from "../signer/policy/amounts.ts";
import { type AdminOptions, print, withAdmin } from "./admin.ts";
import { exitCodes } from "./exit.ts";
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

export const statusText = (status: Status): string => {
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
    `${waits} for a person.`,
    "",
    table([
      ["in the last 24 hours", "spent", "limit"],
      ...status.windows.map(({ name, spent, limit }) => [windows[name], showMsat(spent), showMsat(limit)]),
    ]),
  ].join("\n");
};

const show = ({ dir, json }: AdminOptions): Promise<void> =>
  withAdmin(dir, async ({ ask }) => {
    const status = await ask("status", {});
    print(json ? toJson(status) : statusText(status));
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
