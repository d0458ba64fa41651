/**
 * What the device knows of channels without keeping it: the signer keeps each channel's record as a page sealed under a
 * key of the device, and brings it with the request. The device keeps a standing of some 80 bytes, in which every page
 * but the last is recognised as old. A page leaves only when its standing is in flash, so of each version there is one.
 */

import { concat, equal } from "../protocol/bytes.ts";
import { fixed, maybe, message, u8, u64, unknown, unpack, type ValueOf } from "../protocol/codec.ts";
import { sha256 } from "../protocol/hash.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import type { Secret } from "../protocol/secret.ts";
import { type ChannelId, channelId, commitmentNumber } from "../protocol/units.ts";
import type { Journal, Place } from "./journal.ts";
import { deriveSecret, nonceLength, seal, tagLength, unseal } from "./seal.ts";

export const mostContent = 32_768;
const layout = 1;
const headLength = 1 + 8 + 8;

const format = u8("version of the format", (n) => {
  if (n !== layout) throw invalid(`${n} is not known to this firmware`);
  return n;
});

/** How far a channel has come. None of it ever goes back. */
const numbers = {
  /** Validated for the holder, and signed for the counterparty: the numbers below. */
  holder: u64("commitment number", commitmentNumber),
  counterparty: u64("commitment number", commitmentNumber),
  /** Secrets that left, and that came: the numbers below. */
  revealed: u64("commitment number", commitmentNumber),
  revoked: u64("commitment number", commitmentNumber),
  /** Signed for the chain: of this number and later ones no secret leaves. */
  broadcast: maybe(u64("commitment number", commitmentNumber)),
};
const numbersMessage = message("ChannelNumbers", numbers);
export type ChannelNumbers = ValueOf<typeof numbersMessage>;

const standing = message("ChannelStanding", {
  format,
  version: u64("version of its last page", (n) => n),
  hash: fixed("of its last page", 32, (raw) => raw),
  ...numbers,
});
export type Standing = ValueOf<typeof standing>;

export const encodeStanding = (value: Standing): Uint8Array => standing.packed.encode(value);
export const decodeStanding = (bytes: Uint8Array): Standing => unpack(standing.packed, bytes);

/** As it travels, and as the signer keeps it. */
export interface SealedPage {
  readonly channel: ChannelId;
  readonly version: bigint;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

const headOf = (channel: ChannelId, version: bigint): Uint8Array => {
  const bytes = new Uint8Array(headLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, layout);
  view.setBigUint64(1, channel);
  view.setBigUint64(9, version);
  return bytes;
};

export const encodePage = ({ channel, version, nonce, sealed }: SealedPage): Uint8Array =>
  concat(headOf(channel, version), nonce, sealed);

export const decodePage = (bytes: Uint8Array): SealedPage => {
  if (bytes.length < headLength + nonceLength + tagLength) throw invalid("shorter than a page");
  if (bytes.length > headLength + nonceLength + tagLength + mostContent) throw invalid("longer than a page");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint8(0) !== layout) throw invalid("of a format that is not known");
  const version = view.getBigUint64(9);
  if (version === 0n) throw invalid("versions begin at 1");
  return {
    channel: channelId(view.getBigUint64(1)),
    version,
    nonce: bytes.slice(headLength, headLength + nonceLength),
    sealed: bytes.slice(headLength + nonceLength),
  };
};

/** The same content gets the same bytes, and no nonce serves two contents. */
const sealedPage = (key: Secret, channel: ChannelId, version: bigint, content: Uint8Array): Uint8Array => {
  const head = headOf(channel, version);
  const chosen = deriveSecret(key, "page nonce", head, content);
  const nonce = chosen.use((raw) => raw.slice(0, nonceLength));
  return encodePage({ channel, version, nonce, sealed: seal(key, nonce, head, content) });
};

/**
 * - page-forged: this device did not seal it. - page-other-channel: it did, for another one. - page-rollback: it was
 * followed by others. - page-ahead: it follows the last that this device remembers, whose flash was put back.
 * - page-unknown: there is no such channel here. - page-missing: there is, and no page came. - page-differs: a step
 * that was taken is asked for again, with another outcome. - numbers-back: a step back.
 */
export type PageRefusal =
  | "page-forged"
  | "page-other-channel"
  | "page-rollback"
  | "page-ahead"
  | "page-unknown"
  | "page-missing"
  | "page-differs"
  | "numbers-back";

interface Refused {
  readonly is: "refused";
  readonly why: PageRefusal;
}

