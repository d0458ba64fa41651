/** One channel's signer, as LDK knows it: reads what LDK says, asks the signer for it, and says "not yet" meanwhile. */

import * as ldk from "lightningdevkit";
import { toHex } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { Secret } from "../../../protocol/secret.ts";
import { point, preimage, revocationSecret, type Sat, sat, script } from "../../../protocol/units.ts";
import { htlcOf, readCommitment, readHolderCommitment, readHtlcOutput } from "../reading/commitment.ts";
import { numberOf } from "../reading/fields.ts";
import type { RemoteChannel } from "./remote-channels.ts";
import {
  type AskedInput,
  claimRequest,
  holderHtlcRequest,
  signatureAt,
  unsigned,
  type Values,
} from "./remote-claims.ts";
import { outpointOf } from "./remote-handshake.ts";
import type { Remote } from "./remote-parts.ts";
import { placedOf, remember } from "./remote-updates.ts";

const { Result_ECDSASignatureNoneZ: Signed, Result_NoneNoneZ: Done } = ldk;
const signed = (signature: Uint8Array | undefined): ldk.Result_ECDSASignatureNoneZ =>
  signature === undefined ? Signed.constructor_err() : Signed.constructor_ok(signature);

/** A throw in a callback leaves LDK's locks held: whatever happens, LDK is told that it failed. */
export const guarded =
  ({ tell }: Pick<Remote, "tell">) =>
  <A extends readonly unknown[], R>(where: string, failed: () => R, action: (...args: A) => R) =>
  (...args: A): R => {
    try {
      return action(...args);
    } catch (error) {
      tell({ is: "defect", where, error });
      return failed();
    }
  };

const setupOf = ({ setup, id }: RemoteChannel): Request<"setup"> => {
  if (setup === undefined) throw new Error(`channel ${id} was not set up`);
  return setup;
};

const commitments = (remote: Remote, channel: RemoteChannel) => {
  const { road, node, store, channels } = remote;

  const counterparty = (
    said: ldk.CommitmentTransaction,
    preimages: readonly Uint8Array[],
  ): ldk.Result_C2Tuple_ECDSASignatureCVec_ECDSASignatureZZNoneZ => {
    const read = readCommitment(said.write());
    const { funding } = setupOf(channel);
    remember(channel, preimages, store);
    const trimmed = read.number === 0n ? [] : channels.trimmed(channel, read.txid);
    if (trimmed === undefined) throw new Error(`no update told of commitment ${read.number}`);
    const { number, feerate, txid, tx } = read;
    store.setTheirs(channel.id, txid, {
      number,
      point: read.point,
      delayed: read.toBroadcaster,
      htlcs: placedOf(read),
    });
    const reply = road.reply("signCounterpartyCommitment", {
      ...{ node, channel: channel.id, funding, number, feerate, trimmed },
      point: read.point,
      toHolder: read.toCountersignatory,
      toCounterparty: read.toBroadcaster,
      htlcs: read.htlcs.map((htlc) => htlcOf(htlc, "counterparty")),
      preimages: preimages.map((one) => preimage(Uint8Array.from(one))),
      expected: tx,
    });
    if (reply === undefined)
      return ldk.Result_C2Tuple_ECDSASignatureCVec_ECDSASignatureZZNoneZ.constructor_err();
    return ldk.Result_C2Tuple_ECDSASignatureCVec_ECDSASignatureZZNoneZ.constructor_ok(
      ldk.TwoTuple_ECDSASignatureCVec_ECDSASignatureZZ.constructor_new(reply.signature, [
        ...reply.htlcSignatures,
      ]),
    );
  };

  /** LDK wants an answer at once: yes. What follows from a no is that nothing further of the channel is signed. */
  const validate = (said: ldk.HolderCommitmentTransaction, preimages: readonly Uint8Array[]): void => {
    const { commitment, signature, htlcSignatures } = readHolderCommitment(said.write());
    const { funding } = setupOf(channel);
    const { number, feerate, tx } = commitment;
    remember(channel, preimages, store);
    const htlcs = commitment.htlcs.map((htlc) => htlcOf(htlc, "holder"));
    const request: Request<"validateHolderCommitment"> = {
      ...{ node, channel: channel.id, funding, number, feerate, htlcs, signature, htlcSignatures },
      toHolder: commitment.toBroadcaster,
      toCounterparty: commitment.toCountersignatory,
      trimmed: unknown,
      preimages: preimages.map((one) => preimage(Uint8Array.from(one))),
      expected: tx,
    };
    channels.advance(channel, number);
    if (number === 0n) {
      road.put("validateHolderCommitment", { ...request, trimmed: [] });
      return;
    }
    // What was trimmed is told by the update that LDK makes of it.
    channel.held.set(number, request);
    store.hold(request);
  };

  const holder = (said: ldk.HolderCommitmentTransaction): Uint8Array | undefined => {
    const { number, txid } = readHolderCommitment(said.write()).commitment;
    const { funding } = setupOf(channel);
    return road.reply("signHolderCommitment", { node, channel: channel.id, funding, number, txid })
      ?.signature;
  };

  const closing = (said: ldk.ClosingTransaction): Uint8Array | undefined =>
    road.reply("signClosing", {
      ...{ node, channel: channel.id, funding: setupOf(channel).funding },
      toHolder: sat(said.to_holder_value_sat()),
      holderScript: script(said.to_holder_script()),
      toCounterparty: sat(said.to_counterparty_value_sat()),
      counterpartyScript: script(said.to_counterparty_script()),
      expected: said.trust().built_transaction(),
    })?.signature;

  return { counterparty, validate, holder, closing };
};

