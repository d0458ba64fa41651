/** A node's process from outside: begun, asked, killed, begun again from what it has on disk. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Answer, Asked, CommandName } from "../../host/ldk/commands.ts";
import type { NodeEvent } from "../../host/ldk/index.ts";
import type { Begin, FromNode, ToNode } from "./node.ts";

/** Nobody knows whether what was asked was done: the process is gone. */
export class Gone extends Error {
  override readonly name = "Gone";
}

export class Failed extends Error {
  override readonly name: string;

  constructor(name: string, reason: string) {
    super(reason);
    this.name = name;
  }
}

export interface Resident {
  readonly name: string;
  readonly isKeyless: boolean;
  readonly port: number;
  /** Known once it has begun. */
  id(): string;
  isUp(): boolean;
  ask<N extends CommandName>(name: N, asked: Asked<N>): Promise<Answer<N>>;
  begin(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface ResidentParts extends Omit<Begin, "is"> {
  readonly name: string;
  readonly told: (event: NodeEvent) => void;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Milliseconds that a node has for its end. */
const patience = 5_000;
const file = join(import.meta.dirname, "node.ts");

/** What vitest sets for its workers would reach the node. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|VITE)/.test(name)));

export const resident = ({ name, told, ...begins }: ResidentParts): Resident => {
  const waiting = new Map<number, Waiting>();
  let child: ChildProcess | undefined;
  let id = "";
  let next = 0;
  let isUp = false;

  const take = (number: number): Waiting | undefined => {
    const one = waiting.get(number);
    waiting.delete(number);
    return one;
  };

  const end = async (how: (one: ChildProcess) => void): Promise<void> => {
    const one = child;
    if (one === undefined) return;
    child = undefined;
    isUp = false;
    const gone = once(one, "exit");
    how(one);
    await gone;
  };

  const post = (message: ToNode): void => {
    child?.send(message, () => undefined);
  };

  const begin = async (): Promise<void> => {
    const one = fork(file, [], {
      env: environment(),
      serialization: "advanced",
      execArgv: [],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child = one;
    const ready = Promise.withResolvers<void>();
    ready.promise.catch(() => undefined);
    let reason = "its process ended";
    one.on("message", (message: FromNode) => {
      switch (message.is) {
        case "ready":
          id = message.node;
          isUp = child === one;
          return ready.resolve();
        case "answer":
          return take(message.number)?.resolve(message.answer);
        case "failed":
          return take(message.number)?.reject(new Failed(message.name, message.reason));
        case "event":
          return told(message.event);
        case "broken":
          reason = message.reason;
      }
    });
    one.once("exit", () => {
      const isAwaited = child !== one;
      if (!isAwaited) {
        child = undefined;
        isUp = false;
        told({ is: "failed", reason });
      }
      ready.reject(
        isAwaited ? new Gone(`${name} was killed`) : new Error(`${name} did not begin: ${reason}`),
      );
      for (const { reject } of waiting.values()) reject(new Gone(`${name} is gone`));
      waiting.clear();
    });
    post({ is: "begin", ...begins });
    await ready.promise;
  };

  return {
    ...{ name, begin, port: begins.port, isKeyless: begins.keys.kind === "remote" },
    id: () => id,
    isUp: () => isUp,
    ask: (command, asked) =>
      new Promise((resolve, reject) => {
        if (!isUp) return reject(new Gone(`${name} is gone`));
        const number = next++;
        waiting.set(number, { resolve: (answer) => resolve(answer as never), reject });
        post({ is: "ask", number, name: command, asked });
      }),
    kill: () => end((one) => one.kill("SIGKILL")),
    stop: () =>
      end((one) => {
        one.send({ is: "stop" } satisfies ToNode, () => undefined);
        setTimeout(() => one.kill("SIGKILL"), patience).unref();
      }),
  };
};
