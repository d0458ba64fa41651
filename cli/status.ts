/** `countersign status`: how a running signer stands. */

import type { Command } from "commander";
import { isKnown } from "../protocol/codec.ts";
import type { Reply } from "../protocol/operations/index.ts";
import { showCount, showMsat } from "../signer/policy/amounts.ts";
import { type AdminOptions, type NodeAdmin, print, withAdmins } from "./admin.ts";
import { exitCodes, Unable } from "./exit.ts";
import { plain, toJson } from "./json.ts";
import { keysText, type NodeNames, withNodeOption } from "./nodes.ts";
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

type Standing = Reply<"deviceStanding">;

/** One node of the signer. */
export interface NodeStatus {
  readonly about: NodeNames;
  readonly status: Status;
  readonly source: Reply<"chainSource"> | undefined;
  /** Of the device that has the keys. */
  readonly device: Standing | undefined;
}

/** As scripts get it. */
export const keysOf = ({ index, device }: NodeNames, standing?: Standing) => {
  if (device === undefined) return { is: "sealed", index } as const;
  return {
    ...({ is: "device", device } as const),
    ...(standing === undefined ? {} : { standing: standing.standing, because: standing.because }),
    ...(standing === undefined || !isKnown(standing.now)
      ? {}
      : {
          allowance: standing.now.limits.allowance,
          left: standing.now.left,
          waiting: standing.now.questions.length + standing.now.more,
        }),
  };
};

/** Of a device that can be asked. */
const nowText = ({ now }: Standing): string => {
  if (!isKnown(now)) return "";
  const { limits, left, questions, more } = now;
  const waits = questions.length + more;
  const allowance = limits.allowance === 0n ? "" : `, ${showMsat(left)} left of its allowance`;
  return `${allowance}${waits === 0 ? "" : `, ${showCount(waits, "question")} waiting there`}`;
};

export const placeText = ({ about, device }: Pick<NodeStatus, "about" | "device">): string => {
  if (device === undefined) return `Keys are ${keysText(about)}.`;
  // Not lost, which has a reason: it has not been open since it was plugged in, and may ask for its PIN.
  if ((device.standing === "unplugged" || device.standing === "opening") && device.because === "")
    return `Keys are ${keysText(about)}: not open yet. Is it plugged in? Look at its screen.`;
  const because = device.because === "" ? "" : ` (${plain(device.because)})`;
  return `Keys are ${keysText(about)}: ${device.standing}${because}${nowText(device)}.`;
};

export const nodeStatusText = (one: NodeStatus): string =>
  [`Node ${one.about.id}`, placeText(one), statusText(one.status, one.source)].join("\n");

export const nodeStatusFields = ({ about, status, source, device }: NodeStatus) => ({
  node: about.id,
  keys: keysOf(about, device),
  ...status,
  ...(source === undefined ? {} : { source }),
});

export const nodeStatusOf = async ({ about, ask }: NodeAdmin): Promise<NodeStatus> => {
  const status = await ask("status", {});
  const source = await ask("chainSource", {}).catch(faulted);
  const device = about.device === undefined ? undefined : await ask("deviceStanding", {}).catch(faulted);
  return { about, status, source, device };
};

const show = (options: AdminOptions): Promise<void> =>
  withAdmins(options, async (admins) => {
    const all = await Promise.all(admins.map(nodeStatusOf));
    print(options.json ? toJson({ nodes: all.map(nodeStatusFields) }) : all.map(nodeStatusText).join("\n\n"));
    if (all.some(({ status }) => status.fault !== "")) process.exitCode = exitCodes.fault.code;
  });

export const registerStatus = (program: Command): void => {
  const status = program
    .command("status")
    .description("how a running signer stands: what waits, what is left of each limit, what is wrong")
    .requiredOption("--dir <directory>", "what init made");
  withNodeOption(status).option("--json", "print JSON").action(show);
};
