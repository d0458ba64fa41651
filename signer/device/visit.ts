/**
 * From a cable to an open core: the device is unlocked by a person, gets its records back, and takes the step again that
 * was cut off.
 */

import { concat, equal } from "../../protocol/bytes.ts";
import {
  type CoreAnswer,
  type CoreRequest,
  decodeCoreAnswer,
  encodeCoreRequest,
  pagesAtOnce,
} from "../../protocol/device/core.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  encodeDeviceRequest,
  forCore,
  forDevice,
  otherVersion,
} from "../../protocol/device/requests.ts";
import type { AskOptions, Link } from "../../protocol/link.ts";
import { within } from "../../protocol/malformed.ts";
import type { Network, Tier } from "../../protocol/operations/fields.ts";
import type { NodeId } from "../../protocol/units.ts";
import type { Absence } from "./away.ts";
import type { Shelf } from "./shelf.ts";

export interface Kept {
  readonly name: string;
  /** Undefined while it is still to be found out. */
  readonly node: NodeId | undefined;
  readonly network: Network;
  readonly tier: Tier;
  readonly index: number;
  readonly passphrase: boolean;
}

/** The device said that it is not what was expected; another try may find it so. */
export class NotOpen extends Error {
  override readonly name = "NotOpen";
  readonly why: Absence;
  readonly waitMs: number;

  constructor(why: Absence, sentence: string, waitMs = 0) {
    super(sentence);
    this.why = why;
    this.waitMs = waitMs;
  }
}

/** It broke, and stays broken until somebody starts it again. */
export class DeviceBroken extends Error {
  override readonly name = "DeviceBroken";
}

export const manage = async (
  link: Link,
  request: DeviceRequest,
  options?: AskOptions,
): Promise<DeviceAnswer> => {
  const bytes = concat(Uint8Array.of(forDevice), encodeDeviceRequest(request));
  const answer = (await link.ask(bytes, options)).subarray(1);
  const other = otherVersion(answer);
  if (other !== undefined) throw new NotOpen("other-version", other);
  return within("device", () => decodeDeviceAnswer(answer));
};

export const askCore = async (
  link: Link,
  request: CoreRequest,
  options?: AskOptions,
): Promise<CoreAnswer> => {
  const answer = await link.ask(concat(Uint8Array.of(forCore), encodeCoreRequest(request)), options);
  const body = answer.subarray(1);
  if (answer[0] === forCore) return within("device", () => decodeCoreAnswer(body));
  const about = within("device", () => decodeDeviceAnswer(body));
  switch (about.is) {
    case "refused":
      throw new NotOpen("locked", `the device says: ${about.why}`);
    case "malformed":
      throw new DeviceBroken(`the device can't read this signer: ${about.path}: ${about.reason}`);
    case "fault":
      throw new DeviceBroken(about.sentence);
    case "info":
    case "done":
      throw new DeviceBroken("the device answers something else than what it was asked");
  }
};

const unlock = async (link: Link, passphrase: boolean): Promise<void> => {
  const about = await manage(link, { is: "info" });
  if (about.is === "fault") throw new DeviceBroken(about.sentence);
  if (about.is !== "info") throw new DeviceBroken("the device does not say how it stands");
  const { stage } = about.info;
  if (stage === "unprovisioned" || stage === "seedless")
    throw new NotOpen("seedless", "the device has no seed");
  if (stage === "unlocked") return;
  const answer = await manage(link, { is: "unlock", passphrase });
  switch (answer.is) {
    case "done":
      return;
    case "refused":
      throw new NotOpen(answer.why === "busy" ? "busy" : "locked", `unlocking: ${answer.why}`, answer.waitMs);
    case "fault":
      throw new DeviceBroken(answer.sentence);
    case "malformed":
      throw new DeviceBroken(`the device can't read this signer: ${answer.reason}`);
    case "info":
      throw new DeviceBroken("the device answers something else than what it was asked");
  }
};

const lengthOf = (pages: readonly Uint8Array[]): number =>
  1 + encodeCoreRequest({ is: "load", pages }).length;
/** What stands before all pages of a message, and before each. */
const head = lengthOf([]);
const each = lengthOf([new Uint8Array(0)]) - head;

/** As many as fit into a message of this length. */
const batches = (pages: readonly Uint8Array[], longest: number): readonly (readonly Uint8Array[])[] => {
  const all: Uint8Array[][] = [];
  let room = 0;
  for (const page of pages) {
    const size = each + page.length;
    if (size > room) {
      all.push([]);
      room = longest - head;
    }
    if (size > room)
      throw new NotOpen(
        "records",
        `a record of ${page.length} bytes is longer than this device takes: ${longest} bytes in a message`,
      );
    all.at(-1)?.push(page);
    room -= size;
  }
  return all;
};

