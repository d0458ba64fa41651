/** The fields that operations share: each meaning is declared here once. */

import { blob, choice, fixed, list, maybe, message, u16, u32, u64, type ValueOf } from "../codec.ts";
import * as units from "../units.ts";

export const node = fixed("node id", 33, units.point);
export const channel = u64("channel id", units.channelId, (1n << 63n) - 1n);
export const number = u64("commitment number", units.commitmentNumber, (1n << 48n) - 1n);
export const point = fixed("point", 33, units.point);
export const points = list(point, 2);
export const signature = fixed("signature", 64, units.signature);
export const sat = u64("satoshi", units.sat, 2_100_000_000_000_000n);
export const msat = u64("millisatoshi", units.msat, 2_100_000_000_000_000_000n);
export const feerate = u32("satoshi per 1000 weight", units.feerate);
export const height = u32("block height", units.height, 499_999_999);
export const delay = u16("blocks", units.delay);
export const txid = fixed("txid, in hashing order", 32, units.txid);
export const hash = fixed("payment hash", 32, units.paymentHash);
export const preimage = fixed("preimage", 32, units.preimage);
export const revocationSecret = fixed("per-commitment secret", 32, units.revocationSecret);
/** Standard scripts are at most 42 bytes; the bound leaves room for the largest that consensus spends freely. */
export const script = blob("script", 520, units.script);
export const transaction = blob("transaction", 100_000, (bytes) => bytes);

export const network = choice("Network", ["bitcoin", "testnet", "signet", "regtest"]);
export type Network = ValueOf<typeof network>;

/** What a host can tell about its channels; fixed when its node is created. */
export const tier = choice("Tier", ["full", "commitments", "stateless"]);
export type Tier = ValueOf<typeof tier>;

export const side = choice("Side", ["holder", "counterparty"]);
export type Side = ValueOf<typeof side>;

export const channelType = choice("ChannelType", ["static_remotekey", "anchors"]);

export const outpoint = message("Outpoint", { txid, index: u32("output", (n) => n) });

export const basepoints = message("Basepoints", {
  funding: point,
  revocation: point,
  payment: point,
  delayed: point,
  htlc: point,
});

/** 483 each way (BOLT 2, `max_accepted_htlcs`). */
export const maxHtlcs = 966;

export const htlc = message("Htlc", { offeredBy: side, amount: msat, hash, expiry: height });
export type Htlc = ValueOf<typeof htlc>;
export const htlcs = list(htlc, maxHtlcs);
export const preimages = list(preimage, maxHtlcs);
export const signatures = list(signature, maxHtlcs);

/** What one side demands of the channel; a host that was never told says unknown. */
export const limits = message("Limits", {
  toSelfDelay: delay,
  dustLimit: maybe(sat),
  reserve: maybe(sat),
  maxAcceptedHtlcs: maybe(u16("HTLCs", (n) => n)),
  maxInFlight: maybe(msat),
  /** Empty: agreed that there is none. */
  upfrontScript: maybe(script),
});

/** All that is agreed before there is a funding transaction. */
export const terms = message("Terms", {
  type: channelType,
  opener: side,
  value: sat,
  push: msat,
  /** What the holder pays into the funding transaction: all of it, none, or a share of a dual funding. */
  contribution: sat,
  holder: limits,
  counterparty: limits,
});
export type Terms = ValueOf<typeof terms>;
export type Limits = ValueOf<typeof limits>;
export type Basepoints = ValueOf<typeof basepoints>;

/** A commitment as both sides speak of it: values of the outputs (0 for none), and what leads to them. */
export const commitment = {
  funding: outpoint,
  number,
  /** Declared in `open_channel` or the last `update_fee`. */
  feerate,
  toHolder: sat,
  toCounterparty: sat,
  htlcs,
  /** HTLCs too small for an output. */
  trimmed: maybe(htlcs),
  /** Of every HTLC that left since the number before and was fulfilled. */
  preimages: maybe(preimages),
  /** The host's own idea of the transaction, to be compared with the rebuild byte for byte. */
  expected: maybe(transaction),
};
