/** Random channels, as each of the two sides sees them. */

import fc from "fast-check";
import type { Basepoints } from "../../protocol/bolt/channel.ts";
import { anchorValue, type ChannelType, type Htlc, type Party } from "../../protocol/bolt/channel.ts";
import { htlcTransactionFee } from "../../protocol/bolt/weight.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import {
  commitmentNumber,
  type Delay,
  delay,
  type Feerate,
  feerate,
  height,
  type Msat,
  msat,
  type Outpoint,
  paymentHash,
  type Sat,
  sat,
  txid,
} from "../../protocol/units.ts";

export interface Side {
  readonly secrets: Readonly<Record<keyof Basepoints, Secret>>;
  readonly basepoints: Basepoints;
  readonly perCommitmentSecret: Secret;
}

const names = ["funding", "revocation", "payment", "delayed", "htlc"] as const;

export const side = (curve: Curve, seed: number): Side => {
  const secret = (name: string) => new Secret(sha256(new TextEncoder().encode(`${seed} ${name}`)));
  const all = names.map((name) => [name, secret(name)] as const);
  return {
    secrets: Object.fromEntries(all) as Record<keyof Basepoints, Secret>,
    basepoints: Object.fromEntries(
      all.map(([name, key]) => [name, curve.publicKey(key)]),
    ) as unknown as Basepoints,
    perCommitmentSecret: secret("per commitment"),
  };
};

/** One commitment of a channel, seen from its broadcaster. */
export interface RandomCommitment {
  readonly type: ChannelType;
  readonly opener: Party;
  readonly fundingOutpoint: Outpoint;
  readonly fundingValue: Sat;
  readonly number: ReturnType<typeof commitmentNumber>;
  readonly feerate: Feerate;
  readonly delay: Delay;
  readonly dustLimit: Sat;
  readonly toBroadcaster: Msat;
  readonly toCountersignatory: Msat;
  readonly htlcs: readonly Htlc[];
}

const type = fc.constantFrom<ChannelType>("static_remotekey", "anchors");
const party = fc.constantFrom<Party>("broadcaster", "countersignatory");
const near = (value: bigint, distance: bigint) =>
  fc.bigInt({ min: value > distance ? value - distance : 0n, max: value + distance });

export const randomCommitment: fc.Arbitrary<RandomCommitment> = fc
  .record({
    type,
    opener: party,
    rate: fc.oneof(fc.constantFrom(0, 253, 15_000), fc.nat({ max: 100_000 })),
    dust: fc.oneof(fc.constantFrom(0n, 354n, 546n), fc.bigInt({ min: 0n, max: 20_000n })),
    fundingValue: fc.oneof(
      fc.bigInt({ min: 1_000n, max: 100_000n }),
      fc.bigInt({ min: 1_000n, max: 2_100_000_000_000_000n }),
    ),
  })
  .chain(({ type, opener, rate, dust, fundingValue }) => {
    const perKw = feerate(rate);
    const edge = (kind: "timeout" | "success") => 1000n * (dust + htlcTransactionFee(type, kind, perKw));
    const amount = fc.oneof(
      near(edge("timeout"), 1_001n),
      near(edge("success"), 1_001n),
      fc.constantFrom(3_000_000n, 3_000_001n),
      fc.bigInt({ min: 1n, max: fundingValue * 1000n }),
    );
    const htlc = fc.record({
      offeredBy: party,
      amount,
      hash: fc.nat({ max: 4 }).map((n) => paymentHash(sha256(Uint8Array.of(n)))),
      expiry: fc.nat({ max: 3 }).map((n) => height(800_000 + n)),
    });
    const broke = fc.oneof(
      fc.constant(0n),
      near(2n * anchorValue * 1000n, 2_000n),
      near((dust + 2n * anchorValue) * 1000n, 2_000n),
      fc.bigInt({ min: 0n, max: 30_000_000n }),
    );
    return fc
      .record({
        wanted: fc.array(htlc, { maxLength: 12 }),
        openerShare: fc.oneof(
          fc.nat({ max: 1000 }).map((n) => ({ share: BigInt(n) })),
          broke.map((least) => ({ least })),
        ),
        index: fc.nat({ max: 0xffff }),
        number: fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }),
        wait: fc.nat({ max: 0xffff }),
      })
      .map(({ wanted, openerShare, index, number, wait }) => {
        let left = fundingValue * 1000n;
        const htlcs = wanted.flatMap((candidate) => {
          if (candidate.amount === 0n || candidate.amount > left) return [];
          left -= candidate.amount;
          return [{ ...candidate, amount: msat(candidate.amount) }];
        });
        const wish = "share" in openerShare ? (left * openerShare.share) / 1000n : openerShare.least;
        const openers = wish < left ? wish : left;
        const [toBroadcaster, toCountersignatory] =
          opener === "broadcaster" ? [openers, left - openers] : [left - openers, openers];
        return {
          type,
          opener,
          fundingOutpoint: { txid: txid(sha256(Uint8Array.of(index & 0xff))), index },
          fundingValue: sat(fundingValue),
          number: commitmentNumber(number),
          feerate: perKw,
          delay: delay(wait),
          dustLimit: sat(dust),
          toBroadcaster: msat(toBroadcaster),
          toCountersignatory: msat(toCountersignatory),
          htlcs,
        };
      });
  });
