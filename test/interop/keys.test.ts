/** Keys, secrets, scripts, weights and closes of BOLT 3 beside LDK's. */

import fc from "fast-check";
import {
  ClosingTransaction,
  CounterpartyCommitmentSecrets,
  DelayedPaymentKey,
  RevocationKey,
  TxCreationKeys,
  UtilMethods,
} from "lightningdevkit";
import { expect, test } from "vitest";
import { loadLdk } from "../../host/ldk/library.ts";
import { indexOf } from "../../host/ldk/reading/fields.ts";
import { p2wpkh, p2wsh } from "../../protocol/bitcoin/script.ts";
import { encodeTx } from "../../protocol/bitcoin/tx.ts";
import type { ChannelType } from "../../protocol/bolt/channel.ts";
import { buildClosing } from "../../protocol/bolt/closing.ts";
import { commitmentKeys, deriveKeySecret, deriveRevocationKeySecret } from "../../protocol/bolt/derive.ts";
import { obscuringFactor } from "../../protocol/bolt/obscure.ts";
import { anchorScript, delayedScript, fundingScript, toRemoteOutput } from "../../protocol/bolt/scripts.ts";
import { emptyShachain, insert, lookup, pointAt, secretAt } from "../../protocol/bolt/shachain.ts";
import { htlcTransactionWeight } from "../../protocol/bolt/weight.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { commitmentNumber, delay, revocationSecret, sat, txid } from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { side } from "../unit/bolt3-channels.ts";
import {
  bytesOf,
  creationKeysOf,
  featuresOf,
  okOf,
  outPointOf,
  publicKeysOf,
  saysYes,
  signerOf,
} from "./ldk.ts";

const curve = await loadNative();
await loadLdk();

const types = ["static_remotekey", "anchors"] as const satisfies readonly ChannelType[];
const pair = fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => [side(curve, a), side(curve, b)] as const);
const number = fc.oneof(fc.bigInt({ min: 0n, max: 20n }), fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }));
const wait = fc.oneof(
  fc.constantFrom(0, 1, 16, 17, 127, 128, 255, 256, 32_767, 32_768),
  fc.nat({ max: 65_535 }),
);

test("keys of a commitment and their secrets", () => {
  steady(
    fc.property(pair, number, ([us, them], n) => {
      const at = commitmentNumber(n);
      const point = pointAt(curve, us.perCommitmentSecret, at);
      const keys = commitmentKeys(curve, {
        broadcaster: us.basepoints,
        countersignatory: them.basepoints,
        point,
      });
      const theirs = TxCreationKeys.constructor_from_channel_static_keys(
        point,
        publicKeysOf(us.basepoints),
        publicKeysOf(them.basepoints),
      );
      expect(saysYes(theirs.eq(creationKeysOf(keys, point)))).toBe(true);
      expect(theirs.get_revocation_key().to_public_key()).toEqual(keys.revocation);
      expect(theirs.get_broadcaster_delayed_payment_key().to_public_key()).toEqual(keys.broadcasterDelayed);
      expect(theirs.get_broadcaster_htlc_key().to_public_key()).toEqual(keys.broadcasterHtlc);
      expect(theirs.get_countersignatory_htlc_key().to_public_key()).toEqual(keys.countersignatoryHtlc);

      const { secrets, basepoints } = us;
      const ours = deriveKeySecret(curve, { secret: secrets.htlc, basepoint: basepoints.htlc }, point);
      expect(bytesOf(ours)).toEqual(UtilMethods.constructor_derive_private_key(point, bytesOf(secrets.htlc)));
      const revealed = secretAt(us.perCommitmentSecret, at);
      const penal = { secret: them.secrets.revocation, basepoint: them.basepoints.revocation };
      expect(bytesOf(deriveRevocationKeySecret(curve, penal, revealed))).toEqual(
        UtilMethods.constructor_derive_private_revocation_key(revealed, bytesOf(them.secrets.revocation)),
      );
    }),
    { numRuns: 60 },
  );
});

