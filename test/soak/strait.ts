/** The water between two nodes: a TCP proxy where bytes take their time, and where a cut loses those on the way. */

import { connect, createServer, type Socket } from "node:net";
import type { Random } from "../scripted/random.ts";

export interface Strait {
  readonly port: number;
  /** Connections that were cut. */
  cut(): number;
  /** From now on nothing is late. */
  calm(): void;
  close(): Promise<void>;
}

export interface StraitParts {
  readonly target: number;
  readonly dice: Random;
  /** Milliseconds that bytes take at most. */
  readonly longest: number;
}

const host = "127.0.0.1";

export const openStrait = async ({ target, dice, longest }: StraitParts): Promise<Strait> => {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isCalm = false;

  /** Bytes keep their order: each leaves after those before it. */
  const flow = (from: Socket, to: Socket, slowest: number): void => {
    let last = 0;
    from.on("data", (bytes: Buffer) => {
      if (isCalm && last <= performance.now()) {
        to.write(bytes);
        return;
      }
      const delay = isCalm
        ? 0
        : dice.int(4) === 0
          ? dice.int(slowest)
          : dice.int(1 + Math.floor(slowest / 20));
      last = Math.max(last, performance.now() + delay);
      setTimeout(
        () => {
          if (to.writable) to.write(bytes);
        },
        Math.max(0, last - performance.now()),
      );
    });
  };

  const server = createServer((near) => {
    const far = connect({ host, port: target });
    const pair = [near, far] as const;
    pairs.add(pair);
    const over = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("error", over);
      socket.on("close", over);
    }
    // A slow one stretches the moments between two messages of a handshake, where a node is easily caught.
    const slowest = dice.int(3) === 0 ? 8 * longest : longest;
    flow(near, far, slowest);
    flow(far, near, slowest);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };

  const cut = (): number => {
    const all = [...pairs];
    for (const [near, far] of all) {
      near.destroy();
      far.destroy();
    }
    return all.length;
  };

  return {
    ...{ port, cut },
    calm: () => {
      isCalm = true;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
};
