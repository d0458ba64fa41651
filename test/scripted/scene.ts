/** A channel on a rig, for tests that take it somewhere step by step. */

import type { Terms } from "../../protocol/operations/fields.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { commitmentNumber, type Point, type Preimage } from "../../protocol/units.ts";
import { type Opened, open, plainTerms, type Requests, start, update } from "./channel.ts";
import type { Balances } from "./content.ts";
import { type Peer, peer } from "./peer.ts";
import { curve, type Rig, rig } from "./road.ts";

export const bob = peer("bob", curve);
export const carol = peer("carol", curve);

/** Both sides have something: a push of 400 000 satoshi. */
export const evenTerms = (changes: Partial<Terms> = {}): Terms =>
  plainTerms({ push: 400_000_000n as Terms["push"], ...changes });

export interface Scene {
  readonly signer: Rig;
  readonly peer: Peer;
  readonly terms: Terms;
  readonly opened: Opened;
  readonly start: Balances;
  /** The four requests that bring both sides to number `n`. */
  at(n: bigint, balances: Balances, preimages?: readonly Preimage[]): Promise<Requests>;
  /** Asks them all. */
  advance(
    n: bigint,
    balances: Balances,
    preimages?: readonly Preimage[],
  ): Promise<Reply<"signCounterpartyCommitment">>;
  /** The same channel on another rig, as after a restart. */
  on(signer: Rig): Scene;
  /** The channel's record, as it is on disk. */
  record(): Promise<Uint8Array | undefined>;
}

const over = (signer: Rig, peer: Peer, terms: Terms, opened: Opened): Scene => {
  const { node, channel } = opened;
  const at: Scene["at"] = async (n, balances, preimages) => {
    const { points } = await signer.call("points", { node, channel, numbers: [commitmentNumber(n)] });
    return update(opened, peer, points[0] as Point, n, balances, preimages);
  };
  return {
    signer,
    peer,
    terms,
    opened,
    start: start(terms),
    at,
    advance: async (n, balances, preimages) => {
      const requests = await at(n, balances, preimages);
      const reply = await signer.call("signCounterpartyCommitment", requests.sign);
      await signer.call("validateHolderCommitment", requests.validate);
      if (requests.revoke !== undefined) await signer.call("revokeHolderCommitment", requests.revoke);
      if (requests.revocation !== undefined)
        await signer.call("validateCounterpartyRevocation", requests.revocation);
      return reply;
    },
    on: (other) => over(other, peer, terms, opened),
    record: async () => {
      const stored = await signer.store.load(node);
      return [...stored].find(([key]) => key.endsWith(`/channel/${channel}`))?.[1].bytes;
    },
  };
};

export interface SceneOptions {
  readonly signer?: Rig;
  readonly peer?: Peer;
  readonly terms?: Terms;
  readonly label?: string;
}

export const scene = async ({
  signer,
  peer = bob,
  terms = evenTerms(),
  label = "scene",
}: SceneOptions = {}): Promise<Scene> => {
  const on = signer ?? (await rig());
  return over(on, peer, terms, await open(on.call, on.session.node, peer, terms, label));
};
