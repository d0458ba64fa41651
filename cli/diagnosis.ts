/** What `countersign doctor` looks at, one check after the other; what it looks with is handed in. */

import type { Curve } from "../protocol/curve/index.ts";
import { printUdevRules, udevRulesName } from "../protocol/device/udev.ts";
import type { Found, Survey } from "../protocol/wire/links/discover.ts";
import { type LibraryName, LinkUnavailable } from "../protocol/wire/links/trouble.ts";
import { type Finding, faultText } from "../signer/hardening.ts";
import type { Exit } from "./exit.ts";

/**
 * - fine. - note: works, and could be better, or a part of it is missing that not everybody needs.
 * - wrong: a signer, or a device that is plugged in, can't be used as things are.
 */
export type State = "fine" | "note" | "wrong";

export interface Check {
  readonly subject: string;
  readonly state: State;
  readonly sentence: string;
  readonly remedy: string;
  /** With which code it ends where this is the first thing wrong. */
  readonly exit: Exit;
}

export interface Directory {
  /** Permission bits. */
  readonly mode: number;
  readonly freeBytes: number;
}

export interface Instruments {
  readonly nodeVersion: string;
  readonly platform: string;
  /** What hardening could not close. */
  readonly findings: readonly Finding[];
  loadCurve(): Promise<Curve>;
  readonly libraries: Readonly<Record<LibraryName, () => Promise<unknown>>>;
  survey(): Promise<Survey>;
  /** Undefined where there is no such file. */
  read(path: string): Promise<string | undefined>;
  look(directory: string): Promise<Directory | undefined>;
}

export interface Diagnosis {
  readonly checks: readonly Check[];
  readonly devices: readonly Found[];
}

const check = (subject: string, state: State, sentence: string, remedy = "", exit: Exit = "unavailable") => ({
  subject,
  state,
  sentence,
  remedy,
  exit,
});

const leastNode = 26;

const checkNode = ({ nodeVersion }: Instruments): Check => {
  const major = Number(/^v(\d+)\./.exec(nodeVersion)?.[1]);
  return major >= leastNode
    ? check("node", "fine", `Node.js ${nodeVersion}.`)
    : check(
        "node",
        "wrong",
        `Node.js ${nodeVersion} is too old.`,
        `Install Node.js ${leastNode} or a later one.`,
      );
};

const checkCurve = async ({ loadCurve }: Instruments): Promise<Check> => {
  try {
    const { name, constantTime } = await loadCurve();
    return check(
      "curve",
      "fine",
      `Keys by ${name}, ${constantTime ? "in constant time" : "NOT in constant time"}.`,
    );
  } catch (error) {
    return check(
      "curve",
      "wrong",
      `libsecp256k1 does not load: ${faultText(error).split("\n", 1)[0]}.`,
      "Install countersign anew with scripts allowed, or build it here: npm rebuild secp256k1.",
    );
  }
};

const cables: Readonly<Record<LibraryName, string>> = {
  serialport: "serial lines",
  "node-hid": "HID",
  usb: "USB",
};

const checkLibrary = async (name: LibraryName, load: () => Promise<unknown>): Promise<Check> => {
  try {
    await load();
    return check(name, "fine", `Devices on ${cables[name]} can be used.`);
  } catch (error) {
    const [sentence, hint] =
      error instanceof LinkUnavailable
        ? [error.sentence, error.hint]
        : [faultText(error).split("\n", 1)[0] ?? "", ""];
    return check(name, "note", `No devices on ${cables[name]}. ${sentence}`, hint);
  }
};

const ruleFolders = [
  "/etc/udev/rules.d",
  "/run/udev/rules.d",
  "/usr/local/lib/udev/rules.d",
  "/usr/lib/udev/rules.d",
  "/lib/udev/rules.d",
] as const;

const installRules = `countersign doctor --udev | sudo tee /etc/udev/rules.d/${udevRulesName} && sudo udevadm control --reload && sudo udevadm trigger`;

