import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tapTweak } from "../../protocol/bitcoin/taproot.ts";
import { type Tx, type TxOutput, type Witness, weightOf } from "../../protocol/bitcoin/tx.ts";
import type { Basepoints, ChannelType, Htlc } from "../../protocol/bolt/channel.ts";
import {
  type ChannelClaim,
  type ClaimedChannel,
  type ClaimKey,
  type ClaimPlan,
  claimSecret,
  type WalletClaim,
} from "../../protocol/bolt/claim.ts";
import { buildCommitment } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys, deriveKeySecret } from "../../protocol/bolt/derive.ts";
import { htlcTransaction } from "../../protocol/bolt/htlc.ts";
import { claimPlanner, walletPlan } from "../../protocol/bolt/spend.ts";
import {
  arrange,
  claimDigest,
  claimWitness,
  countersignatureCheck,
  expectedWeight,
  misfitOf,
} from "../../protocol/bolt/spend-sign.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Secret } from "../../protocol/secret.ts";
import {
  commitmentNumber,
  delay,
  feerate,
  height,
  msat,
  type Outpoint,
  paymentHash,
  preimage,
  revocationSecret,
  type Signature,
  sat,
  script,
  txid,
} from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { verdict } from "./bolt-spend-interpreter.ts";
import { side } from "./bolt3-channels.ts";

const curve = await loadNative();
const [we, they] = [side(curve, 1), side(curve, 2)];
const types = ["static_remotekey", "anchors"] as const;
const channelOf = (type: ChannelType): ClaimedChannel => ({
  type,
  holder: we.basepoints,
  counterparty: they.basepoints,
  delays: { holder: delay(144), counterparty: delay(720) },
});

const ourPoint = curve.publicKey(we.perCommitmentSecret);
const theirPoint = curve.publicKey(they.perCommitmentSecret);
const revealed = they.perCommitmentSecret.use((bytes) => revocationSecret(Uint8Array.from(bytes)));
const secret = preimage(sha256(Uint8Array.of(1)));
const htlcOf = (offeredBy: Htlc["offeredBy"], expiry = 800_100): Htlc => ({
  offeredBy,
  amount: msat(50_000_999n),
  hash: paymentHash(sha256(secret)),
  expiry: height(expiry),
});
const rate = feerate(2_000);

type AnyClaim = ChannelClaim | WalletClaim;
const walletSecret = side(curve, 3).secrets.payment;
const walletKey = curve.publicKey(walletSecret);

const claims: readonly (readonly [string, AnyClaim])[] = [
  ["delayed", { kind: "delayed", point: ourPoint }],
  ["toRemote", { kind: "toRemote" }],
  [
    "holderHtlc, timeout",
    { kind: "holderHtlc", point: ourPoint, feerate: rate, htlc: htlcOf("broadcaster") },
  ],
  [
    "holderHtlc, success",
    { kind: "holderHtlc", point: ourPoint, feerate: rate, htlc: htlcOf("countersignatory") },
  ],
  [
    "counterpartyHtlc, preimage",
    { kind: "counterpartyHtlc", point: theirPoint, htlc: htlcOf("broadcaster") },
  ],
  [
    "counterpartyHtlc, timeout",
    { kind: "counterpartyHtlc", point: theirPoint, htlc: htlcOf("countersignatory") },
  ],
  ["justiceToLocal", { kind: "justiceToLocal", revealed }],
  ["justiceHtlc, offered", { kind: "justiceHtlc", revealed, htlc: htlcOf("broadcaster") }],
  ["justiceHtlc, received", { kind: "justiceHtlc", revealed, htlc: htlcOf("countersignatory") }],
  ["justiceSecondLevel", { kind: "justiceSecondLevel", revealed }],
  ["anchor", { kind: "anchor" }],
  ["wallet, p2wpkh", { kind: "wallet", form: "p2wpkh", key: walletKey }],
  ["wallet, p2tr", { kind: "wallet", form: "p2tr", key: walletKey }],
];
const cases = types.flatMap((type) => claims.map(([name, claim]) => [type, name, claim] as const));

const planOf = (type: ChannelType, claim: AnyClaim): ClaimPlan =>
  claim.kind === "wallet" ? walletPlan(curve, claim) : claimPlanner(curve, channelOf(type))(claim);

const secretOfKey = (key: ClaimKey): Secret =>
  key.base === "wallet"
    ? walletSecret
    : claimSecret(curve, { secret: we.secrets[key.base], basepoint: we.basepoints[key.base] }, key);

