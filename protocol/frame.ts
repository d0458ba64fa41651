/**
 * Frames: what travels between a signer and a device, on every carrier the same bytes. docs/device-protocol.md has them
 * field by field.
 */

import { crc32 } from "node:zlib";
import { Malformed } from "./malformed.ts";

/**
 * - init: a signer asks for a channel. - hello: the device gives one.
 * - handshake: a message of Noise. - data: what was sealed under a session.
 * - error: what the device can say without a session; nobody vouches for it.
 *
 * The top bit is set, so that on HID a frame's first report differs from those that go on with it.
 */
export const frameTypes = { init: 0x81, hello: 0x82, handshake: 0x83, data: 0x84, error: 0x85 } as const;
export type FrameType = keyof typeof frameTypes;
const typeOf = new Map<number, FrameType>(
  Object.entries(frameTypes).map(([name, number]) => [number, name as FrameType]),
);

export interface Frame {
  readonly channel: number;
  readonly type: FrameType;
  /** Of a handshake the message's place, of data the nonce under which it is sealed; else 0. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Where no channel was given out yet. */
export const broadcast = 0xffff_ffff;

export const headerLength = 13;
export const crcLength = 4;
/** Small enough for a microcontroller to hold two of them; longer messages travel in several. */
export const maxPayload = 4096;
export const maxFrame = headerLength + maxPayload + crcLength;

/** Over the first eleven bytes, so that a damaged length is not waited for. */
const headerCheck = (bytes: Uint8Array): number => crc32(bytes.subarray(0, 11)) & 0xffff;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const encodeFrame = ({ channel, type, sequence, payload }: Frame): Uint8Array => {
  if (payload.length > maxPayload) throw new RangeError(`${payload.length} bytes are too many for a frame`);
  const bytes = new Uint8Array(headerLength + payload.length + crcLength);
  const view = viewOf(bytes);
  view.setUint32(0, channel);
  view.setUint8(4, frameTypes[type]);
  view.setUint32(5, sequence);
  view.setUint16(9, payload.length);
  view.setUint16(11, headerCheck(bytes));
  bytes.set(payload, headerLength);
  const end = headerLength + payload.length;
  view.setUint32(end, crc32(bytes.subarray(0, end)));
  return bytes;
};

/**
 * - header: no frame begins here. - crc: one did, and was damaged. - length: bytes are missing, or too many.
 * - stuffing: zeros where none can be. - report: not a whole one. - order: a report that does not go on with the last.
 */
export type Damage = "header" | "crc" | "length" | "stuffing" | "report" | "order";

/** How long the frame is that begins with these bytes, of which there are 13 or more; undefined if none does. */
export const frameLength = (bytes: Uint8Array): number | undefined => {
  const view = viewOf(bytes);
  const length = view.getUint16(9);
  const isHeader =
    length <= maxPayload && typeOf.has(view.getUint8(4)) && view.getUint16(11) === headerCheck(bytes);
  return isHeader ? headerLength + length + crcLength : undefined;
};

/** Of bytes that are exactly one frame; the payload is a copy. */
export const frameOf = (bytes: Uint8Array): Frame | Damage => {
  if (bytes.length < headerLength + crcLength) return "length";
  const length = frameLength(bytes);
  if (length === undefined) return "header";
  if (length !== bytes.length) return "length";
  const view = viewOf(bytes);
  const end = length - crcLength;
  if (view.getUint32(end) !== crc32(bytes.subarray(0, end))) return "crc";
  const type = typeOf.get(view.getUint8(4));
  if (type === undefined) return "header";
  return {
    channel: view.getUint32(0),
    type,
    sequence: view.getUint32(5),
    payload: bytes.slice(headerLength, end),
  };
};

/** The same for those who throw. */
export const decodeFrame = (bytes: Uint8Array): Frame => {
  const frame = frameOf(bytes);
  if (typeof frame === "string") throw new Malformed("frame", frame);
  return frame;
};

export type Received =
  | { readonly is: "frame"; readonly frame: Frame }
  /** Bytes that were thrown away, once for each run of them. */
  | { readonly is: "damage"; readonly damage: Damage };

/** Bytes in, frames or damage out. Whatever comes, it never throws and never holds more than one frame. */
export interface Deframer {
  push(bytes: Uint8Array): readonly Received[];
}

/** How frames lie on one kind of transport. */
export interface Carrier {
  readonly name: "serial" | "hid" | "bulk";
  /**
   * What to hand to the transport, one `send` each. Before an init and a hello goes what ends a frame that was left
   * unfinished: by a process that died, or by a byte that was lost.
   */
  encode(frame: Frame): readonly Uint8Array[];
  deframer(): Deframer;
}

/** Both begin something new. */
export const isOpening = ({ type }: Frame): boolean => type === "init" || type === "hello";

export const receivedOf = (frame: Frame | Damage): Received =>
  typeof frame === "string" ? { is: "damage", damage: frame } : { is: "frame", frame };
