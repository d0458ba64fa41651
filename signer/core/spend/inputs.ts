/** From what a host says of an input to what the signer knows of it: by which right it is ours, its key, its value. */

import { decodeTx, type TxOutput, txidOf } from "../../../protocol/bitcoin/tx.ts";
import type { ChannelClaim, ChannelPlan, ClaimPlan } from "../../../protocol/bolt/claim.ts";
import { walletPlan } from "../../../protocol/bolt/spend.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import { sha256 } from "../../../protocol/hash.ts";
import { Malformed, within } from "../../../protocol/malformed.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { InputKind, Place, SpendInput } from "../../../protocol/operations/spend.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import {
  type ChannelId,
  type CommitmentNumber,
  type Outpoint,
  type Point,
  type Sat,
  sat,
  script,
} from "../../../protocol/units.ts";
import type { Coin } from "../chain/coins.ts";
import { placeName } from "../outpoints.ts";
import type { WalletKey } from "../ports.ts";
import { type Facts, refuse } from "../rule.ts";
import { type RuleName, textOf } from "../rules/table.ts";
import type { Live } from "../state.ts";
import type { Outlook } from "../step.ts";
import type { ChannelClaims, Origin } from "./channel.ts";

/** How the value is known: by our own state and the chain, by the previous transaction, or because the host says so. */
export type Proof = "known" | "shown" | "said";

interface Common {
  readonly index: number;
  readonly outpoint: Outpoint;
  readonly kind: InputKind;
  readonly plan: ClaimPlan;
  readonly value: Sat;
  readonly proof: Proof;
}

export interface ChannelInput extends Common {
  readonly from: "channel";
  readonly kind: Exclude<InputKind, "wallet" | "foreign">;
  readonly plan: ChannelPlan;
  readonly channel: ChannelId;
  readonly live: Live;
  /** Of the commitment that it stems from, where that is known. */
  readonly origin: Origin | undefined;
  /** As the holder sees it. */
  readonly htlc: Htlc | undefined;
}

export interface WalletInput extends Common {
  readonly from: "wallet";
  readonly kind: "wallet";
  readonly place: Place;
  /** Behind a script hash: the transaction's id follows only when it is signed (BIP 141, "P2WPKH nested in BIP16 P2SH"). */
  readonly nested: boolean;
}

export type OwnInput = ChannelInput | WalletInput;

export interface ForeignInput {
  readonly from: "foreign";
  readonly index: number;
  readonly outpoint: Outpoint;
  /** With value and script, where they are told; proven only by a previous transaction. */
  readonly spent: TxOutput | undefined;
  readonly proof: Proof;
}

export type Input = OwnInput | ForeignInput;

export interface InputContext {
  readonly curve: Curve;
  readonly outlook: Outlook;
  /** Undefined for a channel that is not set up. */
  claims(channel: ChannelId): ChannelClaims | undefined;
  point(channel: ChannelId, number: CommitmentNumber): Point | undefined;
  wallet(place: Place): WalletKey | undefined;
  /** That a block has brought. */
  coin(outpoint: Outpoint): Pick<Coin, "place" | "value"> | undefined;
}

const said = (rule: RuleName, facts: Facts): Refusal => refuse(textOf(rule), facts);

const need = <T>(value: Maybe<T>, index: number, field: string): T => {
  if (!isKnown(value)) throw new Malformed(`inputs[${index}].${field}`, "needed for an input of this kind");
  return value;
};

/** What the previous transaction shows, if the host brings it. */
const shownBy = ({ outpoint, prevTx }: SpendInput, index: number): TxOutput | undefined => {
  if (!isKnown(prevTx)) return undefined;
  const path = `inputs[${index}].prevTx`;
  const { tx } = within(path, () => decodeTx(prevTx));
  if (!equal(txidOf(tx), outpoint.txid)) throw new Malformed(path, "not the transaction that is spent");
  const output = tx.outputs[outpoint.index];
  if (output === undefined) throw new Malformed(path, `it has no output ${outpoint.index}`);
  return output;
};

interface Found {
  readonly claim: ChannelClaim;
  readonly origin: Origin | undefined;
  readonly htlc?: Htlc;
  /** As our own state or the chain has it. */
  readonly known?: Sat;
}

export const partyOf = ({ offeredBy, ...htlc }: Htlc, broadcaster: Htlc["offeredBy"]) => ({
  ...htlc,
  offeredBy: offeredBy === broadcaster ? ("broadcaster" as const) : ("countersignatory" as const),
});

