/** The signer's part of a pairing: one try. What goes wrong ends it, and a person begins again with another code. */

import type { Carrier, Frame } from "../frame.ts";
import type { Split } from "../noise.ts";
import type { Transport } from "../transport.ts";
import type { KeyPair } from "../x25519.ts";
import { approach } from "./approach.ts";
import type { Compare } from "./comparison.ts";
import { LinkError, type LinkWhy } from "./failure.ts";
import { usualMessage } from "./hello.ts";
import { line } from "./line.ts";
import { codeOf, commitmentOf } from "./pairing.ts";
import type { Piece } from "./piece.ts";
import { type LinkPorts, type LinkTimes, usualTimes } from "./ports.ts";
import { openedSession, type Session } from "./session.ts";

export interface PairOptions {
  readonly transport: Transport;
  readonly carrier: Carrier;
  readonly identity: KeyPair;
  readonly compare: Compare;
  readonly ports: LinkPorts;
  readonly times?: Partial<LinkTimes>;
}

interface Met {
  readonly session: Session;
  readonly split: Split;
  readonly nonce: Uint8Array;
}

/** The device's static key, once both sides were told that the codes are the same. The transport stays open. */
export const pairLink = async (options: PairOptions): Promise<Uint8Array> => {
  const { transport, carrier, identity, compare, ports } = options;
  const times: LinkTimes = { ...usualTimes, ...options.times };
  const result = Promise.withResolvers<Uint8Array>();
  const abort = new AbortController();
  let met: Met | undefined;
  let isChallenged = false;
  let ours: boolean | undefined;
  let isOver = false;
  let stopTimer: () => void = () => {};

  const finish = (settle: () => void): void => {
    if (isOver) return;
    isOver = true;
    stopTimer();
    started.wipe();
    abort.abort();
    settle();
  };
  const fail = (why: LinkWhy, sentence: string): void =>
    finish(() => result.reject(new LinkError(why, sentence)));
  const broken = (error: unknown): void => finish(() => result.reject(error));

  const within = (ms: number): void => {
    stopTimer();
    stopTimer = ports.after(ms, () => fail("silent", "the device does not answer"));
  };

  const say = (piece: Piece): void => {
    const session = met?.session;
    if (session !== undefined) wire.now(() => (isOver ? undefined : session.seal(piece)));
  };

  const show = async ({ split, nonce }: Met, theirs: Uint8Array): Promise<void> => {
    ours = await compare(codeOf(split.hash, nonce, theirs), abort.signal);
    say({ kind: "verdict", isSame: ours });
  };

  const heard = (at: Met, piece: Piece): void => {
    within(times.silenceMs);
    if (piece.kind === "comparing") return;
    if (piece.kind === "challenge" && !isChallenged) {
      isChallenged = true;
      say({ kind: "reveal", nonce: at.nonce });
      show(at, piece.nonce).catch(broken);
      return;
    }
    if (piece.kind !== "verdict" || !isChallenged) fail("interrupted", "the device broke the pairing off");
    else if (!piece.isSame || ours !== true) fail("different", "the codes were not said to be the same");
    else finish(() => result.resolve(at.split.theirs));
  };

  const received = (frame: Frame): void => {
    if (isOver) return;
    if (met !== undefined) {
      if (frame.channel !== met.session.channel) return;
      if (frame.type === "error") {
        fail("interrupted", "the device broke the pairing off");
        return;
      }
      if (frame.type !== "data") return;
      const opened = met.session.open(frame);
      if (opened.is === "repeated") return;
      if (opened.is !== "piece") {
        fail("interrupted", `a frame was ${opened.is}: begin again`);
        return;
      }
      heard(met, opened.piece);
      return;
    }
    const step = started.receive(frame);
    switch (step.is) {
      case "further":
        return;
      case "failed":
        fail("interrupted", step.reason);
        return;
      case "complaint":
        if (step.complaint === "version" || step.complaint === "pairing")
          fail(step.complaint, complaints[step.complaint]);
        else fail("interrupted", `the device complains: ${step.complaint}`);
        return;
      case "there": {
        const nonce = ports.random(32);
        met = { session: openedSession(step.channel, step.split), split: step.split, nonce };
        say({ kind: "commit", commitment: commitmentOf(step.split.hash, nonce) });
        within(times.silenceMs);
        return;
      }
    }
  };

  const wire = line({
    transport,
    carrier,
    ports,
    times,
    onFrame: received,
    onEnd: ({ why, message }) => fail(why, message),
  });
  const started = approach({
    identity,
    ports,
    capabilities: 0,
    maxMessage: usualMessage,
    send: (frame) => wire.now(() => frame),
  });
  within(times.greetMs);
  try {
    return await result.promise;
  } finally {
    met?.session.wipe();
  }
};

const complaints = {
  version: "the device and this signer have no version of the link in common",
  pairing: "the device is not waiting to be paired: open the pairing on it first",
} as const;
