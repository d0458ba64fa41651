/** The worker from outside: commands to it, events from it, and another one when it ends. */

import type { Worker } from "node:worker_threads";
import type { CommandName } from "./commands.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { openStream } from "./stream.ts";
import { type NodeEvent, reasonOf } from "./told.ts";

/** What was asked can't be done; nothing changed. Named `Refused` where the signer said no, `Interrupted` where nobody knows. */
export class CommandFailed extends Error {
  override readonly name: string;

  constructor(name: string, reason: string) {
    super(reason);
    this.name = name;
  }
}

export interface Supervised {
  readonly id: string;
  ask(name: CommandName, asked: unknown): Promise<unknown>;
  events(): AsyncIterableIterator<NodeEvent>;
  stop(): Promise<void>;
}

export interface SuperviseParts {
  /** Each one goes on from what the last had on disk. */
  readonly start: () => Worker;
  /** Beginnings anew within a quarter of an hour, after which it stays down. */
  readonly mostRestarts: number;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

const restartWindow = 15 * 60 * 1_000;
const panicWords = /panicked at .*/s;

interface Run {
  readonly ready: Promise<string>;
  /** With the reason, however it ended. */
  readonly ended: Promise<string>;
  readonly worker: Worker;
}

export const supervise = async ({ start, mostRestarts }: SuperviseParts): Promise<Supervised> => {
  const stream = openStream<NodeEvent>();
  const waiting = new Map<number, Waiting>();
  let next = 0;
  /** Answers commands. */
  let current: Worker | undefined;
  let isStopping = false;
  let ends: number[] = [];

  const failAll = (reason: string): void => {
    for (const { reject } of waiting.values()) reject(new CommandFailed("Interrupted", reason));
    waiting.clear();
  };

  const take = (number: number): Waiting | undefined => {
    const one = waiting.get(number);
    waiting.delete(number);
    return one;
  };

  const run = (): Run => {
    const worker = start();
    let reason = "it ended";
    let printed = "";
    for (const output of [worker.stdout, worker.stderr])
      output?.on("data", (bytes: Buffer) => {
        printed = (printed + bytes.toString("utf8")).slice(-2_000);
      });
    const ready = Promise.withResolvers<string>();
    const ended = Promise.withResolvers<string>();
    // Whoever does not wait for it learns of it by `ended`.
    ready.promise.catch(() => undefined);
    worker.on("message", (message: FromWorker) => {
      if (message.is === "ready") {
        current = worker;
        stream.push({ is: "started", node: message.node, height: message.height });
        ready.resolve(message.node);
      } else if (message.is === "answer") take(message.number)?.resolve(message.answer);
      else if (message.is === "failed")
        take(message.number)?.reject(new CommandFailed(message.name, message.reason));
      else if (message.is === "event") stream.push(message.event);
      else if (message.is === "fatal") reason = message.reason;
    });
    worker.on("error", (error: unknown) => {
      reason = reasonOf(error);
    });
    worker.on("exit", () => {
      if (current === worker) current = undefined;
      const panic = panicWords.exec(printed)?.[0].trim();
      const why = panic === undefined ? reason : `${reason}: ${panic}`;
      ready.reject(new Error(`the node could not begin: ${why}`));
      ended.resolve(why);
    });
    return { ready: ready.promise, ended: ended.promise, worker };
  };

  const over = (event: NodeEvent): void => {
    failAll("the node has stopped");
    stream.push(event);
    stream.end();
  };

  let latest = run();
  const id = await latest.ready;

  /** Until it is stopped, or ends too often. */
  const watch = async (): Promise<void> => {
    for (;;) {
      const reason = await latest.ended;
      if (isStopping) return over({ is: "stopped" });
      failAll(`the node begins anew: ${reason}`);
      const now = Date.now();
      ends = [...ends.filter((at) => at > now - restartWindow), now];
      if (ends.length > mostRestarts) return over({ is: "failed", reason });
      stream.push({ is: "restarted", reason, times: ends.length });
      latest = run();
    }
  };
  const watched = watch();

  return {
    id,
    ask: (name, asked) =>
      new Promise((resolve, reject) => {
        if (current === undefined || isStopping) {
          reject(new CommandFailed("Interrupted", "the node has stopped, or begins anew"));
          return;
        }
        const number = next++;
        waiting.set(number, { resolve, reject });
        current.postMessage({ is: "command", number, name, asked } satisfies ToWorker);
      }),
    events: () => stream.listen(),
    stop: async () => {
      isStopping = true;
      if (current === undefined) await latest.worker.terminate();
      else current.postMessage({ is: "stop" } satisfies ToWorker);
      await watched;
    },
  };
};
