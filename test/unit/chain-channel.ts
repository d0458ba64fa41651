/** A channel between two scripted peers, of which every transaction can be put on a chain. */

import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { type Tx, txidOf, type Witness } from "../../protocol/bitcoin/tx.ts";
import type { Commitment, CommittedHtlc } from "../../protocol/bolt/commitment.ts";
import { type CommitmentKeys, commitmentKeys } from "../../protocol/bolt/derive.ts";
import { htlcTransaction } from "../../protocol/bolt/htlc.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { emptyShachain, insert } from "../../protocol/bolt/shachain.ts";
import { equal } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import {
  type CommitmentNumber,
  commitmentNumber,
  delay,
  type Outpoint,
  type Point,
  type Preimage,
  sat,
  script,
  type Txid,
} from "../../protocol/units.ts";
import type { CloseTerms } from "../../signer/core/chain/closing.ts";
import type { Live } from "../../signer/core/state.ts";
import { type MadeTx, published, spending } from "../scripted/chain.ts";
import { plainTerms } from "../scripted/channel.ts";
import { type Balances, type Content, contentOf } from "../scripted/content.ts";
import { commitmentOf, peer, type Shared } from "../scripted/peer.ts";

export const curve = await loadNative();
export const alice = peer("alice", curve);
export const bob = peer("bob", curve);

const empty = new Uint8Array(0);
const signed = new Uint8Array(71).fill(0x30);

export interface Published {
  readonly commitment: Commitment;
  readonly keys: CommitmentKeys;
  readonly tx: MadeTx;
  readonly outpoint: (index: number) => Outpoint;
  readonly at: (htlc: Htlc) => CommittedHtlc;
  /** The broadcaster's HTLC transaction: with a preimage HTLC-success, else HTLC-timeout. */
  readonly second: (htlc: Htlc, preimage?: Preimage) => MadeTx;
  /** The other side's own spend. */
  readonly direct: (htlc: Htlc, preimage?: Preimage) => MadeTx;
  readonly punish: (outpoint: Outpoint, script?: Uint8Array) => MadeTx;
}

export interface TestChannel {
  readonly terms: Terms;
  readonly shared: Shared;
  readonly funding: MadeTx;
  /** Of these balances at that number. */
  publish(owner: Side, number: bigint, balances: Balances): Published;
  live(changes: LiveOptions): Live;
  following(live: Live): CloseTerms;
}

export interface LiveOptions {
  /** Numbers below are revoked, and their secrets known. */
  readonly revoked?: bigint;
  readonly holder?: readonly (readonly [bigint, Balances])[];
  readonly counterparty?: readonly (readonly [bigint, Balances])[];
}

export const fundingOf = (terms: Terms, value = terms.value): MadeTx => {
  const base = spending([{ txid: sha256(Uint8Array.of(1)) as Txid, index: 0 }]);
  const pays = p2wsh(fundingScript(alice.basepoints.funding, bob.basepoints.funding));
  return { ...base, tx: { ...base.tx, outputs: [...base.tx.outputs, { value, script: pays }] } };
};

const one = (tx: Tx, witness: Witness): MadeTx => ({ tx, witnesses: [witness] });

/** A commitment of a channel as a block may have it, with all that may spend it. */
export const publishedBy = (shared: Shared, owner: Side, point: Point, content: Content): Published => {
  const { terms } = shared;
  const { commitment } = commitmentOf(curve, shared, owner, point, content);
  const mine = owner === "holder";
  const keys = commitmentKeys(curve, {
    broadcaster: mine ? shared.holder : shared.counterparty,
    countersignatory: mine ? shared.counterparty : shared.holder,
    point,
  });
  const wait = (mine ? terms.counterparty : terms.holder).toSelfDelay;
  const outpoint = (index: number): Outpoint => ({ txid: commitment.txid, index });
  const at = (htlc: Htlc): CommittedHtlc => {
    const found = commitment.htlcs.find(
      ({ htlc: { hash, expiry } }) => equal(hash, htlc.hash) && expiry === htlc.expiry,
    );
    if (found === undefined) throw new Error("the commitment has no such HTLC");
    return found;
  };
  return {
    commitment,
    keys,
    tx: published(commitment.tx),
    outpoint,
    at,
    second: (htlc, preimage) => {
      const committed = at(htlc);
      const form = { type: terms.type, feerate: content.feerate, delay: wait, keys };
      const tx = htlcTransaction(commitment.txid, committed, form);
      return one(tx, [empty, signed, signed, preimage ?? empty, committed.script]);
    },
    direct: (htlc, preimage) => {
      const { index, script } = at(htlc);
      return one(spending([outpoint(index)]).tx, [signed, preimage ?? empty, script]);
    },
    punish: (of, script) =>
      one(
        spending([of]).tx,
        script === undefined
          ? [signed, Uint8Array.of(1), Uint8Array.of(0x51)]
          : [signed, keys.revocation, script],
      ),
  };
};

export const testChannel = (changes: Partial<Terms> = {}): TestChannel => {
  const plain = plainTerms({ push: 400_000_000n as Terms["push"], ...changes });
  // Each side asks for another delay, so that none stands in for the other.
  const terms: Terms = { ...plain, counterparty: { ...plain.counterparty, toSelfDelay: delay(720) } };
  const funding = fundingOf(terms);
  const shared: Shared = {
    ...{ terms, holder: alice.basepoints, counterparty: bob.basepoints },
    funding: { txid: txidOf(funding.tx), index: 1 },
  };
  const pointOf = (owner: Side, number: CommitmentNumber): Point =>
    (owner === "holder" ? alice : bob).point(number);

  const publish: TestChannel["publish"] = (owner, n, balances) => {
    const number = commitmentNumber(n);
    return publishedBy(shared, owner, pointOf(owner, number), contentOf(terms, owner, number, balances));
  };

  const variant = (owner: Side, n: bigint, balances: Balances): object => {
    const number = commitmentNumber(n);
    const { commitment } = publish(owner, n, balances);
    return {
      ...contentOf(terms, owner, number, balances),
      hash: sha256(commitment.txid),
      txid: commitment.txid,
      balance: { low: 0n, high: 0n },
      settled: [],
      hidden: { lost: 0n, gained: 0n },
      ...(owner === "counterparty" ? { point: pointOf(owner, number) } : {}),
    };
  };

  const live: TestChannel["live"] = ({ revoked = 0n, holder = [], counterparty = [] }) => {
    let secrets = emptyShachain;
    for (let n = 0n; n < revoked; n++) {
      const number = commitmentNumber(n);
      secrets = insert(secrets, number, bob.secret(number)) ?? secrets;
    }
    const setup = { ...shared, content: new Uint8Array(32), peer: bob.id, closingScript: script(empty) };
    const past = { hashes: [] };
    return {
      setup,
      holder: {
        revealed: commitmentNumber(revoked),
        variants: holder.map(([n, balances]) => variant("holder", n, balances)),
        broadcast: [],
        past,
      },
      counterparty: {
        revoked: commitmentNumber(revoked),
        variants: counterparty.map(([n, balances]) => variant("counterparty", n, balances)),
        ...{ secrets, past },
      },
    } as unknown as Live;
  };

  return {
    ...{ terms, shared, funding, publish, live },
    following: (live) => ({
      live,
      curve,
      holderPoints: new Map(live.holder.variants.map(({ number }) => [number, alice.point(number)])),
    }),
  };
};

/** As both sign it at the end. */
export const mutualOf = ({ shared }: TestChannel): MadeTx =>
  spending([shared.funding], { outputs: [{ value: sat(590_000n), script: script(Uint8Array.of(0x51)) }] });
