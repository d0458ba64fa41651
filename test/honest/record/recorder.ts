/** Between hosts and the signer: lets one request through at a time, so that what is written down has one order and one clock. */

import { type AnyRequest, type Name, packRequest } from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import { type Entry, hashLength, type Recording } from "./recording.ts";
import { endingOf, type Head, openSigner } from "./signer.ts";

export interface Recorder {
  readonly node: Uint8Array;
  respond(request: AnyRequest): Promise<Outcome<Name>>;
  /** What waits for its turn is lost, as it would be with the process. */
  restart(): Promise<void>;
  recording(): Recording;
}

const seconds = (): number => Math.floor(Date.now() / 1000);

export const openRecorder = async (head: Head): Promise<Recorder> => {
  const start = seconds();
  let time = start;
  let life = 0;
  const entries: Entry[] = [];
  const signer = await openSigner(head, () => time);
  let last: Promise<unknown> = Promise.resolve();

  const next = <T>(action: () => Promise<T>): Promise<T> => {
    const done = last.then(action);
    last = done.catch(() => undefined);
    return done;
  };
  /** A clock that is put back would be another story. */
  const passed = (): number => {
    const before = time;
    time = Math.max(time, seconds());
    return time - before;
  };

  return {
    node: signer.node,
    respond: async (request) => {
      const born = life;
      const outcome = await next(async () => {
        if (born !== life) return undefined;
        const wait = passed();
        const given = await signer.respond(request);
        const packed = packRequest(request.name, request.body as never);
        entries.push({ wait, request: packed, ...endingOf(request.name, given) });
        return given;
      });
      // Nobody is there any more to hear of it.
      return outcome === undefined || born !== life ? new Promise<never>(() => {}) : outcome;
    },
    restart: () => {
      life += 1;
      return next(async () => {
        const wait = passed();
        await signer.restart();
        const nothing = { request: new Uint8Array(0), reply: new Uint8Array(hashLength), rule: "" };
        entries.push({ wait, ended: "restart", ...nothing });
      });
    },
    recording: () => {
      if (signer.faults().length > 0) throw new Error(signer.faults().join("\n"));
      return { ...head, start: BigInt(start), entries };
    },
  };
};