const claims = (remote: Remote, channel: RemoteChannel, curve: Curve) => {
  const { road, node } = remote;
  const values: Values = new Map();
  const claim = (bytes: Uint8Array, index: number, asked: AskedInput): Uint8Array | undefined => {
    const request = claimRequest({ ...remote, values }, channel, unsigned(bytes), index, asked);
    const reply = request === undefined ? undefined : road.reply("spend", request);
    return reply === undefined ? undefined : signatureAt(reply.signatures, index);
  };
  const justice = (
    tx: Uint8Array,
    index: number,
    value: bigint,
    secret: Uint8Array,
    htlc?: Htlc,
  ): Uint8Array | undefined =>
    claim(tx, index, {
      kind: "justice",
      value: sat(value) as Sat,
      point: curve.publicKey(new Secret(secret)),
      ...(htlc === undefined ? {} : { htlc }),
    });
  const ofHtlc = (htlc: ldk.HTLCOutputInCommitment): Htlc =>
    htlcOf(readHtlcOutput(htlc.write()), "counterparty");
  const holderHtlc = (bytes: Uint8Array, index: number, descriptor: ldk.HTLCDescriptor) => {
    const found = descriptor.get_preimage();
    const reply = road.reply(
      "spend",
      holderHtlcRequest(
        { ...remote, node },
        channel,
        unsigned(bytes),
        point(descriptor.get_per_commitment_point()),
        found instanceof ldk.Option_ThirtyTwoBytesZ_Some ? preimage(found.some) : undefined,
      ),
    );
    return reply === undefined ? undefined : signatureAt(reply.signatures, index);
  };
  return { claim, justice, ofHtlc, holderHtlc };
};

/** LDK calls it on each of its objects for the channel; the first call fixes the terms. */
const provide = (
  { handshakes, node, channels, road }: Remote,
  channel: RemoteChannel,
  parameters: ldk.ChannelTransactionParameters,
): void => {
  if (channel.setup !== undefined) {
    const { txid, index } = outpointOf(parameters.get_funding_outpoint());
    const { funding } = channel.setup;
    if (toHex(txid) !== toHex(funding.txid) || index !== funding.index)
      throw new Error(`channel ${channel.id} was set up on another funding output`);
    return;
  }
  const setup = handshakes.setupOf(node, channel, parameters);
  if (setup === undefined) throw new Error(`nobody told of the handshake of channel ${channel.id}`);
  channels.fix(channel, setup);
  road.put("setup", setup);
};

