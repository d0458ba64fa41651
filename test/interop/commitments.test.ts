/** BOLT 3 as we read it beside LDK's reading of it: random channels, byte for byte. */

import fc from "fast-check";
import {
  EntropySource,
  HolderCommitmentTransaction,
  Result_C2Tuple_ECDSASignatureCVec_ECDSASignatureZZNoneZ_OK,
  type TrustedCommitmentTransaction,
  UtilMethods,
} from "lightningdevkit";
import { describe, expect, test } from "vitest";
import { loadLdk } from "../../host/ldk/library.ts";
import { encodeTx } from "../../protocol/bitcoin/tx.ts";
import { type Basepoints, otherParty, type Party } from "../../protocol/bolt/channel.ts";
import { buildCommitment } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys, deriveKeySecret } from "../../protocol/bolt/derive.ts";
import { htlcDigest, htlcTransaction } from "../../protocol/bolt/htlc.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { pointAt } from "../../protocol/bolt/shachain.ts";
import { settle } from "../../protocol/bolt/trim.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { sat, signature } from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { type RandomCommitment, randomCommitment, side } from "../unit/bolt3-channels.ts";
import {
  bytesOf,
  commitmentOf,
  creationKeysOf,
  featuresOf,
  htlcOf,
  okOf,
  parametersOf,
  publicKeysOf,
  saysYes,
  signerOf,
} from "./ldk.ts";

const curve = await loadNative();
await loadLdk();
const runs = 80;

/** LDK's grinding wants randomness of its own; no signature that is compared here takes any. */
const entropy = EntropySource.new_impl({ get_secure_random_bytes: () => new Uint8Array(32).fill(7) });

const sides = { broadcaster: side(curve, 1), countersignatory: side(curve, 2) };
const basepoints: Readonly<Record<Party, Basepoints>> = {
  broadcaster: sides.broadcaster.basepoints,
  countersignatory: sides.countersignatory.basepoints,
};

/** Undefined for channels whose anchors nobody can pay. */
const build = (channel: RandomCommitment) => {
  const { type, opener, fundingOutpoint, fundingValue, number, feerate, delay } = channel;
  const settled = settle(channel);
  if (settled === undefined) return undefined;
  const point = pointAt(curve, sides.broadcaster.perCommitmentSecret, number);
  const keys = commitmentKeys(curve, { ...basepoints, point });
  const commitment = buildCommitment({
    ...{ type, fundingOutpoint, fundingValue, number, keys, delay },
    openerPaymentBasepoint: basepoints[opener].payment,
    accepterPaymentBasepoint: basepoints[otherParty(opener)].payment,
    toBroadcaster: settled.toBroadcaster,
    toCountersignatory: settled.toCountersignatory,
    htlcs: settled.untrimmed,
  });
  return { type, number, delay, feerate, keys, point, settled, commitment };
};

const parameters = (channel: RandomCommitment, holder: Party) =>
  parametersOf({ ...channel, basepoints }, holder);

const each = (check: (channel: RandomCommitment, built: NonNullable<ReturnType<typeof build>>) => void) => {
  let seen = 0;
  steady(
    fc.property(randomCommitment, (channel) => {
      const built = build(channel);
      if (built === undefined) return;
      seen++;
      check(channel, built);
    }),
    { numRuns: runs },
  );
  expect(seen).toBeGreaterThan(runs / 2);
};

describe("a commitment of ours", () => {
  test("is what LDK builds of it", () => {
    let htlcs = 0;
    each((channel, built) => {
      const { commitment } = built;
      const theirs = commitmentOf(built);
      htlcs += commitment.htlcs.length;
      for (const holder of ["broadcaster", "countersignatory"] as const) {
        const seen = parameters(channel, holder);
        const directed =
          holder === "broadcaster" ? seen.as_holder_broadcastable() : seen.as_counterparty_broadcastable();
        const trusted = okOf<TrustedCommitmentTransaction>(
          theirs.verify(
            directed,
            publicKeysOf(basepoints.broadcaster),
            publicKeysOf(basepoints.countersignatory),
          ),
          `a commitment, as ${holder}`,
        );
        expect(trusted.txid()).toEqual(commitment.txid);
        expect(trusted.built_transaction().get_transaction()).toEqual(encodeTx(commitment.tx));
        const funding = fundingScript(basepoints.broadcaster.funding, basepoints.countersignatory.funding);
        expect(trusted.built_transaction().get_sighash_all(funding, channel.fundingValue)).toEqual(
          commitment.digest,
        );
      }
    });
    expect(htlcs).toBeGreaterThan(runs / 2);
  });

  test("is not, once a single satoshi is elsewhere", () => {
    each((channel, built) => {
      const { settled } = built;
      if (settled.toBroadcaster === 0n) return;
      const other = { ...settled, toBroadcaster: sat(settled.toBroadcaster + 1n) };
      const verified = commitmentOf({ ...built, settled: other }).verify(
        parameters(channel, "broadcaster").as_holder_broadcastable(),
        publicKeysOf(basepoints.broadcaster),
        publicKeysOf(basepoints.countersignatory),
      );
      expect(saysYes(verified.is_ok())).toBe(false);
    });
  });

  test("has the HTLC transactions and scripts that LDK builds", () => {
    each((channel, { type, feerate, delay, keys, point, commitment }) => {
      const made = creationKeysOf(keys, point);
      const features = featuresOf(type);
      for (const committed of commitment.htlcs) {
        const theirs = htlcOf(committed.htlc, committed.index);
        expect(UtilMethods.constructor_get_htlc_redeemscript(theirs, features, made)).toEqual(
          committed.script,
        );
        expect(
          UtilMethods.constructor_build_htlc_transaction(
            ...([commitment.txid, feerate, channel.delay, theirs, features] as const),
            made.get_broadcaster_delayed_payment_key(),
            made.get_revocation_key(),
          ),
        ).toEqual(encodeTx(htlcTransaction(commitment.txid, committed, { type, feerate, delay, keys })));
      }
    });
  });
});