export interface Taken {
  readonly is: "page";
  readonly channel: ChannelId;
  /** Nothing before the first page. */
  readonly content: Uint8Array | undefined;
  readonly version: bigint;
  /** The step from here was taken, and its answer may be lost: it can be taken again, with the same outcome. */
  readonly isRepeat: boolean;
  readonly numbers: ChannelNumbers | undefined;
}

export interface Pages {
  /** What a request brings of its channel; Malformed where that is no page. */
  take(channel: ChannelId, page: Uint8Array | undefined): Taken | Refused;
  /** The step from there: in flash when it returns, and only then may anything of it leave. */
  keep(
    from: Taken,
    numbers: ChannelNumbers,
    content: Uint8Array,
  ): { readonly is: "kept"; readonly page: Uint8Array; readonly counter: bigint } | Refused;
  /** Over every standing and the counter: a witness of this device's state. */
  root(): Uint8Array;
}

const refused = (why: PageRefusal): Refused => ({ is: "refused", why });

const goesBack = (before: ChannelNumbers, after: ChannelNumbers): boolean =>
  after.holder < before.holder ||
  after.counterparty < before.counterparty ||
  after.revealed < before.revealed ||
  after.revoked < before.revoked ||
  (before.broadcast !== unknown &&
    (after.broadcast === unknown || after.broadcast < before.broadcast || after.revealed > before.revealed));

const numberBytes = (n: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, n);
  return bytes;
};

/** A Merkle tree in the order of the ids; a leaf, a node and the root can't be taken for one another. */
export const rootOf = (
  standings: readonly (readonly [bigint, Uint8Array])[],
  counter: bigint,
): Uint8Array => {
  let level = standings.map(([id, bytes]) => sha256(concat(Uint8Array.of(0), numberBytes(id), bytes)));
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i], level[i + 1]];
      if (left !== undefined)
        next.push(right === undefined ? left : sha256(concat(Uint8Array.of(1), left, right)));
    }
    level = next;
  }
  const count = numberBytes(BigInt(standings.length));
  return sha256(concat(Uint8Array.of(2), numberBytes(counter), count, ...level));
};

export const openPages = ({ journal, key }: { readonly journal: Journal; readonly key: Secret }): Pages => {
  const placeOf = (channel: ChannelId): Place => `channel/${channel}`;

  const standingOf = (channel: ChannelId): Standing | undefined => {
    const bytes = journal.get(placeOf(channel));
    if (bytes === undefined) return undefined;
    try {
      return decodeStanding(bytes);
    } catch {
      // Of this device's own memory, and not of what the signer sent.
      throw new Error(`the standing of channel ${channel} can't be read`);
    }
  };

  const opened = (page: SealedPage): Uint8Array | undefined => {
    try {
      return unseal(key, page.nonce, headOf(page.channel, page.version), page.sealed);
    } catch (error) {
      if (error instanceof Malformed) return undefined;
      throw error;
    }
  };

  return {
    take: (channel, bytes) => {
      const known = standingOf(channel);
      if (bytes === undefined) {
        if (known === undefined || known.version === 1n)
          return {
            is: "page",
            channel,
            content: undefined,
            version: 0n,
            isRepeat: known !== undefined,
            numbers: undefined,
          };
        return refused("page-missing");
      }
      const page = decodePage(bytes);
      const content = opened(page);
      if (content === undefined) return refused("page-forged");
      if (page.channel !== channel) return refused("page-other-channel");
      if (known === undefined) return refused("page-unknown");
      const { format: _, version, hash, ...numbers } = known;
      if (page.version > version) return refused("page-ahead");
      if (page.version < version - 1n) return refused("page-rollback");
      const isRepeat = page.version < version;
      if (!isRepeat && !equal(sha256(bytes), hash)) return refused("page-forged");
      return { is: "page", channel, content, version: page.version, isRepeat, numbers };
    },
    keep: (from, numbers, content) => {
      if (content.length > mostContent) throw new RangeError("more than a page holds");
      const version = from.version + 1n;
      const page = sealedPage(key, from.channel, version, content);
      const hash = sha256(page);
      const known = standingOf(from.channel);
      if ((known?.version ?? 0n) !== (from.isRepeat ? version : from.version))
        throw new Error(`channel ${from.channel} took another step since its page was taken`);
      const next = encodeStanding({ format: layout, version, hash, ...numbers });
      if (from.isRepeat) {
        const before = journal.get(placeOf(from.channel));
        return before !== undefined && equal(before, next)
          ? { is: "kept", page, counter: journal.counter }
          : refused("page-differs");
      }
      if (known !== undefined && goesBack(known, numbers)) return refused("numbers-back");
      const counter = journal.commit(new Map([[placeOf(from.channel), next]]));
      return { is: "kept", page, counter };
    },
    root: () => rootOf(journal.entries("channel"), journal.counter),
  };
};
