/**
 * The listening socket. It is ours and not gRPC's, so that TLS 1.3 is the least, handshakes and connections are
 * bounded, and who calls is known before the first byte of HTTP/2 is read.
 */

import { constants } from "node:crypto";
import { chmod, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Address, Credentials, UnixAddress } from "./address.ts";
import { type Caller, callerKey, callerOfCertificate } from "./caller.ts";
import type { Limits } from "./limits.ts";

export type ListenOptions = { readonly limits: Limits } & (
  | { readonly address: Address; readonly credentials: Credentials }
  | { readonly address: UnixAddress; readonly caller: Caller }
);

export interface Listener {
  readonly address: Address;
  /** Takes no more connections. */
  stop(): void;
  /** Resolves when none is left after `stop`. */
  readonly emptied: Promise<void>;
  /** Drops those that are left. */
  drop(): void;
}

const tlsServer = ({ ca, certificate, key }: Credentials, { handshakeMs }: Limits): Server =>
  key.use((bytes) =>
    createTlsServer({
      ca,
      cert: certificate,
      key: Buffer.from(bytes),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
      handshakeTimeout: handshakeMs,
      // Each connection shows its certificate anew: a resumed one would outlive its expiry.
      secureOptions: constants.SSL_OP_NO_TICKET,
    }),
  );

const listening = (server: Server, address: Address): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(address, () => {
      server.off("error", reject);
      resolve();
    });
  });

const isAlive = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path, () => resolve(true));
    probe.once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });

/** A process that was killed leaves its socket's file behind. */
const listenOnPath = async (server: Server, address: UnixAddress): Promise<void> => {
  try {
    await listening(server, address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || (await isAlive(address.path))) throw error;
    await unlink(address.path);
    await listening(server, address);
  }
  await chmod(address.path, 0o600);
};

const boundAddress = (server: Server, asked: Address): Address => {
  const bound = server.address();
  return "path" in asked || bound === null || typeof bound === "string"
    ? asked
    : { host: asked.host, port: bound.port };
};

export const listen = async (options: ListenOptions, inject: (socket: Socket) => void): Promise<Listener> => {
  const { limits } = options;
  const server = "credentials" in options ? tlsServer(options.credentials, limits) : createServer();
  server.maxConnections = limits.connections;
  const sockets = new Set<Socket>();
  const emptied = Promise.withResolvers<void>();
  const perCaller = new Map<string, number>();

  /** A hostile peer must not keep others out. */
  const admit = (socket: Socket, caller: Caller | undefined): void => {
    if (caller === undefined) {
      socket.destroy();
      return;
    }
    const key = callerKey(caller);
    const count = perCaller.get(key) ?? 0;
    if (count >= limits.connectionsOfCaller) {
      socket.destroy();
      return;
    }
    perCaller.set(key, count + 1);
    socket.once("close", () => {
      const left = (perCaller.get(key) ?? 1) - 1;
      if (left > 0) perCaller.set(key, left);
      else perCaller.delete(key);
    });
    socket.setNoDelay(true);
    inject(socket);
  };

  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // Whoever uses the socket hears of its errors too; without this one an early reset would end the process.
    socket.on("error", () => socket.destroy());
    if ("caller" in options) admit(socket, options.caller);
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    admit(socket, socket.authorized ? callerOfCertificate(socket.getPeerCertificate()) : undefined);
  });
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());

  if ("path" in options.address) await listenOnPath(server, options.address);
  else await listening(server, options.address);
  // An accept can fail (no file descriptor left); the next one may not.
  server.on("error", () => undefined);

  return {
    address: boundAddress(server, options.address),
    stop: () => {
      server.close(() => emptied.resolve());
    },
    emptied: emptied.promise,
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
};
