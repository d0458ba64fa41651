/** What `countersign doctor` found, for people, for programs, and as an exit code. */

import type { Check, Diagnosis, State } from "./diagnosis.ts";
import { exitCodes } from "./exit.ts";
import { plain, toJson } from "./json.ts";

const marks: Readonly<Record<State, string>> = { fine: "ok   ", note: "note ", wrong: "WRONG" };

const lines = ({ subject, state, sentence, remedy }: Check): readonly string[] => [
  `${marks[state]}  ${subject.padEnd(10)}  ${plain(sentence)}`,
  ...(remedy === "" ? [] : [`${" ".repeat(19)}${plain(remedy)}`]),
];

export const doctorText = ({ checks }: Diagnosis): string => checks.flatMap(lines).join("\n");

export const doctorJson = ({ checks, devices }: Diagnosis): string =>
  toJson({
    ok: checks.every(({ state }) => state !== "wrong"),
    checks: checks.map(({ subject, state, sentence, remedy }) => ({ subject, state, sentence, remedy })),
    devices: devices.map(({ kind, written, product, serial, hindered }) => ({
      kind,
      address: written,
      product,
      serial,
      hindered: hindered?.why ?? null,
    })),
  });

export const doctorExit = ({ checks }: Diagnosis): number =>
  exitCodes[checks.find(({ state }) => state === "wrong")?.exit ?? "ok"].code;
