/**
 * Streams without marks, such as bulk endpoints and sockets: frames end to end. Where bytes are no header, or what follows
 * one is damaged, reading goes on one byte further, so that a lost byte costs what it was part of and no more.
 */

import {
  type Carrier,
  type Damage,
  type Deframer,
  encodeFrame,
  frameLength,
  frameOf,
  headerLength,
  isOpening,
  maxFrame,
  type Received,
  receivedOf,
} from "../frame.ts";

const deframer = (): Deframer => {
  const held = new Uint8Array(2 * maxFrame);
  let length = 0;
  let isLost = false;

  /** From the bytes held what is complete; the rest moves to the front. */
  const drain = (received: Received[]): void => {
    let at = 0;
    const skip = (damage: Damage): void => {
      if (!isLost) received.push(receivedOf(damage));
      isLost = true;
      at++;
    };
    while (length - at >= headerLength) {
      const size = frameLength(held.subarray(at, length));
      if (size === undefined) skip("header");
      else if (size > length - at) break;
      else {
        const frame = frameOf(held.subarray(at, at + size));
        if (typeof frame === "string") skip(frame);
        else {
          isLost = false;
          received.push(receivedOf(frame));
          at += size;
        }
      }
    }
    held.copyWithin(0, at, length);
    length -= at;
  };

  return {
    push: (bytes) => {
      const received: Received[] = [];
      // What is left after draining is less than a frame, so there is always room.
      for (let at = 0; at < bytes.length; ) {
        const taken = bytes.subarray(at, at + held.length - length);
        held.set(taken, length);
        length += taken.length;
        at += taken.length;
        drain(received);
      }
      return received;
    },
  };
};

/** However long the unfinished frame is, this ends it; no frame begins with a zero type. */
const filler = new Uint8Array(maxFrame);

export const bulkCarrier: Carrier = {
  name: "bulk",
  encode: (frame) => [...(isOpening(frame) ? [filler] : []), encodeFrame(frame)],
  deframer,
};
