/** The control socket of a running node. Who may open the file may ask; what is no request ends nothing but its connection. */

import { once } from "node:events";
import { chmodSync, unlinkSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import type { NodeEvent } from "../../host/ldk/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { codeOf } from "../../signer/private-file.ts";
import {
  type Answer,
  type Asked,
  type ControlName,
  type ControlReply,
  idIn,
  longestRequest,
  parseControlRequest,
  printControlReply,
} from "./control.ts";
import { failedOf } from "./desk.ts";
import { linesOf } from "./lines.ts";
import { eventText } from "./told.ts";

export type Desk = {
  readonly [N in Exclude<ControlName, "events">]: (asked: Asked<N>) => Promise<Answer<N>>;
};

export interface ControlOptions {
  readonly path: string;
  readonly desk: Desk;
  readonly events: () => AsyncIterableIterator<NodeEvent>;
}

export interface Control {
  close(): Promise<void>;
}

const mostConnections = 64;
/** Of one connection, under way together. A payment may take minutes. */
const mostAsked = 32;
/** Milliseconds for the last lines to be read. */
const patience = 1_000;

/** Whether a process listens there, and not only the file of one that was killed. */
export const isServed = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path, () => resolve(true));
    probe.once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });

/** False where the connection is over. */
type Write = (reply: ControlReply) => Promise<boolean>;

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });

/** One line after the other: whoever does not read is not written to without end. */
const writing = (socket: Socket): Write => {
  let last: Promise<unknown> = Promise.resolve();
  const write = async (reply: ControlReply): Promise<boolean> => {
    if (socket.destroyed || !socket.writable) return false;
    if (!socket.write(`${printControlReply(reply)}\n`)) await drained(socket);
    return !socket.destroyed;
  };
  return (reply) => {
    const next = last.then(() => write(reply));
    last = next;
    return next;
  };
};

const follow = async (
  socket: Socket,
  write: Write,
  id: number,
  events: AsyncIterableIterator<NodeEvent>,
): Promise<void> => {
  const end = () => void events.return?.();
  socket.once("close", end);
  try {
    for await (const event of events)
      if (!(await write({ id, is: "event", event, text: eventText(event) }))) return;
  } finally {
    socket.off("close", end);
    end();
  }
};

const serve = async (socket: Socket, write: Write, { desk, events }: ControlOptions): Promise<void> => {
  const running = new Set<Promise<void>>();
  let isFollowing = false;

  const answer = async (line: string): Promise<void> => {
    let id = 0;
    try {
      const request = parseControlRequest(line);
      ({ id } = request);
      const { ask, asked } = request;
      if (ask !== "events") {
        const action = desk[ask] as (asked: unknown) => Promise<unknown>;
        await write({ id, is: "answer", answer: await action(asked) });
        return;
      }
      if (isFollowing) throw new Malformed("ask", "this connection follows the events already");
      isFollowing = true;
      // Before the answer, so that nothing which happens after it is missed.
      const stream = events();
      await write({ id, is: "answer", answer: {} });
      await follow(socket, write, id, stream);
    } catch (error) {
      if (error instanceof Malformed && id === 0) {
        const { path, reason } = error;
        await write({ id: idIn(line), is: "malformed", path, reason });
      } else await write({ id, is: "failed", ...failedOf(error) });
    }
  };

  for await (const line of linesOf(socket.iterator({ destroyOnReturn: false }), longestRequest)) {
    while (running.size >= mostAsked) await Promise.race(running);
    const one = answer(line).finally(() => running.delete(one));
    running.add(one);
  }
  // Whoever has asked all it wants may close its half and wait.
  await Promise.all(running);
};

export const openControl = async (options: ControlOptions): Promise<Control> => {
  const { path } = options;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
    const write = writing(socket);
    serve(socket, write, options)
      .catch(async (error: unknown) => {
        if (!(error instanceof Malformed)) return;
        await write({ id: 0, is: "malformed", path: error.path, reason: error.reason });
      })
      .finally(() => socket.end(() => socket.destroy()));
  });
  server.maxConnections = mostConnections;
  const listening = async (): Promise<void> => {
    server.listen(path);
    await once(server, "listening");
  };
  try {
    await listening();
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE" || (await isServed(path))) throw error;
    unlinkSync(path);
    await listening();
  }
  chmodSync(path, 0o600);
  // One connection that could not be taken is no reason to end the node.
  server.on("error", () => undefined);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const socket of sockets) socket.end(() => socket.destroy());
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, patience);
      await closed;
      clearTimeout(timer);
    },
  };
};
