/**
 * The chain of an honest node: a signer of its own that is shown every block, channels whose transactions are mined,
 * and a clock that only goes on. What it takes there is finished and held against the rules of consensus.
 */

import { witnessSignature } from "../../protocol/bitcoin/der.ts";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { sighash } from "../../protocol/bitcoin/sighash.ts";
import { encodeTx } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import type { Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { commitmentNumber, type Preimage, type Signature } from "../../protocol/units.ts";
import type { Policy } from "../../signer/core/policy.ts";
import { type Block, type MadeTx, mine } from "../scripted/chain.ts";
import { ask, keysendOf, preimageOf, remove } from "../scripted/channel.ts";
import { type Balances, contentOf } from "../scripted/content.ts";
import {
  connect,
  type Fed,
  type FedChannel,
  feed,
  pointAt,
  spacing,
  step,
  tipOf,
  unmine,
} from "../scripted/fed.ts";
import { type Random, random } from "../scripted/random.ts";
import { plainTime, type Rig } from "../scripted/road.ts";
import {
  type Coin,
  placeAt,
  published,
  spending,
  toClosing,
  toWallet,
  verdicts,
  walletCoin,
  witnessesOf,
} from "../scripted/spends.ts";
import { verdict } from "../unit/bolt-spend-interpreter.ts";
import { type Published, publishedBy } from "../unit/chain-channel.ts";
import { Refused, type World } from "./world.ts";

export interface Shore {
  readonly world: World;
  readonly dice: Random;
  readonly fed: Fed;
  /** Seconds since 1970. */
  clock: number;
  /** Names nothing twice, and tells blocks on the same parent apart. */
  count: number;
}

/** Where no refusal passes unseen, and none at all of a block. */
const counted = (world: World, rig: Rig): Rig => {
  const outcome = async <N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>> => {
    const told = await world.putOn(rig, name, body);
    if (told.is === "reply") return told;
    const refused = { is: "refusal", refusal: told.refusal } as const;
    if (name.startsWith("chain")) throw new Refused(ask(name, body), refused, rig.faults);
    return refused;
  };
  return {
    ...rig,
    outcome,
    call: async (name, body) => {
      const told = await outcome(name, body);
      if (told.is === "reply") return told.reply;
      throw new Refused(ask(name, body), told as Outcome<Name>, rig.faults);
    },
    restart: async (changes) => {
      world.counts.restarts += 1;
      return counted(world, await rig.restart(changes));
    },
  };
};

export const openShore = async (world: World, policy: Partial<Policy> = {}): Promise<Shore> => {
  const dice = random(world.label("shore"));
  let shore: Shore | undefined;
  const time = (): number => shore?.clock ?? plainTime;
  const fed = await feed({ proposes: false, tier: world.tier, policy, time });
  fed.rig = counted(world, fed.rig);
  fed.restarts = dice.int(3) === 0;
  shore = { world, dice, fed, clock: plainTime, count: 0 };
  await pass(shore, 1);
  return shore;
};

export const heightOf = ({ fed }: Shore): number => tipOf(fed).height;

/** A block with these, on the tip; not shown yet. */
export const nextBlock = (shore: Shore, txs: readonly MadeTx[] = []): Block => {
  shore.clock += spacing;
  shore.count += 1;
  return mine(tipOf(shore.fed), txs, { tag: shore.count, header: { time: shore.clock } });
};

export const show = async ({ fed }: Shore, block: Block): Promise<void> => {
  fed.blocks = [...fed.blocks, block];
  await connect(fed, block);
};

/** Each list is a block on the tip. */
export const mineIn = async (shore: Shore, ...contents: readonly (readonly MadeTx[])[]): Promise<void> => {
  for (const txs of contents) await show(shore, nextBlock(shore, txs));
};

export const pass = (shore: Shore, blocks: number): Promise<void> =>
  mineIn(shore, ...Array.from({ length: Math.max(0, blocks) }, () => []));

export const passTo = (shore: Shore, height: number): Promise<void> => pass(shore, height - heightOf(shore));

/** What the last blocks have beside their coinbases. */
export const lastBlocks = ({ fed }: Shore, depth: number): readonly (readonly MadeTx[])[] =>
  fed.blocks.slice(-depth).map(({ txs }) => txs.slice(1));

/** The last blocks are taken back, and what they had is mined again, a little later. */
export const reorganise = async (shore: Shore, most: number): Promise<void> => {
  const depth = Math.min(most, shore.fed.blocks.length - 1);
  const lost = lastBlocks(shore, depth);
  await unmine(shore.fed, depth);
  await pass(shore, shore.dice.int(depth + 1));
  await mineIn(shore, ...lost, []);
};

export const restart = async ({ fed }: Shore): Promise<void> => {
  fed.rig = await fed.rig.restart();
};

export const nameIn = (shore: Shore, what: string): string => {
  shore.count += 1;
  return `${what} ${shore.count}`;
};

/** What a person or a block may keep waiting: asked with each block, until it passes. */
export async function* eventually<N extends Name>(
  shore: Shore,
  name: N,
  body: Request<N>,
): AsyncGenerator<undefined, Reply<N>, undefined> {
  for (;;) {
    const told = await shore.fed.rig.outcome(name, body);
    if (told.is === "reply") return told.reply;
    yield;
    await pass(shore, 1);
  }
}

/** Answered now: nothing on the chain is in the way. */
export const propose = async ({ fed }: Shore, htlc: Pick<Htlc, "hash" | "amount">): Promise<void> => {
  const { standing } = await fed.rig.call("proposePayment", keysendOf(fed.rig.session.node, htlc));
  if (standing !== "approved") throw new Error(`a payment is ${standing}`);
};

/** Given up, or taken with the preimage of `label`. */
export const settle = (
  { fed }: Shore,
  channel: FedChannel,
  htlc: Htlc,
  preimage: Preimage | undefined,
): Promise<void> =>
  step(
    fed,
    channel,
    remove(channel.balances, htlc, preimage === undefined ? "fail" : "fulfil"),
    preimage === undefined ? [] : [preimage],
  );

export interface Closing {
  readonly owner: Side;
  readonly channel: FedChannel;
  readonly tx: MadeTx;
  /** What we can take of it. */
  readonly coins: Readonly<Record<string, Coin>>;
  /** What the other side can. */
  readonly peers: Published;
}

export interface ClosingOptions {
  readonly number?: bigint;
  readonly balances?: Balances;
  /** Of the HTLCs that are in it. */
  readonly labels?: ReadonlyMap<string, Htlc>;
  readonly revoked?: boolean;
}

const empty = new Uint8Array(0);

/** Both signatures, in the order of the keys in the funding script (BOLT 3, "Funding Transaction Output"). */
const signedByBoth = (
  channel: FedChannel,
  { tx, witnesses: _ }: MadeTx,
  ours: Signature,
  theirs: Signature,
): MadeTx => {
  const { holder, counterparty, terms } = channel.shared;
  const [mine, other] = [ours, theirs].map((one) => witnessSignature(one, sighash.all)) as [
    Uint8Array,
    Uint8Array,
  ];
  const first = Buffer.compare(holder.funding, counterparty.funding) < 0;
  const script = fundingScript(holder.funding, counterparty.funding);
  const witness = [empty, ...(first ? [mine, other] : [other, mine]), script];
  const spent = [{ value: terms.value, script: p2wsh(script) }];
  const bad = verdict({ tx, index: 0, spent, witness });
  if (bad !== undefined) throw new Error(`a commitment that is not valid: ${bad}`);
  return { tx, witnesses: [witness] };
};

/** A commitment of either side as it is broadcast: ours is signed, theirs they sign themselves. */
export const closing = async (
  { fed }: Shore,
  channel: FedChannel,
  owner: Side,
  options: ClosingOptions = {},
): Promise<Closing> => {
  const { balances = channel.balances, labels = new Map(), revoked = false } = options;
  const number = options.number ?? channel.number - 1n;
  const { shared, peer, node } = channel;
  const n = commitmentNumber(number);
  const point = owner === "holder" ? await pointAt(fed, channel, number) : peer.point(n);
  const content = contentOf(shared.terms, owner, n, balances);
  const peers = publishedBy(shared, owner, point, content);
  const common = { opened: channel, peer, owner, number, balances, point, labels, revoked };
  const { coins } = published({ ...common, preimage: preimageOf });
  if (owner === "counterparty") return { owner, channel, tx: peers.tx, coins, peers };
  const { signature } = await fed.rig.call("signHolderCommitment", {
    ...{ node, channel: channel.channel, funding: shared.funding, number: n },
    txid: peers.commitment.txid,
  });
  const theirs = peer.countersign(shared, point, content).signature;
  return { owner, channel, tx: signedByBoth(channel, peers.tx, signature, theirs), coins, peers };
};

export interface ClaimOptions {
  /** Per 1000 weight. */
  readonly rate?: bigint;
  readonly channel?: FedChannel;
}

/** As hosts estimate a witness: signatures of 73 bytes, and whatever else the script may ask for. */
const witnessWeight = ({ plan }: Coin): number =>
  73 + 40 + (plan?.witnessScript?.length ?? 33) + (plan?.countersigned === undefined ? 0 : 73);

const staged = ({ stage }: Coin): boolean => stage !== undefined;

/** HTLC transactions of ours first, for their outputs lie beside their inputs. Undefined where nothing would be left. */
export const claim = async (
  { fed, dice }: Shore,
  coins: readonly Coin[],
  { rate = 1_000n, channel }: ClaimOptions = {},
): Promise<MadeTx | undefined> => {
  const { node } = fed.rig.session;
  const ordered = coins.toSorted((a, b) => Number(staged(b)) - Number(staged(a)));
  const free = ordered.filter((coin) => !staged(coin)).reduce((sum, { value }) => sum + value, 0n);
  const payOf = (value: bigint) =>
    channel !== undefined && dice.int(2) === 0
      ? toClosing(value, channel)
      : toWallet(fed.rig, value, placeAt(dice.int(20), dice.int(2)));
  const draft = spending(node, ordered, free === 0n ? [] : [await payOf(free)]);
  const weight = coins.reduce((sum, coin) => sum + witnessWeight(coin), 4 * encodeTx(draft.tx).length);
  const left = free - (BigInt(weight) * rate) / 1000n;
  if (free > 0n && left < 1_000n) return undefined;
  const built = spending(node, ordered, free === 0n ? [] : [await payOf(left)]);
  const reply = await fed.rig.call("spend", built.body);
  const bad = verdicts(built, reply).filter((one) => one !== undefined);
  if (bad.length > 0) throw new Error(`a claim that is not valid: ${bad.join()}`);
  return { tx: built.tx, witnesses: witnessesOf(built, reply).map((one) => one ?? []) };
};

/** A coin of ours that pays for others. */
export const feeCoin = (shore: Shore, value = 200_000n): Promise<Coin> =>
  walletCoin(shore.fed.rig, value, {
    label: nameIn(shore, "fee"),
    place: placeAt(shore.dice.int(20)),
    proven: shore.dice.int(2) === 0,
  });

const rates = [253n, 400n, 1_000n, 2_500n, 6_000n, 15_000n, 60_000n] as const;

/** The same claim again and again, for more each time; hours and blocks go by. The last that was worth it. */
export async function* bumped(
  shore: Shore,
  taken: () => readonly Coin[],
  channel?: FedChannel,
): AsyncGenerator<undefined, MadeTx, undefined> {
  const { dice } = shore;
  let best: MadeTx | undefined;
  const from = dice.int(2);
  for (const rate of rates.slice(from, from + 2 + dice.int(5))) {
    best = (await claim(shore, taken(), { rate, ...(channel === undefined ? {} : { channel }) })) ?? best;
    if (dice.int(4) === 0) shore.clock += dice.pick([600, 3_600, 5 * 3_600]);
    if (dice.int(3) === 0) await pass(shore, 1 + dice.int(3));
    if (dice.int(8) === 0) await restart(shore);
    yield;
  }
  if (best === undefined) throw new Error("a claim that is worth nothing");
  return best;
}
