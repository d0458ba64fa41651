/** Whose an output is: the host says what it is, and the signer derives the script that it then has to have. */

import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import type { TxOutput } from "../../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../../protocol/bolt/scripts.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Place, SpendOutput } from "../../../protocol/operations/spend.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type { ChannelId, Sat, Script, Txid } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";
import type { WalletKey } from "../ports.ts";
import { type Facts, refuse } from "../rule.ts";
import { type RuleName, textOf } from "../rules/table.ts";
import type { Live } from "../state.ts";
import type { ChannelInput, Input } from "./inputs.ts";

export type Paid =
  /** `place` where it is one of the wallet's. */
  | { readonly is: "ours"; readonly value: Sat; readonly place: Place | undefined }
  /** Of which `share` is ours from the first commitment on. */
  | { readonly is: "funding"; readonly value: Sat; readonly channel: ChannelId; readonly share: Sat }
  | { readonly is: "other"; readonly value: Sat; readonly script: Script; readonly allowed: boolean };

export interface OutputContext {
  readonly txid: Txid;
  readonly policy: Policy;
  readonly nextWallet: number;
  live(channel: ChannelId): Live | undefined;
  wallet(place: Place): WalletKey | undefined;
}

const no = (rule: RuleName, facts: Facts): Refusal => refuse(textOf(rule), facts);

const need = <T>(value: Maybe<T>, index: number, field: string): T => {
  if (!isKnown(value)) throw new Malformed(`outputs[${index}].${field}`, "needed for an output of this kind");
  return value;
};

/** Where a wallet that looks a gap beyond the last used index still finds it. */
export const isWithinGap = (
  { index }: Place,
  { policy, nextWallet }: Pick<OutputContext, "policy" | "nextWallet">,
): boolean => index < nextWallet + policy.walletGap;

const toWallet = (output: TxOutput, index: number, place: Place, context: OutputContext): Paid | Refusal => {
  const key = context.wallet(place);
  if (key === undefined || !isWithinGap(place, context))
    return no("onchain-wallet-path-predictable", { output: index, ...place, used: context.nextWallet });
  if (!equal(key.script, output.script))
    return no("onchain-wallet-path-predictable", { output: index, script: output.script, ours: key.script });
  return { is: "ours", value: output.value, place };
};

const toFunding = (
  output: TxOutput,
  index: number,
  channel: ChannelId,
  { txid, live: liveOf }: OutputContext,
): Paid | Refusal => {
  const live = liveOf(channel);
  if (live === undefined) return no("channel-known", { output: index, channel });
  const { terms, funding, holder, counterparty } = live.setup;
  const expected = p2wsh(fundingScript(holder.funding, counterparty.funding));
  if (!equal(output.script, expected))
    return no("onchain-output-scriptpubkey", { output: index, channel, script: output.script, expected });
  if (output.value !== terms.value || funding.index !== index || !equal(funding.txid, txid))
    return no("onchain-output-match-commitment", {
      ...{ output: index, channel, value: output.value, expected: terms.value },
      ...{ txid, funding: funding.txid, fundingOutput: funding.index },
    });
  if (live.holder.variants.length === 0)
    return no("onchain-initial-commitment-countersigned", { output: index, channel });
  return { is: "funding", value: output.value, channel, share: terms.contribution };
};

const toClosing = (
  output: TxOutput,
  index: number,
  channel: ChannelId,
  { live: liveOf }: OutputContext,
): Paid | Refusal => {
  const live = liveOf(channel);
  if (live === undefined) return no("channel-known", { output: index, channel });
  const { closingScript } = live.setup;
  if (!equal(output.script, closingScript))
    return no("onchain-wallet-path-predictable", {
      output: index,
      script: output.script,
      ours: closingScript,
    });
  return { is: "ours", value: output.value, place: undefined };
};

/** Beside an HTLC of ours lies the output of its second stage: that it is the right one is a rule of the input. */
const isStage = (inputs: readonly Input[], index: number): boolean => {
  const input = inputs[index];
  return input?.from === "channel" && (input satisfies ChannelInput).plan.countersigned !== undefined;
};

export const paidOf = (
  output: TxOutput,
  { kind, place, channel }: SpendOutput,
  index: number,
  inputs: readonly Input[],
  context: OutputContext,
): Paid | Refusal => {
  const { value, script } = output;
  if (isStage(inputs, index)) return { is: "ours", value, place: undefined };
  switch (kind) {
    case "wallet":
      return toWallet(output, index, need(place, index, "place"), context);
    case "closing":
      return toClosing(output, index, need(channel, index, "channel"), context);
    case "funding":
      return toFunding(output, index, need(channel, index, "channel"), context);
    case "other": {
      const allowed = context.policy.allowlist.some((one) => equal(one, script));
      return { is: "other", value, script, allowed };
    }
  }
};
