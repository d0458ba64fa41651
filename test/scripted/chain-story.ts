/**
 * What happens on the chain while a story is told. Words: `blocks N`, `hours N` (without one), `skip N` (the host does
 * not show them), `mine WHAT` (`funding`, `theirs`, `ours`, `mutual`, `old N`, or `justice` for that).
 */

import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import type { Basepoints, Side, Terms } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import {
  commitmentNumber,
  type NodeId,
  type Outpoint,
  type Point,
  sat,
  type Txid,
} from "../../protocol/units.ts";
import { publishedBy } from "../unit/chain-channel.ts";
import { type Block, genesis, last, type MadeTx, mine, spending } from "./chain.ts";
import { type Balances, contentOf } from "./content.ts";
import type { Shared } from "./peer.ts";

export interface ChainStory {
  blocks: readonly Block[];
  funding: MadeTx | undefined;
  old: { readonly tx: MadeTx; readonly delayed: Outpoint; readonly punish: MadeTx } | undefined;
  /** Seconds since the last block. */
  pause: number;
}

export const chainStory = (): ChainStory => ({ blocks: [], funding: undefined, old: undefined, pause: 60 });

export const timeOf = ({ blocks, pause }: ChainStory): number => last(blocks).header.time + pause;

/** A transaction that funds the channel, so that a block can have it. */
export const fund = (story: ChainStory, terms: Terms, keys: readonly [Basepoints, Basepoints]): Outpoint => {
  const pays = p2wsh(fundingScript(keys[0].funding, keys[1].funding));
  story.funding = spending([{ txid: new Uint8Array(32).fill(3) as Txid, index: 0 }], {
    outputs: [{ value: terms.value, script: pays }],
  });
  return { txid: txidOf(story.funding.tx), index: 0 };
};

export interface Channel {
  readonly shared: Shared;
  /** The next; the one before it is live. */
  readonly number: bigint;
  readonly balances: Balances;
  pointOf(owner: Side, number: bigint): Promise<Point>;
}

const commitmentAt = async ({ shared, balances, pointOf }: Channel, owner: Side, n: bigint) => {
  const content = contentOf(shared.terms, owner, commitmentNumber(n), balances);
  return { content, published: publishedBy(shared, owner, await pointOf(owner, n), content) };
};

const oldOf = async (channel: Channel, n: bigint): Promise<NonNullable<ChainStory["old"]>> => {
  const { content, published } = await commitmentAt(channel, "counterparty", n);
  const { tx } = published.commitment;
  const index = tx.outputs.findIndex(({ value }) => value === content.toCounterparty);
  if (index < 0) throw new RangeError("the other side has no output");
  const delayed = published.outpoint(index);
  return { tx: published.tx, delayed, punish: published.punish(delayed) };
};

const minedAs = async (
  story: ChainStory,
  channel: Channel,
  what: string,
  n: string,
): Promise<MadeTx | undefined> => {
  switch (what) {
    case "funding":
      return story.funding;
    case "theirs":
      return (await commitmentAt(channel, "counterparty", channel.number - 1n)).published.tx;
    case "ours":
      return (await commitmentAt(channel, "holder", channel.number - 1n)).published.tx;
    case "mutual":
      return spending([channel.shared.funding], {
        outputs: [{ value: sat(590_000n), script: p2wsh(new Uint8Array(1) as never) }],
      });
    case "old":
      story.old = await oldOf(channel, BigInt(n));
      return story.old.tx;
    case "justice":
      return story.old?.punish;
    default:
      return undefined;
  }
};

const extend = (story: ChainStory, txs: readonly MadeTx[] = []): Block => {
  const block = mine(last(story.blocks, genesis), txs);
  story.blocks = [...story.blocks, block];
  return block;
};

/** The blocks that the host shows now; undefined for a word that is not of the chain. */
export const tellChain = async (
  story: ChainStory,
  channel: Channel,
  [word = "", one = "", two = ""]: readonly string[],
): Promise<readonly Block[] | undefined> => {
  switch (word) {
    case "hours":
      story.pause += 3600 * Number(one);
      return [];
    case "skip":
      for (let i = 0; i < Number(one); i++) extend(story);
      return [];
    case "blocks":
      return Array.from({ length: Number(one) }, () => extend(story));
    case "mine": {
      const tx = await minedAs(story, channel, one, two);
      if (tx === undefined) throw new RangeError(`nothing to mine: ${one}`);
      return [extend(story, [tx])];
    }
    default:
      return undefined;
  }
};

export const askConnect = (node: NodeId, { raw, hash }: Block): Request<"chainConnect"> => ({
  node,
  hash,
  parts: 0,
  bytes: raw,
});

/** The next block, not yet shown. */
export const upcoming = ({ blocks }: ChainStory): Block => mine(last(blocks, genesis));
