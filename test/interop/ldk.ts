/** Our channels in LDK's words: parameters, commitments as it writes them, and its signer over our secrets. */

import {
  ChannelPublicKeys,
  ChannelTransactionParameters,
  ChannelTypeFeatures,
  CommitmentTransaction,
  CounterpartyChannelTransactionParameters,
  DelayedPaymentBasepoint,
  DelayedPaymentKey,
  HTLCOutputInCommitment,
  HtlcBasepoint,
  HtlcKey,
  InMemorySigner,
  Option_u32Z,
  OutPoint,
  RevocationBasepoint,
  RevocationKey,
  TxCreationKeys,
} from "lightningdevkit";
import { indexOf } from "../../host/ldk/reading/fields.ts";
import { encodeTx } from "../../protocol/bitcoin/tx.ts";
import type { Basepoints, ChannelType, Htlc, Party } from "../../protocol/bolt/channel.ts";
import { otherParty } from "../../protocol/bolt/channel.ts";
import type { Commitment } from "../../protocol/bolt/commitment.ts";
import type { CommitmentKeys } from "../../protocol/bolt/derive.ts";
import { encodeBigSize, encodeTlvStream, encodeUint } from "../../protocol/bolt/tlv.ts";
import type { Settlement } from "../../protocol/bolt/trim.ts";
import { concat } from "../../protocol/bytes.ts";
import type { Secret } from "../../protocol/secret.ts";
import type { CommitmentNumber, Delay, Feerate, Outpoint, Point, Sat } from "../../protocol/units.ts";
import type { Side } from "../unit/bolt3-channels.ts";

/** Of a `Result` of the bindings. */
export const okOf = <T>(result: { is_ok(): boolean; readonly res?: unknown }, what: string): T => {
  if (!result.is_ok()) throw new Error(`LDK says no to ${what}`);
  return result.res as T;
};

/** The bindings have numbers where their types have booleans. */
export const saysYes = (answer: boolean): boolean => Boolean(answer);

export const bytesOf = (secret: Secret): Uint8Array => secret.use((bytes) => bytes.slice());

export const featuresOf = (type: ChannelType): ChannelTypeFeatures =>
  type === "anchors"
    ? ChannelTypeFeatures.constructor_anchors_zero_htlc_fee_and_dependencies()
    : ChannelTypeFeatures.constructor_only_static_remote_key();

export const publicKeysOf = (points: Basepoints): ChannelPublicKeys =>
  ChannelPublicKeys.constructor_new(
    points.funding,
    RevocationBasepoint.constructor_new(points.revocation),
    points.payment,
    DelayedPaymentBasepoint.constructor_new(points.delayed),
    HtlcBasepoint.constructor_new(points.htlc),
  );

export const outPointOf = ({ txid, index }: Outpoint): OutPoint => OutPoint.constructor_new(txid, index);

export interface LdkChannel {
  readonly type: ChannelType;
  readonly opener: Party;
  readonly fundingOutpoint: Outpoint;
  /** What the countersignatory asks the broadcaster to wait. */
  readonly delay: Delay;
  readonly basepoints: Readonly<Record<Party, Basepoints>>;
}

/** Seen from one of the two. What the other's commitments wait is nobody's business here. */
export const parametersOf = (
  { type, opener, fundingOutpoint, delay, basepoints }: LdkChannel,
  holder: Party,
): ChannelTransactionParameters => {
  const other = otherParty(holder);
  const [ownWait, otherWait] = holder === "broadcaster" ? [delay, 1] : [1, delay];
  // LDK names a delay after who chose it, which is who makes the other wait.
  return ChannelTransactionParameters.constructor_new(
    publicKeysOf(basepoints[holder]),
    otherWait,
    opener === holder,
    CounterpartyChannelTransactionParameters.constructor_new(publicKeysOf(basepoints[other]), ownWait),
    outPointOf(fundingOutpoint),
    featuresOf(type),
  );
};

export const htlcOf = (
  { offeredBy, amount, hash, expiry }: Htlc,
  index: number | undefined,
): HTLCOutputInCommitment =>
  HTLCOutputInCommitment.constructor_new(
    offeredBy === "broadcaster",
    amount,
    expiry,
    hash,
    index === undefined ? Option_u32Z.constructor_none() : Option_u32Z.constructor_some(index),
  );

export const creationKeysOf = (keys: CommitmentKeys, point: Point): TxCreationKeys =>
  TxCreationKeys.constructor_new(
    point,
    RevocationKey.constructor_new(keys.revocation),
    HtlcKey.constructor_new(keys.broadcasterHtlc),
    HtlcKey.constructor_new(keys.countersignatoryHtlc),
    DelayedPaymentKey.constructor_new(keys.broadcasterDelayed),
  );

/** `write_tlv_fields!` (rust-lightning v0.1.2, `lightning/src/util/ser_macros.rs`) */
export const record = (fields: Readonly<Record<number, Uint8Array | undefined>>): Uint8Array => {
  const stream = encodeTlvStream(
    Object.entries(fields).flatMap(([type, value]) =>
      value === undefined ? [] : [{ type: BigInt(type), value }],
    ),
  );
  return concat(encodeBigSize(BigInt(stream.length)), stream);
};

export interface Built {
  readonly type: ChannelType;
  readonly number: CommitmentNumber;
  readonly delay: Delay;
  readonly feerate: Feerate;
  readonly keys: CommitmentKeys;
  readonly point: Point;
  readonly settled: Pick<Settlement, "toBroadcaster" | "toCountersignatory">;
  readonly commitment: Commitment;
}

/** `CommitmentTransaction::write` (`lightning/src/ln/chan_utils.rs`) over a transaction that is ours. */
export const writeCommitment = (built: Built): Uint8Array =>
  record({
    0: encodeUint(indexOf(built.number), 8),
    1: encodeUint(BigInt(built.delay), 2),
    2: encodeUint(built.settled.toBroadcaster, 8),
    4: encodeUint(built.settled.toCountersignatory, 8),
    6: encodeUint(BigInt(built.feerate), 4),
    8: creationKeysOf(built.keys, built.point).write(),
    10: record({ 0: encodeTx(built.commitment.tx), 2: built.commitment.txid }),
    12: concat(...built.commitment.htlcs.map(({ htlc, index }) => htlcOf(htlc, index).write())),
    14: built.type === "anchors" ? new Uint8Array(0) : undefined,
    15: featuresOf(built.type).write(),
  });

export const commitmentOf = (built: Built): CommitmentTransaction =>
  okOf(CommitmentTransaction.constructor_read(writeCommitment(built)), "a commitment as we write it");

export const signerOf = ({ secrets, perCommitmentSecret }: Side, value: Sat): InMemorySigner =>
  InMemorySigner.constructor_new(
    bytesOf(secrets.funding),
    bytesOf(secrets.revocation),
    bytesOf(secrets.payment),
    bytesOf(secrets.delayed),
    bytesOf(secrets.htlc),
    bytesOf(perCommitmentSecret),
    value,
    new Uint8Array(32),
    new Uint8Array(32),
  );
