import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import { decodeTx, encodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { anchorValue, type Htlc, otherParty, type Party } from "../../protocol/bolt/channel.ts";
import { buildCommitment } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys, deriveKeySecret, deriveRevocationKeySecret } from "../../protocol/bolt/derive.ts";
import { htlcDigest, htlcDigests, htlcTransaction } from "../../protocol/bolt/htlc.ts";
import { commitmentNumberOf, obscuringFactor } from "../../protocol/bolt/obscure.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { type SettleTerms, settle } from "../../protocol/bolt/trim.ts";
import { compare, toHex } from "../../protocol/bytes.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { height, msat, revocationSecret, sat, toSat } from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { type RandomCommitment, randomCommitment, type Side, side } from "./bolt3-channels.ts";

const curve = nobleCurve();
const [alice, bob] = [side(curve, 1), side(curve, 2)];
const aliceBroadcasts = { broadcaster: alice.basepoints, countersignatory: bob.basepoints };
const keys = commitmentKeys(curve, {
  ...aliceBroadcasts,
  point: curve.publicKey(alice.perCommitmentSecret),
});

const settleTerms = (c: RandomCommitment): SettleTerms => c;

const termsOf = (c: RandomCommitment) => {
  const opener = c.opener === "broadcaster" ? alice : bob;
  const accepter = c.opener === "broadcaster" ? bob : alice;
  return {
    ...c,
    openerPaymentBasepoint: opener.basepoints.payment,
    accepterPaymentBasepoint: accepter.basepoints.payment,
    keys,
  };
};

