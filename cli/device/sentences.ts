/** How a device, or the way to it, says no: in words for who stands in front of it, and as exit codes. */

import type { DeviceAnswer, DeviceRefusal, DeviceStage } from "../../protocol/device/requests.ts";
import { LinkError, type LinkWhy } from "../../protocol/link.ts";
import { LinkUnavailable, type UnavailableWhy } from "../../protocol/wire/links/trouble.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type Exit, Unable } from "../exit.ts";

export interface About {
  readonly name: string;
  readonly address: string;
  readonly dir: string;
}

export const stageText: Readonly<Record<DeviceStage, string>> = {
  unprovisioned: "empty: neither PIN nor seed",
  seedless: "it has a PIN, and no seed yet",
  locked: "locked",
  unlocked: "unlocked",
};

const next = (stage: DeviceStage, { dir, name }: About): string => {
  const options = `--dir ${dir} --device ${name}`;
  switch (stage) {
    case "unprovisioned":
    case "seedless":
      return `Give it a seed: \`countersign device setup ${options}\`.`;
    case "locked":
      return `Unlock it: \`countersign device unlock ${options}\`.`;
    case "unlocked":
      return `Lock it, or wipe it: \`countersign device lock ${options}\`.`;
  }
};

const seconds = (ms: number): string => {
  const whole = Math.ceil(ms / 1000);
  return whole === 1 ? "a second" : whole < 120 ? `${whole} seconds` : `${Math.ceil(whole / 60)} minutes`;
};

type Refused = Extract<DeviceAnswer, { is: "refused" }>;

export const refusalExit: Readonly<Record<DeviceRefusal, Exit>> = {
  stage: "refused",
  busy: "unavailable",
  denied: "refused",
  words: "invalid",
  passphrase: "passphrase",
  "wrong-pin": "passphrase",
  wait: "refused",
  wiped: "passphrase",
};

/** `stage` where it is known. */
export const refusalText = (
  { why, waitMs, left }: Refused,
  about: About,
  stage: DeviceStage | undefined,
): string => {
  switch (why) {
    case "stage":
      return stage === undefined
        ? `${about.name} can't do that in its present state.`
        : `${about.name} can't do that now: ${stageText[stage]}. ${next(stage, about)}`;
    case "busy":
      return `${about.name} asks a person something else at this moment: answer that first.`;
    case "denied":
      return "It was denied on the device; nothing was done.";
    case "words":
      return "The words were not right: they do not fit together, or are not those of this seed.";
    case "passphrase":
      return "That passphrase, or none, leads to another seed than the one in use. The device is locked again.";
    case "wrong-pin":
      return `Wrong PIN. ${left === 1 ? "One attempt is" : `${left} attempts are`} left; after the last the device is wiped. The next one in ${seconds(waitMs)}.`;
    case "wait":
      return `Too early after a wrong PIN: the device takes the next one in ${seconds(waitMs)}. ${left === 1 ? "One attempt is" : `${left} attempts are`} left.`;
    case "wiped":
      return `That was the last attempt: the device is wiped. Its words bring the keys back: pair it again (\`countersign device pair --dir ${about.dir} --address ${about.address}\`), then \`countersign device setup --restore --dir ${about.dir}\`.`;
  }
};

const linkExit: Readonly<Record<LinkWhy, Exit>> = {
  closed: "unavailable",
  gone: "unavailable",
  stuck: "unavailable",
  unpaired: "refused",
  "wrong-device": "refused",
  version: "unavailable",
  pairing: "refused",
  silent: "unavailable",
  "given-up": "unavailable",
  different: "refused",
  interrupted: "unavailable",
  cancelled: "refused",
  busy: "unavailable",
  broken: "fault",
  long: "fault",
};

const linkText = ({ why, message }: LinkError, { name, address, dir }: About): string => {
  switch (why) {
    case "closed":
    case "gone":
      return `The way to ${name} (${address}) broke off: ${message}. Plug it in, and ask again: whatever was asked may be repeated.`;
    case "stuck":
      return `${name} (${address}) takes no bytes any more. Plug it in again.`;
    case "unpaired":
      return `The device at ${address} does not know this signer: it is another one than ${name}, or was wiped. \`countersign device pair --dir ${dir} --address ${address}\` pairs them.`;
    case "wrong-device":
      return `${address} is another device than ${name}: ${message}. Plug in ${name}, or say where it is with --address.`;
    case "version":
      return `${name} and this signer have no version of the link in common: one of the two needs an update.`;
    case "pairing":
      return `Nobody opened the pairing on the device: hold both of its buttons until it says that pairing is open, and begin again.`;
    case "silent":
    case "given-up":
      return `${name} (${address}) does not answer: ${message}. Is it the device that was paired, and switched on?`;
    case "different":
      return "The codes were not said to be the same on both sides, so nothing was paired. If they did differ, somebody sits between this machine and the device: use another cable and another machine.";
    case "interrupted":
      return `The pairing broke off: ${message}. Begin again; there will be another code.`;
    case "cancelled":
      return "The device gave the request up; nothing was done.";
    case "busy":
      return `${name} has as many requests as it takes. Ask again.`;
    case "broken":
      return `${name} failed on this request. Start it again.`;
    case "long":
      return `${name}: ${message}`;
  }
};

const unavailableExit: Readonly<Record<UnavailableWhy, Exit>> = {
  missing: "unavailable",
  ambiguous: "usage",
  denied: "unsafe",
  busy: "unavailable",
  library: "unavailable",
  refused: "unavailable",
};

/** Errors of the way to a device as ends of a command; others as they are. */
export const explained = (error: unknown, about: About): unknown => {
  if (error instanceof LinkError) return new Unable(linkExit[error.why], linkText(error, about));
  if (error instanceof LinkUnavailable) return new Unable(unavailableExit[error.why], error.message);
  return error;
};

export const inUse = ({ name }: About): SetupError =>
  new SetupError(
    "unavailable",
    `${name} is in use: a running signer has it, or another command`,
    "Stop that one first, or wait until it is done.",
  );
