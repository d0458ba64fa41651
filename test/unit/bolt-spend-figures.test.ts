import { describe, expect, test } from "vitest";
import { decodeDer } from "../../protocol/bitcoin/der.ts";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { decodeTx, encodeWitnessTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import type { ChannelType } from "../../protocol/bolt/channel.ts";
import type { ClaimedChannel } from "../../protocol/bolt/claim.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { claimPlanner } from "../../protocol/bolt/spend.ts";
import {
  claimDigest,
  claimWitness,
  countersignatureCheck,
  misfitOf,
} from "../../protocol/bolt/spend-sign.ts";
import { isTrimmed } from "../../protocol/bolt/trim.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { delay, feerate, point, sat } from "../../protocol/units.ts";
import { verdict } from "./bolt-spend-interpreter.ts";
import { bytesOf, caseHtlcs, figures, internalSecret, secretOf } from "./bolt3-figures.ts";

const curve = await loadNative();

describe("the HTLC transactions of BOLT 3, appendices C and F", () => {
  const figure = (name: string) => point(bytesOf(figures.commitment.common[name] ?? ""));
  const basepoint = (name: string) => curve.publicKey(internalSecret(name));
  const perCommitment = basepoint("local_per_commitment_secret");
  const unused = figure("remote_funding_pubkey");
  const channel = (type: ChannelType): ClaimedChannel => ({
    type,
    holder: {
      funding: figure("local_funding_pubkey"),
      revocation: unused,
      payment: figure("local_payment_basepoint"),
      delayed: basepoint("local_delayed_payment_basepoint_secret"),
      htlc: figure("local_htlc_basepoint"),
    },
    counterparty: {
      funding: figure("remote_funding_pubkey"),
      revocation: basepoint("remote_revocation_basepoint_secret"),
      payment: figure("remote_payment_basepoint"),
      delayed: unused,
      htlc: figure("remote_htlc_basepoint"),
    },
    delays: { holder: delay(144), counterparty: delay(720) },
  });
  const key = secretOf(figures.commitment.common["local_privkey"] ?? "");

  const all = [
    ...figures.commitment.cases.map((c) => ({
      type: "static_remotekey" as const,
      name: c.name,
      htlcs: caseHtlcs(c.name, c.to_local_msat),
      rate: c.local_feerate_per_kw,
      commitment: c.commit_tx,
      second: c.htlc_txs.map(({ tx }) => tx),
    })),
    ...figures.anchors.map((c) => ({
      type: "anchors" as const,
      name: c.Name,
      htlcs: caseHtlcs(c.Name, c.LocalBalance),
      rate: c.FeePerKw,
      commitment: c.ExpectedCommitmentTxHex,
      second: c.HtlcDescs.map(({ ResolutionTxHex }) => ResolutionTxHex),
    })),
  ].filter(({ second }) => second.length > 0);

  test("there are many", () => expect(all.flatMap(({ second }) => second).length).toBe(48));

  test.each(all)("$type: $name", ({ type, htlcs, rate, commitment, second }) => {
    const funded = decodeTx(bytesOf(commitment));
    const plan = claimPlanner(curve, channel(type));
    const terms = { type, feerate: feerate(rate), dustLimit: sat(0n) };
    const shown = htlcs.filter((htlc) => !isTrimmed(terms, htlc));
    const plans = shown.map((htlc) => ({
      htlc,
      plan: plan({ kind: "holderHtlc", point: perCommitment, feerate: feerate(rate), htlc }),
    }));
    for (const text of second) {
      const { tx, witnesses } = decodeTx(bytesOf(text));
      const [witness] = witnesses;
      const [input] = tx.inputs;
      if (witness === undefined || input === undefined) throw new Error("no witness");
      expect(input.outpoint.txid).toEqual(txidOf(funded.tx));
      const spent = funded.tx.outputs.slice(input.outpoint.index, input.outpoint.index + 1);
      const found = plans.find(
        ({ plan, htlc }) =>
          toHex(plan.witnessScript ?? key.use(sha256)) === toHex(witness.at(-1) ?? new Uint8Array(0)) &&
          htlc.amount / 1000n === spent[0]?.value &&
          // Two of the same hash and amount differ in their expiry, which the script of an offered one lacks.
          [0, htlc.expiry].includes(tx.locktime),
      );
      if (found === undefined) throw new Error("no such HTLC");
      const { plan: own, htlc } = found;
      expect(spent).toEqual([{ value: own.value, script: own.output }]);
      expect(misfitOf({ tx, index: 0, plan: own })).toBeUndefined();
      expect(verdict({ tx, index: 0, spent, witness })).toBeUndefined();

      const countersignature = decodeDer((witness[1] ?? new Uint8Array(0)).slice(0, -1));
      const check = countersignatureCheck({ tx, index: 0, plan: own }, countersignature);
      expect(check !== undefined && curve.verify(check)).toBe(true);
      const signature = curve.sign({
        digest: claimDigest({ tx, index: 0, plan: own }, spent),
        key,
        lowR: false,
      });
      const completion = { signature, countersignature, preimage: htlc.preimage };
      expect(claimWitness(own, completion).map(toHex)).toEqual(witness.map(toHex));
    }
  });

  test("the funding output of every commitment, by its two keys", () => {
    const code = fundingScript(figure("local_funding_pubkey"), figure("remote_funding_pubkey"));
    const spent = [{ value: sat(10_000_000n), script: p2wsh(code) }];
    for (const { commitment } of all) {
      const { tx, witnesses } = decodeTx(bytesOf(commitment));
      const [witness] = witnesses;
      if (witness === undefined) throw new Error("no witness");
      expect(verdict({ tx, index: 0, spent, witness })).toBeUndefined();
      const [zero, one, two, ...rest] = witness;
      if (zero === undefined || one === undefined || two === undefined) throw new Error("no signatures");
      expect(verdict({ tx, index: 0, spent, witness: [zero, two, one, ...rest] })).toBeDefined();
      expect(encodeWitnessTx(tx, witnesses)).toEqual(bytesOf(commitment));
    }
  });
});
