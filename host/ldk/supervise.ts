/** The worker from outside: commands to its nodes, events from them, and another one when it ends. */

import type { Worker } from "node:worker_threads";
import type { CommandName } from "./commands.ts";
import type { FromWorker, NodeStart, ToWorker } from "./protocol.ts";
import { openStream, type Stream } from "./stream.ts";
import { type NodeEvent, reasonOf } from "./told.ts";

/** What was asked can't be done; nothing changed. Named `Refused` where the signer said no, `Interrupted` where nobody knows. */
export class CommandFailed extends Error {
  override readonly name: string;

  constructor(name: string, reason: string) {
    super(reason);
    this.name = name;
  }
}

/** One node. */
export interface Supervised {
  readonly id: string;
  ask(name: CommandName, asked: unknown): Promise<unknown>;
  events(): AsyncIterableIterator<NodeEvent>;
  stop(): Promise<void>;
}

/** A worker and its nodes. It runs for as long as there are any. */
export interface Shard {
  /** How many nodes it has, also those that have not begun. */
  load(): number;
  /** Asked for again with each beginning, which goes on from what the last had on disk. Rejects where the first fails. */
  begin(start: () => NodeStart): Promise<Supervised>;
  stop(): Promise<void>;
}

export interface SuperviseParts {
  readonly start: () => Worker;
  /** Beginnings anew within a quarter of an hour for which a node is to blame, after which it stays down. */
  readonly mostRestarts: number;
  /** Milliseconds before a node that ended by itself is begun anew: as many times as it ended. Default: 500. */
  readonly pauseMs?: number;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly number: number;
  readonly start: () => NodeStart;
  readonly stream: Stream<NodeEvent>;
  readonly waiting: Map<number, Waiting>;
  readonly first: PromiseWithResolvers<string>;
  readonly over: PromiseWithResolvers<void>;
  /** `resting`: it ended by itself, and is begun anew after a pause. */
  state: "beginning" | "ready" | "resting" | "stopping" | "over";
  /** Whether it was ready once. */
  isKnown: boolean;
  restarts: readonly number[];
  blamed: readonly number[];
  timer?: NodeJS.Timeout;
}

const restartWindow = 15 * 60 * 1_000;
const longestPause = 30_000;
const panicWords = /panicked at .*/s;

const withNow = (times: readonly number[]): readonly number[] => {
  const now = Date.now();
  return [...times.filter((at) => at > now - restartWindow), now];
};