/** What a counterparty gives with its commitment. */
const countersign = (tx: Tx, index: number, plan: ClaimPlan): Signature | undefined => {
  const check = countersignatureCheck({ tx, index, plan }, new Uint8Array(64) as Signature);
  if (check === undefined) return undefined;
  const base = { secret: they.secrets.htlc, basepoint: they.basepoints.htlc };
  const signature = curve.sign({
    digest: check.digest,
    key: deriveKeySecret(curve, base, ourPoint),
    lowR: false,
  });
  expect(curve.verify({ ...check, signature })).toBe(true);
  return signature;
};

const needsPreimage = ({ stack }: ClaimPlan): boolean =>
  stack === "htlc-success" || stack === "htlc-claim-preimage";

const sign = (tx: Tx, index: number, plan: ClaimPlan, spent: readonly TxOutput[]): Witness => {
  const digest = claimDigest({ tx, index, plan }, spent);
  const key = secretOfKey(plan.key);
  const signature =
    plan.stack === "p2tr"
      ? curve.signSchnorr({
          digest,
          key: curve.tweakSecret(key, tapTweak(curve.publicKeyX(key))),
          aux: new Uint8Array(32),
        })
      : curve.sign({ digest, key, lowR: true });
  const countersignature = countersign(tx, index, plan);
  return claimWitness(plan, {
    signature,
    ...(countersignature === undefined ? {} : { countersignature }),
    ...(needsPreimage(plan) ? { preimage: secret } : {}),
  });
};

const outpointOf = (n: number): Outpoint => ({ txid: txid(sha256(Uint8Array.of(n))), index: n });
const spentBy = (plan: ClaimPlan): TxOutput => ({ value: plan.value ?? sat(70_000n), script: plan.output });
const destination: TxOutput = {
  value: sat(30_000n),
  script: walletPlan(curve, { kind: "wallet", form: "p2wpkh", key: walletKey }).output,
};

const arranged = (plans: readonly ClaimPlan[], tip = 800_000) => {
  const arrangement = arrange(plans, height(tip));
  if (arrangement === undefined) throw new Error("no such transaction");
  const { locktime, sequences } = arrangement;
  const outputs = plans.map(({ countersigned }) => countersigned?.output ?? destination);
  const tx: Tx = {
    version: 2,
    inputs: sequences.map((sequence, n) => ({ outpoint: outpointOf(n), sequence })),
    outputs,
    locktime,
  };
  return { tx, spent: plans.map(spentBy) };
};

describe("every claim, alone", () => {
  test.each(cases)("%s: %s is valid when signed as planned", (type, _, claim) => {
    const plan = planOf(type, claim);
    const { tx, spent } = arranged([plan]);
    expect(misfitOf({ tx, index: 0, plan })).toBeUndefined();
    const witness = sign(tx, 0, plan, spent);
    expect(verdict({ tx, index: 0, spent, witness })).toBeUndefined();

    const key = secretOfKey(plan.key);
    expect(toHex(curve.publicKey(key))).toBe(toHex(plan.signer));
    // Expected signatures have 73 bytes with their hash type, these low-S ones 71 or 72, and 70 once in a while.
    const signatures = plan.stack === "p2tr" ? 0 : plan.countersigned === undefined ? 1 : 2;
    const spare = expectedWeight(tx, [plan]) - weightOf(tx, [witness]);
    expect(spare).toBeGreaterThanOrEqual(signatures);
    expect(spare).toBeLessThanOrEqual(5 * signatures);
  });

  test.each(cases)(
    "%s: %s is not valid by another key, for another value, or in another transaction",
    (type, _, claim) => {
      const plan = planOf(type, claim);
      const { tx, spent } = arranged([plan]);
      const witness = sign(tx, 0, plan, spent);
      const [own] = spent;
      if (own === undefined) throw new Error();
      const richer = [{ ...own, value: sat(own.value + 1n) }];
      expect(verdict({ tx, index: 0, spent: richer, witness })).toBeDefined();
      const elsewhere = { ...tx, outputs: [{ ...destination, value: sat(1n) }] };
      expect(verdict({ tx: elsewhere, index: 0, spent, witness })).toBeDefined();
      const at = plan.countersigned === undefined ? 0 : 2;
      const good = witness[at];
      if (good === undefined) throw new Error();
      for (const bit of [20, 50]) {
        const bad = good.with(bit, (good[bit] ?? 0) ^ 1);
        expect(verdict({ tx, index: 0, spent, witness: witness.with(at, bad) })).toBeDefined();
      }
    },
  );

  const edges = [
    0, 1, 2, 143, 144, 145, 719, 720, 0xffff, 0x40_0090, 0x8000_0090, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff,
  ];
  const locktimes = [0, 1, 800_099, 800_100, 800_101, 499_999_999, 500_000_000, 1_700_000_000, 0xffff_ffff];

  test.each(cases)("%s: %s fits a transaction just where its script does", (type, _, claim) => {
    const plan = planOf(type, claim);
    const seen = new Set<string | undefined>();
    for (const sequence of edges) {
      for (const locktime of locktimes) {
        const { tx: planned, spent } = arranged([plan]);
        const tx = { ...planned, locktime, inputs: [{ outpoint: outpointOf(0), sequence }] };
        const misfit = misfitOf({ tx, index: 0, plan });
        seen.add(misfit);
        // The script leaves more open than the counterparty has signed.
        if (plan.timing.is === "fixed") {
          const signed = sequence === plan.timing.sequence && locktime === plan.timing.locktime;
          expect(misfit === undefined).toBe(signed);
          continue;
        }
        const valid = verdict({ tx, index: 0, spent, witness: sign(tx, 0, plan, spent) }) === undefined;
        expect({ sequence, locktime, fits: misfit === undefined }).toEqual({
          sequence,
          locktime,
          fits: valid,
        });
      }
    }
    expect(seen.has(undefined)).toBe(true);
  });
});

