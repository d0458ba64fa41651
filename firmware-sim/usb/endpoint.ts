/** One endpoint: what a host asks of it meets what the firmware has for it. Whoever comes first waits. */

import type { Unplugged } from "../../protocol/transport.ts";
import type { Status } from "./usbip.ts";

/** A transfer that a host waits for. */
export interface Waiting {
  /** Most bytes of an IN transfer. */
  readonly length: number;
  /** Those of an OUT transfer. */
  readonly bytes: Uint8Array;
  done(status: Status, count: number, content?: Uint8Array): void;
}

export interface Endpoint {
  submit(one: Waiting): void;
  /** Whether it was still waiting; then it is never done. */
  withdraw(one: Waiting): boolean;
  isHalted(): boolean;
  halt(does: boolean): void;
}

export interface InEndpoint extends Endpoint {
  /** Settles when the host has taken all of it. */
  give(bytes: Uint8Array): Promise<void>;
  /** What was given and not taken is lost. */
  flush(why: Unplugged): void;
}

interface Given {
  readonly bytes: Uint8Array;
  at: number;
  readonly resolve: () => void;
  readonly reject: (why: Unplugged) => void;
}

const nothing = new Uint8Array(0);

const removed = <T>(from: T[], one: T): boolean => {
  const at = from.indexOf(one);
  if (at >= 0) from.splice(at, 1);
  return at >= 0;
};

/** What was given at once ends with a short packet, an empty one if need be: so no transfer takes of two. */
export const inEndpoint = (packetLength: number): InEndpoint => {
  const waiting: Waiting[] = [];
  let given: Given[] = [];
  let halted = false;

  const meet = (): void => {
    for (
      let [one, from] = [waiting[0], given[0]];
      one && from && !halted;
      [one, from] = [waiting[0], given[0]]
    ) {
      waiting.shift();
      const left = from.bytes.length - from.at;
      // Whole packets leave; one that finds too little room is lost (a "babble").
      const isWhole = left <= one.length;
      const count = isWhole ? left : one.length - (one.length % packetLength);
      const content = from.bytes.slice(from.at, from.at + count);
      const isTooLong = !isWhole && one.length % packetLength > 0;
      from.at += isTooLong ? Math.min(left, count + packetLength) : count;
      one.done(isTooLong ? "overflow" : "done", count, content);
      if (from.at < from.bytes.length) continue;
      given.shift();
      from.resolve();
    }
  };

  return {
    submit: (one) => {
      if (halted) {
        one.done("stalled", 0);
        return;
      }
      waiting.push(one);
      meet();
    },
    withdraw: (one) => removed(waiting, one),
    isHalted: () => halted,
    halt: (does) => {
      halted = does;
      if (does) for (const one of waiting.splice(0)) one.done("stalled", 0);
      else meet();
    },
    give: (bytes) =>
      new Promise((resolve, reject) => {
        given.push({ bytes: bytes.slice(), at: 0, resolve, reject });
        // Not within the firmware's own call.
        queueMicrotask(meet);
      }),
    flush: (why) => {
      const lost = given;
      given = [];
      for (const { reject } of lost) reject(why);
    },
  };
};

export interface OutEndpoint extends Endpoint {
  /** Who takes packets. Without one the host waits, as for a device that says NAK. */
  listen(take: ((packet: Uint8Array) => void) | undefined): void;
}

export const outEndpoint = (packetLength: number, onPressed: () => void): OutEndpoint => {
  const waiting: Waiting[] = [];
  let take: ((packet: Uint8Array) => void) | undefined;
  let halted = false;

  const meet = (): void => {
    for (let one = waiting[0]; one !== undefined && !halted; one = waiting[0]) {
      if (take === undefined) return;
      waiting.shift();
      for (let at = 0; at < one.bytes.length; at += packetLength)
        take?.(one.bytes.slice(at, at + packetLength));
      one.done("done", one.bytes.length);
    }
  };

  return {
    submit: (one) => {
      if (halted) {
        one.done("stalled", 0);
        return;
      }
      waiting.push(one);
      if (take === undefined) onPressed();
      meet();
    },
    withdraw: (one) => removed(waiting, one),
    isHalted: () => halted,
    halt: (does) => {
      halted = does;
      if (does) for (const one of waiting.splice(0)) one.done("stalled", 0);
      else meet();
    },
    listen: (to) => {
      take = to;
      queueMicrotask(meet);
    },
  };
};

/** What a line that is never rung answers: nothing. */
export const silentEndpoint = (): Endpoint => {
  const { submit, withdraw, isHalted, halt } = inEndpoint(1);
  return { submit, withdraw, isHalted, halt };
};

export const noBytes = nothing;
