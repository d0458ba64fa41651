/** The signer's way to a session, for pairing (XX) and afterwards (KK): init, hello, handshake. One try. */

import { equal } from "../bytes.ts";
import { broadcast, type Frame } from "../frame.ts";
import { Malformed } from "../malformed.ts";
import { type Handshake, handshake, type Split } from "../noise.ts";
import type { KeyPair } from "../x25519.ts";
import {
  type Complaint,
  decodeError,
  decodeHello,
  encodeInit,
  type Hello,
  handshakeFrame,
  type Init,
  initFrame,
  linkVersion,
  prologueOf,
  signerTag,
} from "./hello.ts";
import { freshKeyPair, type LinkPorts } from "./ports.ts";

export interface ApproachOptions {
  readonly identity: KeyPair;
  /** The device's static key; without it this is a pairing. */
  readonly device?: Uint8Array | undefined;
  readonly ports: LinkPorts;
  readonly capabilities: number;
  /** Bytes of the longest answer that is taken. */
  readonly maxMessage: number;
  readonly send: (frame: Frame) => void;
}

export type Approached =
  | { readonly is: "further" }
  | { readonly is: "there"; readonly channel: number; readonly hello: Hello; readonly split: Split }
  /** What the device says in the clear, to this init or on its channel. */
  | { readonly is: "complaint"; readonly complaint: Complaint }
  | { readonly is: "failed"; readonly by: "version" | "keys"; readonly reason: string };

export interface Approach {
  receive(frame: Frame): Approached;
  wipe(): void;
}

const further: Approached = { is: "further" };

/** Undefined where it is none: what is not understood was for somebody else, or is noise. */
const understood = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
};

export const approach = (options: ApproachOptions): Approach => {
  const { identity, device, ports, send, capabilities, maxMessage } = options;
  const init: Init = {
    nonce: ports.random(8),
    purpose: device === undefined ? "pair" : "session",
    lowest: linkVersion,
    highest: linkVersion,
    capabilities,
    maxMessage,
    signer: device === undefined ? new Uint8Array(8) : signerTag(identity.public),
  };
  const sent = encodeInit(init);
  let met: { readonly hello: Hello; readonly noise: Handshake } | undefined;
  let step = 0;

  const write = (noise: Handshake, channel: number): void =>
    send(handshakeFrame(channel, step++, noise.write(new Uint8Array(0))));

  const greeted = (frame: Frame): Approached => {
    const hello = understood(() => decodeHello(frame.payload));
    if (hello === undefined || met !== undefined || !equal(hello.answers, init.nonce)) return further;
    if (hello.version < init.lowest || hello.version > init.highest)
      return { is: "failed", by: "version", reason: "the device chose a version that was not offered" };
    const noise = handshake({
      pattern: device === undefined ? "XX" : "KK",
      role: "initiator",
      prologue: prologueOf(sent, frame.payload),
      identity,
      ephemeral: freshKeyPair(ports),
      ...(device === undefined ? {} : { theirs: device }),
    });
    met = { hello, noise };
    write(noise, hello.channel);
    return further;
  };

  const shaken = (frame: Frame): Approached => {
    if (met === undefined || frame.channel !== met.hello.channel || frame.sequence !== step) return further;
    const { hello, noise } = met;
    try {
      noise.read(frame.payload);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return {
        is: "failed",
        by: "keys",
        reason: "this is not the device that was paired, or something is between",
      };
    }
    step++;
    if (noise.turn() === "write") write(noise, hello.channel);
    return { is: "there", channel: hello.channel, hello, split: noise.split() };
  };

  const complained = (frame: Frame): Approached => {
    const said = understood(() => decodeError(frame.payload));
    if (said === undefined) return further;
    const isMine =
      frame.channel === broadcast ? equal(said.answers, init.nonce) : frame.channel === met?.hello.channel;
    return isMine ? { is: "complaint", complaint: said.complaint } : further;
  };

  send(initFrame(sent));
  return {
    receive: (frame) => {
      switch (frame.type) {
        case "hello":
          return greeted(frame);
        case "handshake":
          return shaken(frame);
        case "error":
          return complained(frame);
        case "init":
        case "data":
          return further;
      }
    },
    wipe: () => met?.noise.wipe(),
  };
};
