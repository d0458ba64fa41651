/** `countersign device questions` and `device submit`: what waits for the device's person, and its approvers' answer. */

import type { Command } from "commander";
import { equal, toHex } from "../../protocol/bytes.ts";
import type { ApproverSignature, DeviceLimits, Verdict } from "../../protocol/device/limits.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type AdminOptions, print, withAdmin } from "../admin.ts";
import { parseSigned, printPaper, type Signed } from "../approver/papers.ts";
import { questionText } from "../approver/text.ts";
import { textIn } from "../input.ts";
import { toJson } from "../json.ts";
import { withNodeOption } from "../nodes.ts";
import { checkResult, standingNow } from "./limits.ts";

const show = (options: AdminOptions): Promise<void> =>
  withAdmin(options, async ({ ask, node }) => {
    const { now } = await standingNow(ask);
    const { questions, mark, more } = now;
    if (options.json) {
      print(printPaper({ schema: 1, is: "questions", node, mark, questions: [...questions] }));
      return;
    }
    const rest = more === 0 ? [] : [`... and ${more} more`];
    print(
      questions.length === 0
        ? "Nothing waits for the person at the device."
        : [...questions.map(questionText), ...rest].join("\n\n"),
    );
  });

interface Answer {
  readonly id: Uint8Array;
  readonly verdict: Verdict;
  readonly signatures: readonly ApproverSignature[];
}

/** Of one question with one verdict, whoever signed it. */
export const answersIn = (all: readonly Signed[]): readonly Answer[] => {
  const found = new Map<string, Answer>();
  for (const { id, verdict, key, signature } of all.flatMap(({ answers }) => answers)) {
    const name = `${verdict} ${toHex(id)}`;
    const before = found.get(name)?.signatures ?? [];
    found.set(name, { id, verdict, signatures: [...before, { key, signature }] });
  }
  return [...found.values()];
};

interface Change {
  readonly limits: DeviceLimits;
  readonly signatures: readonly ApproverSignature[];
}

export const changesIn = (all: readonly Signed[]): readonly Change[] => {
  const found = new Map<string, Change>();
  for (const { limits, key, signature } of all.flatMap((one) => one.limits)) {
    const name = toJson(limits);
    const before = found.get(name)?.signatures ?? [];
    found.set(name, { limits, signatures: [...before, { key, signature }] });
  }
  return [...found.values()];
};

const submit = (files: readonly string[], options: AdminOptions): Promise<void> => {
  const all = files.map((file) => parseSigned(textIn(file), file));
  return withAdmin(options, async ({ ask, node }) => {
    if (all.some((one) => !equal(one.node, node)))
      throw new SetupError("usage", "this was signed for another node than this one");
    const [answers, changes] = [answersIn(all), changesIn(all)];
    if (answers.length + changes.length === 0) throw new SetupError("usage", "nothing in it is signed");
    for (const { id, verdict, signatures } of answers)
      checkResult(await ask("deviceAnswer", { approval: id, verdict, signatures }));
    // After the answers: with other limits they would hold no more.
    for (const change of changes) checkResult(await ask("deviceLimits", change));
    const told = answers.map(({ id, verdict }) => ({ id, verdict }));
    if (options.json) print(toJson({ answers: told, limits: changes.length > 0 }));
    else
      print(
        [
          ...told.map(({ id, verdict }) => `${toHex(id)}: ${verdict === "approve" ? "yes" : "no"}.`),
          ...(changes.length > 0 ? ["The limits are set. The allowance begins anew."] : []),
        ].join("\n"),
      );
  });
};

export const registerQuestions = (device: Command): void => {
  const command = (name: string, description: string): Command =>
    withNodeOption(
      device.command(name).description(description).requiredOption("--dir <directory>", "what init made"),
    );
  command("questions", "what waits for the person at the device of a running signer")
    .option("--json", "print what `approver sign` reads")
    .action(show);
  command("submit <file...>", "bring the device what its approvers signed: files, or - for the input")
    .option("--json", "print JSON")
    .action(submit);
};
