/** `countersign exit` and `countersign justice`: money comes home without any host. Printed, or published on demand. */

import type { Command } from "commander";
import { fromHex, reversed, toHex } from "../protocol/bytes.ts";
import { isKnown, unknown } from "../protocol/codec.ts";
import type { Homeward } from "../protocol/operations/admin.ts";
import type { Reply, Request } from "../protocol/operations/index.ts";
import { channelId, delay, feerate, height, type Preimage, preimage, txid } from "../protocol/units.ts";
import { SetupError } from "../signer/setup-error.ts";
import { type Admin, type AdminOptions, print, withAdmin } from "./admin.ts";
import { broadcastAll, checkSource, isDue, markRefused, resultFields, resultsText } from "./broadcast.ts";
import { textIn } from "./input.ts";
import { plain, toJson } from "./json.ts";
import { withNodeOption } from "./nodes.ts";
import { openTerminal } from "./terminal.ts";

type Home = Reply<"justice">;

interface Options extends AdminOptions {
  readonly feerate: string;
  readonly yes?: true;
  readonly broadcast?: true;
  readonly preimages?: string;
  readonly confirmed?: string;
}

const usage = (problem: string): never => {
  throw new SetupError("usage", problem);
};

const asNumber = (name: string, text: string): bigint =>
  /^(0|[1-9][0-9]{0,18})$/.test(text) ? BigInt(text) : usage(`${name} ${text}: not a number`);

const asFeerate = (text: string): number => {
  const n = Number(asNumber("--feerate", text));
  return n >= 253 && n <= 1_000_000
    ? n
    : usage(
        `--feerate ${text}: sat per 1000 weight, from 253 (1 sat/vB, the least that is relayed) to 1000000`,
      );
};

const asTxid = (text: string) =>
  /^[0-9a-f]{64}$/.test(text)
    ? txid(reversed(fromHex(text)))
    : usage(`--confirmed ${text}: not a transaction id, 64 lower-case hexadecimal digits`);

const preimagesIn = (file: string): readonly Preimage[] => {
  return textIn(file)
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word, at) => {
      // Whoever reads it can claim the HTLC: it is named by its place.
      if (!/^[0-9a-f]{64}$/.test(word))
        throw new SetupError(
          "invalid",
          `${file}: word ${at + 1} is no preimage, 64 lower-case hexadecimal digits`,
        );
      return preimage(fromHex(word));
    });
};

/** It may go out at once: its locktime is a number in disguise (BOLT 3, "Commitment Transaction"). */
const withCommitment = ({ commitment, ...home }: Reply<"exit">): Home => {
  if (!isKnown(commitment)) return home;
  const { number, tx, txid: id } = commitment;
  const what = `publishes our commitment ${number}`;
  const first = { what, txid: id, tx, from: height(0), after: id, wait: delay(0) };
  return { ...home, transactions: [first, ...home.transactions] };
};

const readable = (id: Uint8Array): string => toHex(reversed(id));

const whenOf = ({ from, after, wait }: Homeward, tip: Home["height"]): string => {
  const deep =
    wait === 0
      ? []
      : [`when ${readable(after)} has ${wait === 1 ? "a confirmation" : `${wait} confirmations`}`];
  const late = from === 0 || (isKnown(tip) && tip >= from) ? [] : [`not before height ${from}`];
  return [...deep, ...late].join(", and ") || "now";
};

const unpublished =
  "The signer has published none of them: give each to a Bitcoin node, from above to below.";

export const homeText = ({ transactions, left, height: tip }: Home, ending = unpublished): string =>
  [
    ...transactions.flatMap((one) => [
      plain(one.what),
      `  txid     ${readable(one.txid)}`,
      `  publish  ${whenOf(one, tip)}`,
      `  ${toHex(one.tx)}`,
      "",
    ]),
    ...left.map((one) => `Left: ${plain(one)}.`),
    transactions.length === 0 ? "There is nothing to publish." : ending,
  ].join("\n");

