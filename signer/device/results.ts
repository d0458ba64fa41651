/** How what a person asked of a device ended, in the words of the operations table. */

import type { CoreAnswer, CoreRefusal } from "../../protocol/device/core.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { clip } from "../../protocol/outcome.ts";
import { Fault } from "../core/fault.ts";

type Result = Reply<"deviceLimits">["result"];

const resultOf: Readonly<Partial<Record<CoreRefusal, Result>>> = {
  busy: "busy",
  denied: "denied",
  unknown: "unknown",
  unsigned: "unsigned",
};

const sentences: Readonly<Record<Result, string>> = {
  done: "",
  none: "",
  away: "The device can't be asked at this moment.",
  busy: "The device asks its person something else: answer that first.",
  denied: "The person at the device said no.",
  unknown: "No such question waits on the device: it was answered, or its time is over.",
  unsigned:
    "Too few of the approvers that the device knows have signed this as it stands now: fetch the question again, and sign that.",
};

export const notKept =
  "The device took the answer, and the signer can't keep it now (its log says why): it counts when the host asks again, or is submitted again.";

export const ended = (result: Result, because = sentences[result]): Reply<"deviceLimits"> => ({
  result,
  because: clip(because, 256),
});

export const refusedBy = (answer: CoreAnswer): Reply<"deviceLimits"> => {
  if (answer.is === "malformed")
    return ended("denied", `${answer.malformed.path}: ${answer.malformed.reason}`);
  const result = answer.is === "refused" ? resultOf[answer.why] : undefined;
  if (result === undefined)
    throw new Fault("keyring", "the device answers something else than what it was asked");
  return ended(result);
};
