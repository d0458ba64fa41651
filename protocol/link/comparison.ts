/** The device's part of a pairing, after the handshake: see pairing.ts for why it goes this way. */

import { Malformed } from "../malformed.ts";
import type { Role } from "./answering.ts";
import { codeOf, isCommitted } from "./pairing.ts";
import type { Piece } from "./piece.ts";
import type { LinkPorts, LinkTimes } from "./ports.ts";

/** Shows the code and asks whether the other screen has the same. Aborted when the pairing is over before that. */
export type Compare = (code: string, signal: AbortSignal) => Promise<boolean>;

export interface ComparisonOptions {
  readonly hash: Uint8Array;
  readonly compare: Compare;
  readonly paired: () => Promise<void>;
  readonly now: (piece: () => Piece | undefined) => void;
  readonly ports: LinkPorts;
  readonly times: Pick<LinkTimes, "keepaliveMs">;
  readonly onFault: (error: unknown) => void;
}

export const comparison = ({
  hash,
  compare,
  paired,
  now,
  ports,
  times,
  onFault,
}: ComparisonOptions): Role => {
  const abort = new AbortController();
  let commitment: Uint8Array | undefined;
  let nonce: Uint8Array | undefined;
  let isShown = false;
  let theirs: boolean | undefined;
  let ours: boolean | undefined;
  let stopTimer: (() => void) | undefined;

  const say = (piece: Piece): void => now(() => piece);

  const stop = (): void => {
    stopTimer?.();
    stopTimer = undefined;
    abort.abort();
  };

  const beat = (): void => {
    stopTimer = ports.after(times.keepaliveMs, () => {
      say({ kind: "comparing" });
      beat();
    });
  };

  /** Stored before it says yes: a signer that hears yes finds the device knows it. */
  const settle = async (): Promise<void> => {
    if (ours === undefined || theirs === undefined || abort.signal.aborted) return;
    if (ours && theirs) await paired();
    if (abort.signal.aborted) return;
    stop();
    say({ kind: "verdict", isSame: ours && theirs });
  };

  const broken = (error: unknown): void => {
    stop();
    onFault(error);
    say({ kind: "verdict", isSame: false });
  };

  const show = async (code: string): Promise<void> => {
    beat();
    ours = await compare(code, abort.signal);
    // A no needs no second opinion.
    if (!ours) theirs ??= false;
    await settle();
  };

  return {
    receive: (piece) => {
      if (piece.kind === "commit" && commitment === undefined) {
        commitment = piece.commitment;
        nonce = ports.random(32);
        return say({ kind: "challenge", nonce });
      }
      if (piece.kind === "reveal" && commitment !== undefined && nonce !== undefined && !isShown) {
        if (!isCommitted(commitment, hash, piece.nonce))
          throw new Malformed("reveal", "is not what was committed to");
        isShown = true;
        show(codeOf(hash, piece.nonce, nonce)).catch(broken);
        return;
      }
      if (piece.kind === "verdict" && isShown && theirs === undefined) {
        theirs = piece.isSame;
        // No need to ask on.
        if (!theirs && ours === undefined) ours = false;
        settle().catch(broken);
        return;
      }
      throw new Malformed(piece.kind, "not its turn in a pairing");
    },
    stop,
  };
};
