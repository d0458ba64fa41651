/** `countersign approver`: a key whose word a device takes in the place of a person's at its buttons. */

import { type Command, Option } from "commander";
import { toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import {
  type DeviceQuestion,
  type Statement,
  statementDigest,
  type Verdict,
} from "../../protocol/device/limits.ts";
import type { Secret } from "../../protocol/secret.ts";
import { passphraseFrom } from "../../signer/keys/sealed.ts";
import { readPrivate } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { print } from "../admin.ts";
import { checkStrength } from "../init.ts";
import { textIn } from "../input.ts";
import { toJson } from "../json.ts";
import { openTerminal, type Terminal, table } from "../terminal.ts";
import { createKey, openKey } from "./key.ts";
import { answerOf, changeOf, type Paper, parsePaper, printSigned, type Signed } from "./papers.ts";
import { limitsRows, questionText } from "./text.ts";

interface KeyOptions {
  readonly key: string;
  readonly passphraseFile?: string;
  readonly curve: "native" | "noble";
  readonly json?: true;
}

interface SignOptions extends KeyOptions {
  readonly approve?: readonly string[];
  readonly deny?: readonly string[];
}

const usage = (message: string, remedy = ""): SetupError => new SetupError("usage", message, remedy);

const terminalHere = (): Terminal => openTerminal({ input: process.stdin, output: process.stderr });

const passphraseOf = async ({ passphraseFile, key }: KeyOptions, terminal: Terminal): Promise<Secret> => {
  if (passphraseFile !== undefined) return passphraseFrom(readPrivate(passphraseFile));
  if (!terminal.interactive)
    throw usage("there is no terminal to ask for the passphrase on", "Give --passphrase-file FILE.");
  return passphraseFrom(Buffer.from(await terminal.askHidden(`The passphrase of ${key}: `)));
};

const make = async (options: KeyOptions): Promise<void> => {
  const terminal = terminalHere();
  try {
    const curve = await openCurve(options.curve);
    const passphrase = checkStrength(await passphraseOf(options, terminal));
    if (options.passphraseFile === undefined) {
      const again = passphraseFrom(Buffer.from(await terminal.askHidden("The same again: ")));
      const [one, other] = [passphrase, again].map((each) => each.use((bytes) => toHex(bytes)));
      again.wipe();
      if (one !== other) throw new SetupError("passphrase", "the two are not the same");
    }
    const key = await createKey(options.key, curve, passphrase);
    passphrase.wipe();
    if (options.json) print(toJson({ key, file: options.key }));
    else
      print(
        `${toHex(key)}\n\nThis is the public key. On the signer's machine: \`countersign device limits set --approver ${toHex(key)}\`,\n` +
          "and whoever holds the device compares it on the screen. Keep the file, and a copy, away from that machine.",
      );
  } finally {
    terminal.close();
  }
};

const opened = async (options: KeyOptions, curve: Curve, terminal: Terminal): Promise<Secret> => {
  const passphrase = await passphraseOf(options, terminal);
  try {
    return await openKey(options.key, curve, passphrase);
  } finally {
    passphrase.wipe();
  }
};

const show = async (options: KeyOptions): Promise<void> => {
  const terminal = terminalHere();
  try {
    const curve = await openCurve(options.curve);
    const secret = await opened(options, curve, terminal);
    const key = curve.publicKeyX(secret);
    secret.wipe();
    print(options.json ? toJson({ key }) : toHex(key));
  } finally {
    terminal.close();
  }
};

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

const yes = /^y(es)?$/i;
const no = /^no?$/i;

const askedFor = async (
  questions: readonly DeviceQuestion[],
  terminal: Terminal,
): Promise<readonly Choice[]> => {
  const choices: Choice[] = [];
  for (const question of questions) {
    terminal.tell(`\n${questionText(question)}`);
    const answer = (await terminal.ask("Sign yes, no, or nothing (y/n/Enter)? ")).trim();
    if (yes.test(answer)) choices.push({ question, verdict: "approve" });
    else if (no.test(answer)) choices.push({ question, verdict: "deny" });
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

const sign = async (file: string, options: SignOptions): Promise<void> => {
  const terminal = terminalHere();
  try {
    const paper = parsePaper(textIn(file), file);
    terminal.tell(`For the node ${toHex(paper.node)}.`);
    const choices = paper.is === "questions" ? await choicesOf(paper, options, terminal) : [];
    const agrees = paper.is === "limits" && (await agreesTo(paper, options, terminal));
    if (choices.length === 0 && !agrees) {
      terminal.tell("Nothing is signed.");
      return;
    }
    const curve = await openCurve(options.curve);
    const secret = await opened(options, curve, terminal);
    const key = curve.publicKeyX(secret);
    const signatureOf = (statement: Statement): Uint8Array =>
      curve.signSchnorr({ digest: statementDigest(statement), key: secret, aux: new Uint8Array(32) });
    const signed: Signed = {
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
    secret.wipe();
    print(printSigned(signed));
  } finally {
    terminal.close();
  }
};

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export const registerApprover = (program: Command): void => {
  const approver = program
    .command("approver")
    .description("a key whose word a device takes in the place of a person's at its buttons");
  const command = (name: string, description: string): Command =>
    approver
      .command(name)
      .description(description)
      .requiredOption("--key <file>", "the approver's key, sealed under a passphrase")
      .option("--passphrase-file <file>", "its passphrase, in a file that nobody else may read")
      .addOption(
        new Option("--curve <backend>", "noble is for systems without libsecp256k1")
          .choices(["native", "noble"])
          .default("native"),
      );
  command("new", "make a key; the device is told its public half with `device limits set --approver`")
    .option("--json", "print JSON")
    .action(make);
  command("show", "its public half").option("--json", "print JSON").action(show);
  command(
    "sign <file>",
    "read what `device questions --json` or `device limits propose` printed, and sign what is right; `device submit` takes the result",
  )
    .option("--approve <id>", "sign yes to it, without asking; of limits the word limits", collect)
    .option("--deny <id>", "sign no to it, without asking", collect)
    .addHelpText(
      "after",
      "\nThe file may be - for the input. What is signed holds for the words that are shown, on one device, as it stands now.",
    )
    .action(sign);
};