describe("who gets what", () => {
  test("nothing is lost and nothing is made", () => {
    const seen = { exists: 0, broke: 0, impossible: 0, trimmed: 0, dust: 0 };
    steady(
      fc.property(randomCommitment, (c) => {
        const settled = settle(settleTerms(c));
        if (settled === undefined) {
          seen.impossible++;
          const openers = c.opener === "broadcaster" ? c.toBroadcaster : c.toCountersignatory;
          expect(c.type).toBe("anchors");
          expect(openers).toBeLessThan(2n * anchorValue * 1000n);
          return;
        }
        seen.exists++;
        const { toBroadcaster, toCountersignatory, untrimmed, trimmed, baseFee, feePaid, shortfall } =
          settled;
        if (shortfall > 0n) seen.broke++;
        if (trimmed.length > 0) seen.trimmed++;
        const { tx } = buildCommitment({
          ...termsOf(c),
          toBroadcaster,
          toCountersignatory,
          htlcs: untrimmed,
        });
        const outputs = tx.outputs.reduce((sum, { value }) => sum + value, 0n);
        expect(outputs + feePaid).toBe(c.fundingValue);
        expect(feePaid).toBeGreaterThanOrEqual(0n);
        expect(untrimmed.length + trimmed.length).toBe(c.htlcs.length);
        if (shortfall === 0n) expect(feePaid).toBeGreaterThanOrEqual(baseFee);

        const anchors =
          tx.outputs.length -
          untrimmed.length -
          (toBroadcaster > 0n ? 1 : 0) -
          (toCountersignatory > 0n ? 1 : 0);
        expect(anchors).toBe(settled.anchors.length);
        for (const value of [toBroadcaster, toCountersignatory]) {
          expect(value === 0n || value >= c.dustLimit).toBe(true);
        }
        // Only the opener pays.
        const [others, balance] =
          c.opener === "broadcaster"
            ? [toCountersignatory, c.toCountersignatory / 1000n]
            : [toBroadcaster, c.toBroadcaster / 1000n];
        if (others !== balance) {
          seen.dust++;
          expect([others, balance < c.dustLimit]).toEqual([0n, true]);
        }
      }),
      { numRuns: 1000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
  });

  /** BOLT 3 in other words: whole satoshis from the start, a case for each sentence. */
  const trimmedByTheBook = (
    { type, feerate, dustLimit }: RandomCommitment,
    { offeredBy, amount }: Htlc,
  ): boolean => {
    const weight = type === "anchors" ? 0 : offeredBy === "broadcaster" ? 663 : 703;
    const fee = Math.floor((feerate * weight) / 1000);
    return Math.floor(Number(amount) / 1000) - fee < Number(dustLimit);
  };

  test("HTLCs are trimmed by the book, and every second stage is above the dust limit", () => {
    const small = randomCommitment.filter(({ fundingValue }) => fundingValue < 1_000_000_000_000n);
    fc.assert(
      fc.property(small, (c) => {
        const settled = settle(settleTerms(c));
        if (settled === undefined) return;
        expect(settled.trimmed).toEqual(c.htlcs.filter((htlc) => trimmedByTheBook(c, htlc)));
        expect(settled.untrimmed).toEqual(c.htlcs.filter((htlc) => !trimmedByTheBook(c, htlc)));
        const weight = (c.type === "anchors" ? 1124 : 724) + 172 * settled.untrimmed.length;
        expect(settled.baseFee).toBe(BigInt(Math.floor((c.feerate * weight) / 1000)));
        const terms = termsOf(c);
        const { txid, htlcs } = buildCommitment({ ...terms, ...settled, htlcs: settled.untrimmed });
        for (const committed of htlcs) {
          const [output] = htlcTransaction(txid, committed, terms).outputs;
          expect(output?.value).toBeGreaterThanOrEqual(c.dustLimit);
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** A side knows its channel as mine and theirs. */
interface View {
  readonly mine: Side["basepoints"];
  readonly theirs: Side["basepoints"];
  readonly iOpened: boolean;
  readonly commitmentOf: "me" | "them";
  readonly myBalance: bigint;
  readonly theirBalance: bigint;
  readonly htlcs: readonly (Omit<Htlc, "offeredBy"> & { readonly outgoing: boolean })[];
}

const viewOf = (c: RandomCommitment, from: Party): View => {
  const mine = from === "broadcaster";
  return {
    mine: (mine ? alice : bob).basepoints,
    theirs: (mine ? bob : alice).basepoints,
    iOpened: c.opener === from,
    commitmentOf: mine ? "me" : "them",
    myBalance: mine ? c.toBroadcaster : c.toCountersignatory,
    theirBalance: mine ? c.toCountersignatory : c.toBroadcaster,
    htlcs: c.htlcs.map(({ offeredBy, ...htlc }) => ({ ...htlc, outgoing: offeredBy === from })),
  };
};

const buildFrom = (view: View, c: RandomCommitment) => {
  const me: Party = view.commitmentOf === "me" ? "broadcaster" : "countersignatory";
  const them = otherParty(me);
  const [ours, theirs] =
    me === "broadcaster" ? ([view.mine, view.theirs] as const) : ([view.theirs, view.mine] as const);
  const [toBroadcaster, toCountersignatory] =
    me === "broadcaster" ? [view.myBalance, view.theirBalance] : [view.theirBalance, view.myBalance];
  const settled = settle({
    type: c.type,
    feerate: c.feerate,
    dustLimit: c.dustLimit,
    opener: view.iOpened ? me : them,
    toBroadcaster: msat(toBroadcaster),
    toCountersignatory: msat(toCountersignatory),
    htlcs: view.htlcs.map(({ outgoing, ...htlc }) => ({ ...htlc, offeredBy: outgoing ? me : them })),
  });
  if (settled === undefined) return undefined;
  const terms = {
    type: c.type,
    feerate: c.feerate,
    delay: c.delay,
    fundingOutpoint: c.fundingOutpoint,
    fundingValue: c.fundingValue,
    number: c.number,
    openerPaymentBasepoint: (view.iOpened ? view.mine : view.theirs).payment,
    accepterPaymentBasepoint: (view.iOpened ? view.theirs : view.mine).payment,
    keys: commitmentKeys(curve, {
      broadcaster: ours,
      countersignatory: theirs,
      point: curve.publicKey(alice.perCommitmentSecret),
    }),
  };
  const commitment = buildCommitment({ ...terms, ...settled, htlcs: settled.untrimmed });
  return {
    txid: toHex(commitment.txid),
    digest: toHex(commitment.digest),
    tx: toHex(encodeTx(commitment.tx)),
    fees: [settled.baseFee, settled.feePaid],
    // Fractions of a satoshi order nothing: outputs that differ in them alone are one to the chain.
    htlcs: commitment.htlcs.map(({ htlc, index, script }) => [
      toSat(htlc.amount),
      htlc.expiry,
      index,
      toHex(script),
    ]),
    digests: (["broadcaster", "countersignatory"] as const).map((signer) =>
      htlcDigests(commitment, terms, signer).map(toHex),
    ),
  };
};

test("both sides build the same, in whatever order they keep their HTLCs", () => {
  let withHtlcs = 0;
  const shuffled = randomCommitment.chain((c) =>
    fc
      .shuffledSubarray([...c.htlcs], { minLength: c.htlcs.length })
      .map((htlcs) => [c, { ...c, htlcs }] as const),
  );
  steady(
    fc.property(shuffled, ([c, reordered]) => {
      const holders = buildFrom(viewOf(c, "broadcaster"), c);
      const peers = buildFrom(viewOf(reordered, "countersignatory"), c);
      expect(peers).toEqual(holders);
      if ((holders?.htlcs.length ?? 0) > 1) withHtlcs++;
    }),
    { numRuns: 100 },
  );
  expect(withHtlcs).toBeGreaterThan(15);
});

test("each side's secrets are those of the keys in the scripts", () => {
  const point = curve.publicKey(alice.perCommitmentSecret);
  const own = (of: Side, name: "htlc" | "delayed" | "revocation") => ({
    secret: of.secrets[name],
    basepoint: of.basepoints[name],
  });
  expect(curve.publicKey(deriveKeySecret(curve, own(alice, "htlc"), point))).toEqual(keys.broadcasterHtlc);
  expect(curve.publicKey(deriveKeySecret(curve, own(alice, "delayed"), point))).toEqual(
    keys.broadcasterDelayed,
  );
  expect(curve.publicKey(deriveKeySecret(curve, own(bob, "htlc"), point))).toEqual(keys.countersignatoryHtlc);
  const revealed = alice.perCommitmentSecret.use((bytes) => revocationSecret(Uint8Array.from(bytes)));
  const revocation = deriveRevocationKeySecret(curve, own(bob, "revocation"), revealed);
  expect(curve.publicKey(revocation)).toEqual(keys.revocation);
  expect(keys.countersignatoryPayment).toEqual(bob.basepoints.payment);
});

test("what is built stands as it should", () => {
  fc.assert(
    fc.property(randomCommitment, (c) => {
      const settled = settle(settleTerms(c));
      if (settled === undefined) return;
      const terms = termsOf(c);
      const commitment = buildCommitment({ ...terms, ...settled, htlcs: settled.untrimmed });
      const { tx, txid, digest, htlcs } = commitment;
      expect(txid).toEqual(txidOf(tx));
      if (tx.outputs.length > 0) expect(decodeTx(encodeTx(tx)).tx).toEqual(tx);
      const factor = obscuringFactor(terms.openerPaymentBasepoint, terms.accepterPaymentBasepoint);
      expect(commitmentNumberOf(tx, factor)).toBe(c.number);
      const scriptCode = fundingScript(bob.basepoints.funding, alice.basepoints.funding);
      expect(digest).toEqual(
        inputDigest({ tx, index: 0, scriptCode, value: c.fundingValue, type: sighash.all }),
      );
      // In order, and the HTLCs in the order of their outputs, by expiry where outputs are alike.
      for (const [i, output] of tx.outputs.entries()) {
        const next = tx.outputs[i + 1];
        if (next === undefined) continue;
        expect(output.value <= next.value).toBe(true);
        if (output.value === next.value) expect(compare(output.script, next.script)).toBeLessThanOrEqual(0);
      }
      for (const [i, { htlc, index, script }] of htlcs.entries()) {
        expect(tx.outputs[index]?.value).toBe(htlc.amount / 1000n);
        const next = htlcs[i + 1];
        if (next === undefined) continue;
        expect(next.index).toBeGreaterThan(index);
        if (compare(script, next.script) === 0 && next.htlc.amount / 1000n === htlc.amount / 1000n) {
          expect(next.htlc.expiry).toBeGreaterThanOrEqual(htlc.expiry);
        }
      }
      for (const signer of ["broadcaster", "countersignatory"] as const) {
        expect(htlcDigests(commitment, terms, signer)).toEqual(
          htlcs.map((committed) => htlcDigest(txid, committed, terms, signer)),
        );
      }
    }),
    { numRuns: 200 },
  );
});

test("HTLCs alike in everything keep their order, and their transactions differ", () => {
  const htlc = (id: number) => ({
    id,
    offeredBy: "broadcaster" as const,
    amount: msat(5_000_000n),
    hash: side(curve, 9).basepoints.htlc.slice(0, 32) as Htlc["hash"],
    expiry: height(800_000 + (id % 2)),
  });
  const [sample] = fc.sample(randomCommitment, 1);
  if (sample === undefined) throw new Error();
  const terms = { ...termsOf(sample), toBroadcaster: sat(0n), toCountersignatory: sat(0n) };
  const commitment = buildCommitment({ ...terms, htlcs: [1, 2, 3, 4].map(htlc) });
  expect(commitment.htlcs.map((committed) => committed.htlc.id)).toEqual([2, 4, 1, 3]);
  const digests = htlcDigests(commitment, { ...terms, type: "anchors" }, "countersignatory").map(toHex);
  expect(new Set(digests).size).toBe(4);
});

test("an HTLC that cannot pay for its second stage has none", () => {
  const [sample] = fc.sample(randomCommitment, 1);
  if (sample === undefined) throw new Error();
  const terms = {
    ...termsOf(sample),
    type: "static_remotekey" as const,
    feerate: 5000 as typeof sample.feerate,
  };
  const htlcs = [
    {
      offeredBy: "broadcaster",
      amount: msat(3_314_000n),
      hash: new Uint8Array(32),
      expiry: 1,
    } as unknown as Htlc,
  ];
  const commitment = buildCommitment({
    ...terms,
    toBroadcaster: sat(0n),
    toCountersignatory: sat(0n),
    htlcs,
  });
  expect(() => htlcDigests(commitment, terms, "countersignatory")).toThrow(Malformed);
});

test("a transaction of another form has no commitment number", () => {
  const input = { outpoint: { txid: keys.revocation.slice(0, 32), index: 0 }, sequence: 0x8000_0000 };
  const tx = { version: 2, inputs: [input], outputs: [], locktime: 0x2000_0000 } as unknown as Parameters<
    typeof commitmentNumberOf
  >[0];
  expect(commitmentNumberOf(tx, 0n)).toBe(0n);
  expect(commitmentNumberOf({ ...tx, locktime: 0 }, 0n)).toBeUndefined();
  expect(
    commitmentNumberOf({ ...tx, inputs: [{ ...tx.inputs[0], sequence: 0xffff_ffff } as never] }, 0n),
  ).toBeUndefined();
  expect(commitmentNumberOf({ ...tx, inputs: [...tx.inputs, ...tx.inputs] }, 0n)).toBeUndefined();
  expect(commitmentNumberOf({ ...tx, inputs: [] }, 0n)).toBeUndefined();
});