describe("signatures", () => {
  test("of the countersignatory are LDK's own, bit for bit", () => {
    each((channel, built) => {
      const { type, feerate, delay, keys, point, commitment } = built;
      const signer = signerOf(sides.countersignatory, channel.fundingValue);
      signer.as_ChannelSigner().provide_channel_parameters(parameters(channel, "countersignatory"));
      const result = signer.as_EcdsaChannelSigner().sign_counterparty_commitment(commitmentOf(built), [], []);
      if (!(result instanceof Result_C2Tuple_ECDSASignatureCVec_ECDSASignatureZZNoneZ_OK))
        throw new Error("LDK's signer refuses");

      const { secrets, basepoints: base } = sides.countersignatory;
      const key = deriveKeySecret(curve, { secret: secrets.htlc, basepoint: base.htlc }, point);
      const terms = { type, feerate, delay, keys };
      // LDK is built without `grind_signatures` here.
      const lowR = false;
      expect(result.res.get_a()).toEqual(
        curve.sign({ digest: commitment.digest, key: secrets.funding, lowR }),
      );
      expect(result.res.get_b()).toEqual(
        commitment.htlcs.map((committed) =>
          curve.sign({
            digest: htlcDigest(commitment.txid, committed, terms, "countersignatory"),
            ...{ key, lowR },
          }),
        ),
      );
      for (const [i, committed] of commitment.htlcs.entries())
        expect(
          curve.verify({
            digest: htlcDigest(commitment.txid, committed, terms, "countersignatory"),
            signature: signature(result.res.get_b()[i] ?? new Uint8Array()),
            key: keys.countersignatoryHtlc,
          }),
        ).toBe(true);
    });
  });

  test("of the broadcaster, made by LDK, are good under our digests", () => {
    each((channel, built) => {
      const { type, feerate, delay, keys, commitment } = built;
      const terms = { type, feerate, delay, keys };
      const signer = signerOf(sides.broadcaster, channel.fundingValue);
      const seen = parameters(channel, "broadcaster");
      signer.as_ChannelSigner().provide_channel_parameters(seen);
      const holder = HolderCommitmentTransaction.constructor_new(
        commitmentOf(built),
        new Uint8Array(64).fill(1),
        commitment.htlcs.map(() => new Uint8Array(64).fill(1)),
        basepoints.broadcaster.funding,
        basepoints.countersignatory.funding,
      );
      const made = okOf<Uint8Array>(
        signer.as_EcdsaChannelSigner().sign_holder_commitment(holder),
        "a holder's commitment",
      );
      const { digest, txid } = commitment;
      const key = basepoints.broadcaster.funding;
      expect(curve.verify({ digest, signature: signature(made), key })).toBe(true);

      const htlcs = okOf<Uint8Array[]>(
        commitmentOf(built)
          .trust()
          .get_htlc_sigs(bytesOf(sides.broadcaster.secrets.htlc), seen.as_holder_broadcastable(), entropy),
        "a holder's HTLCs",
      );
      expect(htlcs).toHaveLength(commitment.htlcs.length);
      for (const [i, committed] of commitment.htlcs.entries())
        expect(
          curve.verify({
            digest: htlcDigest(txid, committed, terms, "broadcaster"),
            signature: signature(htlcs[i] ?? new Uint8Array()),
            key: keys.broadcasterHtlc,
          }),
        ).toBe(true);
    });
  });
});
