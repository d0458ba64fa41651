import { describe, expect, test } from "vitest";
import { decodeDer } from "../../protocol/bitcoin/der.ts";
import { decodeTx, encodeWitnessTx } from "../../protocol/bitcoin/tx.ts";
import type { ChannelType } from "../../protocol/bolt/channel.ts";
import { buildCommitment } from "../../protocol/bolt/commitment.ts";
import { deriveKeySecret } from "../../protocol/bolt/derive.ts";
import { htlcDigest, htlcDigests, htlcTransaction } from "../../protocol/bolt/htlc.ts";
import { commitmentNumberOf, obscuringFactor } from "../../protocol/bolt/obscure.ts";
import { settle } from "../../protocol/bolt/trim.ts";
import { htlcTransactionKind } from "../../protocol/bolt/weight.ts";
import { fundingWitness, htlcWitness } from "../../protocol/bolt/witness.ts";
import { toHex } from "../../protocol/bytes.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { feerate, msat, sat } from "../../protocol/units.ts";
import {
  bytesOf,
  caseHtlcs,
  commonBytes,
  figureChannel,
  figures,
  internalSecret,
  type NumberedHtlc,
  secretOf,
} from "./bolt3-figures.ts";

const curve = nobleCurve();
const channel = figureChannel(curve);
const { keys } = channel;
const local = {
  funding: secretOf(figures.commitment.common["local_funding_privkey"] ?? ""),
  htlc: secretOf(figures.commitment.common["local_privkey"] ?? ""),
};
const remote = {
  funding: internalSecret("remote_funding_privkey"),
  htlc: internalSecret("remote_privkey"),
};

interface Expected {
  readonly type: ChannelType;
  readonly name: string;
  readonly toLocal: number;
  readonly toRemote: number;
  readonly feerate: number;
  readonly dustLimit: number;
  readonly htlcs: readonly NumberedHtlc[];
  readonly commitTx: string;
  readonly remoteSignature: string;
  readonly localSignature?: string;
  readonly htlcTxs: readonly {
    readonly remoteSignature: string;
    readonly localSignature?: string;
    readonly tx: string;
  }[];
}

const withoutAnchors = figures.commitment.cases.map(
  (c): Expected => ({
    type: "static_remotekey",
    name: c.name,
    toLocal: c.to_local_msat,
    toRemote: c.to_remote_msat,
    feerate: c.local_feerate_per_kw,
    dustLimit: 546,
    htlcs: caseHtlcs(c.name, c.to_local_msat),
    commitTx: c.commit_tx,
    remoteSignature: c.remote_signature,
    localSignature: c.local_signature,
    htlcTxs: c.htlc_txs.map((h) => ({
      remoteSignature: h.remote_htlc_signature,
      localSignature: h.local_htlc_signature,
      tx: h.tx,
    })),
  }),
);

const withAnchors = figures.anchors.map(
  (c): Expected => ({
    type: "anchors",
    name: c.Name,
    toLocal: c.LocalBalance,
    toRemote: c.RemoteBalance,
    feerate: c.FeePerKw,
    dustLimit: c.DustLimitSatoshis,
    htlcs: caseHtlcs(c.Name, c.LocalBalance),
    commitTx: c.ExpectedCommitmentTxHex,
    remoteSignature: c.RemoteSigHex,
    htlcTxs: c.HtlcDescs.map((h) => ({ remoteSignature: h.RemoteSigHex, tx: h.ResolutionTxHex })),
  }),
);

const build = (c: Expected) => {
  const rate = feerate(c.feerate);
  const settled = settle({
    type: c.type,
    opener: "broadcaster",
    toBroadcaster: msat(BigInt(c.toLocal)),
    toCountersignatory: msat(BigInt(c.toRemote)),
    htlcs: c.htlcs,
    feerate: rate,
    dustLimit: sat(BigInt(c.dustLimit)),
  });
  if (settled === undefined) throw new Error("no such commitment");
  const { toBroadcaster, toCountersignatory, untrimmed } = settled;
  const commitment = buildCommitment({
    ...channel,
    type: c.type,
    toBroadcaster,
    toCountersignatory,
    htlcs: untrimmed,
  });
  return { commitment, terms: { ...channel, type: c.type, feerate: rate } };
};