export const supervise = ({ start, mostRestarts, pauseMs = 500 }: SuperviseParts): Shard => {
  const members = new Map<number, Member>();
  let nextMember = 0;
  let nextCommand = 0;
  let current: Worker | undefined;
  /** Resolves when the worker of the moment is gone. */
  let gone: PromiseWithResolvers<void> | undefined;
  /** It was told to end: whoever comes now waits for the next one. */
  let isEnding = false;

  const post = (message: ToWorker): void => current?.postMessage(message);

  const failAll = ({ waiting }: Member, reason: string): void => {
    for (const { reject } of waiting.values()) reject(new CommandFailed("Interrupted", reason));
    waiting.clear();
  };

  const endWorker = (): void => {
    if (current === undefined || isEnding) return;
    isEnding = true;
    post({ is: "end" });
  };

  const over = (member: Member, event: NodeEvent): void => {
    if (member.state === "over") return;
    clearTimeout(member.timer);
    member.state = "over";
    members.delete(member.number);
    failAll(member, "the node has stopped");
    if (!member.isKnown) {
      const why = "reason" in event ? `the node could not begin: ${event.reason}` : "the node was stopped";
      member.first.reject(new Error(why));
    }
    member.stream.push(event);
    member.stream.end();
    member.over.resolve();
    if (members.size === 0) endWorker();
  };

  const tellBegin = (member: Member): void => {
    if (current === undefined || isEnding) return;
    member.state = "beginning";
    post({ is: "begin", node: member.number, start: member.start() });
  };

  /** False where it stays down. */
  const again = (member: Member, reason: string, isBlamed: boolean): boolean => {
    failAll(member, `the node begins anew: ${reason}`);
    member.restarts = withNow(member.restarts);
    if (isBlamed) member.blamed = withNow(member.blamed);
    if (member.blamed.length > mostRestarts) {
      over(member, { is: "failed", reason });
      return false;
    }
    member.stream.push({ is: "restarted", reason, times: member.restarts.length });
    return true;
  };

  const endedAlone = (member: Member, because: "signer" | "fault", reason: string): void => {
    if (member.state === "stopping") over(member, { is: "stopped" });
    else if (!member.isKnown) over(member, { is: "failed", reason });
    else if (again(member, reason, because === "fault")) rest(member);
  };

  const rest = (member: Member): void => {
    member.state = "resting";
    const pause = Math.min(pauseMs * member.restarts.length, longestPause);
    member.timer = setTimeout(() => tellBegin(member), pause);
  };

  const take = (member: Member, number: number): Waiting | undefined => {
    const one = member.waiting.get(number);
    member.waiting.delete(number);
    return one;
  };

  const hear = (message: Exclude<FromWorker, { is: "fatal" }>): void => {
    const member = members.get(message.node);
    if (member === undefined) return;
    switch (message.is) {
      case "ready":
        if (member.state === "beginning") member.state = "ready";
        member.isKnown = true;
        member.stream.push({ is: "started", node: message.id, height: message.height });
        member.first.resolve(message.id);
        break;
      case "answer":
        take(member, message.number)?.resolve(message.answer);
        break;
      case "failed":
        take(member, message.number)?.reject(new CommandFailed(message.name, message.reason));
        break;
      case "event":
        member.stream.push(message.event);
        break;
      case "ended":
        endedAlone(member, message.because, message.reason);
        break;
      case "stopped":
        over(member, { is: "stopped" });
    }
  };

  /** Who ended the worker pays for it, if that is known; else all do. */
  const workerGone = (reason: string, culprit: number | undefined): void => {
    const isAlone = members.size === 1;
    for (const member of [...members.values()]) {
      clearTimeout(member.timer);
      const isBlamed = culprit === undefined || culprit === member.number;
      if (member.state === "stopping") over(member, { is: "stopped" });
      else if (!member.isKnown && isBlamed && (isAlone || culprit !== undefined))
        over(member, { is: "failed", reason });
      else again(member, reason, isBlamed);
    }
  };

  const launch = (): void => {
    const worker = start();
    const exited = Promise.withResolvers<void>();
    let reason = "it ended";
    let culprit: number | undefined;
    let printed = "";
    current = worker;
    gone = exited;
    isEnding = false;
    for (const output of [worker.stdout, worker.stderr])
      output?.on("data", (bytes: Buffer) => {
        printed = (printed + bytes.toString("utf8")).slice(-2_000);
      });
    worker.on("message", (message: FromWorker) => {
      if (message.is === "fatal") ({ reason, node: culprit } = message);
      else hear(message);
    });
    worker.on("error", (error: unknown) => {
      reason = reasonOf(error);
    });
    worker.on("exit", () => {
      current = undefined;
      const panic = panicWords.exec(printed)?.[0].trim();
      if (!isEnding) workerGone(panic === undefined ? reason : `${reason}: ${panic}`, culprit);
      exited.resolve();
      if (members.size > 0) launch();
    });
    for (const member of members.values()) tellBegin(member);
  };

  const stop = async (member: Member): Promise<void> => {
    switch (member.state) {
      case "over":
      case "stopping":
        break;
      case "resting":
        over(member, { is: "stopped" });
        break;
      case "beginning":
      case "ready": {
        const isReady = member.state === "ready";
        member.state = "stopping";
        if (current === undefined) over(member, { is: "stopped" });
        // What has not begun has nothing to say good-bye to.
        else if (!isReady && members.size === 1) await current.terminate();
        else post({ is: "stop", node: member.number });
      }
    }
    await member.over.promise;
    if (members.size === 0) await gone?.promise;
  };

  const ask = (member: Member, name: CommandName, asked: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (member.state !== "ready") {
        reject(new CommandFailed("Interrupted", "the node has stopped, or begins anew"));
        return;
      }
      const number = nextCommand++;
      member.waiting.set(number, { resolve, reject });
      post({ is: "command", node: member.number, number, name, asked });
    });

  return {
    load: () => members.size,
    begin: async (begin) => {
      const member: Member = {
        ...{ number: nextMember++, start: begin, waiting: new Map(), state: "beginning", isKnown: false },
        ...{ stream: openStream<NodeEvent>(), restarts: [], blamed: [] },
        first: Promise.withResolvers<string>(),
        over: Promise.withResolvers<void>(),
      };
      members.set(member.number, member);
      if (current === undefined) launch();
      else tellBegin(member);
      const id = await member.first.promise;
      return {
        id,
        ask: (name, asked) => ask(member, name, asked),
        events: () => member.stream.listen(),
        stop: () => stop(member),
      };
    },
    stop: async () => {
      await Promise.all([...members.values()].map(stop));
    },
  };
};