/** Commitments of ours whose outputs may be claimed: those that were signed for broadcast. */
const ownNumber = (
  input: SpendInput,
  index: number,
  claims: ChannelClaims,
  context: InputContext,
): CommitmentNumber | Refusal => {
  const { holder } = claims.live;
  const rule = input.kind === "holderHtlc" ? "htlc-other" : "sweep-other";
  if (isKnown(input.number))
    return holder.broadcast.includes(input.number)
      ? input.number
      : said(rule, { input: index, number: input.number, notSignedForBroadcast: true });
  const wanted = need(input.point, index, "number");
  const number = holder.broadcast.find((one) => {
    const point = context.point(claims.channel, one);
    return point !== undefined && equal(point, wanted);
  });
  return number ?? said(rule, { input: index, point: wanted, notSignedForBroadcast: true });
};

const isRefusal = (value: object | bigint): value is Refusal =>
  typeof value === "object" && "sentence" in value;

const pointFor = (claims: ChannelClaims, number: CommitmentNumber, context: InputContext): Point => {
  const point = context.point(claims.channel, number);
  if (point === undefined) throw new Error("a point was not asked for");
  return point;
};

const find = (
  input: SpendInput & { readonly kind: ChannelInput["kind"] },
  index: number,
  claims: ChannelClaims,
  context: InputContext,
): Found | Refusal => {
  const { outpoint, kind } = input;
  switch (kind) {
    case "delayed": {
      const number = ownNumber(input, index, claims, context);
      if (isRefusal(number)) return number;
      return {
        claim: { kind, point: pointFor(claims, number, context) },
        origin: claims.originOf(outpoint.txid),
      };
    }
    case "toRemote":
      return { claim: { kind }, origin: claims.originOf(outpoint.txid) };
    case "anchor":
      if (claims.live.setup.terms.type !== "anchors")
        return said("sweep-other", { input: index, anchors: false });
      return { claim: { kind }, origin: claims.originOf(outpoint.txid) };
    case "holderHtlc": {
      const number = ownNumber(input, index, claims, context);
      if (isRefusal(number)) return number;
      const origin = claims.originOf(outpoint.txid);
      const htlc = origin?.htlcAt(outpoint.index);
      if (origin?.owner !== "holder" || origin.number !== number || htlc === undefined)
        return said("htlc-other", { input: index, number, notAnHtlcOfIt: outpoint.index });
      const { feerate } = origin;
      const claim = {
        kind,
        point: pointFor(claims, number, context),
        feerate,
        htlc: partyOf(htlc, "holder"),
      };
      return { claim, origin, htlc };
    }
    case "counterpartyHtlc": {
      const origin = claims.originOf(outpoint.txid);
      const htlc = origin?.htlcAt(outpoint.index);
      if (origin?.owner !== "counterparty" || htlc === undefined)
        return said("sweep-other", { input: index, notAnHtlcOfALiveCommitment: outpoint.index });
      return { claim: { kind, point: origin.point, htlc: partyOf(htlc, "counterparty") }, origin, htlc };
    }
    case "justiceToLocal":
    case "justiceSecondLevel":
    case "justiceHtlc": {
      const number = need(input.number, index, "number");
      const revealed = claims.revealed(number);
      if (revealed === undefined) return said("sweep-other", { input: index, number, notRevoked: true });
      if (kind !== "justiceHtlc") return { claim: { kind, revealed }, origin: undefined };
      const htlc = need(input.htlc, index, "htlc");
      return { claim: { kind, revealed, htlc: partyOf(htlc, "counterparty") }, origin: undefined, htlc };
    }
  }
};

/** The preimage is the host's to put into the witness; a wrong one would only cost a transaction that never confirms. */
const opens = ({ preimage }: SpendInput, htlc: Htlc | undefined): boolean =>
  !isKnown(preimage) || htlc === undefined || equal(sha256(preimage), htlc.hash);

