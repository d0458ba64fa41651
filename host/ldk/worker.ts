/** LDK's own thread: a panic ends it and nothing else, and a callback may stand still without stopping the host. */

import { parentPort, workerData } from "node:worker_threads";
import { openCurve } from "../../protocol/curve/index.ts";
import { SignerFault, Unanswered } from "../failures.ts";
import { openLines } from "./bridge/lines.ts";
import { chainOver } from "./chain-port.ts";
import type { CommandName } from "./commands.ts";
import { openCommon } from "./common.ts";
import { isPanic, loadLdk } from "./library.ts";
import { openNode, type RunningNode } from "./node.ts";
import type { FromWorker, NodeStart, Started, ToWorker } from "./protocol.ts";
import { isStoreError } from "./store.ts";
import { reasonOf } from "./told.ts";

const port = parentPort;
if (port === null) throw new Error("the node's worker was started without a parent");
const { network, graph, lookEveryMs, logLevel, chain } = workerData as Started;
const send = (message: FromWorker): void => port.postMessage(message);

/** Nothing of LDK may be called again; the parent begins anew from disk. */
const end = (error: unknown, node?: number): void => {
  send({ is: "fatal", node, reason: reasonOf(error) });
  process.exit(1);
};
process.on("uncaughtException", (error) => end(error));
process.on("unhandledRejection", (error) => end(error));

/** Milliseconds that all nodes stand still because one's signer does. A node alone waits for as long as it takes. */
const patience = 3_000;

interface Place {
  readonly quit: AbortController;
  running?: RunningNode;
}

const isOfSigner = (error: unknown): boolean => error instanceof Unanswered || error instanceof SignerFault;

const run = async (): Promise<void> => {
  await loadLdk();
  const curve = await openCurve("native");
  const source = chainOver(chain.port, chain.name);
  const places = new Map<number, Place>();
  const lines = openLines();
  // No keyless node has a way to its signer any more.
  lines.onGone((reason) => end(new Error(reason)));
  const common = openCommon({
    ...{ network, source, graph, lookEveryMs, logLevel },
    tell: (event) => {
      for (const node of places.keys()) send({ is: "event", node, event });
    },
  });

  const ended = (node: number, error: unknown): void => {
    places.delete(node);
    send({ is: "ended", node, because: isOfSigner(error) ? "signer" : "fault", reason: reasonOf(error) });
  };

  /** LDK went on to the end of its calls, and nothing of them was stored: its other nodes are none the worse for it. */
  const isOneNodes = (error: unknown): boolean => isOfSigner(error) || isStoreError(error);

  const begin = async (node: number, start: NodeStart): Promise<void> => {
    const place: Place = { quit: new AbortController() };
    places.set(node, place);
    let isOver = false;
    try {
      const running = await openNode({
        ...{ start, common, lines, curve },
        tell: (event) => send({ is: "event", node, event }),
        fatal: (error) => {
          if (!isOneNodes(error)) end(error, node);
          isOver = true;
          void running.stop().then(
            () => ended(node, error),
            (second: unknown) => end(second, node),
          );
        },
        patience: () => (places.size > 1 ? patience : Number.POSITIVE_INFINITY),
        signal: place.quit.signal,
      });
      if (isOver) return;
      place.running = running;
      send({ is: "ready", node, id: running.id, height: running.height() });
    } catch (error) {
      if (isPanic(error)) end(error, node);
      if (!place.quit.signal.aborted) ended(node, error);
      else {
        places.delete(node);
        send({ is: "stopped", node });
      }
    }
  };

  const command = async (node: number, number: number, name: CommandName, asked: unknown): Promise<void> => {
    try {
      const running = places.get(node)?.running;
      if (running === undefined) throw new Error("the node does not run");
      send({ is: "answer", node, number, answer: await running.command(name, asked) });
    } catch (error) {
      if (isPanic(error)) end(error, node);
      const failure = error instanceof Error ? error.name : "Error";
      send({ is: "failed", node, number, name: failure, reason: reasonOf(error) });
    }
  };

  const stop = async (node: number): Promise<void> => {
    const place = places.get(node);
    place?.quit.abort();
    // One that has not begun says by itself that it has stopped.
    if (place?.running === undefined) return;
    await place.running.stop();
    places.delete(node);
    send({ is: "stopped", node });
  };

  const finish = async (): Promise<void> => {
    await common.close();
    await lines.close();
    await source.close();
    port.close();
  };

  port.on("message", (message: ToWorker) => {
    switch (message.is) {
      case "begin":
        void begin(message.node, message.start);
        break;
      case "command":
        void command(message.node, message.number, message.name, message.asked);
        break;
      case "stop":
        stop(message.node).catch((error: unknown) => end(error, message.node));
        break;
      case "end":
        void finish();
    }
  });
};

await run().catch((error: unknown) => end(error));
