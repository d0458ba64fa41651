/** The node key as LDK knows it. Every call stands still for its answer: LDK has no "not yet" here, and panics on most. */

import { randomBytes } from "node:crypto";
import * as ldk from "lightningdevkit";
import { toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import type { Name, Reply, Request } from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import { type ChannelId, point, signature } from "../../../protocol/units.ts";
import type { SignerLine } from "../bridge/line.ts";
import { scalarBytes } from "../library.ts";
import type { Tell } from "./remote-events.ts";
import type { Announced, Remote } from "./remote-parts.ts";
import { guarded } from "./remote-signer.ts";

/** Random values must not come again after a restart, as those of a seeded generator would. */
export const entropySource = (): ldk.EntropySource =>
  ldk.EntropySource.new_impl({ get_secure_random_bytes: () => Uint8Array.from(randomBytes(32)) });

/** Milliseconds between two questions to a signer that has a fault. */
const pause = 1_000;
const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Until the signer is there and well: an error would be LDK's end. */
export const insisted = <N extends Name>(
  line: SignerLine,
  tell: Tell,
  name: N,
  body: Request<N>,
): Exclude<Outcome<N>, { readonly is: "fault" }> => {
  for (;;) {
    const outcome = line.wait(name, body);
    if (outcome.is !== "fault") return outcome;
    tell({ is: "trouble", operation: name, fault: outcome.fault });
    Atomics.wait(sleeper, 0, 0, pause);
  }
};

/** The reply; a refusal is told, and the caller says what LDK gets in its place. */
const replyOf = <N extends Name>(
  { line, tell }: Pick<Remote, "line" | "tell">,
  name: N,
  body: Request<N>,
  channel?: ChannelId,
): Reply<N> | undefined => {
  const outcome = insisted(line, tell, name, body);
  switch (outcome.is) {
    case "reply":
      return outcome.reply;
    case "refusal":
      tell({ is: "refused", operation: name, channel, refusal: outcome.refusal, waits: false });
      return undefined;
    case "malformed": {
      const { path, reason } = outcome.malformed;
      tell({ is: "trouble", operation: name, fault: { sentence: `not understood: ${path}: ${reason}` } });
      return undefined;
    }
  }
};

/** In the form of a signature, and of nothing: who gets it drops the message. LDK itself would panic without one. */
const noSignature = signature(new Uint8Array(64).fill(1));

const mostAnnounced = 64;

/** A channel's announcement is signed by both keys in one request; LDK asks for each, and again after every reconnection. */
export const announcer = (
  parts: Pick<Remote, "line" | "tell" | "node">,
): ((message: Uint8Array, channel: ChannelId) => Announced | undefined) => {
  const made = new Map<string, Announced>();
  return (message, channel) => {
    const key = toHex(message);
    const known = made.get(key);
    if (known !== undefined) return known;
    const reply = replyOf(
      parts,
      "signGossip",
      { node: parts.node, kind: "channelAnnouncement", message, channel },
      channel,
    );
    if (reply === undefined) return undefined;
    const { nodeSignature, fundingSignature } = reply;
    const announced = {
      nodeSignature,
      fundingSignature: isKnown(fundingSignature) ? fundingSignature : undefined,
    };
    if (made.size >= mostAnnounced) made.clear();
    made.set(key, announced);
    return announced;
  };
};

/** The channel whose funding key is one of the announcement's two. */
const channelOf = (
  { channels }: Remote,
  { channel_announcement: said }: ldk.UnsignedGossipMessage_ChannelAnnouncement,
): ChannelId | undefined => {
  const keys = [said.get_bitcoin_key_1(), said.get_bitcoin_key_2()].map((key) => toHex(key.as_slice()));
  for (const { id, basepoints } of channels.all()) if (keys.includes(toHex(basepoints.funding))) return id;
  return undefined;
};

const gossip = (remote: Remote, said: ldk.UnsignedGossipMessage): Uint8Array | undefined => {
  const { node, announce } = remote;
  const message = said.write();
  if (said instanceof ldk.UnsignedGossipMessage_ChannelAnnouncement) {
    const channel = channelOf(remote, said);
    return channel === undefined ? undefined : announce(message, channel)?.nodeSignature;
  }
  const kind = said instanceof ldk.UnsignedGossipMessage_ChannelUpdate ? "channelUpdate" : "nodeAnnouncement";
  const reply = replyOf(remote, "signGossip", { node, kind, message, channel: unknown });
  // Without a channel_update LDK panics; an announcement it does without.
  return reply?.nodeSignature ?? (kind === "channelUpdate" ? noSignature : undefined);
};

export const nodeSigner = (remote: Remote, inboundKey: Uint8Array): ldk.NodeSigner => {
  const { node, curve } = remote;
  const guard = guarded(remote);
  const noPoint = () => ldk.Result_PublicKeyNoneZ.constructor_err();
  const none = () => ldk.Result_ECDSASignatureNoneZ.constructor_err();

  const ecdh = (of: Uint8Array, tweak: ldk.Option_BigEndianScalarZ): Uint8Array => {
    const theirs = point(Uint8Array.from(of));
    // s * (t * P) is (s * t) * P: the tweak is public, and the signer needs not know of it.
    const at =
      tweak instanceof ldk.Option_BigEndianScalarZ_Some
        ? curve.multiply(theirs, scalarBytes(tweak.some))
        : theirs;
    // A point of our own is nobody's: what it came with is made unreadable. LDK panics on an error (BOLT 4).
    return replyOf(remote, "ecdh", { node, point: at })?.shared ?? Uint8Array.from(randomBytes(32));
  };

  return ldk.NodeSigner.new_impl({
    get_inbound_payment_key: () => ldk.ExpandedKey.constructor_new(inboundKey),
    get_node_id: guard("node id", noPoint, (recipient: ldk.Recipient) =>
      recipient === ldk.Recipient.LDKRecipient_Node
        ? ldk.Result_PublicKeyNoneZ.constructor_ok(node)
        : noPoint(),
    ),
    ecdh: guard(
      "ecdh",
      () => ldk.Result_ThirtyTwoBytesNoneZ.constructor_err(),
      (recipient: ldk.Recipient, of: Uint8Array, tweak: ldk.Option_BigEndianScalarZ) =>
        recipient === ldk.Recipient.LDKRecipient_Node
          ? ldk.Result_ThirtyTwoBytesNoneZ.constructor_ok(ecdh(of, tweak))
          : ldk.Result_ThirtyTwoBytesNoneZ.constructor_err(),
    ),
    // The engine writes invoices itself, and has them signed whole.
    sign_invoice: () => ldk.Result_RecoverableSignatureNoneZ.constructor_err(),
    sign_bolt12_invoice: guard(
      "signBolt12",
      () => ldk.Result_SchnorrSignatureNoneZ.constructor_err(),
      (said: ldk.UnsignedBolt12Invoice) => {
        const body = {
          node,
          message: "invoice",
          stream: said.write(),
          root: unknown,
          tweak: unknown,
        } as const;
        const reply = replyOf(remote, "signBolt12", body);
        return reply === undefined
          ? ldk.Result_SchnorrSignatureNoneZ.constructor_err()
          : ldk.Result_SchnorrSignatureNoneZ.constructor_ok(reply.signature);
      },
    ),
    sign_gossip_message: guard("signGossip", none, (said: ldk.UnsignedGossipMessage) => {
      const made = gossip(remote, said);
      return made === undefined ? none() : ldk.Result_ECDSASignatureNoneZ.constructor_ok(made);
    }),
  });
};
