/** What a person asks about keys that are on a device. The device judges each of these itself; nothing here signs. */

import { choice, list, maybe, message, text } from "../codec.ts";
import { mostChannels } from "../device/core.ts";
import {
  approverSignatures,
  because,
  deviceLimits,
  limitsNow,
  questionsNow,
  verdict,
} from "../device/limits.ts";
import { channel } from "./fields.ts";
import { adminOperation } from "./operation.ts";
import { approvalId } from "./payment.ts";

/** `none`: the keys are on no device. `away`: it can't be asked at this moment. */
const result = choice("DeviceResult", [
  "done",
  "none",
  "away",
  "busy",
  "denied",
  "unknown",
  "unsigned",
] as const);

export const deviceOperations = {
  deviceStanding: adminOperation(
    0x8a,
    "Says where the node's keys are, and of a device how it stands, what its limits are, and what waits for its person.",
    {},
    {
      keys: choice("KeysPlace", ["sealed", "device"]),
      name: text("of the device; empty where there is none", 64),
      standing: choice("DeviceStanding", [
        "open",
        "unplugged",
        "locked",
        "seedless",
        "opening",
        "busy",
        "wrong-device",
        "other-version",
        "records",
        "broken",
        "closed",
        "clock",
      ]),
      because,
      /** Unknown while it can't be asked. */
      now: maybe(message("DeviceNow", { ...limitsNow, ...questionsNow })),
    },
  ),
  deviceLimits: adminOperation(
    0x8b,
    "Changes the limits of the device that has the keys: with no signature its person is asked, otherwise its approvers must have signed.",
    { limits: deviceLimits, signatures: approverSignatures },
    { result, because },
  ),
  deviceAnswer: adminOperation(
    0x8c,
    "Brings the device its approvers' answer to a question that waits for its person.",
    { approval: approvalId, verdict, signatures: approverSignatures },
    { result, because },
  ),
  deviceForget: adminOperation(
    0x8d,
    "Has the device forget a channel that this signer has forgotten: where something was ours, its person is asked first.",
    /** Unknown: nothing is forgotten, and the reply says which could be. */
    { channel: maybe(channel) },
    { result, because, channels: list(channel, mostChannels) },
  ),
};
