/** `countersign approver sign`, as it is typed where nobody is asked. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKey } from "../../cli/approver/key.ts";
import { withKey } from "../../cli/approver/open.ts";
import { parsePaper, parseSigned } from "../../cli/approver/papers.ts";
import { askedFor } from "../../cli/approver/sign.ts";
import { openTerminal, type Terminal } from "../../cli/terminal.ts";
import { toHex } from "../../protocol/bytes.ts";
import { approversOf } from "../../protocol/device/limits.ts";
import type { Secret } from "../../protocol/secret.ts";
import { passphraseFrom } from "../../signer/keys/sealed.ts";
import { approver } from "../scripted/device-sim.ts";
import { curve } from "../scripted/road.ts";

const home = mkdtempSync(join(tmpdir(), "countersign-sign-"));
const [pass, key, waiting] = ["passphrase", "alice.age", "waiting.json"].map((name) => join(home, name)) as [
  string,
  string,
  string,
];
let pinned: Uint8Array;

beforeAll(async () => {
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  pinned = await createKey(key, curve, passphraseFrom(readFileSync(pass)), 10);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const question = (digit: string, shown: readonly { name: string; value: string }[]) => ({
  ...{ id: digit.repeat(64), subject: "outputs", amount: "60000000", asked: "1" },
  shown,
});
const pays = { name: "pays", value: `1000 sat to script 0014${"11".repeat(20)}` };
const paperWith = (questions: readonly object[]) => ({
  ...{ schema: 1, is: "questions", node: `02${"11".repeat(32)}`, mark: "00".repeat(16) },
  questions,
});
const signs = async (questions: readonly object[], ...verdicts: readonly string[]) => {
  const paper = {
    schema: 1,
    is: "questions",
    node: `02${"11".repeat(32)}`,
    mark: "00".repeat(16),
    questions,
  };
  writeFileSync(waiting, JSON.stringify(paper));
  return approver("sign", "--key", key, "--passphrase-file", pass, ...verdicts, waiting);
};

test("what is signed is what was read", async () => {
  const { code, stdout } = await signs(
    [question("a", [pays]), question("b", [pays])],
    ...["--approve", "aa", "--deny", "bb"],
  );
  expect(code).toBe(0);
  const paper = parsePaper(readFileSync(waiting, "utf8"), waiting);
  if (paper.is !== "questions") throw new Error(paper.is);
  const { answers } = parseSigned(stdout, "the output");
  expect(answers.map(({ verdict }) => verdict)).toEqual(["approve", "deny"]);
  for (const [i, { verdict, ...signature }] of answers.entries())
    for (const [j, asked] of paper.questions.entries()) {
      const { node, mark } = paper;
      const statement = { is: "answer", mark, node, question: asked, verdict } as const;
      expect(approversOf(curve, statement, [pinned], [signature])).toBe(i === j ? 1 : 0);
    }
});

test("a list of outputs that ends before they do gets no yes, and may get a no", async () => {
  const long = [...Array.from({ length: 24 }, () => pays), { name: "andMore", value: "3 outputs" }];
  const asked = [question("a", long), question("b", [pays])];
  const refused = await signs(asked, "--approve", "bb", "--approve", "aa");
  expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(/more outputs.*24/s) });
  const denied = await signs(asked, "--approve", "bb", "--deny", "aa");
  expect([denied.code, JSON.parse(denied.stdout)]).toMatchObject([0, { answers: [{}, { verdict: "deny" }] }]);
});

test("on a terminal each question is shown, and asked again until the answer is one", async () => {
  const long = [pays, { name: "andMore", value: "3 outputs" }];
  const file = paperWith([question("a", [pays]), question("b", long), question("c", [pays])]);
  const paper = parsePaper(JSON.stringify(file), "a file");
  if (paper.is !== "questions") throw new Error(paper.is);
  const told: string[] = [];
  const answers = ["yeah", " Y ", "y", "yes", "no", ""];
  const said = async (): Promise<string> => answers.shift() ?? Promise.reject(new Error("asked once more"));
  const terminal: Terminal = {
    ...{ interactive: true, columns: 80, ask: said, askHidden: said },
    tell: (text) => told.push(text),
    showOnce: async () => {},
    close: () => {},
  };
  const choices = await askedFor(paper.questions, terminal);
  expect(choices.map(({ question: { id }, verdict }) => [toHex(id).slice(0, 1), verdict])).toEqual([
    ["a", "approve"],
    ["b", "deny"],
  ]);
  expect(told.join("\n")).toMatch(/1 of 3:\nto .*2 of 3:\nto .*more outputs.*3 of 3:\nto /s);
});

test("the key is wiped, however the command ends", async () => {
  const options = { key, passphraseFile: pass, curve: "native" } as const;
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  let kept: Secret | undefined;
  const signing = withKey(options, curve, terminal, (secret) => {
    kept = secret;
    secret.use((bytes) => expect(bytes).toHaveLength(32));
    throw new Error("it can't be signed");
  });
  await expect(signing).rejects.toThrow("it can't be signed");
  expect(kept?.use((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
});

test("what nobody can sign is a file that is not valid", async () => {
  for (const value of ["\u20ac".repeat(256), "\ud800", `${"x".repeat(256)}y`])
    expect(await signs([question("a", [{ name: "memo", value }])], "--approve", "aa")).toMatchObject({
      ...{ code: 4, stdout: "" },
      stderr: expect.stringContaining(`${waiting} is not what`),
    });
});
