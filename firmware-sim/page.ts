/** A record as the signer keeps it for the device: sealed under a key of the device, and bound to its place and time. */

import { concat } from "../protocol/bytes.ts";
import { blob, fixed, packedFields, u8, u64, unpack, type Values } from "../protocol/codec.ts";
import { mostContent, pageKey } from "../protocol/device/core.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import type { Secret } from "../protocol/secret.ts";
import { deriveSecret, nonceLength, seal, tagLength, unseal } from "./seal.ts";

const head = {
  format: u8("version of the format", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this firmware`);
    return n;
  }),
  /** In which it was sealed. */
  step: u64("steps of the records", (n) => {
    if (n === 0n) throw invalid("steps begin at 1");
    return n;
  }),
  /** Of the record: one more each time it was written. */
  version: u64("version of the record", (n) => n),
  key: pageKey,
} as const;
const headCoder = packedFields(head);

const whole = packedFields({
  ...head,
  nonce: fixed("nonce", nonceLength, (raw) => raw),
  sealed: blob("sealed content", mostContent + tagLength, (raw) => {
    if (raw.length < tagLength) throw invalid("shorter than its tag");
    return raw;
  }),
});

export interface PageHead {
  readonly step: bigint;
  readonly version: bigint;
  readonly key: string;
}
export type SealedPage = Values<typeof head> & {
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
};

export const encodePage = (page: SealedPage): Uint8Array => whole.encode(page);
export const decodePage = (bytes: Uint8Array): SealedPage => unpack(whole, bytes);

const aboutOf = ({ step, version, key }: PageHead): Uint8Array =>
  headCoder.encode({ format: 1, step, version, key });

/** The same content gets the same bytes, and no nonce serves two contents. */
export const sealPage = (key: Secret, about: PageHead, content: Uint8Array): Uint8Array => {
  if (content.length > mostContent) throw new RangeError("more than a page holds");
  const bound = aboutOf(about);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bound.length);
  const chosen = deriveSecret(key, "page nonce", concat(length, bound, content));
  const nonce = chosen.use((raw) => raw.slice(0, nonceLength));
  chosen.wipe();
  const { step, version, key: place } = about;
  return encodePage({
    format: 1,
    step,
    version,
    key: place,
    nonce,
    sealed: seal(key, nonce, bound, content),
  });
};

/** Undefined where this key did not seal it. */
export const openPage = (key: Secret, page: SealedPage): Uint8Array | undefined => {
  try {
    return unseal(key, page.nonce, aboutOf(page), page.sealed);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
};
