/**
 * Serial lines: each frame stuffed (Consistent Overhead Byte Stuffing, Cheshire and Baker 1999) so that it has no zero,
 * and a zero behind it. One damaged byte costs one frame, or two where it was the zero.
 */

import { concat } from "../bytes.ts";
import {
  type Carrier,
  type Deframer,
  encodeFrame,
  frameOf,
  isOpening,
  maxFrame,
  type Received,
  receivedOf,
} from "../frame.ts";
import { invalid } from "../malformed.ts";

const group = 254;

export const encodeCobs = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(bytes.length + Math.floor(bytes.length / group) + 1);
  let head = 0;
  let at = 1;
  let code = 1;
  const close = (): void => {
    out[head] = code;
    head = at++;
    code = 1;
  };
  bytes.forEach((byte, i) => {
    if (byte !== 0) {
      out[at++] = byte;
      code++;
    }
    if (byte === 0 || (code === group + 1 && i + 1 < bytes.length)) close();
  });
  out[head] = code;
  return out.subarray(0, at);
};

/** Of bytes without a zero; undefined where they are none that `encodeCobs` makes. */
const unstuffed = (bytes: Uint8Array): Uint8Array | undefined => {
  if (bytes.length === 0 || bytes.includes(0)) return undefined;
  const out = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at] as number;
    const next = at + code;
    if (next > bytes.length) return undefined;
    out.set(bytes.subarray(at + 1, next), length);
    length += code - 1;
    // A full group hides no zero, and there is none behind the last.
    if (code <= group && next < bytes.length) length++;
    // An empty group behind a full last one says nothing: the same bytes in a second way.
    if (code > group && next === bytes.length - 1 && bytes[next] === 1) return undefined;
    at = next;
  }
  return out.subarray(0, length);
};

export const decodeCobs = (bytes: Uint8Array): Uint8Array => {
  const plain = unstuffed(bytes);
  if (plain === undefined) throw invalid("not stuffed as it should be");
  return plain;
};

const longest = maxFrame + Math.floor(maxFrame / group) + 1;

const deframer = (): Deframer => {
  const held = new Uint8Array(longest);
  let length = 0;
  let isTooLong = false;
  const take = (bytes: Uint8Array): void => {
    if (length + bytes.length > longest) isTooLong = true;
    else {
      held.set(bytes, length);
      length += bytes.length;
    }
  };
  const end = (): Received | undefined => {
    const [wasTooLong, was] = [isTooLong, length];
    isTooLong = false;
    length = 0;
    if (wasTooLong) return receivedOf("length");
    if (was === 0) return undefined;
    const plain = unstuffed(held.subarray(0, was));
    return receivedOf(plain === undefined ? "stuffing" : frameOf(plain));
  };
  return {
    push: (bytes) => {
      const received: Received[] = [];
      for (let at = 0; ; ) {
        const zero = bytes.indexOf(0, at);
        take(bytes.subarray(at, zero < 0 ? bytes.length : zero));
        if (zero < 0) return received;
        const one = end();
        if (one !== undefined) received.push(one);
        at = zero + 1;
      }
    },
  };
};

const delimiter = Uint8Array.of(0);

export const serialCarrier: Carrier = {
  name: "serial",
  encode: (frame) => {
    const stuffed = concat(encodeCobs(encodeFrame(frame)), delimiter);
    return [isOpening(frame) ? concat(delimiter, stuffed) : stuffed];
  },
  deframer,
};