/** udev takes the file of a name in the first of its folders, and looks at no other. */
const checkRules = async ({ read }: Instruments): Promise<Check> => {
  for (const folder of ruleFolders) {
    const path = `${folder}/${udevRulesName}`;
    const text = await read(path);
    if (text === undefined) continue;
    return text === printUdevRules()
      ? check("udev", "fine", `The rules of udev are installed: ${path}.`)
      : check("udev", "note", `${path} is not the one of this version.`, `Install it anew: ${installRules}`);
  }
  return check(
    "udev",
    "note",
    "No rules of udev are installed: without them root alone can open a device on USB.",
    `Install them: ${installRules}`,
  );
};

const checkFound = ({ written, hindered }: Found): Check =>
  hindered === undefined
    ? check("device", "fine", `${written} can be opened.`)
    : check("device", "wrong", hindered.sentence, hindered.hint);

const checkDevices = ({ found, blind }: Survey): readonly Check[] => [
  ...found.map(checkFound),
  ...blind.map(({ trouble }) => check("device", "note", trouble.sentence, trouble.hint)),
  ...(found.length === 0 ? [check("device", "fine", "No device is plugged in.")] : []),
];

const checkFinding = ({ subject, sentence, remedy }: Finding): Check =>
  check(subject, subject === "core-dump" ? "wrong" : "note", `${sentence}.`, remedy, "unsafe");

const checkSwap = async ({ read }: Instruments): Promise<readonly Check[]> => {
  const swaps = (await read("/proc/swaps"))?.trim().split("\n").slice(1) ?? [];
  const open = swaps.map((line) => line.split(/\s/, 1)[0] ?? "").filter((name) => !/\/zram\d+$/.test(name));
  return open.length === 0
    ? []
    : [
        check(
          "swap",
          "note",
          `Memory with keys in it may be written to ${open.join(", ")}.`,
          "Turn swap off, or encrypt it.",
        ),
      ];
};

const mebibyte = 1024 * 1024;
const [leastFree, amplyFree] = [100 * mebibyte, 1024 * mebibyte];

const checkDirectory = async ({ look }: Instruments, dir: string): Promise<readonly Check[]> => {
  const about = await look(dir);
  if (about === undefined)
    return [check("directory", "wrong", `There is no directory ${dir}.`, "See countersign init.", "invalid")];
  const { mode, freeBytes } = about;
  const free = `${Math.floor(freeBytes / mebibyte)} MiB are free on the disk of ${dir}.`;
  return [
    (mode & 0o077) === 0
      ? check("directory", "fine", `${dir} is closed to other users.`)
      : check("directory", "wrong", `${dir} is open to other users.`, `Close it: chmod go= ${dir}`, "unsafe"),
    freeBytes < leastFree
      ? check("disk", "wrong", free, "A signer that can't write signs nothing. Make room.")
      : check("disk", freeBytes < amplyFree ? "note" : "fine", free),
  ];
};

export const diagnose = async (instruments: Instruments, dir?: string): Promise<Diagnosis> => {
  const { libraries, findings } = instruments;
  const onLinux = instruments.platform === "linux";
  const surveyed = await instruments.survey();
  const told = new Set<string>();
  const libraryChecks: Check[] = [];
  for (const name of ["serialport", "node-hid", "usb"] as const) {
    const one = await checkLibrary(name, libraries[name]);
    libraryChecks.push(one);
    if (one.state !== "fine") told.add(one.remedy);
  }
  // What does not load was said once.
  const blind = surveyed.blind.filter(({ trouble }) => trouble.why !== "library" || !told.has(trouble.hint));
  return {
    checks: [
      checkNode(instruments),
      await checkCurve(instruments),
      ...findings.map(checkFinding),
      ...(await checkSwap(instruments)),
      ...(dir === undefined ? [] : await checkDirectory(instruments, dir)),
      ...libraryChecks,
      ...(onLinux ? [await checkRules(instruments)] : []),
      ...checkDevices({ found: surveyed.found, blind }),
    ],
    devices: surveyed.found,
  };
};
