/** The order of a commitment's outputs, and which HTLC each is, as LDK finds them from the same values and HTLCs. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { loadLdk } from "../../host/ldk/library.ts";
import { encodeTx } from "../../protocol/bitcoin/tx.ts";
import { buildCommitment } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys } from "../../protocol/bolt/derive.ts";
import { pointAt } from "../../protocol/bolt/shachain.ts";
import { settle } from "../../protocol/bolt/trim.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { height, type Msat, sat, toSat } from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { type RandomCommitment, randomCommitment, side } from "../unit/bolt3-channels.ts";
import { openChannel } from "./ldk-channel.ts";

const curve = await loadNative();
await loadLdk();

const { perCommitmentSecret } = side(curve, 3);

interface Shown {
  readonly offered: boolean;
  readonly amount: Msat;
  readonly hash: Uint8Array;
  readonly expiry: number;
  readonly index: number | undefined;
}

/** Fractions of a satoshi are in no output: HTLCs that differ in them alone may change places. */
const text = ({ offered, amount, hash, expiry, index }: Shown): string =>
  `${index}: ${offered ? "offered" : "received"} ${toSat(amount)} ${toHex(hash)} ${expiry}`;

/** Each HTLC again, with another expiry: what was offered twice has two outputs that are alike. */
const withTwins = (random: RandomCommitment): RandomCommitment => ({
  ...random,
  htlcs: random.htlcs.flatMap((htlc, i) => {
    const twin = { ...htlc, expiry: height(htlc.expiry + (i % 2 === 0 ? 1 : -1)) };
    return i % 3 === 0 ? [htlc] : [htlc, twin];
  }),
});

test.each(["static_remotekey", "anchors"] as const)("%s", (type) => {
  const channel = openChannel(type);
  let ties = 0;
  const runs = 150;
  steady(
    fc.property(randomCommitment.map(withTwins), fc.boolean(), (random, byOpener) => {
      const [opener, accepter] = channel.commitmentsOf;
      const seen = byOpener ? opener : accepter;
      const settled = settle({ ...random, type, opener: byOpener ? "broadcaster" : "countersignatory" });
      if (settled === undefined) return;
      const { number, feerate } = random;
      const point = pointAt(curve, perCommitmentSecret, number);
      const { broadcaster, countersignatory, delay } = seen;
      const { toBroadcaster, toCountersignatory, untrimmed: htlcs } = settled;
      const ours = buildCommitment({
        ...{ type, number, delay, toBroadcaster, toCountersignatory, htlcs },
        fundingOutpoint: channel.fundingOutpoint,
        fundingValue: sat(1_000_000n),
        openerPaymentBasepoint: opener.broadcaster.payment,
        accepterPaymentBasepoint: accepter.broadcaster.payment,
        keys: commitmentKeys(curve, { broadcaster, countersignatory, point }),
      });
      const theirs = seen.build({ number, feerate, point, toBroadcaster, toCountersignatory, htlcs });
      expect(theirs.number).toBe(number);
      expect(toHex(theirs.tx)).toBe(toHex(encodeTx(ours.tx)));
      expect(toHex(theirs.txid)).toBe(toHex(ours.txid));
      expect(
        ours.htlcs.map(({ htlc, index }) =>
          text({ ...htlc, offered: htlc.offeredBy === "broadcaster", index }),
        ),
      ).toEqual(theirs.htlcs.map(({ htlc, offered, index }) => text({ ...htlc, offered, index })));
      const alike = ({ value, script }: (typeof ours.tx.outputs)[number]) => `${value} ${toHex(script)}`;
      if (new Set(ours.tx.outputs.map(alike)).size < ours.tx.outputs.length) ties++;
    }),
    { numRuns: runs },
  );
  expect(ties).toBeGreaterThan(10);
  // Not before: LDK calls back into them.
  expect(channel.held).toHaveLength(2);
});
