/** What is said in the clear before a session, and what binds it to the session. docs/device-protocol.md has the bytes. */

import type { CoderType } from "micro-packed";
import { concat } from "../bytes.ts";
import { choice, fixed, packedFields, u8, u32, unpack, type Values } from "../codec.ts";
import { broadcast, type Frame } from "../frame.ts";
import { sha256 } from "../hash.ts";
import { invalid } from "../malformed.ts";

/** Of frames, handshakes and pieces; what travels inside has a version of its own in the operation `hello`. */
export const linkVersion = 1;

/** The longest that either side may offer: what the largest request of the table takes. */
export const maxLinkMessage = 4 * 1024 * 1024;
/** Enough for a commitment with 483 HTLCs and its page. */
export const usualMessage = 256 * 1024;

const same = <T>(value: T): T => value;
const nonce = (unit: string) => fixed(unit, 8, same);
const version = (unit: string) => u8(unit, same);

const longest = (unit: string) =>
  u32(unit, (n) => {
    if (n < 1 || n > maxLinkMessage) throw invalid(`not between 1 and ${maxLinkMessage}: ${n}`);
    return n;
  });

/** Bits of `capabilities`; the others are zero, and ignored. */
export const capabilities = { asksPerson: 1 } as const;

export const initFields = {
  nonce: nonce("chosen for this init alone"),
  purpose: choice("Purpose", ["pair", "session"]),
  lowest: version("oldest version of the link that the signer speaks"),
  highest: version("newest"),
  capabilities: u32("bits", same),
  maxMessage: longest("bytes of the longest answer that the signer takes"),
  /** The device may know several signers. Zero where they are to be paired. */
  signer: fixed("first bytes of the SHA-256 of the signer's static key", 8, same),
};
export type Init = Values<typeof initFields>;

export const helloFields = {
  answers: nonce("that of the init"),
  nonce: nonce("chosen for this hello alone"),
  channel: u32("the session's", (n) => {
    if (n === broadcast) throw invalid("the broadcast channel is nobody's");
    return n;
  }),
  version: version("the one of the session"),
  capabilities: u32("bits", same),
  maxMessage: longest("bytes of the longest request that the device takes"),
  inFlight: u8("requests that may wait for an answer", (n) => {
    if (n === 0) throw invalid("none at all");
    return n;
  }),
};
export type Hello = Values<typeof helloFields>;

/**
 * - version: none in common. - unpaired: this signer's key is not known. - pairing: nobody asked the device to pair.
 * - channel: not one of mine, or no longer. - handshake: did not come out. - session: a frame was missing or forged.
 */
export const complaints = ["version", "unpaired", "pairing", "channel", "handshake", "session"] as const;
export type Complaint = (typeof complaints)[number];

export const errorFields = {
  complaint: choice("Complaint", complaints),
  answers: nonce("that of the init that is answered, else zero"),
};
export type ErrorBody = Values<typeof errorFields>;

const coderOf = <F extends Parameters<typeof packedFields>[0]>(fields: F): CoderType<Values<F>> =>
  packedFields(fields);
const initCoder = coderOf(initFields);
const helloCoder = coderOf(helloFields);
const errorCoder = coderOf(errorFields);

export const encodeInit = (init: Init): Uint8Array => initCoder.encode(init);
export const decodeInit = (bytes: Uint8Array): Init => unpack(initCoder, bytes);
export const encodeHello = (hello: Hello): Uint8Array => helloCoder.encode(hello);
export const decodeHello = (bytes: Uint8Array): Hello => unpack(helloCoder, bytes);
export const encodeError = (error: ErrorBody): Uint8Array => errorCoder.encode(error);
export const decodeError = (bytes: Uint8Array): ErrorBody => unpack(errorCoder, bytes);

const label = new TextEncoder().encode("countersign link");

/** Both bodies as they were sent: who changed a version, a capability, a limit or the channel gets no session. */
export const prologueOf = (init: Uint8Array, hello: Uint8Array): Uint8Array => concat(label, init, hello);

export const signerTag = (key: Uint8Array): Uint8Array => sha256(key).subarray(0, 8);

const control = (type: Frame["type"], payload: Uint8Array, channel = broadcast): Frame => ({
  channel,
  type,
  sequence: 0,
  payload,
});
export const initFrame = (init: Uint8Array): Frame => control("init", init);
export const helloFrame = (hello: Uint8Array): Frame => control("hello", hello);
export const errorFrame = (complaint: Complaint, channel: number, answers = new Uint8Array(8)): Frame =>
  control("error", encodeError({ complaint, answers }), channel);
export const handshakeFrame = (channel: number, sequence: number, payload: Uint8Array): Frame => ({
  channel,
  type: "handshake",
  sequence,
  payload,
});
