/** Every channel's public half, here in LDK's thread: keys drawn in advance, points ahead of their use, terms from the handshake. */

import { toHex } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import {
  type ChannelId,
  type CommitmentNumber,
  channelId,
  commitmentNumber,
  type NodeId,
  type Outpoint,
  type Point,
  type Preimage,
} from "../../../protocol/units.ts";
import type { SignerLine } from "../bridge/line.ts";
import { answerOf } from "./remote-answers.ts";
import type { RemoteStore, StoredChannel } from "./remote-store.ts";

/** One channel, shared by all signer objects that LDK makes of it. */
export interface RemoteChannel extends Pick<StoredChannel, "id" | "basepoints" | "closingScript"> {
  readonly keysId: Uint8Array;
  setup: Request<"setup"> | undefined;
  /** Of the holder's last commitment that LDK has taken. */
  holder: CommitmentNumber;
  readonly points: Map<CommitmentNumber, Point>;
  /** Of HTLCs that were fulfilled; LDK names a preimage once for each side. */
  readonly preimages: Map<string, Preimage>;
  readonly held: Map<CommitmentNumber, Request<"validateHolderCommitment">>;
}

export interface RemoteChannels {
  /** Draws the next one; LDK's keys id has the signer's channel id in it. */
  draw(): RemoteChannel;
  /** What was drawn last: LDK asks for its closing script without saying whose. */
  lastDrawn(): RemoteChannel;
  of(keysId: Uint8Array): RemoteChannel;
  all(): Iterable<RemoteChannel>;
  funded(outpoint: Outpoint): RemoteChannel | undefined;
  fix(channel: RemoteChannel, setup: Request<"setup">): void;
  /** The signer has forgotten it. */
  forgotten(id: ChannelId): void;
  point(channel: RemoteChannel, number: CommitmentNumber): Point;
  /** From the answer to a revocation. */
  learn(channel: ChannelId, number: CommitmentNumber, points: readonly Point[]): void;
  advance(channel: RemoteChannel, number: CommitmentNumber): void;
  trimmed(channel: RemoteChannel, txid: Uint8Array): readonly Htlc[] | undefined;
  /** Fills the pool and the points: between turns. */
  prepare(): Promise<void>;
  /** The same, as far as it has run low; nobody waits for it. */
  topUp(): void;
}

export interface ChannelsParts {
  readonly node: NodeId;
  readonly line: SignerLine;
  readonly store: RemoteStore;
  /** Channels drawn in advance. */
  readonly pool?: number;
}

/** Points fetched at once, and how many must be left before more are. */
const ahead = 16n;
const low = 6n;
const lastNumber = (1n << 48n) - 1n;

/** As `KeysManager` numbers its channels: the counter stands in the last eight bytes. */
const keysIdOf = (id: ChannelId): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setBigUint64(24, id);
  return bytes;
};

const nameOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;

