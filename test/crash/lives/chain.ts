/** A chain that grows and is reorganised while it is shown. What was acknowledged of it is there after every kill. */

import { encodeHeader, type Header } from "../../../protocol/bitcoin/header.ts";
import { decodeTx } from "../../../protocol/bitcoin/tx.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { partLength } from "../../../protocol/operations/chain.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import { type Height, type Script, sat, type Txid } from "../../../protocol/units.ts";
import { type Block, genesis, type MadeTx, mine, proofOf, spending } from "../../scripted/chain.ts";
import { random } from "../../scripted/random.ts";
import { type Life, type Move, move, type World } from "../life.ts";

interface At {
  readonly height: Height;
  readonly hash: Uint8Array;
  readonly header: Header;
}

export interface Chain {
  readonly label: string;
  readonly round: number;
  /** Seconds since 1970 of the first block. */
  readonly from: number;
  /** The last few, so that some can be taken back. */
  readonly blocks: readonly At[];
  /** What was published and may still be taken back; mined where it has a height. */
  readonly pending: readonly { readonly raw: Uint8Array; readonly height?: Height }[];
}

const kept = 6;
/** No branch is taken back that is longer. */
const longest = 3;
/** HTLCs of these tests expire above it. */
const highest = 250;

const parentOf = ({ height, hash, header }: At): Block => ({
  ...{ height, hash, header },
  ...{ txs: [], txids: [], raw: new Uint8Array(0) },
});

const next = ({ from }: Chain, parent: At, tag: number, txs: readonly MadeTx[] = []): Block => {
  const time = parent.height === 0 ? from : parent.header.time + 1;
  return mine(parentOf(parent), txs, { tag, header: { time } });
};

const isOpenAfter =
  (parent: Pick<At, "height">) =>
  ({ height }: Chain["pending"][number]): boolean =>
    height === undefined || height > parent.height;

/** The first block has all that is published and not in the blocks before. */
const branch = (state: Chain, parent: At, length: number): readonly Block[] => {
  const txs = state.pending.filter(isOpenAfter(parent)).map(({ raw }) => decodeTx(raw));
  const blocks: Block[] = [];
  for (let i = 0; i < length; i++)
    blocks.push(next(state, blocks.at(-1) ?? parent, 1 + (state.round % 900), i === 0 ? txs : []));
  return blocks;
};

/** More than what travels at once. */
const bulky = (round: number): MadeTx => {
  const script = new Uint8Array(partLength / 2 + 1_000).fill(0x51) as Script;
  const txid = new Uint8Array(32).fill(1 + (round % 200)) as Txid;
  const output = { value: sat(1_000n), script };
  return spending([{ txid, index: 0 }], { outputs: [output, output] });
};

/** What one round takes back, and what it puts in its place. */
interface Plan {
  readonly how: "headers" | "proof" | "whole" | "parts";
  readonly back: readonly At[];
  readonly on: readonly Block[];
}

const planOf = (state: Chain): Plan => {
  const { blocks, round, label } = state;
  const tip = blocks.at(-1) as At;
  if (round === 0) return { how: "headers", back: [], on: branch(state, tip, 12) };
  if (round === 1) return { how: "proof", back: [], on: branch(state, tip, 1) };
  if (round === 2) return { how: "whole", back: [], on: branch(state, tip, 6) };
  const dice = random(`${label} ${round}`);
  const isBusy = state.pending.length > 0;
  if (dice.int(12) === 0 && tip.height < highest && !isBusy)
    return { how: "parts", back: [], on: [next(state, tip, 1, [bulky(round)])] };
  const grows = isBusy || (tip.height < highest && dice.int(3) === 0);
  const depth = isBusy ? dice.int(1 + longest) : grows ? 0 : 1 + dice.int(longest);
  const parent = blocks.at(-1 - depth) as At;
  return {
    how: "whole",
    back: blocks.slice(blocks.length - depth).toReversed(),
    on: branch(state, parent, depth + (grows ? 1 + dice.int(2) : 0)),
  };
};

const tipAmong =
  (allowed: readonly At[]) =>
  ({ height, hash }: Reply<"chainTip">): string | undefined =>
    allowed.some((one) => equal(one.hash, hash))
      ? undefined
      : `the chain stands at ${height}, ${toHex(hash).slice(0, 16)}, which was never acknowledged`;

const shows = (node: World["node"], { how, on }: Plan): readonly Move[] => {
  const [first] = on;
  switch (how) {
    case "headers":
      return [move("chainHeaders", { node, headers: on.map(({ header }) => encodeHeader(header)) })];
    case "proof": {
      const { header, coinbase, coinbaseSiblings } = proofOf(first as Block, []);
      return [move("chainProof", { node, header, coinbase, coinbaseSiblings, txs: [] })];
    }
    case "whole":
      return on.map(({ hash, raw }) => move("chainConnect", { node, hash, parts: 0, bytes: raw }));
    case "parts": {
      const { hash, raw } = first as Block;
      return [
        move("chainPart", { node, hash, index: 0, bytes: raw.slice(0, partLength) }),
        move("chainConnect", { node, hash, parts: 1, bytes: raw.slice(partLength) }),
      ];
    }
  }
};

export const isFollowed = ({ round }: Chain): boolean => round > 2;

/** What no branch can take back any more. */
export const deepIn = ({ pending, blocks }: Chain): readonly Uint8Array[] => {
  const tip = blocks.at(-1) as At;
  return pending.flatMap(({ raw, height }) =>
    height !== undefined && tip.height - height >= longest ? [raw] : [],
  );
};

export const hears = (state: Chain, published: readonly Uint8Array[]): Chain => ({
  ...state,
  pending: published.map((raw) => state.pending.find((one) => equal(one.raw, raw)) ?? { raw }),
});

export const chain: Life<Chain> = {
  begin: (label) => {
    const { height, hash, header } = genesis;
    const from = Math.floor(Date.now() / 1000) - 3_600;
    return { label, round: 0, from, blocks: [{ height, hash, header }], pending: [] };
  },
  moves: ({ node }, state) => {
    const plan = planOf(state);
    const { blocks } = state;
    // Of this batch as much may have happened as its answers were lost.
    const allowed = [...blocks.slice(-1 - plan.back.length), ...plan.on];
    const end = [plan.on.at(-1) as Block];
    return [
      move("chainTip", { node }, tipAmong(allowed)),
      ...plan.back.map(({ hash }) => move("chainDisconnect", { node, hash })),
      ...shows(node, plan),
      move("chainTip", { node }, tipAmong(end)),
      move("chainWatches", { node, from: 0 }),
      move("heartbeat", { node }, ({ followed }) => (followed ? undefined : "no chain is followed")),
    ];
  },
  after: (state) => {
    const { back, on } = planOf(state);
    const stays = state.blocks.slice(0, state.blocks.length - back.length);
    const blocks = [...stays, ...on.map(({ height, hash, header }) => ({ height, hash, header }))];
    const isOpen = isOpenAfter(stays.at(-1) as At);
    const [{ height }] = on as readonly [Block];
    const pending = state.pending.map((one) => (isOpen(one) ? { ...one, height } : one));
    return { ...state, round: state.round + 1, blocks: blocks.slice(-kept), pending };
  },
};
