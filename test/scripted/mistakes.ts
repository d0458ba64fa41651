/** A commitment as a host builds it that mistook one key, delay or script: independent of the signer's own list. */

import type { Tx } from "../../protocol/bitcoin/tx.ts";
import type { Basepoints } from "../../protocol/bolt/channel.ts";
import { buildCommitment } from "../../protocol/bolt/commitment.ts";
import { type CommitmentKeys, commitmentKeys, deriveKey } from "../../protocol/bolt/derive.ts";
import type { Side } from "../../protocol/operations/fields.ts";
import type { Point } from "../../protocol/units.ts";
import type { Content } from "./content.ts";
import type { Shared } from "./peer.ts";
import { curve } from "./road.ts";

export const mistakes = [
  "revocation",
  "delayed",
  "delay",
  "remote",
  "remote type",
  "anchor",
  "htlc revocation",
  "broadcaster htlc",
  "countersignatory htlc",
] as const;
export type MistakeName = (typeof mistakes)[number];

const wrongKeys = (
  name: MistakeName,
  keys: CommitmentKeys,
  mine: Basepoints,
  theirs: Basepoints,
  point: Point,
): Partial<CommitmentKeys> => {
  switch (name) {
    // The broadcaster's own revocation basepoint in place of the other side's.
    case "revocation":
    case "htlc revocation":
      return {
        revocation: commitmentKeys(curve, { broadcaster: theirs, countersignatory: mine, point }).revocation,
      };
    case "delayed":
      return { broadcasterDelayed: mine.delayed };
    // As before static_remotekey.
    case "remote":
      return { countersignatoryPayment: deriveKey(curve, theirs.payment, point) };
    case "anchor":
      return { broadcasterFunding: mine.payment };
    case "broadcaster htlc":
      return { broadcasterHtlc: mine.htlc };
    case "countersignatory htlc":
      return { countersignatoryHtlc: theirs.htlc };
    case "delay":
    case "remote type":
      return { revocation: keys.revocation };
  }
};

export const mistaken = (
  { terms, holder, counterparty, funding }: Shared,
  owner: Side,
  point: Point,
  content: Content,
  name: MistakeName,
): Tx => {
  const [mine, theirs] = owner === "holder" ? [holder, counterparty] : [counterparty, holder];
  const keys = commitmentKeys(curve, { broadcaster: mine, countersignatory: theirs, point });
  const other: Side = owner === "holder" ? "counterparty" : "holder";
  const opens = terms.opener === "holder";
  const built = (change: Partial<CommitmentKeys>, type = terms.type, delay = terms[other].toSelfDelay): Tx =>
    buildCommitment({
      type,
      fundingOutpoint: funding,
      fundingValue: terms.value,
      openerPaymentBasepoint: opens ? holder.payment : counterparty.payment,
      accepterPaymentBasepoint: opens ? counterparty.payment : holder.payment,
      number: content.number,
      keys: { ...keys, ...change },
      delay,
      toBroadcaster: owner === "holder" ? content.toHolder : content.toCounterparty,
      toCountersignatory: owner === "holder" ? content.toCounterparty : content.toHolder,
      htlcs: content.htlcs.map(({ offeredBy, amount, hash, expiry }) => ({
        offeredBy: offeredBy === owner ? ("broadcaster" as const) : ("countersignatory" as const),
        amount,
        hash,
        expiry,
      })),
    }).tx;
  if (name === "delay") return built({}, terms.type, terms[owner].toSelfDelay);
  const right = built({});
  const wrong =
    name === "remote type"
      ? built({}, terms.type === "anchors" ? "static_remotekey" : "anchors")
      : built(wrongKeys(name, keys, mine, theirs, point));
  if (name !== "remote type" && !name.startsWith("htlc ")) return wrong;
  // Only the outputs that the mistake is about are exchanged.
  const value =
    name === "remote type" ? (owner === "holder" ? content.toCounterparty : content.toHolder) : undefined;
  const isHtlc = (sat: bigint): boolean => content.htlcs.some(({ amount }) => amount / 1000n === sat);
  const outputs = right.outputs.map((output) => {
    const about = value === undefined ? isHtlc(output.value) : output.value === value;
    const other = wrong.outputs.find((one) => one.value === output.value);
    return about && other !== undefined ? other : output;
  });
  return { ...right, outputs };
};
