/**
 * Words of a story that are about payments. `on NAME` goes on with another channel, which is opened when it is first
 * named; `propose PAYS` has a payment approved; `receive LABEL MSAT` issues an invoice; `wait SECONDS` lets time pass.
 * PAYS is `KIND LABEL MSAT FEE [EXPIRY] [of LABEL MSAT] [to NODE]`: the label stands for the preimage, and what follows
 * `of` is the offer that a BOLT 12 invoice is shown with, where it is another.
 */

import { fromHex } from "../../protocol/bytes.ts";
import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { msat, type Preimage, point } from "../../protocol/units.ts";
import { bolt12Bill, invoiceBill, keysendBill } from "../honest/invoices.ts";
import { type Opened, open, start } from "./channel.ts";
import type { Balances, Content } from "./content.ts";
import { issueOf } from "./payments.ts";
import { plainTime, type Rig } from "./road.ts";
import { bob } from "./scene.ts";

/** What a story knows of one channel. */
export interface Sheet {
  opened: Opened;
  number: bigint;
  balances: Balances;
  preimages: Preimage[];
  labels: Map<string, Htlc>;
  validated: Content | undefined;
}

export interface Purse {
  /** Seconds since 1970. */
  now: number;
  name: string;
  readonly sheets: Map<string, Sheet>;
}

export const purse = (): Purse => ({ now: plainTime, name: "", sheets: new Map() });

type Proposal = Request<"proposePayment">;

export const proposalOf = ({ opened }: Pick<Sheet, "opened">, words: string): Proposal => {
  const [plain = "", payee] = words.split(" to ");
  const [told = "", source] = plain.split(" of ");
  const [kind = "", label = "", amount = "", feeLimit = "", expiry] = told.split(" ");
  const what = {
    ...{ node: opened.node, label, amount: BigInt(amount), feeLimit: BigInt(feeLimit), now: plainTime },
    ...(expiry === undefined ? {} : { expiry: Number(expiry) }),
  };
  switch (kind) {
    case "keysend":
      return {
        ...keysendBill(what).proposal,
        ...(payee === undefined ? {} : { payee: point(fromHex(payee)) }),
      };
    case "rebalance":
      return { ...keysendBill(what).proposal, kind: "rebalance", amount: msat(0n) };
    case "invoice":
      return invoiceBill(what).proposal;
    case "bolt12": {
      const { proposal } = bolt12Bill(what, "offer");
      if (source === undefined) return proposal;
      const [other = "", asked = ""] = source.split(" ");
      const offer = bolt12Bill({ ...what, label: other, amount: BigInt(asked) }, "offer");
      return { ...proposal, source: offer.proposal.source };
    }
    default:
      throw new RangeError(`no kind of payment: ${kind}`);
  }
};

interface Stage extends Sheet {
  readonly rig: Rig;
  readonly terms: Terms;
  readonly purse: Purse;
}

const approve = async ({ rig }: Stage, proposal: Proposal): Promise<void> => {
  const { standing } = await rig.call("proposePayment", proposal);
  if (standing !== "approved") throw new Error(`the story stops at a payment that is ${standing}`);
};

const goOn = async (on: Stage, name: string): Promise<void> => {
  const { opened, number, balances, preimages, labels, validated } = on;
  on.purse.sheets.set(on.purse.name, { opened, number, balances, preimages, labels, validated });
  const sheet = on.purse.sheets.get(name) ?? {
    opened: await open(on.rig.call, opened.node, bob, on.terms, `story ${name}`),
    ...{ number: 0n, balances: start(on.terms), preimages: [], labels: new Map(), validated: undefined },
  };
  on.purse.name = name;
  Object.assign(on, sheet);
};

/** False for words that are not of payments. */
export const tellPayment = async (on: Stage, words: string): Promise<boolean> => {
  const [word = "", one = "", two = ""] = words.split(" ");
  switch (word) {
    case "on":
      await goOn(on, one);
      return true;
    case "propose":
      await approve(on, proposalOf(on, words.slice("propose ".length)));
      return true;
    case "receive":
      await on.rig.call("signInvoice", issueOf(on.opened.node, one, BigInt(two)));
      return true;
    case "wait":
      on.purse.now += Number(one);
      return true;
    default:
      return false;
  }
};
