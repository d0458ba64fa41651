/** What is spent outside of LDK's own claims: coins of the wallet, outputs that channels left us, and what bumps a fee. */

import * as ldk from "lightningdevkit";
import {
  encodeTx,
  encodeWitnessTx,
  type Tx,
  type TxOutput,
  type Witness,
} from "../../../protocol/bitcoin/tx.ts";
import type { ChannelClaim, ClaimPlan } from "../../../protocol/bolt/claim.ts";
import { claimPlanner, walletPlan } from "../../../protocol/bolt/spend.ts";
import { claimWitness } from "../../../protocol/bolt/spend-sign.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import {
  type Place,
  place as placeField,
  type SpendInput as Said,
} from "../../../protocol/operations/spend.ts";
import {
  feerate,
  type Outpoint,
  type Preimage,
  point,
  preimage,
  type Signature,
  sat,
  script,
  signature,
} from "../../../protocol/units.ts";
import { htlcOf, readHtlcOutput } from "../reading/commitment.ts";
import type { SpendInput, Wallet } from "./keys.ts";
import { answerOf } from "./remote-answers.ts";
import type { RemoteChannel } from "./remote-channels.ts";
import { outputKind, silent } from "./remote-claims.ts";
import { outpointOf } from "./remote-handshake.ts";
import type { Remote } from "./remote-parts.ts";
import type { Places } from "./remote-places.ts";

/** One input: what the signer is told, and what completes it. */
interface Part {
  readonly said: Said;
  readonly plan: ClaimPlan;
  readonly sequence: number | undefined;
  readonly countersignature?: Signature;
  readonly preimage?: Preimage;
}

const isPlace = (value: unknown): value is Place =>
  typeof value === "object" && value !== null && "account" in value && "branch" in value && "index" in value;

const planOf = (
  { curve }: Remote,
  { setup, basepoints, id }: RemoteChannel,
  claim: ChannelClaim,
): ClaimPlan => {
  if (setup === undefined) throw new Error(`channel ${id} was not set up`);
  const { terms, counterparty } = setup;
  // Each waits for what the other side demanded.
  const delays = { holder: terms.counterparty.toSelfDelay, counterparty: terms.holder.toSelfDelay };
  return claimPlanner(curve, { type: terms.type, holder: basepoints, counterparty, delays })(claim);
};

const outputOf = (output: ldk.TxOut): TxOutput => ({
  value: sat(output.value),
  script: script(output.script_pubkey),
});