const ofChannel = (
  input: SpendInput & { readonly kind: ChannelInput["kind"] },
  index: number,
  context: InputContext,
): ChannelInput | Refusal => {
  const channel = need(input.channel, index, "channel");
  const claims = context.claims(channel);
  if (claims === undefined) return said("channel-known", { input: index, channel });
  const found = find(input, index, claims, context);
  if (isRefusal(found)) return found;
  const { kind, outpoint } = input;
  const { claim, origin, htlc } = found;
  const rule: RuleName = kind === "holderHtlc" ? "htlc-other" : "sweep-other";
  if (!opens(input, htlc)) return said(rule, { input: index, preimage: "of another hash" });
  if (isKnown(input.htlc) && htlc !== undefined && !sameHtlc(input.htlc, htlc))
    return said(rule, { input: index, htlc: "another than in the commitment" });
  const plan = claims.plan(claim);
  const built = origin?.outputs[outpoint.index];
  const shown = built ?? shownBy(input, index);
  if (shown !== undefined && !equal(shown.script, plan.output))
    return said(rule, { input: index, script: shown.script, expected: plan.output });
  // Of another value an anchor's signature is void, whatever is said: a fixed figure can't be lied about.
  const fixed = kind === "anchor" ? plan.value : undefined;
  const known = fixed ?? context.outlook.valueAt(channel, outpoint);
  const value = shown?.value ?? known ?? plan.value ?? need(input.value, index, "value");
  // Nothing that stems from a channel is worth more than it.
  const { value: most } = claims.live.setup.terms;
  if (value > most) return said(rule, { input: index, value, channelValue: most });
  if (plan.value !== undefined && plan.value !== value)
    return said("onchain-input-value-proven", { input: index, value, htlc: plan.value });
  const proof = built !== undefined || known !== undefined ? "known" : shown !== undefined ? "shown" : "said";
  const common = { index, outpoint, plan, value, proof } as const;
  return { ...common, from: "channel", kind, channel, live: claims.live, origin, htlc };
};

const sameHtlc = (a: Htlc, b: Htlc): boolean =>
  a.offeredBy === b.offeredBy && a.amount === b.amount && a.expiry === b.expiry && equal(a.hash, b.hash);

const ofWallet = (input: SpendInput, index: number, context: InputContext): WalletInput | Refusal => {
  const place = need(input.place, index, "place");
  const key = context.wallet(place);
  if (key === undefined) return said("onchain-wallet-path-predictable", { input: index, ...place });
  const nested = key.form === "p2sh-p2wpkh";
  const form = key.form === "p2sh-p2wpkh" ? "p2wpkh" : key.form;
  const plain = walletPlan(context.curve, { kind: "wallet", form, key: key.point });
  const plan: ClaimPlan = nested ? { ...plain, output: key.script } : plain;
  const shown = shownBy(input, index);
  if (shown !== undefined && !equal(shown.script, plan.output))
    return said("onchain-input-value-proven", { input: index, script: shown.script, expected: plan.output });
  const { outpoint } = input;
  const coin = context.coin(outpoint);
  if (coin !== undefined && placeName(coin.place) !== placeName(place))
    return said("onchain-input-value-proven", {
      input: index,
      place: placeName(place),
      coin: placeName(coin.place),
    });
  const value = shown?.value ?? coin?.value ?? need(input.value, index, "value");
  const proof = coin !== undefined ? "known" : shown !== undefined ? "shown" : "said";
  return { index, outpoint, plan, value, proof, from: "wallet", kind: "wallet", place, nested };
};

const ofForeign = (input: SpendInput, index: number): ForeignInput => {
  const shown = shownBy(input, index);
  const told =
    isKnown(input.value) && isKnown(input.script) ? { value: input.value, script: input.script } : undefined;
  const { outpoint } = input;
  return {
    from: "foreign",
    index,
    outpoint,
    spent: shown ?? told,
    proof: shown === undefined ? "said" : "shown",
  };
};

export const inputOf = (input: SpendInput, index: number, context: InputContext): Input | Refusal => {
  const { kind } = input;
  const found =
    kind === "foreign"
      ? ofForeign(input, index)
      : kind === "wallet"
        ? ofWallet(input, index, context)
        : ofChannel({ ...input, kind }, index, context);
  if (isRefusal(found)) return found;
  const value = found.from === "foreign" ? found.spent?.value : found.value;
  if (isKnown(input.value) && value !== undefined && input.value !== value)
    return said("onchain-input-value-proven", { input: index, said: input.value, value });
  return found;
};

/** As a taproot digest commits to all of them. */
export const spentBy = (input: Input): TxOutput | undefined =>
  input.from === "foreign" ? input.spent : { value: input.value, script: input.plan.output };

/** In the place of an output of somebody else's that no digest commits to. */
export const nothingSpent: TxOutput = { value: sat(0n), script: script(new Uint8Array(0)) };