test("the keys of appendix C", () => {
  expect(keys.revocation).toEqual(commonBytes("local_revocation_pubkey"));
  expect(keys.broadcasterDelayed).toEqual(commonBytes("local_delayedpubkey"));
  expect(keys.broadcasterHtlc).toEqual(commonBytes("local_htlcpubkey"));
  expect(keys.countersignatoryHtlc).toEqual(commonBytes("remote_htlcpubkey"));
  const point = curve.publicKey(internalSecret("local_per_commitment_secret"));
  const base = (name: string) => {
    const secret = internalSecret(name);
    return { secret, basepoint: curve.publicKey(secret) };
  };
  const hex = (secret: { use<T>(f: (bytes: Uint8Array) => T): T }) => secret.use(toHex);
  expect(hex(deriveKeySecret(curve, base("local_payment_basepoint_secret"), point))).toBe(hex(local.htlc));
  expect(hex(deriveKeySecret(curve, base("remote_payment_basepoint_secret"), point))).toBe(hex(remote.htlc));
});

test("every case of appendices C and F is here", () => {
  expect(withoutAnchors.length).toBe(16);
  expect(withAnchors.length).toBe(9);
  const second = (cases: readonly Expected[]) => cases.reduce((sum, c) => sum + c.htlcTxs.length, 0);
  expect([second(withoutAnchors), second(withAnchors)]).toEqual([33, 15]);
});

describe.each([...withoutAnchors, ...withAnchors])("$type: $name", (c) => {
  const { commitment, terms } = build(c);

  test("commitment, with both signatures", () => {
    const sign = (key: typeof local.funding) => curve.sign({ digest: commitment.digest, key, lowR: false });
    const ours = sign(local.funding);
    const theirs = sign(remote.funding);
    expect(toHex(theirs)).toBe(toHex(decodeDer(bytesOf(c.remoteSignature))));
    if (c.localSignature !== undefined) {
      expect(toHex(ours)).toBe(toHex(decodeDer(bytesOf(c.localSignature))));
    }
    const witness = fundingWitness(
      { key: keys.broadcasterFunding, signature: ours },
      { key: keys.countersignatoryFunding, signature: theirs },
    );
    expect(toHex(encodeWitnessTx(commitment.tx, [witness]))).toBe(c.commitTx);
    const decoded = decodeTx(bytesOf(c.commitTx));
    expect(decoded).toEqual({ tx: commitment.tx, witnesses: [witness] });
    const factor = obscuringFactor(channel.openerPaymentBasepoint, channel.accepterPaymentBasepoint);
    expect(commitmentNumberOf(decoded.tx, factor)).toBe(42n);
  });

  test("HTLC transactions, with both signatures", () => {
    expect(commitment.htlcs.length).toBe(c.htlcTxs.length);
    const forThem = htlcDigests(commitment, terms, "countersignatory");
    const forUs = htlcDigests(commitment, terms, "broadcaster");
    commitment.htlcs.forEach((committed, i) => {
      const expected = c.htlcTxs[i];
      const [theirDigest, ourDigest] = [forThem[i], forUs[i]];
      if (expected === undefined || theirDigest === undefined || ourDigest === undefined) throw new Error();
      expect(htlcDigest(commitment.txid, committed, terms, "countersignatory")).toEqual(theirDigest);
      expect(htlcDigest(commitment.txid, committed, terms, "broadcaster")).toEqual(ourDigest);
      const theirs = curve.sign({ digest: theirDigest, key: remote.htlc, lowR: false });
      const ours = curve.sign({ digest: ourDigest, key: local.htlc, lowR: false });
      expect(toHex(theirs)).toBe(toHex(decodeDer(bytesOf(expected.remoteSignature))));
      if (expected.localSignature !== undefined) {
        expect(toHex(ours)).toBe(toHex(decodeDer(bytesOf(expected.localSignature))));
      }
      const { htlc, script } = committed;
      const success = htlcTransactionKind(htlc) === "success";
      const witness = htlcWitness({
        type: c.type,
        countersignatory: theirs,
        broadcaster: ours,
        ...(success ? { preimage: htlc.preimage } : {}),
        script,
      });
      const tx = htlcTransaction(commitment.txid, committed, terms);
      expect(toHex(encodeWitnessTx(tx, [witness]))).toBe(expected.tx);
    });
  });
});
