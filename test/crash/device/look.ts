/**
 * The device's flash and the signer's store as a crash would leave them at this moment, held against each other, against
 * what they were before, and against what a host heard. Read from the files alone, with both processes stopped.
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { memoryMedium, openFlash } from "../../../firmware-sim/flash.ts";
import { openJournal } from "../../../firmware-sim/journal.ts";
import { rootIn } from "../../../firmware-sim/ledger.ts";
import { decodeStanding, type Standing, standingOf } from "../../../firmware-sim/standing.ts";
import { emptyTree } from "../../../firmware-sim/tree.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import { unpackChannel } from "../../../signer/core/records.ts";
import { unpackDesk } from "../../../signer/device/shelf.ts";
import { blocks } from "./orders.ts";
import type { Heard } from "./told.ts";

export interface LookOptions {
  readonly dir: string;
  readonly store: string;
  readonly flash: string;
  readonly device: Uint8Array;
  readonly node: Uint8Array;
  readonly heard: ReadonlyMap<bigint, Heard>;
}

interface Kept {
  readonly version: bigint;
  readonly records: ReadonlyMap<string, Uint8Array>;
}

const numbers = ["holder", "counterparty", "revealed", "revoked"] as const;

/** A copy, because its owner holds the file; what is in the log beside it counts. */
const keptIn = (dir: string, store: string): Kept => {
  mkdirSync(dir, { recursive: true });
  const copy = join(dir, "store.sqlite");
  for (const end of ["", "-wal"]) {
    rmSync(`${copy}${end}`, { force: true });
    if (existsSync(`${store}${end}`)) copyFileSync(`${store}${end}`, `${copy}${end}`);
  }
  const db = new DatabaseSync(copy);
  try {
    const rows = db.prepare("SELECT key, bytes FROM record").all();
    const version = db.prepare("SELECT version FROM store").get()?.["version"];
    return {
      version: BigInt(version as number),
      records: new Map(rows.map((row) => [String(row["key"]), row["bytes"] as Uint8Array])),
    };
  } finally {
    db.close();
  }
};

const under = (records: Kept["records"], prefix: string): readonly (readonly [string, Uint8Array])[] =>
  [...records].flatMap(([key, bytes]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), bytes]] : []));

interface Flash {
  readonly root: ReturnType<typeof rootIn>;
  readonly standings: ReadonlyMap<bigint, Standing>;
}

/** As the next start would find it. */
const flashIn = (path: string): Flash => {
  const medium = memoryMedium(blocks, Uint8Array.from(readFileSync(path)));
  const journal = openJournal(openFlash({ medium, int: () => 0 }));
  const standings = journal.entries("channel").map(([id, bytes]) => [id, decodeStanding(bytes)] as const);
  return { root: rootIn(journal), standings: new Map(standings) };
};

const lowest = ({ broadcast }: Standing): bigint | undefined => (isKnown(broadcast) ? broadcast : undefined);

/** Each call is one look, and gives what is wrong. */
export const openLook = ({ dir, store, flash, device, node, heard }: LookOptions) => {
  let before: Flash | undefined;

  const shelf = (root: Flash["root"], { records, version }: Kept): readonly string[] => {
    const place = `00${toHex(device)}/`;
    const desk = records.get(`${place}desk`);
    const { step, pending } = desk === undefined ? { step: 0n, pending: undefined } : unpackDesk(desk);
    const leaves = under(records, `${place}page/`).map(([key, page]) => [key, sha256(page)] as const);
    const own = emptyTree.with(new Map(leaves)).root;
    const wrong: string[] = [];
    if (root.witness > version)
      wrong.push(`the device has seen commit ${root.witness}, and the store ends at ${version}`);
    if (root.step !== step && root.step !== step + 1n)
      wrong.push(`the device is at step ${root.step}, and the shelf at ${step}`);
    else if (!equal(own, root.step === step ? root.root : root.before))
      wrong.push(`the pages of step ${step} are not those of the device, which is at ${root.step}`);
    else if (root.step !== step && (pending === undefined || !isKnown(pending)))
      wrong.push(`nobody remembers what the device was asked for step ${root.step}`);
    return wrong;
  };

  const channelsIn = ({ records }: Kept): ReadonlyMap<bigint, Uint8Array> =>
    new Map(under(records, `${toHex(node)}/channel/`).map(([id, bytes]) => [BigInt(id), bytes]));

  /** By the signer, whose record comes first. */
  const isForgotten = (kept: Kept, id: bigint): boolean => {
    const record = channelsIn(kept).get(id);
    return record !== undefined && unpackChannel(record).phase === "forgotten";
  };

  /** Both have been there: neither a start nor a cut takes a device back. */
  const goneBack = (now: Flash, kept: Kept): readonly string[] => {
    if (before === undefined) return [];
    const wrong: string[] = [];
    if (now.root.step < before.root.step)
      wrong.push(`the device went back from step ${before.root.step} to ${now.root.step}`);
    for (const [id, was] of before.standings) {
      const is = now.standings.get(id);
      if (is === undefined) {
        if (!isForgotten(kept, id)) wrong.push(`the device forgot channel ${id}`);
      } else if (numbers.some((name) => is[name] < was[name]) || isHigher(lowest(is), lowest(was)))
        wrong.push(`the device went back in channel ${id}`);
    }
    return wrong;
  };

  const isHigher = (is: bigint | undefined, was: bigint | undefined): boolean =>
    was !== undefined && (is === undefined || is > was);

  /** The signer's own record first, then the device's flash, and only then an answer. */
  const inOrder = ({ standings }: Flash, kept: Kept): readonly string[] => {
    const wrong: string[] = [];
    const own = channelsIn(kept);
    for (const [id, is] of standings) {
      const record = own.get(id);
      const signers = record === undefined ? undefined : standingOf(unpackChannel(record));
      if (signers === undefined) {
        // Forgotten by the signer, and kept by a device that nobody has told so.
        if (record === undefined) wrong.push(`the device knows channel ${id}, and the signer never did`);
        continue;
      }
      if (numbers.some((name) => is[name] > signers[name]) || isHigher(lowest(signers), lowest(is)))
        wrong.push(`the device is further than the signer in channel ${id}`);
    }
    for (const [id, told] of heard) {
      const is = standings.get(id);
      if (is === undefined && isForgotten(kept, id)) continue;
      const isBehind = (name: (typeof numbers)[number]): boolean => (is?.[name] ?? 0n) < told[name];
      if (numbers.some(isBehind) || isHigher(is === undefined ? undefined : lowest(is), told.broadcast))
        wrong.push(`a host heard more of channel ${id} than is in the device's flash`);
    }
    return wrong;
  };

  return (): readonly string[] => {
    const kept = keptIn(dir, store);
    let now: Flash;
    try {
      now = flashIn(flash);
    } catch (error) {
      return [`the device's flash can't be read: ${(error as Error).message}`];
    }
    const wrong = [...shelf(now.root, kept), ...goneBack(now, kept), ...inOrder(now, kept)];
    before = now;
    return wrong;
  };
};
