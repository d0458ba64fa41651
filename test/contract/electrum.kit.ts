/** An Electrum server that answers as a test wants, and sources that ask it. */

import { type AddressInfo, createServer, type Socket } from "node:net";
import { type ElectrumOptions, electrum } from "../../chain/electrum.ts";
import { lines } from "../../chain/lines.ts";
import type { ChainSource } from "../../chain/source.ts";

export interface AskedLine {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

export type Answering = (asked: AskedLine, socket: Socket) => void;

export const say = (socket: Socket, value: unknown): void => void socket.write(`${JSON.stringify(value)}\n`);
export const result = (socket: Socket, { id }: AskedLine, value: unknown): void =>
  say(socket, { jsonrpc: "2.0", id, result: value });

/** Speaks the version, and leaves the rest to the test. */
export const greeting =
  (answer: Answering): Answering =>
  (asked, socket) => {
    if (asked.method === "server.version") result(socket, asked, ["Test 1.0", "1.4"]);
    else answer(asked, socket);
  };

export interface Listening {
  readonly url: string;
  readonly connections: () => number;
  close(): Promise<void>;
}

export const listening = async (answer: Answering, port = 0): Promise<Listening> => {
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
    const read = lines({
      most: () => 20_000_000,
      line: (bytes) => answer(JSON.parse(new TextDecoder().decode(bytes)) as AskedLine, socket),
    });
    socket.on("data", (part: Buffer) => {
      try {
        read(part);
      } catch {
        socket.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};

/** Closes what it opened when the test is over. */
export const openings = () => {
  const closing: (() => Promise<void>)[] = [];
  return {
    listen: async (answer: Answering): Promise<Listening> => {
      const server = await listening(answer);
      closing.push(server.close);
      return server;
    },
    source: (url: string, options: Omit<ElectrumOptions, "url"> = {}): ChainSource => {
      const source = electrum({ url, retry: { firstMs: 1, mostMs: 20 }, ...options });
      closing.unshift(() => source.close());
      return source;
    },
    later: (close: () => Promise<void>): void => void closing.push(close),
    closeAll: async (): Promise<void> => {
      for (const close of closing.splice(0)) await close();
    },
  };
};
