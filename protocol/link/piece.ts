/** What is sealed in data frames: a table of kinds. Messages are longer than a frame and travel in pieces. */

import type { CoderType } from "micro-packed";
import { concat } from "../bytes.ts";
import { blob, bool, choice, fixed, packedFields, u32, unpack, type Values } from "../codec.ts";
import { maxPayload } from "../frame.ts";
import { invalid, within } from "../malformed.ts";
import { tagLength } from "../noise.ts";

const same = <T>(value: T): T => value;
const id = u32("the request's", (n) => {
  if (n === 0) throw invalid("0 is no id");
  return n;
});

/** Kind, id, total, offset and count stand before the bytes. */
const head = 1 + 4 + 4 + 4 + 2;
export const maxChunk = maxPayload - tagLength - head;

const part = {
  id,
  total: u32("bytes of the message", same),
  offset: u32("of these bytes in it", same),
  bytes: blob("some of them", maxChunk, same),
};
const words = fixed("", 32, same);

export const failureWhys = ["cancelled", "busy", "broken", "long"] as const;

export const pieceKinds = {
  request: { number: 1, fields: part },
  answer: { number: 2, fields: part },
  keepalive: { number: 3, fields: { id, waits: choice("Waits", ["work", "person"]) } },
  cancel: { number: 4, fields: { id } },
  /** In place of an answer. */
  failed: { number: 5, fields: { id, why: choice("FailedWhy", failureWhys) } },
  /** The session is over for whoever says so. */
  close: { number: 6, fields: {} },
  commit: { number: 17, fields: { commitment: words } },
  challenge: { number: 18, fields: { nonce: words } },
  reveal: { number: 19, fields: { nonce: words } },
  verdict: { number: 20, fields: { isSame: bool } },
  comparing: { number: 21, fields: {} },
} as const;

export type PieceKind = keyof typeof pieceKinds;
type Fields<K extends PieceKind> = (typeof pieceKinds)[K]["fields"];
export type Piece = { readonly [K in PieceKind]: { readonly kind: K } & Values<Fields<K>> }[PieceKind];
export type PartPiece = Extract<Piece, { kind: "request" | "answer" }>;

const kinds = new Map<number, { readonly kind: PieceKind; readonly coder: CoderType<object> }>(
  Object.entries(pieceKinds).map(([kind, { number, fields }]) => [
    number,
    { kind: kind as PieceKind, coder: packedFields(fields) as unknown as CoderType<object> },
  ]),
);

export const encodePiece = ({ kind, ...fields }: Piece): Uint8Array => {
  const { number } = pieceKinds[kind];
  const entry = kinds.get(number);
  if (entry === undefined) throw new TypeError(`no kind has the number ${number}`);
  return concat(Uint8Array.of(number), entry.coder.encode(fields));
};

export const decodePiece = (bytes: Uint8Array): Piece => {
  const [number] = bytes;
  const entry = number === undefined ? undefined : kinds.get(number);
  if (entry === undefined) throw invalid(`no kind has the number ${number ?? "(missing)"}`);
  const { kind, coder } = entry;
  return within(kind, () => ({ kind, ...unpack(coder, bytes.subarray(1)) }) as Piece);
};

/** One after the other; an empty message is one piece too. */
export const piecesOf = (
  kind: PartPiece["kind"],
  id: number,
  message: Uint8Array,
): (() => PartPiece | undefined) => {
  let offset = 0;
  let isDone = false;
  return () => {
    if (isDone) return undefined;
    const bytes = message.subarray(offset, offset + maxChunk);
    const piece = { kind, id, total: message.length, offset, bytes };
    offset += bytes.length;
    isDone = offset >= message.length;
    return piece;
  };
};

export interface Whole {
  readonly id: number;
  readonly message: Uint8Array;
}

/**
 * Pieces to messages, one message at a time. A beginning drops what was not finished: its sender thought better of it.
 * No more is held than has arrived, whatever a piece claims of the rest. `max` was told in advance, so a longer message,
 * a hole or an overlap is Malformed.
 */
export const assembler = (max: number): ((piece: PartPiece) => Whole | undefined) => {
  let id = 0;
  let total = 0;
  let length = 0;
  let parts: Uint8Array[] = [];
  return (piece) => {
    if (piece.offset === 0) {
      if (piece.total > max) throw invalid(`${piece.total} bytes where at most ${max} may be`);
      ({ id, total } = piece);
      length = 0;
      parts = [];
    } else if (piece.id !== id || piece.total !== total || piece.offset !== length)
      throw invalid("does not go on with what came before");
    length += piece.bytes.length;
    if (length > total || (piece.bytes.length === 0 && total > 0))
      throw invalid("has more bytes than it says, or none");
    parts.push(piece.bytes);
    if (length < total) return undefined;
    const whole = { id, message: concat(...parts) };
    id = 0;
    parts = [];
    return whole;
  };
};
