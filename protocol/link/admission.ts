/** The device's way to a session: it answers an init, and takes part in the handshake that follows. */

import { equal } from "../bytes.ts";
import { broadcast, type Frame } from "../frame.ts";
import { Malformed } from "../malformed.ts";
import { type Handshake, handshake } from "../noise.ts";
import type { KeyPair } from "../x25519.ts";
import {
  type Complaint,
  decodeInit,
  encodeHello,
  errorFrame,
  handshakeFrame,
  helloFrame,
  type Init,
  linkVersion,
  prologueOf,
  signerTag,
} from "./hello.ts";
import { freshKeyPair, type LinkPorts } from "./ports.ts";
import { openedSession, type Session } from "./session.ts";

export interface AdmissionOptions {
  readonly identity: KeyPair;
  /** Static keys of the signers that it was paired with. */
  readonly signers: () => readonly Uint8Array[];
  /** Whether a person opened the pairing just now. */
  readonly isPairing: () => boolean;
  readonly ports: LinkPorts;
  readonly capabilities: number;
  readonly maxMessage: number;
  readonly inFlight: number;
  readonly send: (frame: Frame) => void;
}

export interface Admitted {
  readonly session: Session;
  readonly purpose: Init["purpose"];
  /** The signer's static key. */
  readonly signer: Uint8Array;
  readonly hash: Uint8Array;
  /** Bytes of the longest answer that it takes. */
  readonly maxMessage: number;
}

interface Pending {
  readonly sent: Uint8Array;
  readonly hello: Uint8Array;
  readonly init: Init;
  readonly channel: number;
  readonly noise: Handshake;
  step: number;
  admitted: Admitted | undefined;
}

/**
 * At most one is on its way. It replaces the session in use only when its first data frame opens: an init can come from
 * anybody, and so can a handshake that was recorded.
 */
export interface Admission {
  init(frame: Frame): void;
  handshake(frame: Frame): void;
  /** Whose handshake is over, by the channel of a data frame. */
  admitted(channel: number): Admitted | undefined;
  /** It is in use now, or was no good. */
  release(): void;
  isPending(channel: number): boolean;
  wipe(): void;
}

export const admission = (options: AdmissionOptions): Admission => {
  const { identity, signers, isPairing, ports, capabilities, maxMessage, inFlight, send } = options;
  let pending: Pending | undefined;

  const wipe = (): void => {
    pending?.noise.wipe();
    pending?.admitted?.session.wipe();
    pending = undefined;
  };

  const knownAs = (tag: Uint8Array): Uint8Array | undefined =>
    signers().find((key) => equal(signerTag(key), tag));

  /** The signer's key for a session, none for a pairing, or why not. */
  const judge = (init: Init): { readonly theirs?: Uint8Array } | Complaint => {
    if (init.lowest > linkVersion || init.highest < linkVersion) return "version";
    if (init.purpose === "pair") return isPairing() ? {} : "pairing";
    const theirs = knownAs(init.signer);
    return theirs === undefined ? "unpaired" : { theirs };
  };

  /** Four random bytes that are not the broadcast channel. */
  const newChannel = (): number => {
    const bytes = ports.random(4);
    const channel = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    return channel === broadcast || channel === pending?.channel ? newChannel() : channel;
  };

  const decoded = (payload: Uint8Array): Init | undefined => {
    try {
      return decodeInit(payload);
    } catch (error) {
      if (error instanceof Malformed) return undefined;
      throw error;
    }
  };

  return {
    init: (frame) => {
      const init = decoded(frame.payload);
      if (init === undefined || frame.channel !== broadcast) return;
      // The same once more: its first answer may be lost, or this one may be an echo.
      if (pending !== undefined && equal(pending.sent, frame.payload)) {
        send(helloFrame(pending.hello));
        return;
      }
      const judged = judge(init);
      if (typeof judged === "string") {
        send(errorFrame(judged, broadcast, Uint8Array.from(init.nonce)));
        return;
      }
      const channel = newChannel();
      wipe();
      const hello = encodeHello({
        answers: init.nonce,
        nonce: ports.random(8),
        channel,
        version: linkVersion,
        capabilities,
        maxMessage,
        inFlight,
      });
      const noise = handshake({
        pattern: init.purpose === "pair" ? "XX" : "KK",
        role: "responder",
        prologue: prologueOf(frame.payload, hello),
        identity,
        ephemeral: freshKeyPair(ports),
        ...judged,
      });
      pending = { sent: frame.payload, hello, init, channel, noise, step: 0, admitted: undefined };
      send(helloFrame(hello));
    },
    handshake: (frame) => {
      if (pending === undefined || pending.channel !== frame.channel || frame.sequence !== pending.step)
        return;
      const { noise, channel, init } = pending;
      if (noise.turn() !== "read") return;
      try {
        noise.read(frame.payload);
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        wipe();
        return send(errorFrame("handshake", channel));
      }
      pending.step++;
      if (noise.turn() === "write") {
        const sequence = pending.step++;
        send(handshakeFrame(channel, sequence, noise.write(new Uint8Array(0))));
      }
      if (noise.turn() !== "over") return;
      const split = noise.split();
      pending.admitted = {
        session: openedSession(channel, split),
        purpose: init.purpose,
        signer: split.theirs,
        hash: split.hash,
        maxMessage: init.maxMessage,
      };
    },
    admitted: (channel) => (pending?.channel === channel ? pending.admitted : undefined),
    release: () => {
      pending = undefined;
    },
    isPending: (channel) => pending?.channel === channel,
    wipe,
  };
};
