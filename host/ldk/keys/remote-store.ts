/** What remote keys remember, in the node's own database: written inside its turns, so that it is as old as LDK's state. */

import type { DatabaseSync } from "node:sqlite";
import type { Basepoints } from "../../../protocol/bolt/channel.ts";
import { concat } from "../../../protocol/bytes.ts";
import { list, message, u32, unpack, type ValueOf } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import { htlc, htlcs, maxHtlcs, number, point, sat } from "../../../protocol/operations/fields.ts";
import { packRequest, type Request, unpackRequest } from "../../../protocol/operations/index.ts";
import {
  type ChannelId,
  type CommitmentNumber,
  channelId,
  commitmentNumber,
  type Point,
  type Preimage,
  point as pointOf,
  preimage as preimageOf,
  type Script,
  script as scriptOf,
} from "../../../protocol/units.ts";

/** A commitment of the counterparty that was signed: what a claim on it, or its punishment, has to say. */
const theirCommitment = message("TheirCommitment", {
  number,
  point,
  /** Of its delayed output; 0 where there is none. */
  delayed: sat,
  /** Those with an output, by its index. */
  htlcs: list(message("PlacedHtlc", { index: u32("output", (n) => n), htlc }), maxHtlcs),
});
export type TheirCommitment = ValueOf<typeof theirCommitment>;

export interface StoredChannel {
  readonly id: ChannelId;
  readonly basepoints: Basepoints;
  readonly closingScript: Script;
  readonly taken: boolean;
  readonly setup: Request<"setup"> | undefined;
  /** Of the holder's last commitment. */
  readonly holder: CommitmentNumber;
}

export interface RemoteStore {
  channels(): readonly StoredChannel[];
  addChannel(channel: Pick<StoredChannel, "id" | "basepoints" | "closingScript">): void;
  take(id: ChannelId): void;
  /** LDK has no more use for it, and the signer has not forgotten it yet. */
  over(): readonly ChannelId[];
  setOver(id: ChannelId): void;
  /** All but its keys' public half: an old output may still be swept. */
  forget(id: ChannelId): void;
  setUp(request: Request<"setup">): void;
  advance(id: ChannelId, holder: CommitmentNumber): void;
  /** HTLCs without an output in the counterparty's commitment. */
  trimmed(id: ChannelId, txid: Uint8Array): readonly Htlc[] | undefined;
  setTrimmed(id: ChannelId, number: CommitmentNumber, txid: Uint8Array, trimmed: readonly Htlc[]): void;
  /** Commitments of ours that wait for the update that lists what they trimmed. */
  held(): readonly Request<"validateHolderCommitment">[];
  hold(request: Request<"validateHolderCommitment">): void;
  release(request: Request<"validateHolderCommitment">): void;
  theirs(id: ChannelId, txid: Uint8Array): TheirCommitment | undefined;
  theirsAt(id: ChannelId, point: Point): CommitmentNumber | undefined;
  setTheirs(id: ChannelId, txid: Uint8Array, commitment: TheirCommitment): void;
  /** Of HTLCs that are pending somewhere still. */
  preimages(id: ChannelId): readonly Preimage[];
  addPreimage(id: ChannelId, preimage: Preimage): void;
  dropPreimage(id: ChannelId, preimage: Preimage): void;
  /** The next index of the wallet. */
  nextPlace(): number;
  setNextPlace(next: number): void;
}

const schema = `
CREATE TABLE IF NOT EXISTS remote_channel (
  id INTEGER PRIMARY KEY, basepoints BLOB NOT NULL, closing BLOB NOT NULL, taken INTEGER NOT NULL, setup BLOB, holder INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS remote_trimmed (
  channel INTEGER NOT NULL, txid BLOB NOT NULL, number INTEGER NOT NULL, htlcs BLOB NOT NULL, PRIMARY KEY (channel, txid)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote_held (
  channel INTEGER NOT NULL, number INTEGER NOT NULL, request BLOB NOT NULL, PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote_theirs (
  channel INTEGER NOT NULL, txid BLOB NOT NULL, point BLOB NOT NULL, content BLOB NOT NULL, PRIMARY KEY (channel, txid)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS remote_theirs_point ON remote_theirs (channel, point);
CREATE TABLE IF NOT EXISTS remote_preimage (
  channel INTEGER NOT NULL, preimage BLOB NOT NULL, PRIMARY KEY (channel, preimage)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote_wallet (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL) STRICT;
`;

const order = ["funding", "revocation", "payment", "delayed", "htlc"] as const;

const packBasepoints = (points: Basepoints): Uint8Array => concat(...order.map((name) => points[name]));
const basepointsOf = (bytes: Uint8Array): Basepoints => {
  if (bytes.length !== 33 * order.length) throw new Malformed("basepoints", `${bytes.length} bytes`);
  const at = (i: number): Point => pointOf(bytes.slice(33 * i, 33 * (i + 1)));
  return { funding: at(0), revocation: at(1), payment: at(2), delayed: at(3), htlc: at(4) };
};

const blobOf = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new TypeError("the node's file has no bytes where they belong");
  return Uint8Array.from(value);
};

const bodyOf = <N extends "setup" | "validateHolderCommitment">(name: N, bytes: unknown): Request<N> => {
  const request = unpackRequest(blobOf(bytes));
  if (request.name !== name) throw new Malformed("operation", `${request.name} where ${name} belongs`);
  return request.body as Request<N>;
};