test("per-commitment secrets and points, from the seed and from what was revealed", () => {
  steady(
    fc.property(pair, number, ([us], n) => {
      const at = commitmentNumber(n);
      const secret = secretAt(us.perCommitmentSecret, at);
      expect(secret).toEqual(
        UtilMethods.constructor_build_commitment_secret(bytesOf(us.perCommitmentSecret), indexOf(at)),
      );
      const signer = signerOf(us, sat(1n)).as_ChannelSigner();
      expect(okOf(signer.release_commitment_secret(indexOf(at)), "a secret")).toEqual(secret);
      expect(okOf(signer.get_per_commitment_point(indexOf(at)), "a point")).toEqual(
        pointAt(curve, us.perCommitmentSecret, at),
      );
    }),
    { numRuns: 60 },
  );
  steady(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.integer({ min: 1, max: 70 }),
      fc.option(fc.nat({ max: 69 }), { nil: undefined }),
      (seed, count, wrong) => {
        const theirs = CounterpartyCommitmentSecrets.constructor_new();
        let ours = emptyShachain;
        for (let n = 0; n < count; n++) {
          const at = commitmentNumber(BigInt(n));
          const honest = secretAt(new Secret(Uint8Array.from(seed)), at);
          const secret = n === wrong ? revocationSecret(honest.map((byte) => byte ^ 1)) : honest;
          const next = insert(ours, at, secret);
          // Both take a wrong one until one comes that does not fit with it.
          expect(saysYes(theirs.provide_secret(indexOf(at), secret).is_ok())).toBe(next !== undefined);
          if (next === undefined) return;
          ours = next;
          for (let m = 0; m <= n; m++) {
            const old = commitmentNumber(BigInt(m));
            expect(theirs.get_secret(indexOf(old))).toEqual(lookup(ours, old));
          }
        }
      },
    ),
    { numRuns: 20 },
  );
});

test("scripts, and the number that a commitment shows", () => {
  steady(
    fc.property(pair, number, wait, fc.boolean(), ([us, them], n, blocks, isOutbound) => {
      const [a, b] = [us.basepoints, them.basepoints];
      const point = pointAt(curve, us.perCommitmentSecret, commitmentNumber(n));
      const keys = commitmentKeys(curve, { broadcaster: a, countersignatory: b, point });
      expect(fundingScript(a.funding, b.funding)).toEqual(
        UtilMethods.constructor_make_funding_redeemscript(a.funding, b.funding),
      );
      expect(anchorScript(a.funding)).toEqual(UtilMethods.constructor_get_anchor_redeemscript(a.funding));
      expect(delayedScript({ keys, delay: delay(blocks) })).toEqual(
        UtilMethods.constructor_get_revokeable_redeemscript(
          RevocationKey.constructor_new(keys.revocation),
          blocks,
          DelayedPaymentKey.constructor_new(keys.broadcasterDelayed),
        ),
      );
      for (const type of types)
        expect(toRemoteOutput(type, b.payment)).toEqual(
          UtilMethods.constructor_get_counterparty_payment_script(featuresOf(type), b.payment),
        );
      const [opener, accepter] = isOutbound ? [a, b] : [b, a];
      expect(obscuringFactor(opener.payment, accepter.payment)).toBe(
        UtilMethods.constructor_get_commitment_transaction_number_obscure_factor(
          ...([a.payment, b.payment, isOutbound] as const),
        ),
      );
    }),
    { numRuns: 60 },
  );
});

test("weights of HTLC transactions", () => {
  for (const type of types) {
    expect(BigInt(htlcTransactionWeight(type, "timeout"))).toBe(
      UtilMethods.constructor_htlc_timeout_tx_weight(featuresOf(type)),
    );
    expect(BigInt(htlcTransactionWeight(type, "success"))).toBe(
      UtilMethods.constructor_htlc_success_tx_weight(featuresOf(type)),
    );
  }
});

test("cooperative closes and who signs them", () => {
  const value = fc.oneof(
    fc.constantFrom(0n, 330n, 50_000n),
    fc.bigInt({ min: 0n, max: 1_000_000_000_000_000n }),
  );
  const place = fc.tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat({ max: 65_535 }));
  steady(
    fc.property(pair, value, value, place, fc.boolean(), ([us, them], mine, yours, [id, index], sameKind) => {
      if (mine + yours === 0n) return;
      const [a, b] = [us.basepoints, them.basepoints];
      const fundingOutpoint = { txid: txid(id), index };
      const fundingValue = sat(mine + yours);
      const [ours, theirs] = [
        p2wpkh(a.payment),
        sameKind ? p2wpkh(b.payment) : p2wsh(anchorScript(b.funding)),
      ];
      const closing = buildClosing({
        ...{ fundingOutpoint, fundingValue, fundingKeys: [a.funding, b.funding] },
        outputs: [
          { value: sat(mine), script: ours },
          { value: sat(yours), script: theirs },
        ],
      });
      const outpoint = outPointOf(fundingOutpoint);
      const trusted = ClosingTransaction.constructor_new(mine, yours, ours, theirs, outpoint).trust();
      expect(trusted.built_transaction()).toEqual(encodeTx(closing.tx));
      const funding = fundingScript(a.funding, b.funding);
      expect(trusted.get_sighash_all(funding, fundingValue)).toEqual(closing.digest);
      expect(trusted.sign(bytesOf(us.secrets.funding), funding, fundingValue)).toEqual(
        curve.sign({ digest: closing.digest, key: us.secrets.funding, lowR: false }),
      );
    }),
    { numRuns: 60 },
  );
});