export const openChannels = ({ node, line, store, pool = 8 }: ChannelsParts): RemoteChannels => {
  const byId = new Map<ChannelId, RemoteChannel>();
  const byFunding = new Map<string, RemoteChannel>();
  const free: RemoteChannel[] = [];
  let drawn: RemoteChannel | undefined;
  const fetching = new Set<ChannelId>();
  let drawing = false;

  const know = ({ id, basepoints, closingScript, setup, holder }: Omit<StoredChannel, "taken">) => {
    const channel: RemoteChannel = {
      ...{ id, basepoints, closingScript, setup, holder },
      keysId: keysIdOf(id),
      points: new Map(),
      preimages: new Map(),
      held: new Map(),
    };
    byId.set(id, channel);
    if (setup !== undefined) byFunding.set(nameOf(setup.funding), channel);
    return channel;
  };

  for (const stored of store.channels()) {
    const channel = know(stored);
    if (!stored.taken) free.push(channel);
  }
  for (const { id, preimages } of byId.values())
    for (const one of store.preimages(id)) preimages.set(toHex(sha256(one)), one);
  for (const request of store.held()) byId.get(request.channel)?.held.set(request.number, request);

  const put = (channel: RemoteChannel, from: bigint, points: readonly Point[]): void => {
    points.forEach((point, i) => void channel.points.set(commitmentNumber(from + BigInt(i)), point));
  };

  const add = ({ channel: id, basepoints, points, closingScript }: Reply<"new">): RemoteChannel => {
    const stored = { id, basepoints, closingScript };
    store.addChannel(stored);
    const channel = know({ ...stored, setup: undefined, holder: commitmentNumber(0n) });
    put(channel, 0n, points);
    free.push(channel);
    return channel;
  };

  const range = (from: bigint): readonly CommitmentNumber[] =>
    Array.from({ length: Number(ahead) }, (_, i) => from + BigInt(i))
      .filter((n) => n <= lastNumber)
      .map(commitmentNumber);

  const ask = (channel: RemoteChannel, from: bigint): Request<"points"> => ({
    node,
    channel: channel.id,
    numbers: range(from),
  });

  /** At a reconnection LDK asks for the point before the last one, and takes no "not yet". */
  const startOf = ({ holder }: RemoteChannel): bigint => (holder < 2n ? 0n : holder - 2n);

  const fetch = async (channel: RemoteChannel, from: bigint): Promise<void> => {
    if (fetching.has(channel.id)) return;
    fetching.add(channel.id);
    try {
      const outcome = await line.ask("points", ask(channel, from));
      if (outcome.is === "reply") put(channel, from, outcome.reply.points);
    } finally {
      fetching.delete(channel.id);
    }
  };

  const draw = async (count: number): Promise<void> => {
    drawing = true;
    try {
      for (let i = 0; i < count; i++) add(answerOf("new", await line.ask("new", { node, wanted: unknown })));
    } finally {
      drawing = false;
    }
  };

  const prune = ({ points, holder }: RemoteChannel): void => {
    for (const number of points.keys()) if (number + ahead < holder) points.delete(number);
  };

  return {
    draw: () => {
      const channel = free.shift() ?? add(answerOf("new", line.wait("new", { node, wanted: unknown })));
      const at = free.indexOf(channel);
      if (at >= 0) free.splice(at, 1);
      store.take(channel.id);
      drawn = channel;
      return channel;
    },
    lastDrawn: () => {
      if (drawn === undefined) throw new Error("no channel was drawn yet");
      return drawn;
    },
    of: (keysId) => {
      const id = new DataView(keysId.buffer, keysId.byteOffset, keysId.length).getBigUint64(24);
      const channel = byId.get(channelId(id));
      if (channel === undefined) throw new Error(`no channel ${id} was drawn from the signer`);
      return channel;
    },
    all: () => byId.values(),
    funded: (outpoint) => byFunding.get(nameOf(outpoint)),
    fix: (channel, setup) => {
      channel.setup = setup;
      byFunding.set(nameOf(setup.funding), channel);
      store.setUp(setup);
    },
    forgotten: (id) => {
      const channel = byId.get(id);
      if (channel?.setup === undefined) return;
      byFunding.delete(nameOf(channel.setup.funding));
      channel.setup = undefined;
      channel.points.clear();
      channel.preimages.clear();
      channel.held.clear();
    },
    point: (channel, number) => {
      const known = channel.points.get(number);
      if (known !== undefined) return known;
      const reply = answerOf("points", line.wait("points", ask(channel, number)));
      put(channel, number, reply.points);
      const [point] = reply.points;
      if (point === undefined) throw new Error(`the signer has no point ${number}`);
      return point;
    },
    learn: (id, number, points) => {
      const channel = byId.get(id);
      if (channel !== undefined) put(channel, number, points);
    },
    advance: (channel, number) => {
      if (number <= channel.holder) return;
      channel.holder = number;
      store.advance(channel.id, number);
      prune(channel);
    },
    trimmed: (channel, txid) => store.trimmed(channel.id, txid),
    prepare: async () => {
      await draw(Math.max(0, pool - free.length));
      const cold = [...byId.values()].filter((one) => !one.points.has(commitmentNumber(startOf(one))));
      await Promise.all(cold.map((channel) => fetch(channel, startOf(channel))));
    },
    topUp: () => {
      if (!drawing && free.length * 2 < pool) void draw(pool - free.length).catch(() => undefined);
      for (const channel of byId.values()) {
        if (channel.setup === undefined) continue;
        const { holder, points } = channel;
        if (!points.has(commitmentNumber(holder + low))) void fetch(channel, holder).catch(() => undefined);
      }
    },
  };
};
