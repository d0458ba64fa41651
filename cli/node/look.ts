/** `countersign node info`, `peers`, `balance`, `events` and others that change nothing but what the node has seen. */

import type { Command } from "commander";
import { SetupError } from "../../signer/setup-error.ts";
import { type AdminOptions, print } from "../admin.ts";
import { toJson } from "../json.ts";
import { withNode } from "./client.ts";
import type { Answer, Asked, ControlName } from "./control.ts";
import { balanceText, channelsText, infoText, paymentsText } from "./text.ts";
import { flat, isForPeople } from "./told.ts";

/** One question, one answer. */
export const asks =
  <N extends ControlName>(name: N, asked: Asked<N>, text: (answer: Answer<N>) => string) =>
  ({ dir, json }: AdminOptions): Promise<void> =>
    withNode(dir, async ({ ask }) => {
      const answer = await ask(name, asked);
      print(json ? toJson(answer) : text(answer));
    });

const peers = ({ dir, json }: AdminOptions): Promise<void> =>
  withNode(dir, async ({ ask }) => {
    const { peers: all } = await ask("info", {});
    print(json ? toJson({ peers: all }) : all.length === 0 ? "No peers." : all.join("\n"));
  });

const events = ({ dir, json }: AdminOptions): Promise<void> =>
  withNode(dir, async ({ follow, ended }) => {
    await follow(({ event, text }) => {
      if (json) print(toJson(flat(event)));
      else if (isForPeople(event)) print(text);
    });
    await ended;
  });

const mostPayments = 10_000;

const payments = ({ last, ...options }: AdminOptions & { readonly last: string }): Promise<void> => {
  const count = /^[0-9]{1,5}$/.test(last) ? Number(last) : 0;
  if (count < 1 || count > mostPayments)
    throw new SetupError("usage", `--last ${last}: not a number from 1 to ${mostPayments}`);
  return asks("payments", { last: count }, paymentsText)(options);
};

const stop = ({ dir, json }: AdminOptions): Promise<void> =>
  withNode(dir, async ({ ask, ended }) => {
    await ask("stop", {});
    await ended;
    print(json ? toJson({ stopped: true }) : "The node has stopped.");
  });

/** With what every command of a running node takes. */
export const command = (node: Command, name: string, description: string): Command =>
  node
    .command(name)
    .description(description)
    .requiredOption("--dir <directory>", "what node init made")
    .option("--json", "print JSON");

export const registerLook = (node: Command): void => {
  command(node, "info", "its id, its height, its address").action(asks("info", {}, infoText));
  command(node, "peers", "who is connected").action(peers);
  command(node, "channels", "each channel, and what can go through it").action(
    asks("channels", {}, channelsText),
  );
  command(node, "balance", "what is in the wallet and in channels").action(asks("balance", {}, balanceText));
  command(node, "payments", "in and out, the newest last")
    .option("--last <count>", "so many", "50")
    .action(payments);
  command(node, "events", "what happens from now on, a line each; with --json a JSON line each").action(
    events,
  );
  command(node, "sync", "look at the chain now").action(
    asks("sync", {}, ({ height }) => `At height ${height}.`),
  );
  command(node, "stop", "end the node, as SIGTERM does").action(stop);
};