/** As scripts get it, with ids as people and nodes write them. */
const fields = ({ transactions, left, height: tip }: Home) => ({
  height: tip,
  transactions: transactions.map(({ what, tx, txid: id, ...one }) => ({
    ...{ what, txid: readable(id), tx },
    publish: whenOf({ what, tx, txid: id, ...one }, tip),
    from: one.from,
    ...(one.wait === 0 ? {} : { after: readable(one.after), confirmations: one.wait }),
  })),
  left,
});

const agreed = async (warning: string, yes: boolean): Promise<void> => {
  if (yes) return;
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  try {
    terminal.tell(warning);
    if (!terminal.interactive) throw new SetupError("usage", "nobody is there to confirm it: give --yes");
    if ((await terminal.ask('Type "yes" to go on: ')).trim() !== "yes")
      throw new SetupError("interrupted", "not confirmed; nothing was done");
  } finally {
    terminal.close();
  }
};

const exitWarning = (channel: bigint): string =>
  [
    `Channel ${channel} will be ended by force, and can't be used again:`,
    "its last commitment is signed for broadcast, and its secret never leaves the signer from then on.",
    "Our balance comes to the signer's own wallet after the delay that the other side demanded.",
    "Where the host still works and can be trusted, a mutual close is cheaper and faster.",
  ].join("\n");

const justiceWarning = (channel: bigint): string =>
  [
    `If the chain has a revoked commitment of channel ${channel}, all that can be taken of it is signed away`,
    "to the signer's own wallet. The fee may come out of what was the other side's.",
  ].join("\n");

/** What is due goes out now; the signer publishes the rest when it is, with or without anybody. */
const published = async (admin: Admin, home: Home, json: true | undefined): Promise<void> => {
  const due = home.transactions.filter((one) => isDue(one, home.height));
  const results = await broadcastAll(
    admin,
    due.map(({ tx }) => tx),
  );
  const rest =
    due.length === home.transactions.length ? "" : "\nThe signer publishes the others when they are due.";
  print(
    json
      ? toJson({ ...fields(home), results: resultFields(results) })
      : homeText(home, `${resultsText(results)}${rest}`),
  );
  markRefused(results);
};

const bring = async (options: Options, home: (admin: Admin) => Promise<Home>): Promise<void> =>
  withAdmin(options, async (admin) => {
    const { json, broadcast } = options;
    if (broadcast === true)
      await checkSource(admin, "Without --broadcast the transactions are printed, for a Bitcoin node.");
    const brought = await home(admin);
    if (broadcast === true) await published(admin, brought, json);
    else print(json ? toJson(fields(brought)) : homeText(brought));
  });

const exit = async (id: string, options: Options): Promise<void> => {
  const channel = channelId(asNumber("channel", id));
  const body: Omit<Request<"exit">, "node"> = {
    channel,
    feerate: feerate(asFeerate(options.feerate)),
    confirmed: options.confirmed === undefined ? unknown : asTxid(options.confirmed),
    preimages: options.preimages === undefined ? [] : preimagesIn(options.preimages),
  };
  await agreed(exitWarning(channel), options.yes === true);
  await bring(options, async ({ ask }) => withCommitment(await ask("exit", body)));
};

const justice = async (id: string, options: Options): Promise<void> => {
  const channel = channelId(asNumber("channel", id));
  const body = { channel, feerate: feerate(asFeerate(options.feerate)) };
  await agreed(justiceWarning(channel), options.yes === true);
  await bring(options, ({ ask }) => ask("justice", body));
};

export const registerRecovery = (program: Command): void => {
  const command = (name: string, description: string) =>
    withNodeOption(
      program
        .command(`${name} <channel>`)
        .description(description)
        .requiredOption("--dir <directory>", "what init made"),
    )
      .requiredOption("--feerate <sat per 1000 weight>", "of what goes to the signer's wallet")
      .option("--broadcast", "publish what is due through the signer's own chain source")
      .option("--yes", "do not ask")
      .option("--json", "print JSON");
  command(
    "exit",
    "end a channel without its host: print its last commitment, signed, and what follows from it",
  )
    .option("--preimages <file>", "of received HTLCs, in hexadecimal, one on a line")
    .option("--confirmed <txid>", "our commitment that has confirmed, where the signer follows no chain")
    .action(exit);
  command("justice", "punish a revoked commitment that the chain has: print what takes all of it").action(
    justice,
  );
};
