/** The other end of a channel: it has keys, signs what the holder may broadcast, and revokes what it leaves. */

import type { Basepoints } from "../../protocol/bolt/channel.ts";
import { buildCommitment, type Commitment } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys, deriveKeySecret } from "../../protocol/bolt/derive.ts";
import { htlcDigests } from "../../protocol/bolt/htlc.ts";
import { secretAt } from "../../protocol/bolt/shachain.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Side, Terms } from "../../protocol/operations/fields.ts";
import { Secret } from "../../protocol/secret.ts";
import type { CommitmentNumber, Outpoint, Point, RevocationSecret, Signature } from "../../protocol/units.ts";
import type { Content } from "./content.ts";

export interface Peer {
  readonly id: Point;
  readonly basepoints: Basepoints;
  point(number: CommitmentNumber): Point;
  secret(number: CommitmentNumber): RevocationSecret;
  /** Both halves of `commitment_signed` for a commitment of the holder. */
  countersign(
    shared: Shared,
    point: Point,
    content: Content,
  ): { signature: Signature; htlcSignatures: readonly Signature[] };
  signDigest(digest: Uint8Array): Signature;
  /** With its HTLC key of a commitment of its own. */
  signHtlc(digest: Uint8Array, point: Point): Signature;
}

/** What both sides know of the channel, with names from the holder's side. */
export interface Shared {
  readonly terms: Terms;
  readonly holder: Basepoints;
  readonly counterparty: Basepoints;
  readonly funding: Outpoint;
}

/** A commitment as any of the two can build it; deliberately not the signer's own code for it. */
export const commitmentOf = (
  curve: Curve,
  { terms, holder, counterparty, funding }: Shared,
  owner: Side,
  point: Point,
  content: Content,
): { commitment: Commitment; digests: readonly Uint8Array[] } => {
  const mine = owner === "holder";
  const keys = commitmentKeys(curve, {
    broadcaster: mine ? holder : counterparty,
    countersignatory: mine ? counterparty : holder,
    point,
  });
  const holderOpens = terms.opener === "holder";
  const delay = mine ? terms.counterparty.toSelfDelay : terms.holder.toSelfDelay;
  const commitment = buildCommitment({
    type: terms.type,
    fundingOutpoint: funding,
    fundingValue: terms.value,
    openerPaymentBasepoint: holderOpens ? holder.payment : counterparty.payment,
    accepterPaymentBasepoint: holderOpens ? counterparty.payment : holder.payment,
    number: content.number,
    keys,
    delay,
    toBroadcaster: mine ? content.toHolder : content.toCounterparty,
    toCountersignatory: mine ? content.toCounterparty : content.toHolder,
    htlcs: content.htlcs.map((htlc) => ({
      ...htlc,
      offeredBy: (htlc.offeredBy === owner ? "broadcaster" : "countersignatory") as
        | "broadcaster"
        | "countersignatory",
    })),
  });
  return {
    commitment,
    digests: htlcDigests(
      commitment,
      { type: terms.type, feerate: content.feerate, delay, keys },
      "countersignatory",
    ),
  };
};

/** Two that differ in `lowR` alone are one peer that signs with other nonces. */
export const peer = (name: string, curve: Curve, lowR = false): Peer => {
  const label = (what: string) => new Secret(sha256(new TextEncoder().encode(`${name}/${what}`)));
  const secrets = {
    funding: label("funding"),
    revocation: label("revocation"),
    payment: label("payment"),
    delayed: label("delayed"),
    htlc: label("htlc"),
  };
  const seed = label("shachain");
  const basepoints: Basepoints = {
    funding: curve.publicKey(secrets.funding),
    revocation: curve.publicKey(secrets.revocation),
    payment: curve.publicKey(secrets.payment),
    delayed: curve.publicKey(secrets.delayed),
    htlc: curve.publicKey(secrets.htlc),
  };
  const secret = (number: CommitmentNumber) => secretAt(seed, number);
  const sign = (digest: Uint8Array, key: Secret) => curve.sign({ digest, key, lowR });
  return {
    id: curve.publicKey(label("node")),
    basepoints,
    secret,
    point: (number) => curve.publicKey(new Secret(secret(number))),
    countersign: (shared, point, content) => {
      const { commitment, digests } = commitmentOf(curve, shared, "holder", point, content);
      const key = deriveKeySecret(curve, { secret: secrets.htlc, basepoint: basepoints.htlc }, point);
      return {
        signature: sign(commitment.digest, secrets.funding),
        htlcSignatures: digests.map((digest) => sign(digest, key)),
      };
    },
    signDigest: (digest) => sign(digest, secrets.funding),
    signHtlc: (digest, point) =>
      sign(digest, deriveKeySecret(curve, { secret: secrets.htlc, basepoint: basepoints.htlc }, point)),
  };
};
