/** What several approvers signed, brought together for the device: of each answer or change as many signatures as a request takes. */

import { toHex } from "../../protocol/bytes.ts";
import {
  type ApproverSignature,
  type DeviceLimits,
  mostApprovers,
  type Verdict,
} from "../../protocol/device/limits.ts";
import type { Signed } from "../approver/papers.ts";
import { toJson } from "../json.ts";

type About<T> = T & { readonly signatures: readonly ApproverSignature[] };
export interface AnswerTo {
  readonly id: Uint8Array;
  readonly verdict: Verdict;
}
export interface ChangeTo {
  readonly limits: DeviceLimits;
}

/** Whether the device takes it, as far as that is known here; the device says it in the end. */
export type IsGood<T> = (what: T, one: ApproverSignature) => boolean;

const distinct = <T>(all: readonly T[], nameOf: (one: T) => string): readonly T[] => [
  ...new Map(all.map((one) => [nameOf(one), one])).values(),
];
const keyOf = ({ key }: ApproverSignature): string => toHex(key);

/** Of each key one comes before any second. */
const inTurns = (all: readonly ApproverSignature[]): readonly ApproverSignature[] => {
  const before = new Map<string, number>();
  const placed = all.map((one) => {
    const place = before.get(keyOf(one)) ?? 0;
    before.set(keyOf(one), place + 1);
    return { one, place };
  });
  return placed.toSorted((a, b) => a.place - b.place).map(({ one }) => one);
};

/** Files come from several people: what one of them repeats or makes up crowds out nobody else's word. */
const fitting = (
  all: readonly ApproverSignature[],
  isGood: (one: ApproverSignature) => boolean,
): readonly ApproverSignature[] => {
  const others = distinct(all, (one) => `${keyOf(one)} ${toHex(one.signature)}`);
  const good = distinct(others.filter(isGood), keyOf);
  return [...good, ...inTurns(others.filter((one) => !good.includes(one)))].slice(0, mostApprovers);
};

const gathered = <T>(
  all: readonly (T & ApproverSignature)[],
  whatOf: (one: T) => T,
  isGood: IsGood<T>,
): readonly About<T>[] => {
  const found = new Map<string, About<T>>();
  for (const one of all) {
    const what = whatOf(one);
    const name = toJson(what);
    const { key, signature } = one;
    found.set(name, { ...what, signatures: [...(found.get(name)?.signatures ?? []), { key, signature }] });
  }
  return [...found.values()].map((about) => ({
    ...about,
    signatures: fitting(about.signatures, (one) => isGood(about, one)),
  }));
};

/** Of one question with one verdict, whoever signed it. One no is enough, so those come first. */
export const answersIn = (
  files: readonly Signed[],
  isGood: IsGood<AnswerTo> = () => false,
): readonly About<AnswerTo>[] =>
  gathered<AnswerTo>(
    files.flatMap(({ answers }) => answers),
    ({ id, verdict }) => ({ id, verdict }),
    isGood,
  ).toSorted((a, b) => Number(b.verdict === "deny") - Number(a.verdict === "deny"));

export const changesIn = (
  files: readonly Signed[],
  isGood: IsGood<ChangeTo> = () => false,
): readonly About<ChangeTo>[] =>
  gathered<ChangeTo>(
    files.flatMap((one) => one.limits),
    ({ limits }) => ({ limits }),
    isGood,
  );
