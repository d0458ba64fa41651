/** The binding between sockets and LDK: what it does when one side is slower than the other. */

import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import {
  PeerHandleError,
  Result_boolPeerHandleErrorZ,
  Result_NonePeerHandleErrorZ,
  type SocketDescriptor,
} from "lightningdevkit";
import { beforeAll, describe, expect, test } from "vitest";
import { openWire } from "../../host/ldk/connection.ts";
import { loadLdk } from "../../host/ldk/library.ts";

beforeAll(loadLdk);

const block = new Uint8Array(64 * 1024).fill(7);

const open = (answer: (bytes: Uint8Array) => boolean | "error" = () => false) => {
  const read: number[] = [];
  const calls: string[] = [];
  let takers: (() => void)[] = [];
  let isStuck = false;
  const stuck: (() => void)[] = [];
  const socket = new Duplex({
    highWaterMark: 16 * 1024,
    read: () => undefined,
    write: (chunk: Uint8Array, _, done) => {
      sent += chunk.length;
      if (isStuck) stuck.push(done);
      else done();
    },
  });
  let sent = 0;
  Object.assign(socket, { setNoDelay: () => undefined, destroySoon: () => socket.destroy() });
  const wire = openWire({
    socket: socket as unknown as Socket,
    number: 5n,
    peers: {
      read_event: (_: SocketDescriptor, bytes: Uint8Array) => {
        read.push(bytes.length);
        const said = answer(bytes);
        return said === "error"
          ? Result_boolPeerHandleErrorZ.constructor_err(PeerHandleError.constructor_new())
          : Result_boolPeerHandleErrorZ.constructor_ok(said);
      },
      write_buffer_space_avail: () => {
        calls.push("space");
        return Result_NonePeerHandleErrorZ.constructor_ok();
      },
      socket_disconnected: () => void calls.push("gone"),
    },
    turns: {
      take: async <T>(action: () => T) => {
        takers.push(() => void action());
        return undefined as T;
      },
    },
    closed: () => void calls.push("closed"),
  });
  const turn = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    const due = takers;
    takers = [];
    for (const action of due) action();
    wire.release();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ...{ wire, socket, read, calls, turn },
    sent: () => sent,
    stick: () => {
      isStuck = true;
    },
    unstick: () => {
      isStuck = false;
      for (const done of stuck.splice(0)) done();
    },
  };
};

describe("a connection", () => {
  test("holds what LDK says until the commit", async () => {
    const { wire, sent, turn } = open();
    wire.begin();
    expect(wire.descriptor.send_data(block, false)).toBe(block.length);
    expect(sent()).toBe(0);
    await turn();
    expect(sent()).toBe(block.length);
  });

  test("says when it is full, and again when it is not: more than once", async () => {
    const { wire, calls, sent, turn, stick, unstick } = open();
    wire.begin();
    for (let round = 1; round <= 3; round++) {
      stick();
      let taken = 0;
      while (wire.descriptor.send_data(block, false) > 0) taken++;
      expect(taken).toBeGreaterThanOrEqual(8);
      expect(taken).toBeLessThan(20);
      await turn();
      unstick();
      await turn();
      await turn();
      expect(calls.filter((one) => one === "space").length).toBe(round);
    }
    expect(sent()).toBeGreaterThan(24 * block.length);
  });

  test("reads nothing more while LDK does not want it, and loses nothing", async () => {
    let isFull = true;
    const { wire, socket, read, turn } = open(() => isFull);
    wire.begin();
    await turn();
    socket.push(Uint8Array.of(1));
    await turn();
    socket.push(Uint8Array.of(1, 2));
    await turn();
    socket.push(Uint8Array.of(1, 2, 3));
    await turn();
    expect(read).toEqual([1]);
    isFull = false;
    wire.descriptor.send_data(new Uint8Array(0), true);
    await turn();
    expect(read.reduce((sum, n) => sum + n, 0)).toBe(6);
  });

  test("a peer that sends faster than turns come is stopped", async () => {
    const { wire, socket, turn, read } = open();
    for (let i = 0; i < 9; i++) socket.push(block);
    await new Promise((resolve) => setImmediate(resolve));
    expect(socket.isPaused()).toBe(true);
    wire.begin();
    await turn();
    await turn();
    expect(read.reduce((sum, n) => sum + n, 0)).toBe(9 * block.length);
    expect(socket.isPaused()).toBe(false);
  });

  test("tells LDK of its end once, unless LDK knows", async () => {
    const lost = open();
    lost.wire.begin();
    lost.socket.destroy();
    await lost.turn();
    await lost.turn();
    expect(lost.calls).toEqual(["closed", "gone"]);

    const failed = open(() => "error");
    failed.wire.begin();
    failed.socket.push(Uint8Array.of(1));
    await failed.turn();
    await failed.turn();
    expect(failed.socket.destroyed).toBe(true);
    expect(failed.calls).toEqual(["closed"]);

    const dropped = open();
    dropped.wire.begin();
    dropped.wire.descriptor.send_data(Uint8Array.of(9), false);
    dropped.wire.descriptor.disconnect_socket();
    await dropped.turn();
    await dropped.turn();
    // The last words go out first.
    expect(dropped.sent()).toBe(1);
    expect(dropped.calls).toEqual(["closed"]);
  });
});
