/** `countersign policy explain`: what the running signer would say to a request, and why. Nothing comes of it. */

import type { Command } from "commander";
import type { Reply } from "../protocol/operations/index.ts";
import { type AdminOptions, print, shownFacts, withAdmin } from "./admin.ts";
import { type Exit, exitCodes } from "./exit.ts";
import { textIn } from "./input.ts";
import { plain, toJson } from "./json.ts";
import { withNodeOption } from "./nodes.ts";
import { parseRequest } from "./request.ts";

type Explained = Reply<"explain">;

const exits: Readonly<Record<Explained["verdict"], Exit>> = {
  accepted: "ok",
  refused: "refused",
  malformed: "invalid",
};

const verdictText = ({ verdict, rule, final }: Explained): string => {
  switch (verdict) {
    case "accepted":
      return rule === "" ? "Accepted." : `Accepted, and waiting for a person because of ${rule}.`;
    case "refused":
      return `Refused by ${rule}${final ? ", for good" : "; the same request may pass later"}.`;
    case "malformed":
      return "No request: the bytes can't be read.";
  }
};

export const explainedText = (explained: Explained): string => {
  const { sentence, facts, hint, applied } = explained;
  return [
    verdictText(explained),
    plain(sentence),
    shownFacts(facts),
    plain(hint),
    applied.length === 0 ? "" : `Rules that were asked: ${applied.map(plain).join(", ")}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
};

const explain = (file: string, options: AdminOptions): Promise<void> =>
  withAdmin(options, async ({ node, ask }) => {
    const explained = await ask("explain", { request: parseRequest(textIn(file), node) });
    print(options.json ? toJson(explained) : explainedText(explained));
    process.exitCode = exitCodes[exits[explained.verdict]].code;
  });

export const registerExplain = (policy: Command): void => {
  withNodeOption(
    policy
      .command("explain <file>")
      .description("say what a running signer would answer to a host's request, and why; - is the input")
      .requiredOption("--dir <directory>", "what init made"),
  )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      '\nThe file has {"operation": "proposePayment", ...} with the fields of docs/operations.md, bytes in hexadecimal; or the packed request in hexadecimal.',
    )
    .action(explain);
};
