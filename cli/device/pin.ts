/** The first approvers of a device, pinned when it is paired: its person compares their keys on the screen. */

import type { Command } from "commander";
import type { CoreAnswer } from "../../protocol/device/core.ts";
import { limitsFault } from "../../protocol/device/limits.ts";
import type { Link } from "../../protocol/link.ts";
import { askCore, DeviceBroken, type Met } from "../../signer/device/visit.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { Unable } from "../exit.ts";
import { approverKeys, neededCount } from "./limits.ts";

export interface Approvers {
  readonly keys: readonly Uint8Array[];
  /** Undefined: all of them. */
  readonly needed: number | undefined;
}

export interface ApproverOptions {
  readonly approver?: readonly Uint8Array[];
  readonly needed?: number;
}

export const withApproverOptions = (command: Command): Command =>
  command
    .option(
      "--approver <key>",
      "who may answer in the place of the device's person (`approver new`)",
      approverKeys,
    )
    .option("--needed <count>", "how many approvers must agree; all of them otherwise", neededCount);

/** As the options of whoever pairs a device. */
export const pinned = ({
  approver,
  needed,
  device,
}: ApproverOptions & { readonly device?: string }): { readonly approvers?: Approvers } => {
  if (approver === undefined && needed === undefined) return {};
  if (device === undefined || approver === undefined)
    throw new SetupError("usage", "--approver belongs to --device, and --needed to --approver");
  return { approvers: { keys: approver, needed } };
};

const unexpected = (answer: CoreAnswer): Error =>
  answer.is === "refused" && (answer.why === "denied" || answer.why === "busy")
    ? new Unable("refused", `the approvers were not agreed to on the device: ${answer.why}`)
    : new DeviceBroken("the device answers something else than what it was asked");

/** Of a device that keeps no records yet. */
export const pin = async (
  link: Link,
  { step, isOpen }: Pick<Met, "step" | "isOpen">,
  { keys, needed = keys.length }: Approvers,
  tell: (text: string) => void,
): Promise<void> => {
  if (!isOpen) {
    const begun = await askCore(link, { is: "begin" });
    if (begun.is !== "begun") throw unexpected(begun);
  }
  const now = await askCore(link, { is: "limits" });
  if (now.is !== "limits") throw unexpected(now);
  const limits = { ...now.limits, approvers: keys, needed };
  const fault = limitsFault(limits);
  if (fault !== undefined) throw new SetupError("usage", fault);
  tell("On the device: compare the keys of the approvers, and hold both buttons.");
  const set = await askCore(link, { is: "setLimits", step, limits, signatures: [] });
  if (set.is !== "limits") throw unexpected(set);
};
