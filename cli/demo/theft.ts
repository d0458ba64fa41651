/** What a thief would do who has the whole host: its files, its certificate, and the peer as an accomplice. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { connectTo, openDatabase, Refused, readBundle, signerClient } from "../../host/index.ts";
import { openRemoteStore, type TheirCommitment } from "../../host/ldk/keys/remote-store.ts";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import type { Refusal } from "../../protocol/outcome.ts";
import {
  type ChannelId,
  commitmentNumber,
  type Feerate,
  feerate,
  height,
  msat,
  type Outpoint,
  paymentHash,
  type Sat,
  sat,
} from "../../protocol/units.ts";

export interface Loot {
  /** In people's words. */
  readonly tried: string;
  readonly refusal: Refusal;
}

interface Spoils {
  /** Of the host: its certificate is all that a thief needs to ask. */
  readonly bundle: string;
  readonly directory: string;
  /** The channel's funding, as people write it. */
  readonly funding: string;
}

type Commitment = Request<"signCounterpartyCommitment">;

/** BOLT 3, "Fee Calculation": a commitment with anchors and no HTLCs. */
const weight = 1124n;
const anchors = 660n;
const rate: Feerate = feerate(253);
const feeOf = (htlcs: bigint): bigint => (BigInt(rate) * (weight + 172n * htlcs)) / 1000n;

const readable = ({ txid, index }: Outpoint): string => `${toHex(Uint8Array.from(txid).reverse())}:${index}`;

/** Each must be refused: that it is not ends the demo. */
export const steal = async ({
  bundle: directoryOfBundle,
  directory,
  funding,
}: Spoils): Promise<readonly Loot[]> => {
  const bundle = readBundle(directoryOfBundle);
  // The node keeps its file to itself; a thief copies it.
  const copy = `${directory}-stolen`;
  cpSync(directory, copy, { recursive: true });
  const database = openDatabase(join(copy, "node.sqlite"));
  const client = signerClient({ connect: connectTo(bundle) });
  try {
    const store = openRemoteStore(database);
    const stored = store
      .channels()
      .find(({ setup }) => setup !== undefined && readable(setup.funding) === funding);
    if (stored?.setup === undefined) throw new Error("the host's files do not have the channel");
    const { terms, funding: outpoint, counterparty } = stored.setup;
    const last = latest(database, stored.id);
    const theirs = last.delayed;
    const whole = terms.value - anchors - feeOf(0n);
    const common: Omit<Commitment, "toHolder" | "toCounterparty" | "htlcs"> = {
      ...{ node: bundle.node, channel: stored.id, funding: outpoint, feerate: rate },
      ...{ number: commitmentNumber(last.number + 1n), point: counterparty.delayed },
      ...{ trimmed: [], preimages: [], expected: unknown },
    };
    const everything: Commitment = { ...common, toHolder: sat(0n), toCounterparty: whole as Sat, htlcs: [] };
    const loot = 100_000n;
    const unapproved: Commitment = {
      ...common,
      toHolder: sat(whole - theirs - loot - (feeOf(1n) - feeOf(0n))),
      toCounterparty: theirs,
      htlcs: [
        {
          ...{ offeredBy: "holder", amount: msat(loot * 1000n) },
          ...{ hash: paymentHash(new Uint8Array(32).fill(0x66)), expiry: height(500) },
        },
      ],
    };
    const tries = [
      ["a commitment that gives the whole channel to the peer", everything],
      ["an HTLC of 100,000 sat that nobody approved", unapproved],
    ] as const;
    const loots: Loot[] = [];
    for (const [tried, request] of tries) {
      const outcome = await client.call("signCounterpartyCommitment", request).catch((error: unknown) => {
        if (error instanceof Refused) return error.refusal;
        throw error;
      });
      if (!("rule" in outcome)) throw new Error(`the signer signed ${tried}`);
      loots.push({ tried, refusal: outcome });
    }
    return loots;
  } finally {
    await client.close();
    database.close();
  }
};

/** The counterparty's last commitment, as the host remembers it. */
const latest = (database: ReturnType<typeof openDatabase>, channel: ChannelId): TheirCommitment => {
  const rows = database.prepare("SELECT txid FROM remote_theirs WHERE channel = ?").all(channel);
  const store = openRemoteStore(database);
  const known = rows.flatMap(({ txid }) => store.theirs(channel, Uint8Array.from(txid as Uint8Array)) ?? []);
  const [last] = known.sort((a, b) => Number(b.number - a.number));
  if (last === undefined) throw new Error("the host's files do not have the channel's last commitment");
  return last;
};
