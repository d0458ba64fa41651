/** Frames over one transport: what both ends share. */

import type { Carrier, Frame } from "../frame.ts";
import { type Transport, Unplugged } from "../transport.ts";
import type { LinkPorts, LinkTimes } from "./ports.ts";

/** Asked when there is room: so nonces follow the order on the wire. Undefined: nothing (more). */
export type Source = () => Frame | undefined;

export interface Line {
  /** Before what is under way, once. */
  now(source: Source): void;
  /** Until it has no more, behind those that came before it. */
  later(source: Source): void;
  /** Forgets the frame that was under way on the other side. */
  afresh(): void;
}

export interface LineOptions {
  readonly transport: Transport;
  readonly carrier: Carrier;
  readonly ports: LinkPorts;
  readonly times: Pick<LinkTimes, "stuckMs">;
  readonly onFrame: (frame: Frame) => void;
  /** A frame has left. */
  readonly onSent?: () => void;
  readonly onEnd: (why: Unplugged) => void;
}

export const line = ({ transport, carrier, ports, times, onFrame, onSent, onEnd }: LineOptions): Line => {
  const first: Source[] = [];
  const others: Source[] = [];
  let deframer = carrier.deframer();
  let isBusy = false;
  let isOver = false;

  const end = (why: Unplugged): void => {
    if (isOver) return;
    isOver = true;
    first.length = 0;
    others.length = 0;
    onEnd(why);
  };

  const next = (): Frame | undefined => {
    for (let source = first.shift(); source !== undefined; source = first.shift()) {
      const frame = source();
      if (frame !== undefined) return frame;
    }
    for (let [source] = others; source !== undefined; [source] = others) {
      const frame = source();
      if (frame !== undefined) return frame;
      others.shift();
    }
    return undefined;
  };

  /** A driver that forgets to call back must not hold up everything for ever. */
  const sent = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      const cancel = ports.after(times.stuckMs, () =>
        reject(new Unplugged("stuck", `${transport.name} takes no bytes any more`)),
      );
      transport.send(bytes).then(resolve, reject).finally(cancel);
    });

  const write = async (): Promise<void> => {
    for (let frame = next(); frame !== undefined && !isOver; frame = next()) {
      for (const bytes of carrier.encode(frame)) await sent(bytes);
      onSent?.();
    }
  };

  const go = (): void => {
    if (isBusy || isOver) return;
    isBusy = true;
    write().then(
      () => {
        isBusy = false;
        if (first.length + others.length > 0) go();
      },
      (error: unknown) => {
        end(
          error instanceof Unplugged ? error : new Unplugged("gone", `${transport.name}: ${String(error)}`),
        );
        void transport.close();
      },
    );
  };

  transport.receive((bytes) => {
    if (isOver) return;
    for (const received of deframer.push(bytes))
      if (received.is === "frame" && !isOver) onFrame(received.frame);
  });
  void transport.closed.then(end);

  return {
    now: (source) => {
      first.push(source);
      go();
    },
    later: (source) => {
      others.push(source);
      go();
    },
    afresh: () => {
      deframer = carrier.deframer();
    },
  };
};
