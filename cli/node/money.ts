/** `countersign node address`, `invoice`, `pay` and the rest that moves money. */

import type { Command } from "commander";
import type { Msat } from "../../protocol/units.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type AdminOptions, print } from "../admin.ts";
import { exitCodes } from "../exit.ts";
import { toJson } from "../json.ts";
import { parseAsking, parseMsat, parseNodeId } from "./arguments.ts";
import { type NodeClient, withNode } from "./client.ts";
import type { Answer, Asked } from "./control.ts";
import { asks, command } from "./look.ts";
import { payingText, settledText, showElapsed } from "./text.ts";
import { brief } from "./told.ts";

interface InvoiceOptions extends AdminOptions {
  readonly description: string;
  readonly expiry?: string;
}

const expiryOf = ({ expiry }: InvoiceOptions): { readonly expirySeconds?: number } => {
  if (expiry === undefined) return {};
  if (!/^[1-9][0-9]{0,7}$/.test(expiry)) throw new SetupError("usage", `--expiry ${expiry}: not seconds`);
  return { expirySeconds: Number(expiry) };
};

const invoice = (amount: string, options: InvoiceOptions): Promise<void> => {
  const msat = parseAsking(amount);
  const { description } = options;
  const asked = { description, ...expiryOf(options), ...(msat === undefined ? {} : { msat }) };
  return asks("invoice", asked, (made) => made.invoice)(options);
};

interface PayOptions extends AdminOptions {
  readonly sat?: string;
  readonly feeLimit?: string;
}

const limits = ({ feeLimit }: PayOptions): { readonly feeLimitMsat?: Msat } =>
  feeLimit === undefined ? {} : { feeLimitMsat: parseMsat(feeLimit) };

const clearLine = "\r\x1b[K";
/** What a payment can wait for is told while it waits; blocks and other payments are not. */
const telling: ReadonlySet<string> = new Set(["refused", "trouble", "signer", "restarted", "failed"]);

/** On a terminal a line that counts the seconds; what goes wrong meanwhile stands above it. */
const progress = async <T>(client: NodeClient, what: string, done: () => Promise<T>): Promise<T> => {
  const { stderr } = process;
  const isLive = stderr.isTTY === true;
  const start = performance.now();
  const show = (): void => {
    if (isLive) stderr.write(`${clearLine}${what} … ${showElapsed(performance.now() - start)}`);
  };
  const interrupted = (): void => {
    const next = "The payment goes on; `countersign node payments` says what becomes of it.";
    stderr.write(`${isLive ? "\n" : ""}${next}\n`);
    process.exit(exitCodes.interrupted.code);
  };
  process.once("SIGINT", interrupted);
  const timer = isLive ? setInterval(show, 500) : undefined;
  try {
    await client.follow(({ event, text }) => {
      if (telling.has(event.is)) stderr.write(`${isLive ? clearLine : ""}${text}\n`);
    });
    show();
    return await done();
  } finally {
    clearInterval(timer);
    process.off("SIGINT", interrupted);
    if (isLive) stderr.write(clearLine);
  }
};

type Paying = "pay" | "keysend" | "payOffer";

const settle = <N extends Paying>(
  name: N,
  asked: Asked<N>,
  what: string,
  { dir, json }: AdminOptions,
): Promise<void> =>
  withNode(dir, async (client) => {
    const ask = () => client.ask(name, asked);
    const settled: Answer<Paying> = json ? await ask() : await progress(client, what, ask);
    print(json ? toJson(settled) : settledText(settled));
  });

/** As wallets hand them around. */
const withoutScheme = (text: string): string => text.replace(/^lightning:/i, "");

const pay = (text: string, options: PayOptions): Promise<void> => {
  const bill = withoutScheme(text);
  if (/^lno1/i.test(bill))
    throw new SetupError("usage", "that is an offer", "`countersign node pay-offer OFFER SAT` pays it.");
  const msat = options.sat === undefined ? undefined : parseMsat(options.sat);
  const asked = { invoice: bill, ...limits(options), ...(msat === undefined ? {} : { msat }) };
  return settle("pay", asked, payingText("an invoice", msat), options);
};

const keysend = (to: string, amount: string, options: PayOptions): Promise<void> => {
  const [node, msat] = [parseNodeId(to), parseMsat(amount)];
  return settle("keysend", { node, msat, ...limits(options) }, payingText(brief(node), msat), options);
};

const payOffer = (
  text: string,
  amount: string,
  options: PayOptions & { readonly note?: string },
): Promise<void> => {
  const msat = parseMsat(amount);
  const { note } = options;
  const asked = {
    ...{ offer: withoutScheme(text), msat, ...limits(options) },
    ...(note === undefined ? {} : { note }),
  };
  return settle("payOffer", asked, payingText("an offer", msat), options);
};

const offer = ({ description, ...options }: AdminOptions & { readonly description: string }): Promise<void> =>
  asks("offer", { description }, (made) => made.offer)(options);

export const registerMoney = (node: Command): void => {
  const feeLimit = ["--fee-limit <sat>", "at most so much for the way; else one percent and 50 sat"] as const;
  command(node, "address", "a fresh address of the wallet").action(
    asks("address", {}, (made) => made.address),
  );
  command(node, "invoice <sat>", "to be paid so much; `any` leaves it to the payer")
    .option("--description <text>", "what it is for", "")
    .option("--expiry <seconds>", "how long it can be paid; else an hour")
    .action(invoice);
  command(node, "pay <invoice>", "pay an invoice, once the signer has agreed")
    .option("--sat <sat>", "where the invoice leaves the amount to the payer")
    .option(...feeLimit)
    .action(pay);
  command(node, "keysend <node> <sat>", "pay a node that gave no invoice")
    .option(...feeLimit)
    .action(keysend);
  command(node, "offer", "what can be paid again and again (BOLT 12); needs a peer that passes messages on")
    .option("--description <text>", "what it is for", "")
    .action(offer);
  command(node, "pay-offer <offer> <sat>", "pay an offer")
    .option("--note <text>", "for the payee")
    .option(...feeLimit)
    .action(payOffer);
};
