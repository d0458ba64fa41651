/** What spent a funding output: whose transaction it is, and what its outputs are. */

import type { WatchedTx } from "../../../protocol/bitcoin/block.ts";
import { Reader } from "../../../protocol/bitcoin/reader.ts";
import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import type { Tx, TxOutput } from "../../../protocol/bitcoin/tx.ts";
import { outputsIn, rangeOfTx } from "../../../protocol/bitcoin/tx-range.ts";
import { type CommitmentKeys, commitmentKeys } from "../../../protocol/bolt/derive.ts";
import { commitmentNumberOf, obscuringFactor } from "../../../protocol/bolt/obscure.ts";
import { anchorScript, delayedScript, htlcScripts, toRemoteOutput } from "../../../protocol/bolt/scripts.ts";
import { lookup } from "../../../protocol/bolt/shachain.ts";
import { equal } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import { Secret } from "../../../protocol/secret.ts";
import {
  type CommitmentNumber,
  type Height,
  type Point,
  type Script,
  script,
  toSat,
} from "../../../protocol/units.ts";
import { type Live, other, type Setup, type Variant } from "../state.ts";
import { given } from "../step.ts";
import { rebuild } from "../steps/commitment.ts";
import type { Close, Output, Role } from "./onchain.ts";

export interface CloseTerms {
  readonly live: Live;
  readonly curve: Curve;
  /** The keyring's, of the numbers that `pointsWanted` names. */
  readonly holderPoints: ReadonlyMap<CommitmentNumber, Point>;
}

const nothing = script(new Uint8Array(0));

/** Without its witness, which may be of any size. */
const bodyOf = (raw: Uint8Array): Tx => {
  const range = rangeOfTx(raw);
  const from = new Reader(raw, range.body);
  const inputs = Array.from({ length: from.size() }, () => {
    const txid = from.raw(32).slice() as Tx["inputs"][number]["outpoint"]["txid"];
    const index = from.u32();
    from.skip(from.size());
    return { outpoint: { txid, index }, sequence: from.u32() };
  });
  const locktime = new Reader(raw, range.end - 4).u32();
  return { version: new Reader(raw, 0).u32(), inputs, outputs: outputsIn(raw, range), locktime };
};

const factorOf = ({ terms, holder, counterparty }: Setup): bigint =>
  terms.opener === "holder"
    ? obscuringFactor(holder.payment, counterparty.payment)
    : obscuringFactor(counterparty.payment, holder.payment);

interface Scripts {
  readonly delayed: Script;
  readonly remote: Script;
  readonly anchors: readonly Script[];
}

const scriptsOf = ({ terms, holder, counterparty }: Setup, owner: Side, keys: CommitmentKeys): Scripts => ({
  delayed: p2wsh(delayedScript({ keys, delay: terms[other(owner)].toSelfDelay })),
  remote: toRemoteOutput(terms.type, keys.countersignatoryPayment),
  anchors:
    terms.type === "anchors" ? [holder, counterparty].map((of) => p2wsh(anchorScript(of.funding))) : [],
});

type HtlcAt = (output: TxOutput, index: number) => Role | undefined;

const roleOf = ({ delayed, remote, anchors }: Scripts, htlcAt: HtlcAt, output: TxOutput, index: number) => {
  if (equal(output.script, delayed)) return { is: "delayed" } as const;
  if (equal(output.script, remote)) return { is: "remote" } as const;
  if (anchors.some((anchor) => equal(output.script, anchor))) return undefined;
  return htlcAt(output, index);
};

interface Found {
  readonly tx: WatchedTx;
  readonly outputs: readonly TxOutput[];
  readonly height: Height;
}

const followed = ({ tx, outputs, height }: Found, scripts: Scripts, htlcAt: HtlcAt): readonly Output[] =>
  outputs.flatMap((output, index) => {
    const role = roleOf(scripts, htlcAt, output, index);
    if (role === undefined) return [];
    return [{ outpoint: { txid: tx.txid, index }, value: output.value, role, height, spent: undefined }];
  });

