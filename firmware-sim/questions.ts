/** A question of the core as the screen shows it. The labels are the firmware's own; what others wrote is quoted. */

import { addressOf } from "../protocol/bitcoin/address.ts";
import { isWitnessProgram, p2wsh } from "../protocol/bitcoin/script.ts";
import { fundingScript } from "../protocol/bolt/scripts.ts";
import { equal, fromHex, toHex } from "../protocol/bytes.ts";
import type { DeviceLimits, DeviceQuestion } from "../protocol/device/limits.ts";
import { sha256 } from "../protocol/hash.ts";
import type { Network } from "../protocol/operations/fields.ts";
import { msat, type Script } from "../protocol/units.ts";
import type { Live, Setup } from "../signer/core/state.ts";
import { type Held, mostOurs } from "./over.ts";
import type { Fact, Value } from "./screen.ts";

export const titles: Readonly<Record<DeviceQuestion["subject"], string>> = {
  payment: "Pay",
  outputs: "Send on chain",
  opening: "Open a channel",
  // Not a new payment: what came in for it is to go back, and here nobody sees whether it came back itself.
  cover: "Give up its cover",
  channel: "In the chain?",
  over: "Over for good?",
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

/** Of the keys of both: an output that pays to anything else is another's, whatever it is worth. */
const fundingOutput = ({ holder, counterparty }: Setup): Script =>
  p2wsh(fundingScript(holder.funding, counterparty.funding));

/** A txid as explorers write it. */
const placeFacts = ({ peer, funding }: Setup): readonly Fact[] => [
  { label: "With", value: { is: "key", bytes: peer } },
  { label: "Funded by", value: { is: "key", bytes: Uint8Array.from(funding.txid).reverse() } },
  { label: "Its output", value: { is: "count", count: BigInt(funding.index), unit: "" } },
];

/** What a person needs to look a channel up. */
export const channelFacts = (setup: Setup, network: Network): readonly Fact[] => [
  { label: "Channel of", value: { is: "amount", msat: setup.terms.value * 1000n } },
  { label: "It must pay to", value: addressIn(network, fundingOutput(setup)) },
  ...placeFacts(setup),
  { label: "Not in the chain", value: { is: "word", word: "it covers nothing" } },
];

/** What is lost if it is not so comes first, and last. */
export const overFacts = (live: Live): readonly Fact[] => [
  { label: "Ours, at most", value: { is: "amount", msat: mostOurs(live) } },
  { label: "Channel of", value: { is: "amount", msat: live.setup.terms.value * 1000n } },
  ...placeFacts(live.setup),
  { label: "Yes: its keys", value: { is: "word", word: "never sign again" } },
  { label: "If it is not over", value: { is: "word", word: "what is ours is lost" } },
];

const outputOf = ({ funding }: Setup): string =>
  `${toHex(Uint8Array.from(funding.txid).reverse())}:${funding.index}`;
const idOf = (...words: readonly (string | bigint)[]): Uint8Array =>
  sha256(new TextEncoder().encode(words.join(":")));

/** For approvers, as the person has it. Bound to the record as it is: nothing may have happened since. */
export const overQuestion = (channel: bigint, { live, version }: Held): DeviceQuestion => {
  const output = outputOf(live.setup);
  return {
    id: idOf("over", channel, output, BigInt(version)),
    subject: "over",
    amount: msat(mostOurs(live)),
    shown: [
      { name: "value", value: `${live.setup.terms.value} sat` },
      { name: "peer", value: toHex(live.setup.peer) },
      { name: "funding", value: output },
    ],
    asked: 0n,
  };
};

/** For approvers: all that a person is shown of a channel, and what binds it to this one. */
export const channelQuestion = (channel: bigint, setup: Setup, network: Network): DeviceQuestion => {
  const { terms, peer } = setup;
  const output = outputOf(setup);
  return {
    id: idOf("channel", channel, output),
    subject: "channel",
    amount: msat(terms.value * 1000n),
    shown: [
      { name: "peer", value: toHex(peer) },
      { name: "funding", value: output },
      { name: "itMustPayTo", value: addressOf(network, fundingOutput(setup)) },
    ],
    asked: 0n,
  };
};

export interface Shown {
  readonly title: string;
  readonly facts: readonly Fact[];
}

/** The amount first, as the core knows it, whatever else is said about it. */
export const shownOf = ({ subject, amount, shown }: DeviceQuestion, network: Network): Shown => ({
  title: titles[subject],
  facts: [
    { label: "In all", value: { is: "amount", msat: amount } },
    ...shown.flatMap((fact) => factsOf(network, fact)),
  ],
});

const perWeight = {
  maxFeerate: "Fee, channels",
  maxClosingFeerate: "Fee, closing",
  maxOnchainFeerate: "Fee, sending",
  maxSweepFeerate: "Fee, sweeping",
} as const;

const without = <T extends Uint8Array>(all: readonly T[], others: readonly T[]): readonly T[] =>
  all.filter((one) => !others.some((other) => equal(one, other)));

/** What changes. The allowance begins anew with each change, so it always shows. */
export const limitsFacts = (before: DeviceLimits, next: DeviceLimits, network: Network): readonly Fact[] => {
  const listed = <T extends Uint8Array>(label: string, none: string, was: readonly T[], is: readonly T[]) => {
    const form = (one: T): Value =>
      label === "May be paid" ? addressIn(network, one) : { is: "key", bytes: one };
    return [
      ...without(is, was).map((one): Fact => ({ label, value: form(one) })),
      ...without(was, is).map((one): Fact => ({ label: none, value: form(one) })),
    ];
  };
  const facts: Fact[] = [
    ...listed("Approver", "No approver", before.approvers, next.approvers),
    ...listed("May be paid", "Not any more", before.destinations, next.destinations),
    ...listed("Payee", "No payee", before.payees, next.payees),
  ];
  if (next.approvers.length > 0 && (next.needed !== before.needed || facts.length > 0))
    facts.unshift({
      label: "Approvers agree",
      value: { is: "count", count: BigInt(next.needed), unit: `of ${next.approvers.length}` },
    });
  if (next.forwarding !== before.forwarding)
    facts.push({ label: "Forwards", value: { is: "word", word: next.forwarding ? "yes" : "no" } });
  for (const [name, label] of Object.entries(perWeight) as [keyof typeof perWeight, string][])
    if (next[name] !== before[name])
      facts.push({ label, value: { is: "count", count: BigInt(next[name]), unit: "sat/kw" } });
  return [
    { label: "Unasked, in all", value: { is: "amount", msat: next.allowance } },
    { label: "Unasked, each", value: { is: "amount", msat: next.each } },
    ...facts,
  ];
};
