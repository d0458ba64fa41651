/** One TCP connection as LDK sees it. The binding that comes with LDK stalls after its first full buffer; this one doesn't. */

import type { Socket } from "node:net";
import { type PeerManager, SocketDescriptor } from "lightningdevkit";
import type { Turns } from "./turn.ts";

export interface Wire {
  readonly descriptor: SocketDescriptor;
  /** Of LDK's, to go out after the commit. */
  hold(bytes: Uint8Array): void;
  /** After a commit. */
  release(): void;
  /** LDK knows of it from now on. */
  begin(): void;
  /** LDK wants to hear no more of it. */
  end(): void;
}

export interface WireParts {
  readonly socket: Socket;
  readonly number: bigint;
  readonly peers: Pick<PeerManager, "read_event" | "write_buffer_space_avail" | "socket_disconnected">;
  readonly turns: Pick<Turns, "take">;
  readonly closed: () => void;
}

/** Above it LDK keeps its messages, and gossip waits. */
const full = 512 * 1024;
/** So much of a peer may wait for a turn. */
const fullInbox = 512 * 1024;

export const openWire = ({ socket, number, peers, turns, closed }: WireParts): Wire => {
  let held: Uint8Array[] = [];
  let heldLength = 0;
  let inbox: Uint8Array[] = [];
  let inboxLength = 0;
  let isKnown = false;
  let isOver = false;
  let isPaused = false;
  let isWaitingForSpace = false;
  let isPumping = false;

  const take = (action: () => void): void => {
    turns.take(action).catch(() => socket.destroy());
  };

  const descriptor: SocketDescriptor = SocketDescriptor.new_impl({
    send_data: (bytes, resume) => {
      if (isOver) return 0;
      if (resume && isPaused) {
        isPaused = false;
        pump();
      }
      if (bytes.length === 0) return 0;
      if (heldLength + socket.writableLength > full) {
        isWaitingForSpace = true;
        return 0;
      }
      hold(Uint8Array.from(bytes));
      return bytes.length;
    },
    disconnect_socket: () => {
      isOver = true;
    },
    eq: (other) => other.hash() === number,
    hash: () => number,
  });

  const hold = (bytes: Uint8Array): void => {
    held.push(bytes);
    heldLength += bytes.length;
  };

  const read = (): void => {
    isPumping = false;
    while (!isOver && isKnown && !isPaused) {
      const bytes = inbox.shift();
      if (bytes === undefined) break;
      inboxLength -= bytes.length;
      const result = peers.read_event(descriptor, bytes);
      if (!result.is_ok()) isOver = true;
      else if ((result as { readonly res?: boolean }).res) isPaused = true;
    }
    if (socket.isPaused() && inboxLength < fullInbox / 2 && !isPaused) socket.resume();
  };

  const pump = (): void => {
    if (isPumping) return;
    isPumping = true;
    take(read);
  };

  const space = (): void => {
    if (!isWaitingForSpace || isOver) return;
    isWaitingForSpace = false;
    take(() => {
      if (isOver) return;
      if (!peers.write_buffer_space_avail(descriptor).is_ok()) isOver = true;
    });
  };

  socket.setNoDelay(true);
  socket.on("data", (bytes: Uint8Array) => {
    inbox.push(bytes);
    inboxLength += bytes.length;
    if (inboxLength > fullInbox) socket.pause();
    pump();
  });
  socket.on("drain", space);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    inbox = [];
    take(() => {
      if (isKnown && !isOver) peers.socket_disconnected(descriptor);
      isOver = true;
    });
    closed();
  });

  return {
    descriptor,
    hold,
    release: () => {
      const out = held;
      held = [];
      heldLength = 0;
      for (const bytes of out) if (socket.writable) socket.write(bytes);
      // What LDK said last, as an error message is, still goes out.
      if (isOver && isKnown) socket.destroySoon();
      else if (socket.writableLength === 0) space();
    },
    begin: () => {
      isKnown = true;
      pump();
    },
    end: () => {
      isOver = true;
    },
  };
};
