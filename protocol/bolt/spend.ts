/** From what a node claims to what spends it: the scripts of BOLT 3, rebuilt from keys. */

import { p2wpkh, p2wsh } from "../bitcoin/script.ts";
import { p2trOf } from "../bitcoin/taproot.ts";
import { toHex } from "../bytes.ts";
import type { Curve } from "../curve/curve.ts";
import { Secret } from "../secret.ts";
import { type Height, type Point, type RevocationSecret, type Script, type Txid, toSat } from "../units.ts";
import { anchorValue, type Basepoints, type ChannelType, type Htlc } from "./channel.ts";
import type { ChannelClaim, ChannelPlan, ClaimedChannel, ClaimPlan, Timing, WalletClaim } from "./claim.ts";
import { commitmentKeys, deriveKey, deriveRevocationKey } from "./derive.ts";
import { type HtlcTerms, htlcSighash, htlcTransaction } from "./htlc.ts";
import { anchoredToRemoteScript, anchorScript, delayedScript, htlcScripts } from "./scripts.ts";
import { htlcTransactionKind } from "./weight.ts";

const anyTime: Timing = { is: "open" };

type Signing = Pick<ChannelPlan, "stack" | "key" | "signer">;
type Further = Partial<Pick<ChannelPlan, "value" | "timing" | "countersigned">>;
const toScript = (witnessScript: Script, signing: Signing, further: Further = {}): ChannelPlan => ({
  output: p2wsh(witnessScript),
  witnessScript,
  timing: anyTime,
  ...signing,
  ...further,
});

/** With anchors every path of an HTLC but the revocation's waits for one block, so that none can pin the commitment. */
const htlcTiming = (type: ChannelType, from?: Height): Timing => ({
  is: "open",
  ...(type === "anchors" ? { wait: 1 } : {}),
  ...(from === undefined ? {} : { from }),
});

/** The holder's HTLC transaction without its outpoint. */
const secondStage = (script: Script, htlc: Htlc, terms: HtlcTerms) => {
  const { inputs, outputs, locktime } = htlcTransaction(noTxid, { htlc, index: 0, script }, terms);
  const [[input], [output]] = [inputs, outputs];
  if (input === undefined || output === undefined)
    throw new Error("an HTLC transaction has no input or output");
  return { sequence: input.sequence, locktime, output };
};
const noTxid = new Uint8Array(32) as Txid;

const memo = <K extends Uint8Array, V>(make: (key: K) => V): ((key: K) => V) => {
  const made = new Map<string, V>();
  return (key) => {
    const name = toHex(key);
    const value = made.get(name) ?? make(key);
    made.set(name, value);
    return value;
  };
};

