/** `countersign approvals`: what a host asked a person for, and the answer. */

import type { Command } from "commander";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { ListedApproval } from "../protocol/operations/admin.ts";
import type { Reply } from "../protocol/operations/index.ts";
import { msat } from "../protocol/units.ts";
import { showMsat } from "../signer/policy/amounts.ts";
import { SetupError } from "../signer/setup-error.ts";
import { type Admin, type AdminOptions, print, shownFacts, thisUser, withAdmin } from "./admin.ts";
import { plain, toJson } from "./json.ts";
import { withNodeOption } from "./nodes.ts";
import { table } from "./terminal.ts";

const time = (seconds: bigint): string =>
  new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");

/** As scripts get it. */
const fields = (one: ListedApproval) => ({
  ...one,
  asked: time(one.asked),
  until: time(one.until),
  shown: Object.fromEntries(one.shown.map(({ name, value }) => [name, value])),
});

const short = 16;

export const approvalsText = (approvals: readonly ListedApproval[], more: number): string => {
  if (approvals.length === 0) return "Nothing waits for a person.";
  const rows = approvals.map(({ id, subject, standing, amount, until, by }) => [
    toHex(id).slice(0, short),
    subject,
    standing,
    showMsat(msat(amount)),
    time(until),
    plain(by),
  ]);
  const [head = "", ...lines] = table([["id", "for", "", "at most", "until", "by"], ...rows]).split("\n");
  const told = approvals.flatMap(({ id, shown }, at) => [
    lines[at] ?? "",
    `    ${shownFacts(shown)}`,
    `    id ${toHex(id)}`,
  ]);
  return [head, ...told, ...(more > 0 ? [`... and ${more} more`] : [])].join("\n");
};

const show = (options: AdminOptions & { readonly all?: true }): Promise<void> =>
  withAdmin(options, async ({ ask }) => {
    const { approvals, more } = await ask("listApprovals", { state: options.all ? "all" : "pending" });
    if (options.json) print(toJson({ approvals: approvals.map(fields), more }));
    else print(approvalsText(approvals, more));
  });

/** Among all that are known, the expired too: what a person read a while ago must not lead to another one now. */
export const chosen = (prefix: string, { approvals, more }: Reply<"listApprovals">): Uint8Array => {
  if (more > 0)
    throw new SetupError("usage", "there are more approvals than one answer lists: give the whole id");
  const fitting = approvals.filter(({ id }) => toHex(id).startsWith(prefix));
  const [only, second] = fitting;
  if (only === undefined) throw new SetupError("usage", `no approval begins with ${prefix}`);
  if (second !== undefined)
    throw new SetupError(
      "usage",
      `${fitting.length} approvals begin with ${prefix}: give more of the id`,
      fitting
        .slice(0, 8)
        .map(({ id }) => toHex(id))
        .join("\n"),
    );
  return only.id;
};

const found = async (ask: Admin["ask"], prefix: string): Promise<Uint8Array> => {
  if (!/^[0-9a-f]{1,64}$/.test(prefix))
    throw new SetupError("usage", `${prefix}: not the id of an approval, or the beginning of one`);
  return prefix.length === 64
    ? fromHex(prefix)
    : chosen(prefix, await ask("listApprovals", { state: "all" }));
};

const decide =
  (verdict: "approve" | "deny") =>
  (prefix: string, options: AdminOptions & { readonly by?: string }): Promise<void> =>
    withAdmin(options, async ({ ask }) => {
      const id = await found(ask, prefix.toLowerCase());
      const { standing } = await ask("decideApproval", { id, verdict, by: options.by ?? thisUser() });
      if (options.json) print(toJson({ id, standing }));
      else print(`${toHex(id)} is ${standing}.`);
    });

export const registerApprovals = (program: Command): void => {
  const approvals = program
    .command("approvals")
    .description("what a host asked a person for: list it, approve it, deny it");
  const command = (name: string, description: string) =>
    withNodeOption(
      approvals.command(name).description(description).requiredOption("--dir <directory>", "what init made"),
    ).option("--json", "print JSON");
  command("list", "what waits for a person")
    .option("--all", "also what was decided or has expired")
    .action(show);
  const by = "who decides, for the log; else the name of this account";
  command("approve <id>", "let it pass, exactly as it was asked; the beginning of the id is enough")
    .option("--by <name>", by)
    .action(decide("approve"));
  command("deny <id>", "refuse it, or take back an approval that was not used")
    .option("--by <name>", by)
    .action(decide("deny"));
};
