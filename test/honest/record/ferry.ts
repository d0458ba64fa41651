/** Between two nodes: a TCP proxy that goes down after so many messages, wherever in a conversation that is. */

import { connect, createServer, type Socket } from "node:net";

export interface Ferry {
  readonly port: number;
  /**
   * Both ends lose the connection once so many pieces went over from now on, and what comes after them is lost; with more
   * counts the next connections as well.
   */
  sinkAfter(...pieces: readonly number[]): void;
  sunk(): number;
  close(): Promise<void>;
}

const host = "127.0.0.1";

export const openFerry = async (target: number): Promise<Ferry> => {
  const pairs = new Set<readonly [Socket, Socket]>();
  const never = Number.POSITIVE_INFINITY;
  let [sunk, left] = [0, never];
  let later: readonly number[] = [];

  const sink = (): void => {
    for (const [near, far] of pairs) {
      near.destroy();
      far.destroy();
    }
    [left = never, ...later] = later;
    sunk += 1;
  };
  const server = createServer((near) => {
    const far = connect({ host, port: target });
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay(true);
      from.on("data", (bytes: Buffer) => {
        if (left <= 0) return sink();
        left -= 1;
        to.write(bytes);
      });
      const over = (): void => {
        pairs.delete(pair);
        near.destroy();
        far.destroy();
      };
      from.on("error", over);
      from.on("close", over);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { readonly port: number };
  return {
    port,
    sinkAfter: (...counts) => {
      [left = never, ...later] = counts;
    },
    sunk: () => sunk,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      sink();
      await closed;
    },
  };
};
