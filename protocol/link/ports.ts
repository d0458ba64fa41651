/** Effects that links need, and their figures. Pure code above a transport: time and chance come from outside. */

import { Secret } from "../secret.ts";
import { type KeyPair, keyLength, keyPair } from "../x25519.ts";

export interface LinkPorts {
  /** Bytes that nobody can guess. */
  random(length: number): Uint8Array;
  /** Calls back once, unless the function that it returns is called before. */
  after(ms: number, action: () => void): () => void;
}

export interface LinkTimes {
  /** For the answer to an init or to a handshake. */
  readonly greetMs: number;
  /** Before the next try. */
  readonly pauseMs: number;
  /** Without a frame either way while an answer is owed: then that session is given up. */
  readonly silenceMs: number;
  /** How often the device says that it still works on a request; a few times within the silence. */
  readonly keepaliveMs: number;
  /** Of one request without a sign of life: its pieces leaving, a keepalive or pieces of its answer. */
  readonly patienceMs: number;
  /** For the transport to take one piece. */
  readonly stuckMs: number;
  /** Sessions in which one request is sent: one that ends each of them is at fault itself. */
  readonly sends: number;
}

export const usualTimes: LinkTimes = {
  greetMs: 1_000,
  pauseMs: 50,
  silenceMs: 3_000,
  keepaliveMs: 500,
  patienceMs: 15_000,
  stuckMs: 5_000,
  sends: 8,
};

export const freshSecret = ({ random }: Pick<LinkPorts, "random">): Secret => {
  const bytes = random(keyLength);
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
};

export const freshKeyPair = (ports: Pick<LinkPorts, "random">): KeyPair => keyPair(freshSecret(ports));
