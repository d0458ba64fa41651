/** Peers over TCP: who may come, whom we go to, and again when they are lost. */

import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { Option_SocketAddressZ, type PeerManager, Result_CVec_u8ZPeerHandleErrorZ_OK } from "lightningdevkit";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { openWire, type Wire } from "./connection.ts";
import type { NodeStore } from "./store.ts";
import { NotDone, type Turns } from "./turn.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Peers {
  listen(address: Address): Promise<Address>;
  /** Resolves when the handshake is done. The address is kept, and used again whenever the peer is lost. */
  connect(node: string, address: Address): Promise<void>;
  /** And does not come back by itself. */
  disconnect(node: string): Promise<void>;
  connected(): readonly string[];
  /** Goes to all that are kept. */
  resume(): void;
  /** Of LDK's handler. */
  arrived(node: Uint8Array): void;
  left(node: Uint8Array): void;
  /** After a commit. */
  release(): void;
  close(): Promise<void>;
}

export interface PeersParts {
  readonly manager: PeerManager;
  readonly turns: Turns;
  readonly store: Pick<NodeStore, "database">;
  readonly curve: Pick<Curve, "isPoint">;
  readonly told: (event: {
    readonly is: "peerConnected" | "peerDisconnected";
    readonly node: string;
  }) => void;
}

const handshakeLimit = 15_000;
/** Strangers may come, but not all of them. */
const mostSockets = 250;
const firstPause = 250;
const longestPause = 60_000;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export const openPeers = ({ manager, turns, store, curve, told }: PeersParts): Peers => {
  const wires = new Set<Wire>();
  const sockets = new Set<Socket>();
  const online = new Set<string>();
  const waiting = new Map<string, Waiting[]>();
  const pauses = new Map<string, number>();
  const timers = new Map<string, NodeJS.Timeout>();
  let server: Server | undefined;
  let next = 1n;
  let isClosed = false;

  const { database } = store;
  const keepPeer = database.prepare("INSERT OR REPLACE INTO peer VALUES (?, ?, ?)");
  const forgetPeer = database.prepare("DELETE FROM peer WHERE node = ?");
  const onePeer = database.prepare("SELECT host, port FROM peer WHERE node = ?");
  const allPeers = database.prepare("SELECT node FROM peer");

  const kept = (node: string): Address | undefined => {
    const row = onePeer.get(node);
    return row === undefined ? undefined : { host: String(row["host"]), port: Number(row["port"]) };
  };

  const attach = (socket: Socket): Wire => {
    sockets.add(socket);
    const wire = openWire({
      socket,
      number: next++,
      peers: manager,
      turns,
      closed: () => {
        sockets.delete(socket);
        wires.delete(wire);
      },
    });
    wires.add(wire);
    return wire;
  };

  const accept = (socket: Socket): void => {
    if (sockets.size >= mostSockets) {
      socket.destroy();
      return;
    }
    const wire = attach(socket);
    turns
      .take(() => {
        const result = manager.new_inbound_connection(
          wire.descriptor,
          Option_SocketAddressZ.constructor_none(),
        );
        if (result.is_ok()) wire.begin();
        else socket.destroy();
      })
      .catch(() => socket.destroy());
  };

  const goTo = (node: string, { host, port }: Address): void => {
    const socket = dial({ host, port });
    // Before there is a wire, nobody else listens.
    socket.once("error", (error) => failed(node, error));
    socket.once("close", () => retry(node));
    socket.once("connect", () => {
      const wire = attach(socket);
      turns
        .take(() => {
          const result = manager.new_outbound_connection(
            fromHex(node),
            wire.descriptor,
            Option_SocketAddressZ.constructor_none(),
          );
          if (result instanceof Result_CVec_u8ZPeerHandleErrorZ_OK) {
            wire.hold(result.res);
            wire.begin();
          } else socket.destroy();
        })
        .catch(() => socket.destroy());
    });
  };

  const failed = (node: string, error: Error): void => {
    const all = waiting.get(node) ?? [];
    waiting.delete(node);
    for (const { reject } of all) reject(new NotDone(`peer ${node} can't be reached: ${error.message}`));
  };

  const retry = (node: string): void => {
    if (isClosed || timers.has(node) || online.has(node)) return;
    const pause = pauses.get(node) ?? firstPause;
    pauses.set(node, Math.min(pause * 2, longestPause));
    const timer = setTimeout(
      () => {
        timers.delete(node);
        const address = kept(node);
        if (address !== undefined && !online.has(node)) goTo(node, address);
      },
      pause * (0.5 + Math.random()),
    );
    timers.set(node, timer);
  };

  const connect = async (node: string, address: Address): Promise<void> => {
    // LDK panics on what is no point of the curve.
    if (!curve.isPoint(fromHex(node))) throw new NotDone(`not a node id: ${node}`);
    await turns.take(() => void keepPeer.run(node, address.host, address.port));
    if (online.has(node)) return;
    const done = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new NotDone(`peer ${node} did not finish its handshake`)),
        handshakeLimit,
      );
      const settle = (action: () => void) => () => {
        clearTimeout(timer);
        action();
      };
      const entry: Waiting = {
        resolve: settle(resolve),
        reject: (error) => settle(() => reject(error))(),
      };
      waiting.set(node, [...(waiting.get(node) ?? []), entry]);
    });
    clearTimeout(timers.get(node));
    timers.delete(node);
    goTo(node, address);
    return done;
  };

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server = createServer(accept);
        server.once("error", reject);
        server.listen(address.port, address.host, () => {
          const bound = server?.address();
          resolve({
            host: address.host,
            port: typeof bound === "object" && bound !== null ? bound.port : address.port,
          });
        });
      }),
    connect,
    disconnect: (node) =>
      turns.take(() => {
        if (!curve.isPoint(fromHex(node))) throw new NotDone(`not a node id: ${node}`);
        forgetPeer.run(node);
        manager.disconnect_by_node_id(fromHex(node));
      }),
    connected: () => [...online],
    resume: () => {
      for (const row of allPeers.all()) {
        const node = String(row["node"]);
        const address = kept(node);
        if (address !== undefined && !online.has(node)) goTo(node, address);
      }
    },
    arrived: (bytes) => {
      const node = toHex(bytes);
      online.add(node);
      pauses.delete(node);
      turns.afterwards(() => {
        told({ is: "peerConnected", node });
        const all = waiting.get(node) ?? [];
        waiting.delete(node);
        for (const { resolve } of all) resolve();
      });
    },
    left: (bytes) => {
      const node = toHex(bytes);
      if (!online.delete(node)) return;
      turns.afterwards(() => {
        told({ is: "peerDisconnected", node });
        retry(node);
      });
    },
    release: () => {
      for (const wire of wires) wire.release();
    },
    close: async () => {
      isClosed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        if (server === undefined) resolve();
        else server.close(() => resolve());
      });
    },
  };
};