export const channelSigner = (
  remote: Remote,
  channel: RemoteChannel,
  pubkeys: ldk.ChannelPublicKeys,
): ldk.EcdsaChannelSigner => {
  const { road, node, channels, curve, announce } = remote;
  const guard = guarded(remote);
  const { counterparty, validate, holder, closing } = commitments(remote, channel);
  const { claim, justice, ofHtlc, holderHtlc } = claims(remote, channel, curve);
  const none = () => Signed.constructor_err();

  const keys: ldk.ChannelSignerInterface = {
    get_per_commitment_point: guard(
      "point",
      () => ldk.Result_PublicKeyNoneZ.constructor_err(),
      (index: bigint) => ldk.Result_PublicKeyNoneZ.constructor_ok(channels.point(channel, numberOf(index))),
    ),
    release_commitment_secret: guard(
      "secret",
      () => ldk.Result__u832NoneZ.constructor_err(),
      (index: bigint) => {
        const reply = road.reply("revokeHolderCommitment", {
          ...{ node, channel: channel.id },
          number: numberOf(index),
        });
        return reply === undefined
          ? ldk.Result__u832NoneZ.constructor_err()
          : ldk.Result__u832NoneZ.constructor_ok(reply.secret);
      },
    ),
    validate_holder_commitment: guard(
      "validateHolderCommitment",
      () => Done.constructor_err(),
      (said: ldk.HolderCommitmentTransaction, preimages: Uint8Array[]) => {
        validate(said, preimages);
        return Done.constructor_ok();
      },
    ),
    validate_counterparty_revocation: guard(
      "validateCounterpartyRevocation",
      () => Done.constructor_err(),
      (index: bigint, secret: Uint8Array) => {
        road.put("validateCounterpartyRevocation", {
          ...{ node, channel: channel.id, number: numberOf(index) },
          secret: revocationSecret(Uint8Array.from(secret)),
        });
        return Done.constructor_ok();
      },
    ),
    channel_keys_id: () => channel.keysId,
    provide_channel_parameters: guard(
      "setup",
      () => undefined,
      (parameters: ldk.ChannelTransactionParameters) => provide(remote, channel, parameters),
    ),
  };

  const signs: ldk.EcdsaChannelSignerInterface = {
    sign_counterparty_commitment: guard(
      "signCounterpartyCommitment",
      () => ldk.Result_C2Tuple_ECDSASignatureCVec_ECDSASignatureZZNoneZ.constructor_err(),
      (said: ldk.CommitmentTransaction, inbound: Uint8Array[], outbound: Uint8Array[]) =>
        counterparty(said, [...inbound, ...outbound]),
    ),
    sign_holder_commitment: guard("signHolderCommitment", none, (said: ldk.HolderCommitmentTransaction) =>
      signed(holder(said)),
    ),
    sign_justice_revoked_output: guard(
      "justice",
      none,
      (tx: Uint8Array, input: number, amount: bigint, secret: Uint8Array) =>
        signed(justice(tx, input, amount, secret)),
    ),
    sign_justice_revoked_htlc: guard(
      "justice",
      none,
      (tx: Uint8Array, input: number, amount: bigint, secret: Uint8Array, htlc: ldk.HTLCOutputInCommitment) =>
        signed(justice(tx, input, amount, secret, ofHtlc(htlc))),
    ),
    sign_holder_htlc_transaction: guard(
      "holderHtlc",
      none,
      (tx: Uint8Array, input: number, descriptor: ldk.HTLCDescriptor) =>
        signed(holderHtlc(tx, input, descriptor)),
    ),
    sign_counterparty_htlc_transaction: guard(
      "counterpartyHtlc",
      none,
      (
        tx: Uint8Array,
        input: number,
        _amount: bigint,
        _point: Uint8Array,
        htlc: ldk.HTLCOutputInCommitment,
      ) => signed(claim(tx, input, { kind: "counterpartyHtlc", htlc: ofHtlc(htlc) })),
    ),
    sign_closing_transaction: guard("signClosing", none, (said: ldk.ClosingTransaction) =>
      signed(closing(said)),
    ),
    // The engine builds what bumps a fee, and asks the wallet for all its signatures at once.
    sign_holder_anchor_input: none,
    sign_channel_announcement_with_funding_key: guard(
      "signGossip",
      none,
      (message: ldk.UnsignedChannelAnnouncement) =>
        signed(announce(message.write(), channel.id)?.fundingSignature),
    ),
    sign_splicing_funding_input: none,
  };
  return ldk.EcdsaChannelSigner.new_impl(signs, keys, pubkeys);
};
