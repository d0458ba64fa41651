/** `countersign device questions` and `device submit`: what waits for the device's person, and its approvers' answer. */

import type { Command } from "commander";
import { equal, toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import { type ApproverSignature, type Statement, statementDigest } from "../../protocol/device/limits.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import type { NodeId } from "../../protocol/units.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type AdminOptions, print, withAdmin } from "../admin.ts";
import { parseSigned, printPaper } from "../approver/papers.ts";
import { questionText } from "../approver/text.ts";
import { Unable } from "../exit.ts";
import { textIn } from "../input.ts";
import { toJson } from "../json.ts";
import { withNodeOption } from "../nodes.ts";
import { overIn } from "./forget.ts";
import { type AnswerTo, answersIn, type ChangeTo, changesIn, type IsGood } from "./gathered.ts";
import { exitOfResult, standingNow } from "./limits.ts";

const show = (options: AdminOptions): Promise<void> =>
  withAdmin(options, async ({ ask, node }) => {
    const { now } = await standingNow(ask);
    const { questions, mark, more } = now;
    if (options.json) {
      print(printPaper({ schema: 1, is: "questions", node, mark, questions: [...questions] }));
      return;
    }
    const over = (await overIn(ask)).length;
    const rest = [
      ...(more === 0 ? [] : [`... and ${more} more`]),
      ...(over === 0
        ? []
        : [`Channels that are over and have a place on it: ${over}. \`device forget\` asks.`]),
    ];
    const shown =
      questions.length === 0
        ? ["Nothing waits for the person at the device."]
        : questions.map((one) => questionText(one, process.stdout.columns));
    print([...shown, ...rest].join("\n\n"));
  });

type Now = Awaited<ReturnType<typeof standingNow>>["now"];

const isGoodNow = (curve: Curve, node: NodeId, { mark, limits, questions }: Now) => {
  const isBy = (statement: Statement, { key, signature }: ApproverSignature): boolean =>
    limits.approvers.some((one) => equal(one, key)) &&
    curve.verifySchnorr({ digest: statementDigest(statement), key, signature });
  const answer: IsGood<AnswerTo> = ({ id, verdict }, one) => {
    const question = questions.find((each) => equal(each.id, id));
    return question !== undefined && isBy({ is: "answer", mark, node, question, verdict }, one);
  };
  const change: IsGood<ChangeTo> = ({ limits: next }, one) =>
    isBy({ is: "limits", mark, node, limits: next }, one);
  return { answer, change };
};

interface Told extends Reply<"deviceAnswer"> {
  readonly about: AnswerTo | ChangeTo;
}

const sentenceOf = ({ about, result, because }: Told): string => {
  const said = "id" in about ? `${toHex(about.id)}: ${about.verdict === "approve" ? "yes" : "no"}` : "Limits";
  if (result !== "done") return `${said}: NOT TAKEN. ${because}`;
  return "id" in about ? `${said}.` : "The limits are set. The allowance begins anew.";
};

const jsonOf = (told: readonly Told[]): string => {
  const of = ({ about, result, because }: Told) => ({ ...about, result, because });
  const isAnswer = ({ about }: Told): boolean => "id" in about;
  return toJson({
    answers: told.filter(isAnswer).map(of),
    limits: told.filter((one) => !isAnswer(one)).map(of),
  });
};

/** What was not heard may be brought again, so a script is to know of it first. */
const checkAll = (told: readonly Told[]): void => {
  const failed = told.filter(({ result }) => result !== "done");
  const exits = new Set(failed.map(({ result }) => exitOfResult(result)));
  if (failed.length === 0) return;
  const reasons = [...new Set(failed.map(({ because }) => because))].join("\n");
  throw new Unable(
    exits.has("unavailable") ? "unavailable" : "refused",
    `${failed.length} of ${told.length} not taken. ${reasons}`,
  );
};

const submit = (files: readonly string[], options: AdminOptions): Promise<void> => {
  const all = files.map((file) => parseSigned(textIn(file), file));
  return withAdmin(options, async ({ ask, node }) => {
    if (all.some((one) => !equal(one.node, node)))
      throw new SetupError("usage", "this was signed for another node than this one");
    const { now } = await standingNow(ask);
    // What anybody may know, so in which time it is verified says nothing.
    const isGood = isGoodNow(await openCurve("noble"), node, now);
    const [answers, changes] = [answersIn(all, isGood.answer), changesIn(all, isGood.change)];
    if (answers.length + changes.length === 0) throw new SetupError("usage", "nothing in it is signed");
    const told: Told[] = [];
    for (const { id, verdict, signatures } of answers)
      told.push({
        about: { id, verdict },
        ...(await ask("deviceAnswer", { approval: id, verdict, signatures })),
      });
    // After the answers: with other limits they would hold no more.
    for (const { limits, signatures } of changes)
      told.push({ about: { limits }, ...(await ask("deviceLimits", { limits, signatures })) });
    print(options.json ? jsonOf(told) : told.map(sentenceOf).join("\n"));
    checkAll(told);
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
