/** Channels as a session stores them: what it wrote at every step of a few short lives. */

import { unknown } from "../../../protocol/codec.ts";
import type { Terms } from "../../../protocol/operations/fields.ts";
import { feerate, script } from "../../../protocol/units.ts";
import { add, htlcOf, open, plainTerms, start, update, withFeerate } from "../../scripted/channel.ts";
import { peer } from "../../scripted/peer.ts";
import { curve, rig } from "../../scripted/road.ts";

const bob = peer("bob", curve);
const none = script(new Uint8Array(0));

const live = async (terms: Terms): Promise<readonly Uint8Array[]> => {
  const signer = await rig();
  const seen = new Map<string, Uint8Array>();
  const look = async (): Promise<void> => {
    for (const [key, { bytes }] of await signer.store.load(signer.session.node))
      if (key.includes("/channel/")) seen.set(Buffer.from(bytes).toString("hex"), bytes);
  };
  const call: typeof signer.call = async (name, body) => {
    const reply = await signer.call(name, body);
    await look();
    return reply;
  };
  const channel = await open(call, signer.session.node, bob, terms, "fuzz");
  const [zero, one] = channel.points;
  if (zero === undefined || one === undefined) throw new Error("no points");
  const first = start(terms);
  const { sign, validate } = update(channel, bob, zero, 0n, first);
  await call("signCounterpartyCommitment", sign);
  await call("validateHolderCommitment", validate);
  // One with an output, and one too small for any.
  const second = add(add(first, htlcOf("holder", 30_000_000n, "a")), htlcOf("holder", 5_000n, "dust"));
  const next = update(channel, bob, one, 1n, second);
  await call("signCounterpartyCommitment", next.sign);
  const other = update(channel, bob, one, 1n, withFeerate(second, feerate(1_500)));
  await call("signCounterpartyCommitment", other.sign);
  await call("validateHolderCommitment", next.validate);
  const { revoke, revocation } = next;
  if (revoke === undefined || revocation === undefined) throw new Error("nothing to revoke");
  await call("revokeHolderCommitment", revoke);
  await call("validateCounterpartyRevocation", revocation);
  return [...seen.values()];
};

const side = (terms: Terms["holder"]): Terms["holder"] => ({
  ...terms,
  upfrontScript: none,
  reserve: unknown,
});
const plain = plainTerms();

export const channelRecords: readonly Uint8Array[] = (
  await Promise.all([
    live(plain),
    live(plainTerms({ type: "static_remotekey" })),
    live({ ...plain, holder: side(plain.holder), counterparty: side(plain.counterparty) }),
  ])
).flat();