const ofVariant = (
  found: Found,
  owner: Side,
  variant: Variant,
  point: Point,
  { live: { setup }, curve }: CloseTerms,
): Close => {
  const { commitment, keys } = rebuild({ owner, setup, point, content: variant }, curve);
  const htlcs = new Map(
    commitment.htlcs.map(({ htlc: { offeredBy, ...htlc }, index }): [number, Htlc] => [
      index,
      { ...htlc, offeredBy: offeredBy === "broadcaster" ? owner : other(owner) },
    ]),
  );
  const scripts = scriptsOf(setup, owner, keys);
  return {
    txid: found.tx.txid,
    height: found.height,
    closer: { is: owner, number: variant.number, content: variant.hash },
    delayed: scripts.delayed,
    outputs: followed(found, scripts, (_, index) => ({ is: "htlc", htlc: given(htlcs.get(index), "HTLC") })),
  };
};

const contains = (outputs: readonly TxOutput[], wanted: Script): boolean =>
  outputs.some((output) => equal(output.script, wanted));

/** HTLCs that are pending still may have been so in a revoked commitment; those of others nobody here remembers. */
const matching = ({ setup, holder, counterparty }: Live, keys: CommitmentKeys): HtlcAt => {
  const scriptOf = htlcScripts(setup.terms.type, keys);
  const candidates = [...holder.variants, ...counterparty.variants]
    .flatMap(({ htlcs }) => htlcs)
    .map((htlc) => {
      const offeredBy = htlc.offeredBy === "counterparty" ? "broadcaster" : "countersignatory";
      return { htlc, script: p2wsh(scriptOf({ ...htlc, offeredBy } as const)) };
    });
  return (output) => {
    const match = candidates.find(
      ({ htlc, script }) => toSat(htlc.amount) === output.value && equal(script, output.script),
    );
    return match === undefined ? { is: "unlisted" } : { is: "htlc", htlc: match.htlc };
  };
};

const ofRevoked = (found: Found, number: CommitmentNumber, terms: CloseTerms): Close | undefined => {
  const { live, curve } = terms;
  const { setup } = live;
  const secret = lookup(live.counterparty.secrets, number);
  if (secret === undefined) return undefined;
  const keys = commitmentKeys(curve, {
    broadcaster: setup.counterparty,
    countersignatory: setup.holder,
    point: curve.publicKey(new Secret(secret)),
  });
  const scripts = scriptsOf(setup, "counterparty", keys);
  // An old one of our own: then the secret is not of this transaction.
  const paysThem = contains(found.outputs, toRemoteOutput(setup.terms.type, setup.counterparty.payment));
  if (paysThem && !contains(found.outputs, scripts.delayed)) return undefined;
  return {
    txid: found.tx.txid,
    height: found.height,
    closer: { is: "counterparty", number, content: unknown },
    delayed: scripts.delayed,
    outputs: followed(found, scripts, matching(live, keys)),
  };
};

/** What pays our payment key is ours whoever signed: the key is the same in every commitment. */
const ofUnknown = ({ tx, outputs, height }: Found, number: CommitmentNumber, { live }: CloseTerms): Close => {
  const { terms, holder } = live.setup;
  const scripts = { delayed: nothing, remote: toRemoteOutput(terms.type, holder.payment), anchors: [] };
  return {
    txid: tx.txid,
    height,
    closer: { is: "unknown", number },
    delayed: nothing,
    outputs: followed({ tx, outputs, height }, scripts, () => undefined),
  };
};

export const closeBy = (tx: WatchedTx, height: Height, terms: CloseTerms): Close => {
  const { setup, holder, counterparty } = terms.live;
  const body = bodyOf(tx.raw);
  const number = commitmentNumberOf(body, factorOf(setup));
  if (number === undefined)
    return { txid: tx.txid, height, closer: { is: "mutual" }, delayed: nothing, outputs: [] };
  const found = { tx, outputs: body.outputs, height };
  const ours = holder.variants.find((variant) => equal(variant.txid, tx.txid));
  if (ours !== undefined) {
    const point = given(terms.holderPoints.get(ours.number), "point");
    return ofVariant(found, "holder", ours, point, terms);
  }
  const theirs = counterparty.variants.find((variant) => equal(variant.txid, tx.txid));
  if (theirs !== undefined) return ofVariant(found, "counterparty", theirs, theirs.point, terms);
  return ofRevoked(found, number, terms) ?? ofUnknown(found, number, terms);
};
