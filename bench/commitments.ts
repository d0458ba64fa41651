/** Commitments to measure with: one channel, and as many numbers of it as are wanted, no two alike. */

import type { Htlc } from "../protocol/bolt/channel.ts";
import { buildCommitment, type Commitment, type CommitmentTerms } from "../protocol/bolt/commitment.ts";
import { type CommitmentKeys, commitmentKeys, deriveKeySecret } from "../protocol/bolt/derive.ts";
import { htlcDigests } from "../protocol/bolt/htlc.ts";
import { concat } from "../protocol/bytes.ts";
import type { Curve } from "../protocol/curve/curve.ts";
import { sha256 } from "../protocol/hash.ts";
import { Secret } from "../protocol/secret.ts";
import {
  commitmentNumber,
  delay,
  feerate,
  height,
  msat,
  type Point,
  paymentHash,
  type Signature,
  sat,
  txid,
} from "../protocol/units.ts";
import { type Side, side } from "../test/unit/bolt3-channels.ts";
import type { Jobs, Round } from "./limit.ts";

const label = (...words: readonly (string | number)[]): Uint8Array =>
  sha256(new TextEncoder().encode(`bench ${words.join(" ")}`));

const rate = feerate(2_500);
const wait = delay(144);

/** What both sides agreed on before the clock starts. */
export interface Task {
  readonly point: Point;
  readonly terms: Omit<CommitmentTerms, "keys">;
}

/** Seen from whoever countersigns, which is us when we sign, and the peer when we validate. */
export interface Channel {
  readonly broadcaster: Side;
  readonly countersignatory: Side;
}

export const channelOf = (curve: Curve, kind: Jobs["kind"]): Channel => {
  const [us, them] = [side(curve, 1), side(curve, 2)];
  return kind === "sign"
    ? { broadcaster: them, countersignatory: us }
    : { broadcaster: us, countersignatory: them };
};

/** Amounts differ, as they do in life: what is hashed for one HTLC serves no other. */
const htlc = (n: number, i: number): Htlc => ({
  offeredBy: i % 2 === 0 ? "broadcaster" : "countersignatory",
  amount: msat(BigInt(10_000_000 + 1_337_000 * ((i * 7) % 1009))),
  hash: paymentHash(label("hash", n, i)),
  expiry: height(800_000 + ((i * 5) % 144)),
});

export const tasks = (
  curve: Curve,
  { broadcaster, countersignatory }: Channel,
  htlcs: number,
  numbers: readonly number[],
): readonly Task[] =>
  numbers.map((n) => ({
    point: curve.publicKey(new Secret(label("point", n))),
    terms: {
      type: "anchors",
      fundingOutpoint: { txid: txid(label("funding")), index: 1 },
      fundingValue: sat(1_000_000_000n),
      openerPaymentBasepoint: broadcaster.basepoints.payment,
      accepterPaymentBasepoint: countersignatory.basepoints.payment,
      number: commitmentNumber(BigInt(n)),
      delay: wait,
      toBroadcaster: sat(100_000_000n),
      toCountersignatory: sat(200_000_000n),
      htlcs: Array.from({ length: htlcs }, (_, i) => htlc(n, i)),
    },
  }));

export const keysOf = (curve: Curve, channel: Channel, { point }: Task): CommitmentKeys =>
  commitmentKeys(curve, {
    broadcaster: channel.broadcaster.basepoints,
    countersignatory: channel.countersignatory.basepoints,
    point,
  });

export interface Digests {
  readonly commitment: Commitment;
  readonly htlcs: readonly Uint8Array[];
}

/** All that is no curve work: scripts, transactions and hashes. */
export const digestsOf = ({ terms }: Task, keys: CommitmentKeys): Digests => {
  const commitment = buildCommitment({ ...terms, keys });
  const form = { type: terms.type, feerate: rate, delay: terms.delay, keys };
  return { commitment, htlcs: htlcDigests(commitment, form, "countersignatory") };
};

/** Of the countersignatory, in the order of `commitment_signed`. */
export const sign = (
  curve: Curve,
  { countersignatory: { secrets, basepoints } }: Channel,
  { point }: Task,
  { commitment, htlcs }: Digests,
  lowR: boolean,
): readonly Signature[] => {
  const signature = curve.sign({ digest: commitment.digest, key: secrets.funding, lowR });
  const key = deriveKeySecret(curve, { secret: secrets.htlc, basepoint: basepoints.htlc }, point);
  const signatures = curve.signBatch(htlcs.map((digest) => ({ digest, key, lowR })));
  key.wipe();
  return [signature, ...signatures];
};

/** One number as the limit is told of it. */
export const roundOf = (curve: Curve, channel: Channel, task: Task): Round => {
  const { commitment, htlcs } = digestsOf(task, keysOf(curve, channel, task));
  return {
    tweak: sha256(concat(task.point, channel.countersignatory.basepoints.htlc)),
    digests: [commitment.digest, ...htlcs],
  };
};

export const bytesOf = (secret: Secret): Uint8Array => secret.use((bytes) => bytes.slice());