export const openWallet = (remote: Remote, places: Places): Wallet => {
  const { node, line, channels, store, curve } = remote;

  const ofWallet = (outpoint: Outpoint, output: TxOutput, place: Place, rest: Partial<Said> = {}): Said => ({
    ...silent,
    ...{ outpoint, kind: "wallet", place },
    ...output,
    ...rest,
  });

  const walletPart = (
    outpoint: Outpoint,
    output: TxOutput,
    place: Place,
    {
      sequence,
      prevTx,
    }: { readonly sequence?: number | undefined; readonly prevTx?: Uint8Array | undefined },
  ): Part => {
    const key = places.key(place);
    if (key === undefined) throw new Malformed("place", "no key of the wallet");
    return {
      said: ofWallet(outpoint, output, place, prevTx === undefined ? {} : { prevTx }),
      plan: walletPlan(curve, { kind: "wallet", form: "p2wpkh", key }),
      sequence,
    };
  };

  const claimPart = (
    channel: RemoteChannel,
    outpoint: Outpoint,
    claim: ChannelClaim,
    said: Partial<Said>,
    rest: Omit<Part, "said" | "plan">,
  ): Part => ({
    said: { ...silent, outpoint, kind: claim.kind, channel: channel.id, ...said },
    plan: planOf(remote, channel, claim),
    ...rest,
  });

  const descriptorPart = (descriptor: ldk.SpendableOutputDescriptor, sequence: number | undefined): Part => {
    if (descriptor instanceof ldk.SpendableOutputDescriptor_StaticOutput) {
      const channel = channels.of(descriptor.channel_keys_id);
      const place = places.ofChannel(channel.id, channel.closingScript);
      if (place === undefined) throw new Error(`no key for the closing script of channel ${channel.id}`);
      return walletPart(outpointOf(descriptor.outpoint), outputOf(descriptor.output), place, { sequence });
    }
    if (descriptor instanceof ldk.SpendableOutputDescriptor_DelayedPaymentOutput) {
      const { delayed_payment_output: output } = descriptor;
      const channel = channels.of(output.get_channel_keys_id());
      const at = point(output.get_per_commitment_point());
      const claim = { kind: "delayed", point: at } as const;
      const said = { point: at, ...outputOf(output.get_output()) };
      return claimPart(channel, outpointOf(output.get_outpoint()), claim, said, { sequence });
    }
    if (descriptor instanceof ldk.SpendableOutputDescriptor_StaticPaymentOutput) {
      const { static_payment_output: output } = descriptor;
      const channel = channels.of(output.get_channel_keys_id());
      const said = outputOf(output.get_output());
      return claimPart(channel, outpointOf(output.get_outpoint()), { kind: "toRemote" }, said, { sequence });
    }
    throw new Error("an output of a kind that LDK did not have");
  };

  const htlcPart = (descriptor: ldk.HTLCDescriptor, sequence: number | undefined): Part => {
    const channel = channels.of(descriptor.get_channel_derivation_parameters().get_keys_id());
    const output = readHtlcOutput(descriptor.get_htlc().write());
    const at = point(descriptor.get_per_commitment_point());
    const found = descriptor.get_preimage();
    const known = found instanceof ldk.Option_ThirtyTwoBytesZ_Some ? preimage(found.some) : undefined;
    const claim = {
      kind: "holderHtlc",
      point: at,
      feerate: feerate(descriptor.get_feerate_per_kw()),
      htlc: {
        ...output.htlc,
        offeredBy: output.offered ? ("broadcaster" as const) : ("countersignatory" as const),
      },
    } as const;
    const said: Partial<Said> = { point: at, htlc: htlcOf(output, "holder"), preimage: known ?? unknown };
    return claimPart(channel, outpointOf(descriptor.outpoint()), claim, said, {
      sequence,
      countersignature: signature(descriptor.get_counterparty_sig()),
      ...(known === undefined ? {} : { preimage: known }),
    });
  };

  const partOf = (input: SpendInput): Part => {
    switch (input.kind) {
      case "wallet": {
        const { outpoint, value, place, sequence, prevTx } = input;
        if (!isPlace(place)) throw new Malformed("place", "not one of this wallet's");
        return walletPart(outpoint, { value: sat(value), script: script(input.script) }, place, {
          sequence,
          prevTx,
        });
      }
      case "descriptor":
        return descriptorPart(input.descriptor, input.sequence);
      case "anchor": {
        const { descriptor, sequence } = input;
        const channel = channels.of(descriptor.get_channel_derivation_parameters().get_keys_id());
        return claimPart(
          channel,
          outpointOf(descriptor.get_outpoint()),
          { kind: "anchor" },
          {},
          { sequence },
        );
      }
      case "htlc":
        return htlcPart(input.descriptor, input.sequence);
    }
  };

  const sequenceOf = ({ plan: { timing }, sequence }: Part): number =>
    timing.is === "fixed" ? timing.sequence : (sequence ?? timing.wait ?? replaceable);

  return {
    address: async () => {
      const place = placeField.packed.decode(placeField.packed.encode(places.at(store.nextPlace())));
      const reply = answerOf("walletAddress", await line.ask("walletAddress", { node, place }));
      store.setNextPlace(place.index + 1);
      places.learn(reply.script, place);
      return { script: reply.script, place };
    },
    spend: async ({ inputs, outputs, locktime, version = 2 }) => {
      const parts = inputs.map(partOf);
      const tx: Tx = {
        version,
        locktime,
        inputs: parts.map((part) => ({ outpoint: part.said.outpoint, sequence: sequenceOf(part) })),
        outputs: outputs.map((output) => ({ value: sat(output.value), script: script(output.script) })),
      };
      const { signatures } = answerOf(
        "spend",
        await line.ask("spend", {
          node,
          tx: encodeTx(tx),
          inputs: parts.map(({ said }) => said),
          outputs: outputs.map((output) => outputKind(output.script, remote)),
        }),
      );
      const witnesses = parts.map(({ plan, countersignature, preimage: known }, i): Witness => {
        const made = signatures[i];
        if (made === undefined || !isKnown(made)) throw new Malformed(`signatures[${i}]`, "missing");
        return claimWitness(plan, {
          signature: made,
          ...(countersignature === undefined ? {} : { countersignature }),
          ...(known === undefined ? {} : { preimage: known }),
        });
      });
      return encodeWitnessTx(tx, witnesses);
    },
  };
};

/** BIP 125; and the locktime stays in force. */
const replaceable = 0xffff_fffd;
