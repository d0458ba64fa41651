/** What is between a finished handshake and pieces: one channel, sealed both ways. */

import type { Frame } from "../frame.ts";
import { Malformed } from "../malformed.ts";
import type { Split } from "../noise.ts";
import { decodePiece, encodePiece, type Piece } from "./piece.ts";

/** Frames of one direction under one key, so that a stolen key opens no more than these and what follows. */
export const rekeyEvery = 0x1_0000;
/** A frame has 32 bits for the nonce, and the last number is not used. */
export const maxFrames = 0xffff_ffff;

/**
 * - repeated: came before; nothing happened. - lost: a frame between is missing, so this session is over.
 * - forged: not what the other side sealed. - malformed: it was, and is no piece. Both end the session too.
 */
export type Opened =
  | { readonly is: "piece"; readonly piece: Piece }
  | { readonly is: "repeated" | "lost" | "forged" | "malformed" };

export interface Session {
  readonly channel: number;
  /** No frame can be sealed any more. */
  readonly isSpent: boolean;
  seal(piece: Piece): Frame;
  /** Of a data frame on this channel. A nonce is used once, in order: what is repeated or left out never opens. */
  open(frame: Frame): Opened;
  wipe(): void;
}

export const openedSession = (
  channel: number,
  { send, receive }: Split,
  { limit = maxFrames, every = rekeyEvery } = {},
): Session => ({
  channel,
  get isSpent() {
    return send.nonce >= BigInt(limit);
  },
  seal: (piece) => {
    const sequence = Number(send.nonce);
    if (sequence >= limit) throw new RangeError("this session has no nonces left");
    const payload = send.seal(encodePiece(piece));
    if ((sequence + 1) % every === 0) send.rekey();
    return { channel, type: "data", sequence, payload };
  },
  open: (frame) => {
    const expected = Number(receive.nonce);
    if (frame.sequence < expected) return { is: "repeated" };
    if (frame.sequence > expected || expected >= limit) return { is: "lost" };
    let plain: Uint8Array;
    try {
      plain = receive.open(frame.payload);
    } catch (error) {
      if (error instanceof Malformed) return { is: "forged" };
      throw error;
    }
    if ((expected + 1) % every === 0) receive.rekey();
    try {
      return { is: "piece", piece: decodePiece(plain) };
    } catch (error) {
      if (error instanceof Malformed) return { is: "malformed" };
      throw error;
    }
  },
  wipe: () => {
    send.wipe();
    receive.wipe();
  },
});
