/** What every transport promises, made from what a driver can do: the same for sockets, serial lines, HID and USB. */

import { type Transport, Unplugged } from "../../transport.ts";
import { lostSentence } from "./trouble.ts";

export interface CableOptions {
  readonly name: string;
  /** How long a driver may take for one piece. */
  readonly stuckMs?: number;
  /** One at a time. It may reject, throw, or never settle. */
  write(bytes: Uint8Array): Promise<void>;
  /** Once. It may reject, throw, or never settle. */
  shut(): Promise<void>;
}

export interface Cable {
  readonly transport: Transport;
  /** From the driver: bytes came. */
  arrived(bytes: Uint8Array): void;
  /** From the driver: it is over. As often as it likes. */
  lost(error?: unknown): void;
}

/** As long as a link waits for its transport. */
export const usualStuckMs = 5_000;

/** Of what comes before anybody listens; beyond, it is lost as on any cable. */
const maxKept = 256 * 1024;

/** A driver that does not come back from closing must not keep others waiting. */
const shutMs = 1_000;

const within = async (ms: number, action: () => Promise<void>): Promise<void> => {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(() => late.resolve(), ms);
  try {
    await Promise.race([action(), late.promise]);
  } catch {
    // What can't be closed is gone already.
  } finally {
    clearTimeout(timer);
  }
};

export const cable = ({ name, stuckMs = usualStuckMs, write, shut }: CableOptions): Cable => {
  const closed = Promise.withResolvers<Unplugged>();
  let gone: Unplugged | undefined;
  let interrupt: (() => void) | undefined;
  let last: Promise<void> = Promise.resolve();
  let listener: ((bytes: Uint8Array) => void) | undefined;
  let isFlushing = false;
  let kept: Uint8Array[] = [];
  let keptBytes = 0;

  const end = (why: Unplugged): void => {
    if (gone !== undefined) return;
    gone = why;
    kept = [];
    interrupt?.();
    void within(shutMs, shut).then(() => closed.resolve(why));
  };

  const deliver = (bytes: Uint8Array): void => {
    if (gone === undefined) listener?.(bytes);
  };

  const one = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      if (gone !== undefined) {
        reject(gone);
        return;
      }
      const timer = setTimeout(
        () => end(new Unplugged("stuck", `${name} took no bytes for ${stuckMs / 1_000} s`)),
        stuckMs,
      );
      const over = (): void => {
        clearTimeout(timer);
        interrupt = undefined;
      };
      interrupt = () => {
        over();
        reject(gone);
      };
      const failed = (error: unknown): void => {
        over();
        end(new Unplugged("gone", lostSentence(name, error)));
        reject(gone);
      };
      (async () => write(bytes))().then(() => {
        if (gone !== undefined) return;
        over();
        resolve();
      }, failed);
    });

  return {
    transport: {
      name,
      closed: closed.promise,
      send: (bytes) => {
        const turn = last.then(() => one(bytes));
        last = turn.catch(() => undefined);
        return turn;
      },
      receive: (to) => {
        listener = to;
        if (kept.length === 0 || isFlushing) return;
        isFlushing = true;
        queueMicrotask(() => {
          isFlushing = false;
          const late = kept;
          kept = [];
          keptBytes = 0;
          for (const bytes of late) deliver(bytes);
        });
      },
      close: async () => {
        end(new Unplugged("closed", "closed by this side"));
        await closed.promise;
      },
    },
    arrived: (bytes) => {
      if (gone !== undefined || bytes.length === 0) return;
      if (listener !== undefined && kept.length === 0) deliver(bytes);
      else if (keptBytes + bytes.length <= maxKept) {
        kept.push(bytes);
        keptBytes += bytes.length;
      }
    },
    lost: (error) => end(new Unplugged("gone", lostSentence(name, error))),
  };
};
