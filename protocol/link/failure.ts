import type { UnpluggedWhy } from "../transport.ts";
import type { failureWhys } from "./piece.ts";

/**
 * Of a transport: closed, gone, stuck. Of a device: unpaired, version, pairing; these are said in the clear, so who sits
 * in the cable can say them, and nothing but a refusal to go on follows from them. Of whoever answers: wrong-device (the
 * handshake does not come out). Of a request: silent (no sign of life
 * in time), given-up (ended every session), long (for the device), cancelled, busy, broken. Of a pairing: different (the codes, as
 * somebody said), interrupted.
 */
export type LinkWhy =
  | UnpluggedWhy
  | "unpaired"
  | "version"
  | "pairing"
  | "wrong-device"
  | "silent"
  | "given-up"
  | "different"
  | "interrupted"
  | (typeof failureWhys)[number];

export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly why: LinkWhy;

  constructor(why: LinkWhy, sentence: string) {
    super(sentence);
    this.why = why;
  }
}
