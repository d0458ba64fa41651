/** A Unix socket: a simulator, or a process that has the cable. Who may open its file may be the device, or use it. */

import { chmod, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import type { Transport } from "../../transport.ts";
import { type CableOptions, cable } from "./cable.ts";
import { unavailable } from "./trouble.ts";

export interface SocketOptions extends Pick<CableOptions, "stuckMs"> {
  readonly path: string;
}

const transportOf = (socket: Socket, name: string, options: Pick<CableOptions, "stuckMs">): Transport => {
  const { transport, arrived, lost } = cable({
    ...options,
    name,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
      }),
    shut: () =>
      new Promise((resolve) => {
        if (socket.closed) resolve();
        else socket.once("close", () => resolve()).destroy();
      }),
  });
  socket.on("data", arrived);
  socket.on("error", lost);
  // There is no half-open state: who can't receive can't send.
  socket.on("end", () => lost());
  socket.on("close", () => lost());
  return transport;
};

const connected = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });

export const connectSocket = async ({ path, ...options }: SocketOptions): Promise<Transport> => {
  try {
    return transportOf(await connected(path), path, options);
  } catch (error) {
    throw unavailable({ is: "unix", path }, error);
  }
};

export interface ListenOptions extends SocketOptions {
  /** Of the socket's file; its owner alone unless said. */
  readonly mode?: number;
  onTransport(transport: Transport): void;
}

export interface SocketListener {
  readonly path: string;
  /** Ends its transports too. */
  close(): Promise<void>;
}

const ownerOnly = 0o600;

const bound = (server: Server, path: string, mode: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    // The file is never open to more than it should be: binding happens within the call. A worker has no umask.
    const before = isMainThread ? process.umask(0o777 & ~mode) : undefined;
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      if (before !== undefined) process.umask(before);
    }
  });

const isAlive = (path: string): Promise<boolean> =>
  connected(path).then(
    (socket) => {
      socket.destroy();
      return true;
    },
    () => false,
  );

/** A process that was killed leaves its socket's file behind. */
const boundAnew = async (server: Server, path: string, mode: number): Promise<void> => {
  try {
    await bound(server, path, mode);
  } catch (error) {
    const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    if (!isTaken || (await isAlive(path))) throw error;
    await unlink(path);
    await bound(server, path, mode);
  }
  await chmod(path, mode);
};

export const listenSocket = async (options: ListenOptions): Promise<SocketListener> => {
  const { path, mode = ownerOnly, onTransport, ...cableOptions } = options;
  const open = new Set<Transport>();
  const server = createServer((socket) => {
    const transport = transportOf(socket, path, cableOptions);
    open.add(transport);
    void transport.closed.then(() => open.delete(transport));
    onTransport(transport);
  });
  await boundAnew(server, path, mode);
  // An accept can fail (no file descriptor left); the next one may not.
  server.on("error", () => undefined);
  return {
    path,
    close: async () => {
      const ended = new Promise<void>((resolve) => void server.close(() => resolve()));
      await Promise.all([...open].map((transport) => transport.close()));
      await ended;
    },
  };
};
