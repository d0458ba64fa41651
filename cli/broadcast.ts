/** `countersign broadcast`, and what `exit` and `justice` do with `--broadcast`: through the signer's own chain source. */

import type { Command } from "commander";
import { fromHex, reversed, toHex } from "../protocol/bytes.ts";
import { isKnown } from "../protocol/codec.ts";
import type { Homeward } from "../protocol/operations/admin.ts";
import type { Reply } from "../protocol/operations/index.ts";
import { maxBroadcast } from "../protocol/operations/publish.ts";
import { SetupError } from "../signer/setup-error.ts";
import { type Admin, type AdminOptions, print, withAdmin } from "./admin.ts";
import { exitCodes } from "./exit.ts";
import { textIn } from "./input.ts";
import { plain, toJson } from "./json.ts";
import { withNodeOption } from "./nodes.ts";

type Results = Reply<"broadcast">["results"];

/** Before anything is signed: whoever wanted it published should not find it signed and lying about. */
export const checkSource = async ({ ask }: Admin, otherwise: string): Promise<void> => {
  const { mode } = await ask("chainSource", {});
  if (mode === "own") return;
  throw new SetupError(
    "unavailable",
    "this signer has no chain source of its own, so it can't publish",
    `${otherwise} Or set source = "own" in [chain].`,
  );
};

export const broadcastAll = async ({ ask }: Admin, transactions: readonly Uint8Array[]): Promise<Results> => {
  const results: Results[number][] = [];
  for (let from = 0; from < transactions.length; from += maxBroadcast)
    results.push(
      ...(await ask("broadcast", { transactions: transactions.slice(from, from + maxBroadcast) })).results,
    );
  return results;
};

/** The rest follows by itself: the signer's own source shows it when its time has come. */
export const isDue = ({ from, wait }: Homeward, tip: Reply<"justice">["height"]): boolean =>
  wait === 0 && (from === 0 || (isKnown(tip) && tip >= from));

const saidOf = ({ is, reason }: Results[number]): string => {
  switch (is) {
    case "accepted":
      return "published";
    case "known":
      return "published before";
    case "refused":
      return `REFUSED: ${plain(reason)}`;
  }
};

export const resultsText = (results: Results): string =>
  results.map((one) => `${toHex(reversed(one.txid))}  ${saidOf(one)}`).join("\n");

export const resultFields = (results: Results) =>
  results.map(({ txid, is, reason }) => ({
    ...{ txid: toHex(reversed(txid)), result: is },
    ...(reason === "" ? {} : { reason }),
  }));

/** For scripts. */
export const markRefused = (results: Results): void => {
  if (results.some(({ is }) => is === "refused")) process.exitCode = exitCodes.refused.code;
};

const parsed = (words: readonly string[]): readonly Uint8Array[] =>
  words.map((word, at) => {
    if (!/^([0-9a-f]{2})+$/i.test(word))
      throw new SetupError("invalid", `transaction ${at + 1} is not hexadecimal`);
    return fromHex(word.toLowerCase());
  });

const broadcast = async (words: readonly string[], options: AdminOptions): Promise<void> => {
  const all = words.flatMap((word) =>
    word === "-"
      ? textIn("-")
          .split(/\s+/)
          .filter((one) => one !== "")
      : [word],
  );
  if (all.length === 0) throw new SetupError("usage", "there is no transaction in the input");
  const transactions = parsed(all);
  await withAdmin(options, async (admin) => {
    await checkSource(admin, "Give them to a Bitcoin node yourself.");
    const results = await broadcastAll(admin, transactions);
    print(options.json ? toJson({ results: resultFields(results) }) : resultsText(results));
    markRefused(results);
  });
};

export const registerBroadcast = (program: Command): void => {
  withNodeOption(
    program
      .command("broadcast <transaction...>")
      .description("publish finished transactions, parents first, through the signer's own chain source")
      .requiredOption("--dir <directory>", "what init made"),
  )
    .option("--json", "print JSON")
    .addHelpText("after", "\nTransactions are hexadecimal; - takes them from the input.")
    .action(broadcast);
};