/** In the column `taken`, which is 0 in the pool and 1 from then on. */
const isOver = 2;

/** Commitments of which an answer may still be asked for. */
const remembered = 4n;

export const openRemoteStore = (database: DatabaseSync): RemoteStore => {
  database.exec(schema);
  const all = database.prepare("SELECT * FROM remote_channel ORDER BY id");
  const add = database.prepare("INSERT OR IGNORE INTO remote_channel VALUES (?, ?, ?, 0, NULL, 0)");
  const take = database.prepare("UPDATE remote_channel SET taken = 1 WHERE id = ?");
  const over = database.prepare(`SELECT id FROM remote_channel WHERE taken = ${isOver}`);
  const setOver = database.prepare(`UPDATE remote_channel SET taken = ${isOver} WHERE id = ?`);
  const forget = [
    "UPDATE remote_channel SET taken = 1, setup = NULL WHERE id = ?",
    ...["trimmed", "held", "theirs", "preimage"].map((of) => `DELETE FROM remote_${of} WHERE channel = ?`),
  ].map((sql) => database.prepare(sql));
  const setUp = database.prepare("UPDATE remote_channel SET setup = ? WHERE id = ?");
  const advance = database.prepare("UPDATE remote_channel SET holder = ? WHERE id = ?");
  const trimmed = database.prepare("SELECT htlcs FROM remote_trimmed WHERE channel = ? AND txid = ?");
  const setTrimmed = database.prepare("INSERT OR REPLACE INTO remote_trimmed VALUES (?, ?, ?, ?)");
  const forgetTrimmed = database.prepare("DELETE FROM remote_trimmed WHERE channel = ? AND number < ?");
  const held = database.prepare("SELECT request FROM remote_held ORDER BY channel, number");
  const hold = database.prepare("INSERT OR REPLACE INTO remote_held VALUES (?, ?, ?)");
  const release = database.prepare("DELETE FROM remote_held WHERE channel = ? AND number = ?");
  const theirs = database.prepare("SELECT content FROM remote_theirs WHERE channel = ? AND txid = ?");
  const theirsAt = database.prepare("SELECT content FROM remote_theirs WHERE channel = ? AND point = ?");
  const setTheirs = database.prepare(
    // Once more with each look at whether it is signed by now: no change then.
    "INSERT INTO remote_theirs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET point = excluded.point, content = excluded.content WHERE content <> excluded.content OR point <> excluded.point",
  );
  const preimages = database.prepare("SELECT preimage FROM remote_preimage WHERE channel = ?");
  const addPreimage = database.prepare("INSERT OR IGNORE INTO remote_preimage VALUES (?, ?)");
  const dropPreimage = database.prepare("DELETE FROM remote_preimage WHERE channel = ? AND preimage = ?");
  const next = database.prepare("SELECT next FROM remote_wallet");
  const setNext = database.prepare("INSERT OR REPLACE INTO remote_wallet VALUES (1, ?)");
  const read = (row: Record<string, unknown> | undefined): TheirCommitment | undefined =>
    row === undefined ? undefined : unpack(theirCommitment.packed, blobOf(row["content"]));
  return {
    channels: () =>
      all.all().map((row) => ({
        id: channelId(BigInt(row["id"] as number)),
        basepoints: basepointsOf(blobOf(row["basepoints"])),
        closingScript: scriptOf(blobOf(row["closing"])),
        taken: row["taken"] !== 0,
        setup: row["setup"] === null ? undefined : bodyOf("setup", row["setup"]),
        holder: commitmentNumber(BigInt(row["holder"] as number)),
      })),
    addChannel: ({ id, basepoints, closingScript }) =>
      void add.run(id, packBasepoints(basepoints), closingScript),
    take: (id) => void take.run(id),
    over: () => over.all().map((row) => channelId(BigInt(row["id"] as number))),
    setOver: (id) => void setOver.run(id),
    forget: (id) => {
      for (const statement of forget) statement.run(id);
    },
    setUp: (request) => void setUp.run(packRequest("setup", request), request.channel),
    advance: (id, holder) => void advance.run(holder, id),
    trimmed: (id, txid) => {
      const row = trimmed.get(id, txid);
      return row === undefined ? undefined : unpack(htlcs.packed, blobOf(row["htlcs"]));
    },
    setTrimmed: (id, at, txid, small) => {
      setTrimmed.run(id, txid, at, htlcs.packed.encode(small));
      forgetTrimmed.run(id, at - remembered);
    },
    held: () => held.all().map((row) => bodyOf("validateHolderCommitment", row["request"])),
    hold: (request) =>
      void hold.run(request.channel, request.number, packRequest("validateHolderCommitment", request)),
    release: ({ channel, number }) => void release.run(channel, number),
    theirs: (id, txid) => read(theirs.get(id, txid)),
    theirsAt: (id, at) => read(theirsAt.get(id, at))?.number,
    setTheirs: (id, txid, commitment) =>
      void setTheirs.run(id, txid, commitment.point, theirCommitment.packed.encode(commitment)),
    preimages: (id) => preimages.all(id).map((row) => preimageOf(blobOf(row["preimage"]))),
    addPreimage: (id, one) => void addPreimage.run(id, one),
    dropPreimage: (id, one) => void dropPreimage.run(id, one),
    nextPlace: () => Number(next.get()?.["next"] ?? 0),
    setNextPlace: (to) => void setNext.run(to),
  };
};
