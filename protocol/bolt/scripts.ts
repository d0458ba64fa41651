/** The scripts of BOLT 3, under the names that it gives to the outputs. */

import { op, p2wpkh, p2wsh, pushNumber, script } from "../bitcoin/script.ts";
import { compare, concat } from "../bytes.ts";
import { hash160, ripemd160 } from "../hash.ts";
import type { Delay, Point, Script } from "../units.ts";
import type { ChannelType, Htlc } from "./channel.ts";
import type { CommitmentKeys } from "./derive.ts";

/** Spent by both; the keys may come in any order. */
export const fundingScript = (a: Point, b: Point): Script => {
  const [lesser, greater] = compare(a, b) <= 0 ? [a, b] : [b, a];
  return script(op[2], lesser, greater, op[2], op.checkmultisig);
};

/** A part that is already script: `script` would push it. */
const raw = (bytes: Uint8Array): readonly number[] => Array.from(bytes);

export interface DelayedTerms {
  readonly keys: Pick<CommitmentKeys, "revocation" | "broadcasterDelayed">;
  readonly delay: Delay;
}

/** `to_local`, and the output of every HTLC transaction. */
export const delayedScript = ({ keys, delay }: DelayedTerms): Script =>
  script(
    op.if,
    keys.revocation,
    op.else,
    ...raw(pushNumber(delay)),
    op.checksequenceverify,
    op.drop,
    keys.broadcasterDelayed,
    op.endif,
    op.checksig,
  );

/** The witness script of `to_remote` with anchors. */
export const anchoredToRemoteScript = (payment: Point): Script =>
  script(payment, op.checksigverify, op[1], op.checksequenceverify);

/** The output script of `to_remote`. */
export const toRemoteOutput = (type: ChannelType, payment: Point): Script => {
  switch (type) {
    case "static_remotekey":
      return p2wpkh(payment);
    case "anchors":
      return p2wsh(anchoredToRemoteScript(payment));
  }
};

export const anchorScript = (funding: Point): Script =>
  script(funding, op.checksig, op.ifdup, op.notif, op[16], op.checksequenceverify, op.endif);

/** Witness scripts for the HTLCs of one commitment. All that does not depend on the HTLC is put together once. */
export const htlcScripts = (type: ChannelType, keys: CommitmentKeys): ((htlc: Htlc) => Script) => {
  const head = script(
    ...[op.dup, op.hash160, hash160(keys.revocation), op.equal, op.if, op.checksig, op.else],
    ...[keys.countersignatoryHtlc, op.swap, op.size, 1, 32, op.equal],
  );
  const both = script(op[2], op.swap, keys.broadcasterHtlc, op[2], op.checkmultisig);
  const preimage = Uint8Array.of(op.hash160, 20);
  const wait = type === "anchors" ? [op[1], op.checksequenceverify, op.drop] : [];
  const tail = script(op.checksig, op.endif, ...wait, op.endif);

  const offered = concat(head, script(op.notif, op.drop), both, script(op.else), preimage);
  const offeredTail = concat(script(op.equalverify), tail);
  const received = concat(head, script(op.if), preimage);
  const receivedMiddle = concat(script(op.equalverify), both, script(op.else, op.drop));
  const receivedTail = concat(script(op.checklocktimeverify, op.drop), tail);

  return ({ offeredBy, hash, expiry }) => {
    const digest = ripemd160(hash);
    switch (offeredBy) {
      case "broadcaster":
        return concat(offered, digest, offeredTail) as Script;
      case "countersignatory":
        return concat(received, digest, receivedMiddle, pushNumber(expiry), receivedTail) as Script;
    }
  };
};
