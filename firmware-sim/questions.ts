/** A question of the core as the screen shows it. The labels are the firmware's own; what others wrote is quoted. */

import { addressOf } from "../protocol/bitcoin/address.ts";
import { isWitnessProgram } from "../protocol/bitcoin/script.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { ListedApproval } from "../protocol/operations/admin.ts";
import type { Network } from "../protocol/operations/fields.ts";
import type { Script } from "../protocol/units.ts";
import type { Setup } from "../signer/core/state.ts";
import type { Fact, Value } from "./screen.ts";

const titles: Readonly<Record<ListedApproval["subject"], string>> = {
  payment: "Pay",
  outputs: "Send on chain",
  opening: "Open a channel",
};

const labels: Readonly<Record<string, string>> = {
  kind: "Kind",
  amount: "Amount",
  feeLimit: "Fee up to",
  payee: "To",
  hash: "Payment hash",
  description: "It says",
  peer: "With",
  value: "Size",
  weFund: "We pay in",
  push: "We give away",
  opener: "Opened by",
  pays: "Pays",
  leaves: "Leaves us",
  andMore: "And",
  wasToFundAChannel: "Was to fund",
};

/** Which the core works out itself. What a name that is not here says may be another's words, whatever they look like. */
const forms: Readonly<Record<string, "amount" | "key" | "output">> = {
  amount: "amount",
  feeLimit: "amount",
  value: "amount",
  weFund: "amount",
  push: "amount",
  payee: "key",
  hash: "key",
  peer: "key",
  pays: "output",
};

const money = /^(\d{1,19}) (msat|sat)$/;
const key = /^0[23][0-9a-f]{64}$|^[0-9a-f]{64}$/;
const output = /^(\d{1,16}) sat to script ((?:[0-9a-f]{2})+)$/;

const msatOf = (count: string, unit: string | undefined): bigint =>
  unit === "sat" ? BigInt(count) * 1000n : BigInt(count);

const addressIn = (network: Network, script: Uint8Array): Value =>
  isWitnessProgram(script as Script)
    ? { is: "address", text: addressOf(network, script) }
    : { is: "text", text: `script ${toHex(script)}` };

interface Said {
  readonly name: string;
  readonly value: string;
}

const factsOf = (network: Network, { name, value }: Said): readonly Fact[] => {
  const label = labels[name] ?? "Also";
  const quoted: readonly Fact[] = [{ label, value: { is: "text", text: value } }];
  switch (forms[name] ?? "text") {
    case "amount": {
      const [, count, unit] = money.exec(value) ?? [];
      return count === undefined ? quoted : [{ label, value: { is: "amount", msat: msatOf(count, unit) } }];
    }
    case "key":
      return key.test(value) ? [{ label, value: { is: "key", bytes: fromHex(value) } }] : quoted;
    case "output": {
      const [, paid, script] = output.exec(value) ?? [];
      if (paid === undefined || script === undefined) return quoted;
      return [
        { label, value: { is: "amount", msat: msatOf(paid, "sat") } },
        { label: "To", value: addressIn(network, fromHex(script)) },
      ];
    }
    case "text":
      return quoted;
  }
};

/** What a person needs to look a channel up; a txid as explorers write it. */
export const channelFacts = ({ terms, peer, funding }: Setup): readonly Fact[] => [
  { label: "Channel of", value: { is: "amount", msat: terms.value * 1000n } },
  { label: "With", value: { is: "key", bytes: peer } },
  { label: "Funded by", value: { is: "key", bytes: Uint8Array.from(funding.txid).reverse() } },
  { label: "Its output", value: { is: "count", count: BigInt(funding.index), unit: "" } },
  { label: "Not in the chain", value: { is: "word", word: "it covers nothing" } },
];

export interface Scene {
  readonly network: Network;
  /** It has left already, as a forward. */
  readonly isOut: boolean;
}

export interface Shown {
  readonly title: string;
  readonly facts: readonly Fact[];
}

/** The amount first, as the core knows it, whatever else is said about it. */
export const shownOf = ({ subject, amount, shown }: ListedApproval, { network, isOut }: Scene): Shown => ({
  // Not a new payment: what came in for it is to go back, and here nobody sees whether it came back itself.
  title: subject === "payment" && isOut ? "Give up its cover" : titles[subject],
  facts: [
    { label: "In all", value: { is: "amount", msat: amount } },
    ...shown.flatMap((fact) => factsOf(network, fact)),
  ],
});