/** All plans of one channel. What is the same for all claims of a commitment is derived once. */
export const claimPlanner = (
  curve: Curve,
  channel: ClaimedChannel,
): ((claim: ChannelClaim) => ChannelPlan) => {
  const { type, holder, counterparty, delays } = channel;

  const scriptsOf = (broadcaster: Basepoints, countersignatory: Basepoints) =>
    memo((point: Point) => {
      const keys = commitmentKeys(curve, { broadcaster, countersignatory, point });
      return { keys, htlc: htlcScripts(type, keys) };
    });
  const ours = scriptsOf(holder, counterparty);
  const theirs = scriptsOf(counterparty, holder);
  const pointOf = memo((revealed: RevocationSecret) => curve.publicKey(new Secret(revealed)));

  const delayed = (point: Point): ChannelPlan => {
    const signer = deriveKey(curve, holder.delayed, point);
    const revocation = deriveRevocationKey(curve, counterparty.revocation, point);
    const keys = { revocation, broadcasterDelayed: signer };
    return toScript(
      delayedScript({ keys, delay: delays.holder }),
      { stack: "delayed", key: { base: "delayed", point }, signer },
      { timing: { is: "open", wait: delays.holder } },
    );
  };

  const toRemote = (): ChannelPlan => {
    const signing = { key: { base: "payment" }, signer: holder.payment } as const;
    switch (type) {
      case "static_remotekey":
        return { stack: "p2wpkh", output: p2wpkh(holder.payment), timing: anyTime, ...signing };
      case "anchors":
        return toScript(
          anchoredToRemoteScript(holder.payment),
          { stack: "to_remote", ...signing },
          { timing: { is: "open", wait: 1 } },
        );
    }
  };

  const holderHtlc = ({ point, feerate, htlc }: ChannelClaim & { kind: "holderHtlc" }): ChannelPlan => {
    const { keys, htlc: scriptOf } = ours(point);
    const script = scriptOf(htlc);
    const terms: HtlcTerms = { type, feerate, delay: delays.holder, keys };
    const { sequence, locktime, output } = secondStage(script, htlc, terms);
    return toScript(
      script,
      {
        stack: `htlc-${htlcTransactionKind(htlc)}`,
        key: { base: "htlc", point },
        signer: keys.broadcasterHtlc,
      },
      {
        value: toSat(htlc.amount),
        timing: { is: "fixed", sequence, locktime },
        countersigned: {
          key: keys.countersignatoryHtlc,
          type: htlcSighash(type, "countersignatory"),
          output,
          alone: type !== "anchors",
        },
      },
    );
  };

  const counterpartyHtlc = ({ point, htlc }: ChannelClaim & { kind: "counterpartyHtlc" }): ChannelPlan => {
    const { keys, htlc: scriptOf } = theirs(point);
    const withPreimage = htlc.offeredBy === "broadcaster";
    return toScript(
      scriptOf(htlc),
      {
        stack: withPreimage ? "htlc-claim-preimage" : "htlc-claim-timeout",
        key: { base: "htlc", point },
        signer: keys.countersignatoryHtlc,
      },
      {
        value: toSat(htlc.amount),
        timing: htlcTiming(type, withPreimage ? undefined : htlc.expiry),
      },
    );
  };

  const justiceDelayed = (revealed: RevocationSecret): ChannelPlan => {
    const { keys } = theirs(pointOf(revealed));
    return toScript(delayedScript({ keys, delay: delays.counterparty }), {
      stack: "delayed-penalty",
      key: { base: "revocation", revealed },
      signer: keys.revocation,
    });
  };

  const justiceHtlc = ({ revealed, htlc }: ChannelClaim & { kind: "justiceHtlc" }): ChannelPlan => {
    const { keys, htlc: scriptOf } = theirs(pointOf(revealed));
    return toScript(
      scriptOf(htlc),
      { stack: "htlc-penalty", key: { base: "revocation", revealed }, signer: keys.revocation },
      { value: toSat(htlc.amount) },
    );
  };

  return (claim) => {
    switch (claim.kind) {
      case "delayed":
        return delayed(claim.point);
      case "toRemote":
        return toRemote();
      case "holderHtlc":
        return holderHtlc(claim);
      case "counterpartyHtlc":
        return counterpartyHtlc(claim);
      case "justiceToLocal":
      case "justiceSecondLevel":
        return justiceDelayed(claim.revealed);
      case "justiceHtlc":
        return justiceHtlc(claim);
      case "anchor":
        return toScript(
          anchorScript(holder.funding),
          { stack: "anchor", key: { base: "funding" }, signer: holder.funding },
          { value: anchorValue },
        );
    }
  };
};

export const walletPlan = (curve: Curve, { form, key }: WalletClaim): ClaimPlan => {
  const signing = { key: { base: "wallet", key, form }, signer: key, timing: anyTime } as const;
  switch (form) {
    case "p2wpkh":
      return { stack: "p2wpkh", output: p2wpkh(key), ...signing };
    case "p2tr":
      return { stack: "p2tr", output: p2trOf(curve, key.subarray(1)), ...signing };
  }
};
