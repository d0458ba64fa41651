/** Random gossip. */

import * as fc from "fast-check";
import type { Address, Bodies, GossipName } from "../../protocol/bolt/gossip/index.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { msat, point } from "../../protocol/units.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat({ max: 0xffff_ffff });
const anyMsat = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000_000n }).map(msat);
const chain = fc.constantFrom<Network>("bitcoin", "testnet", "signet", "regtest");
const tail = fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 20 }));
const features = fc.uint8Array({ maxLength: 255 });
const shortChannelId = fc.record({
  block: fc.nat(0xff_ffff),
  transaction: fc.nat(0xff_ffff),
  output: u16,
});

export const anyKey = fc
  .tuple(fc.constantFrom(2, 3), bytes(32))
  .map(([sign, x]) => point(Uint8Array.of(sign, ...x)));

const address: fc.Arbitrary<Address> = fc.oneof(
  fc.record({ is: fc.constant("ipv4" as const), address: bytes(4), port: u16 }),
  fc.record({ is: fc.constant("ipv6" as const), address: bytes(16), port: u16 }),
  fc.record({ is: fc.constant("torV2" as const), onion: bytes(10), port: u16 }),
  fc.record({ is: fc.constant("torV3" as const), onion: bytes(35), port: u16 }),
  fc.record({
    is: fc.constant("dns" as const),
    hostname: fc
      .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 255 })
      .map((chars) => String.fromCharCode(...chars)),
    port: u16,
  }),
);

/** Nothing, or a descriptor of an unknown type with whatever behind it. */
const rest = fc.oneof(
  fc.constant(new Uint8Array()),
  fc
    .tuple(fc.oneof(fc.constant(0), fc.integer({ min: 6, max: 255 })), fc.uint8Array({ maxLength: 30 }))
    .map(([type, more]) => Uint8Array.of(type, ...more)),
);

export const anyGossip: { readonly [N in GossipName]: fc.Arbitrary<Bodies[N]> } = {
  channel_announcement: fc.record({
    ...{ features, chain, shortChannelId, tail },
    ...{ nodeId1: anyKey, nodeId2: anyKey, bitcoinKey1: anyKey, bitcoinKey2: anyKey },
  }),
  node_announcement: fc.record({
    ...{ features, timestamp: u32, nodeId: anyKey, rgbColor: bytes(3), alias: bytes(32), tail },
    addresses: fc.record({ known: fc.array(address, { maxLength: 6 }), rest }),
  }),
  channel_update: fc.record({
    ...{ chain, shortChannelId, timestamp: u32, messageFlags: u8, channelFlags: u8, cltvExpiryDelta: u16 },
    ...{ htlcMinimum: anyMsat, feeBaseMsat: u32, feeProportionalMillionths: u32, htlcMaximum: anyMsat, tail },
  }),
};

export const gossipNames = Object.keys(anyGossip) as readonly GossipName[];
export const signatureCount: Readonly<Record<GossipName, number>> = {
  channel_announcement: 4,
  node_announcement: 1,
  channel_update: 1,
};
