import { LinkError, type LinkWhy } from "../../protocol/link.ts";
import type { Refusal } from "../../protocol/outcome.ts";
import type { LinkUnavailable } from "../../protocol/wire/links/trouble.ts";
import { KeysAway } from "../core/ports.ts";

/** Why a device can't be asked at this moment. */
export type Absence =
  | "unplugged"
  | "locked"
  | "seedless"
  | "opening"
  | "busy"
  | "wrong-device"
  | "other-version"
  | "records"
  | "clock"
  | "broken"
  | "closed";

const hints: Readonly<Record<Absence, string>> = {
  unplugged: "Plug the device in. `countersign device list` shows what this machine sees.",
  locked: "Enter the PIN on the device.",
  seedless: "Give the device a seed: `countersign device setup`.",
  opening: "It is being opened: look at its screen.",
  busy: "Somebody is asked something on the device's screen: answer that first.",
  "wrong-device": "Another device, or another seed: plug in the one that this signer was made with.",
  "other-version": "Update the older of the two: the device's firmware, or this signer.",
  records: "Its records and this signer's store do not fit together: see docs/device.md, Records.",
  clock:
    "It was told another time than it can be there: check this machine's clock, then answer on the device's screen.",
  broken: "It has a fault: unplug it, and plug it in again. Its screen may say more.",
  closed: "The signer is stopping.",
};

/** What a link that ended says of its other end: something may be there, and not be the one. */
const absences: Partial<Record<LinkWhy, Absence>> = {
  unpaired: "wrong-device",
  "wrong-device": "wrong-device",
  version: "other-version",
};

export const absenceOf = (error: LinkError | LinkUnavailable): Absence =>
  (error instanceof LinkError ? absences[error.why] : undefined) ?? "unplugged";

export const keysAway = (name: string, why: Absence, what: string): KeysAway => {
  const refusal: Refusal = {
    rule: "device-reachable",
    kind: "core",
    final: false,
    sentence: "The device that has the keys is plugged in, unlocked and open.",
    facts: [
      { name: "device", value: name },
      { name: "is", value: why },
      ...(what === "" ? [] : [{ name: "because", value: what.slice(0, 200) }]),
    ],
    hint: hints[why],
  };
  return new KeysAway(refusal);
};
