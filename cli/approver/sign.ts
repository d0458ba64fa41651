/** What an approver says to what was brought: they read it, and sign what is right. */

import { toHex } from "../../protocol/bytes.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import {
  type DeviceQuestion,
  type Statement,
  statementDigest,
  type Verdict,
} from "../../protocol/device/limits.ts";
import { print } from "../admin.ts";
import { textIn } from "../input.ts";
import { type Terminal, table } from "../terminal.ts";
import { type KeyOptions, usage, withKey, withTerminal } from "./open.ts";
import { answerOf, changeOf, type Paper, parsePaper, printSigned, type Signed } from "./papers.ts";
import { hasMore, limitsRows, questionText } from "./text.ts";

export interface SignOptions extends KeyOptions {
  readonly approve?: readonly string[];
  readonly deny?: readonly string[];
}

interface Choice {
  readonly question: DeviceQuestion;
  readonly verdict: Verdict;
}

const named = (questions: readonly DeviceQuestion[], prefix: string): DeviceQuestion => {
  const found = /^[0-9a-f]{1,64}$/.test(prefix)
    ? questions.filter(({ id }) => toHex(id).startsWith(prefix))
    : [];
  const [only, another] = found;
  if (only === undefined) throw usage(`no question in it begins with ${prefix}`);
  if (another !== undefined)
    throw usage(`${found.length} questions begin with ${prefix}: give more of the id`);
  return only;
};

/** Nobody signs what nobody can read. */
const checkWhole = ({ question, verdict }: Choice): void => {
  if (verdict === "deny" || !hasMore(question)) return;
  throw usage(
    `${toHex(question.id).slice(0, 8)} pays more outputs than are listed: a yes to it is not signed`,
    "The screen of the device pages through the same list, and its person alone may agree to the sum. Or send it in several transactions, to 24 outputs at most.",
  );
};

const yes = /^y(es)?$/i;
const no = /^no?$/i;

const ask = async (question: DeviceQuestion, terminal: Terminal): Promise<Verdict | undefined> => {
  const isWhole = !hasMore(question);
  if (!isWhole) terminal.tell("It pays more outputs than are listed: a yes to it is not signed here.");
  const wanted = isWhole ? "Sign yes, no, or nothing (y/n/Enter)? " : "Sign no, or nothing (n/Enter)? ";
  for (;;) {
    const answer = (await terminal.ask(wanted)).trim();
    if (answer === "") return undefined;
    if (no.test(answer)) return "deny";
    if (isWhole && yes.test(answer)) return "approve";
  }
};

export const askedFor = async (
  questions: readonly DeviceQuestion[],
  terminal: Terminal,
): Promise<readonly Choice[]> => {
  const choices: Choice[] = [];
  for (const [i, question] of questions.entries()) {
    terminal.tell(`\n${i + 1} of ${questions.length}:\n${questionText(question, terminal.columns)}`);
    const verdict = await ask(question, terminal);
    if (verdict !== undefined) choices.push({ question, verdict });
  }
  return choices;
};

type Waiting = Extract<Paper, { is: "questions" }>;

const choicesOf = async (
  { questions }: Waiting,
  { approve = [], deny = [] }: SignOptions,
  terminal: Terminal,
): Promise<readonly Choice[]> => {
  const given = [
    ...approve.map((prefix): Choice => ({ question: named(questions, prefix), verdict: "approve" })),
    ...deny.map((prefix): Choice => ({ question: named(questions, prefix), verdict: "deny" })),
  ];
  if (new Set(given.map(({ question }) => question)).size !== given.length)
    throw usage("the same question is named twice");
  for (const one of given) checkWhole(one);
  if (given.length > 0 || questions.length === 0) return given;
  if (!terminal.interactive)
    throw usage("there is no terminal to ask on", "Name what to sign: --approve ID, --deny ID.");
  return askedFor(questions, terminal);
};

const agreesTo = async (
  { limits }: Extract<Paper, { is: "limits" }>,
  { approve = [], deny = [] }: SignOptions,
  terminal: Terminal,
): Promise<boolean> => {
  if (deny.length > 0) throw usage("limits are denied by not signing them");
  if (approve.length > 0) {
    if (approve.some((one) => one !== "limits")) throw usage("these are limits: --approve limits");
    return true;
  }
  if (!terminal.interactive)
    throw usage("there is no terminal to ask on", "Say what to sign: --approve limits.");
  terminal.tell(`These are to be all limits of the device:\n\n${table(limitsRows(limits))}\n`);
  return yes.test((await terminal.ask("Sign them (y/n)? ")).trim());
};

export const sign = (file: string, options: SignOptions): Promise<void> =>
  withTerminal(async (terminal) => {
    const paper = parsePaper(textIn(file), file);
    terminal.tell(`For the node ${toHex(paper.node)}.`);
    const choices = paper.is === "questions" ? await choicesOf(paper, options, terminal) : [];
    const agrees = paper.is === "limits" && (await agreesTo(paper, options, terminal));
    if (choices.length === 0 && !agrees) {
      terminal.tell("Nothing is signed.");
      return;
    }
    const curve = await openCurve(options.curve);
    const signed = await withKey(options, curve, terminal, (secret): Signed => {
      const key = curve.publicKeyX(secret);
      const signatureOf = (statement: Statement): Uint8Array =>
        curve.signSchnorr({ digest: statementDigest(statement), key: secret, aux: new Uint8Array(32) });
      return {
        schema: 1,
        is: "signed",
        node: paper.node,
        answers: choices.map(({ question, verdict }) => ({
          id: question.id,
          verdict,
          key,
          signature: signatureOf(answerOf(paper, question, verdict)),
        })),
        limits:
          paper.is === "limits" && agrees
            ? [{ limits: paper.limits, key, signature: signatureOf(changeOf(paper)) }]
            : [],
      };
    });
    for (const { question, verdict } of choices)
      terminal.tell(`Signed: ${verdict === "approve" ? "yes" : "no"} to ${toHex(question.id)}.`);
    terminal.tell("What is printed is for the signer's machine: `countersign device submit`.");
    print(printSigned(signed));
  });