describe("claims together", () => {
  const mixable = (type: ChannelType) =>
    claims.filter(([, { kind }]) => kind !== "holderHtlc" || type === "anchors");

  test("any of them stand in one transaction, where their locktimes agree", () => {
    const picked = fc.constantFrom(...types).chain((type) =>
      fc.record({
        type: fc.constant(type),
        chosen: fc.array(fc.constantFrom(...mixable(type)), { minLength: 1, maxLength: 7 }),
        tip: fc.constantFrom(0, 700_000, 800_100, 900_000),
      }),
    );
    let together = 0;
    steady(
      fc.property(picked, ({ type, chosen, tip }) => {
        const plans = chosen.map(([, claim]) => planOf(type, claim));
        const locktimes = new Set(
          plans.flatMap(({ timing }) => (timing.is === "fixed" ? [timing.locktime] : [])),
        );
        const needed = plans.some(({ timing }) => timing.is === "open" && timing.from !== undefined);
        const agree = locktimes.size === 0 || (locktimes.size === 1 && !(needed && locktimes.has(0)));
        expect(arrange(plans, height(tip)) !== undefined).toBe(agree);
        if (!agree) return;
        const { tx, spent } = arranged(plans, tip);
        const witnesses = plans.map((plan, index) => {
          expect(misfitOf({ tx, index, plan })).toBeUndefined();
          const witness = sign(tx, index, plan, spent);
          expect(verdict({ tx, index, spent, witness })).toBeUndefined();
          return witness;
        });
        expect(weightOf(tx, witnesses)).toBeLessThanOrEqual(expectedWeight(tx, plans));
        together++;
      }),
      { numRuns: 150 },
    );
    expect(together).toBeGreaterThan(50);
  });

  test("with anchors the countersignature holds when inputs and outputs join, without them it does not", () => {
    const htlc: ChannelClaim = {
      kind: "holderHtlc",
      point: ourPoint,
      feerate: rate,
      htlc: htlcOf("countersignatory"),
    };
    const wallet: WalletClaim = { kind: "wallet", form: "p2tr", key: walletKey };
    for (const type of types) {
      const plans = [planOf(type, htlc), planOf(type, wallet)];
      const [plan] = plans;
      if (plan === undefined) throw new Error();
      const alone = arranged([plan]);
      const countersignature = countersign(alone.tx, 0, plan);
      if (countersignature === undefined) throw new Error();
      const { tx, spent } = arranged(plans);
      const check = countersignatureCheck({ tx, index: 0, plan }, countersignature);
      expect(check !== undefined && curve.verify(check)).toBe(type === "anchors");
      expect(misfitOf({ tx, index: 0, plan })).toBe(type === "anchors" ? undefined : "other");
      const ours = curve.sign({
        digest: claimDigest({ tx, index: 0, plan }, spent),
        key: secretOfKey(plan.key),
        lowR: true,
      });
      const witness = claimWitness(plan, { signature: ours, countersignature, preimage: secret });
      expect(verdict({ tx, index: 0, spent, witness }) === undefined).toBe(type === "anchors");
    }
  });

  test.each(types)("%s: the output beside a holder's HTLC is the one that was countersigned", (type) => {
    const claim: ChannelClaim = {
      kind: "holderHtlc",
      point: ourPoint,
      feerate: rate,
      htlc: htlcOf("broadcaster"),
    };
    const plan = planOf(type, claim);
    const { tx } = arranged([plan]);
    expect(misfitOf({ tx, index: 0, plan })).toBeUndefined();
    const [output] = tx.outputs;
    if (output === undefined) throw new Error();
    const others = [
      { ...output, value: sat(output.value + 1n) },
      { ...output, value: sat(output.value - 1n) },
      { ...output, script: destination.script },
    ];
    for (const other of others)
      expect(misfitOf({ tx: { ...tx, outputs: [other] }, index: 0, plan })).toBe("other");
    expect(misfitOf({ tx: { ...tx, outputs: [] }, index: 0, plan })).toBe("other");
    expect(misfitOf({ tx: { ...tx, version: 1 }, index: 0, plan })).toBe("version");
    expect(misfitOf({ tx: { ...tx, version: 3 }, index: 0, plan })).toBe("version");
    const [input] = tx.inputs;
    if (input === undefined) throw new Error();
    const legacy = { ...tx, inputs: [{ ...input, scriptSig: script(Uint8Array.of(0)) }] };
    expect(misfitOf({ tx: legacy, index: 0, plan })).toBe("other");
  });
});