/** Who said no is not asked again at once. */
const afterNoMs = 20_000;

const refusedBy = (answer: CoreAnswer): Error => {
  if (answer.is === "fault") return new DeviceBroken(answer.fault.sentence);
  if (answer.is !== "refused")
    return new DeviceBroken("the device answers something else than what it was asked");
  switch (answer.why) {
    case "network":
      return new NotOpen("wrong-device", "it keeps a node of another network, tier or index");
    case "tier":
      return new NotOpen("wrong-device", "it keeps nodes whose host tells everything (tier full) alone");
    case "denied":
      return new NotOpen("busy", "the person at the device said no", afterNoMs);
    case "busy":
      return new NotOpen("busy", "the person at the device: busy");
    case "clock":
      return new NotOpen("clock", "another time than it can be there");
    case "order":
      return new NotOpen("opening", "it was started again");
    case "page-forged":
    case "pages-old":
    case "pages-ahead":
    case "pages-missing":
    case "page-differs":
    case "behind":
    case "room":
    case "unknown":
    case "unsigned":
      return new NotOpen("records", answer.why);
  }
};

export interface Opened {
  readonly node: NodeId;
  /** Of its records: 0 on a device that never kept any. */
  readonly step: bigint;
  /** The signer's store, as far as it was when the device last heard of it. */
  readonly witness: bigint;
}

export interface Met extends Opened {
  readonly isOpen: boolean;
}

const openAt = async (link: Link, kept: Kept, now: number, options?: AskOptions): Promise<Met> => {
  const { network, tier, index } = kept;
  const opened = await askCore(link, { is: "open", network, tier, index, now: BigInt(now) }, options);
  if (opened.is !== "opened") throw refusedBy(opened);
  if (kept.node !== undefined && !equal(opened.node, kept.node))
    throw new NotOpen("wrong-device", "its seed leads to another node");
  return opened;
};

/** Without its records: who it is. `now`: seconds since 1970. */
export const meet = async (link: Link, kept: Kept, now: number): Promise<Met> => {
  await unlock(link, kept.passphrase);
  return openAt(link, kept, now);
};

/** No old time stands on the screen; and where the clock was set right meanwhile, nobody has to come and answer. */
const openNow = async (link: Link, { kept, now, freshMs }: Visit): Promise<Met> => {
  await unlock(link, kept.passphrase);
  for (;;) {
    const stale = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await openAt(link, kept, now(), {
        signal: stale.signal,
        onWaiting: (waits) => {
          if (waits === "person") timer ??= setTimeout(() => stale.abort(), freshMs);
        },
      });
    } catch (error) {
      if (!stale.signal.aborted || error !== stale.signal.reason) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
};

export interface Visit {
  readonly kept: Kept;
  readonly shelf: Shelf;
  /** Commits of the signer's store. */
  readonly witness: () => number;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** For so long a time may wait for its person. */
  readonly freshMs: number;
}

/** The last step was taken and its answer lost: whatever the device is asked next, it must be this again. */
const settle = async (link: Link, shelf: Shelf): Promise<void> => {
  const pending = shelf.pending();
  if (pending === undefined)
    throw new NotOpen("records", "it took a step that this signer does not remember");
  const again = await askCore(link, { is: "judge", step: shelf.step(), ...pending });
  if (!("pages" in again)) throw refusedBy(again);
  // Whoever asked then asks again: what matters is that both know the same.
  await shelf.keep(again);
};

export const visit = async (link: Link, parts: Visit): Promise<Opened> => {
  const { shelf, witness } = parts;
  const opened = await openNow(link, parts);
  const own = BigInt(witness());
  if (opened.witness > own)
    throw new NotOpen(
      "records",
      `this signer's store was put back: the device has seen commit ${opened.witness}, and it ends at ${own}`,
    );
  if (!opened.isOpen) {
    const longest = Math.min(pagesAtOnce, link.longest() ?? pagesAtOnce);
    for (const pages of batches(shelf.pages(), longest)) {
      const loaded = await askCore(link, { is: "load", pages });
      if (loaded.is !== "done") throw refusedBy(loaded);
    }
    const begun = await askCore(link, { is: "begin" });
    if (begun.is !== "begun") throw refusedBy(begun);
  }
  // Also where it has been open all the time: nothing else may be asked before, or what it was would be forgotten.
  if (opened.step !== shelf.step()) await settle(link, shelf);
  return opened;
};
