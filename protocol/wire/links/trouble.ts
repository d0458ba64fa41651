/** What goes wrong with a cable, in words for who has it in the hand. What the libraries say is looked at here alone. */

import { formatLinkAddress, type LinkAddress } from "./address.ts";

/**
 * - missing: nothing is there. - ambiguous: several are, and nothing says which.
 * - denied: this user may not. - busy: another process has it. - library: what would open it does not load.
 * - refused: it is there, and can't be used all the same.
 */
export type UnavailableWhy = "missing" | "ambiguous" | "denied" | "busy" | "library" | "refused";

/** A device that could not be opened. The hint says what to do about it. */
export class LinkUnavailable extends Error {
  override readonly name = "LinkUnavailable";
  readonly why: UnavailableWhy;
  /** What is wrong, without the hint; the message has both. */
  readonly sentence: string;
  readonly hint: string;

  constructor(why: UnavailableWhy, sentence: string, hint: string) {
    super(hint === "" ? sentence : `${sentence} ${hint}`);
    this.why = why;
    this.sentence = sentence;
    this.hint = hint;
  }
}

const saying = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^E[A-Z]+$/.test(code) ? code : "";
};

/**
 * The libraries have no codes to go by: serialport and node-hid say what the C library says (strerror), usb what nusb
 * does. The first that fits counts.
 */
const symptoms: readonly (readonly [UnavailableWhy, RegExp, readonly string[]])[] = [
  ["denied", /permission denied|access denied|not permitted|errno 1(3)?\b/i, ["EACCES", "EPERM"]],
  ["busy", /cannot lock port|\bbusy\b|temporarily unavailable|in use|errno 16\b/i, ["EBUSY"]],
  [
    "missing",
    /no such (file|device)|not found|disconnected|errno (2|19)\b/i,
    ["ENOENT", "ENODEV", "ENXIO", "ECONNREFUSED", "ENOTDIR"],
  ],
];

export const whyOf = (error: unknown): UnavailableWhy => {
  const [code, words] = [codeOf(error), saying(error)];
  return (
    symptoms.find(([, , codes]) => codes.includes(code))?.[0] ??
    symptoms.find(([, pattern]) => pattern.test(words))?.[0] ??
    "refused"
  );
};

const rulesHint =
  "Install the udev rules (countersign doctor --udev | sudo tee /etc/udev/rules.d/70-countersign.rules), " +
  "reload them (sudo udevadm control --reload), and plug the device in again; countersign doctor tells what else is missing.";

const plugHint = "Is it plugged in and switched on? countersign doctor lists what is there.";

const deniedHints: Readonly<Record<LinkAddress["is"], string>> = {
  unix: "Its file belongs to another user: run this as the user who runs the device.",
  serial: `${rulesHint} A serial adapter of another maker is for the group dialout: sudo usermod -aG dialout "$USER", and log in again.`,
  hid: rulesHint,
  usb: rulesHint,
};

const missingHints: Readonly<Record<LinkAddress["is"], string>> = {
  unix: "Is the process running that has the device?",
  serial: plugHint,
  hid: plugHint,
  usb: plugHint,
};

const busyHint = "Another process has it open: another signer, a terminal program, or ModemManager.";

/** Of an error while the device at this address was opened. */
export const unavailable = (address: LinkAddress, error: unknown): LinkUnavailable => {
  if (error instanceof LinkUnavailable) return error;
  const where = formatLinkAddress(address);
  const why = whyOf(error);
  switch (why) {
    case "denied":
      return new LinkUnavailable(why, `This user may not open ${where}.`, deniedHints[address.is]);
    case "busy":
      return new LinkUnavailable(why, `${where} is in use.`, busyHint);
    case "missing":
      return new LinkUnavailable(why, `There is no ${where}.`, missingHints[address.is]);
    case "ambiguous":
    case "library":
    case "refused":
      return new LinkUnavailable("refused", `${where} can't be opened: ${saying(error)}.`, "");
  }
};

export type LibraryName = "serialport" | "node-hid" | "usb";

/** Which package of Debian and Ubuntu has what a library was linked with. */
const systemPackages: Readonly<Record<string, string>> = {
  "libusb-1.0.so": "libusb-1.0-0",
  "libudev.so": "libudev1",
};

/** Which system library the loader missed; undefined if it was not that. */
export const missingSystemLibrary = (error: unknown): string | undefined => {
  const words = saying(error);
  return Object.entries(systemPackages).find(([file]) => words.includes(file))?.[1];
};

export const libraryTrouble = (name: LibraryName, error: unknown): LinkUnavailable => {
  const missing = missingSystemLibrary(error);
  if (missing !== undefined)
    return new LinkUnavailable(
      "library",
      `The library ${name} does not load, because this system has no ${missing}.`,
      `On Debian and Ubuntu: sudo apt-get install ${missing}.`,
    );
  return codeOf(error).endsWith("MODULE_NOT_FOUND") || /cannot find (module|package)/i.test(saying(error))
    ? new LinkUnavailable(
        "library",
        `The library ${name} is not installed.`,
        "It is an optional dependency: install countersign anew without --omit=optional.",
      )
    : new LinkUnavailable("library", `The library ${name} does not load: ${saying(error)}.`, "");
};

/** Why a cable that was open carries nothing more. */
export const lostSentence = (name: string, error?: unknown): string =>
  error === undefined || error === null ? `${name} is gone` : `${name} is gone: ${saying(error)}`;

/** Of a transfer of the library usb: its time ran out. */
export const isCancelled = (error: unknown): boolean => /\bcancelled\b/i.test(saying(error));

/** The device halted the endpoint (USB 2.0, section 9.4.5). */
export const isStalled = (error: unknown): boolean => /\bstall\b/i.test(saying(error));