describe("what is claimed", () => {
  const built = (type: ChannelType, broadcaster: Basepoints, countersignatory: Basepoints, wait: number) => {
    const point = broadcaster === we.basepoints ? ourPoint : theirPoint;
    const keys = commitmentKeys(curve, { broadcaster, countersignatory, point });
    const terms = { type, feerate: rate, delay: delay(wait), keys };
    const commitment = buildCommitment({
      ...terms,
      fundingOutpoint: outpointOf(9),
      fundingValue: sat(1_000_000n),
      openerPaymentBasepoint: we.basepoints.payment,
      accepterPaymentBasepoint: they.basepoints.payment,
      number: commitmentNumber(7n),
      toBroadcaster: sat(300_000n),
      toCountersignatory: sat(400_000n),
      htlcs: [htlcOf("broadcaster"), htlcOf("countersignatory", 800_200)],
    });
    const second = commitment.htlcs.map((committed) => htlcTransaction(commitment.txid, committed, terms));
    return { outputs: commitment.tx.outputs, second: second.flatMap(({ outputs }) => outputs) };
  };
  const holds = (outputs: readonly TxOutput[], { output, value }: ClaimPlan): boolean =>
    outputs.some((one) => toHex(one.script) === toHex(output) && (value ?? one.value) === one.value);

  test.each(types)("%s: is there, in commitments as they are built", (type) => {
    const ours = built(type, we.basepoints, they.basepoints, 144);
    const theirs = built(type, they.basepoints, we.basepoints, 720);
    const plan = claimPlanner(curve, channelOf(type));
    expect(holds(ours.outputs, plan({ kind: "delayed", point: ourPoint }))).toBe(true);
    expect(ours.second.map((one) => holds([one], plan({ kind: "delayed", point: ourPoint })))).toEqual([
      true,
      true,
    ]);
    expect(holds(theirs.outputs, plan({ kind: "toRemote" }))).toBe(true);
    expect(holds(theirs.outputs, plan({ kind: "justiceToLocal", revealed }))).toBe(true);
    expect(theirs.second.map((one) => holds([one], plan({ kind: "justiceSecondLevel", revealed })))).toEqual([
      true,
      true,
    ]);
    for (const outputs of [ours.outputs, theirs.outputs])
      expect(holds(outputs, plan({ kind: "anchor" }))).toBe(type === "anchors");
    for (const htlc of [htlcOf("broadcaster"), htlcOf("countersignatory", 800_200)]) {
      expect(holds(ours.outputs, plan({ kind: "holderHtlc", point: ourPoint, feerate: rate, htlc }))).toBe(
        true,
      );
      expect(holds(theirs.outputs, plan({ kind: "counterpartyHtlc", point: theirPoint, htlc }))).toBe(true);
      expect(holds(theirs.outputs, plan({ kind: "justiceHtlc", revealed, htlc }))).toBe(true);
    }
    // Each on its own side alone.
    expect(holds(theirs.outputs, plan({ kind: "delayed", point: ourPoint }))).toBe(false);
    expect(holds(ours.outputs, plan({ kind: "justiceToLocal", revealed }))).toBe(false);
  });
});

test("an HTLC that could not pay for its transaction is no claim", () => {
  const htlc = { ...htlcOf("broadcaster"), amount: msat(1_000_000n) };
  const claim: ChannelClaim = { kind: "holderHtlc", point: ourPoint, feerate: rate, htlc };
  expect(() => planOf("static_remotekey", claim)).toThrow(Malformed);
  expect(planOf("anchors", claim).countersigned?.output.value).toBe(1_000n);
});
