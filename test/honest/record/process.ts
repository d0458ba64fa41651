/** The recorded signer from outside. */

import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Name, Reply, Request } from "../../../protocol/operations/index.ts";
import type { NodeId } from "../../../protocol/units.ts";
import { ask } from "../../scripted/channel.ts";
import type { FromSigner, ToSigner } from "./child.ts";
import { type Recording, unpackRecording } from "./recording.ts";
import type { Head } from "./signer.ts";

export interface RecordedSigner {
  readonly node: NodeId;
  /** For hosts. */
  readonly bundle: string;
  /** As an administrator. */
  call<N extends Name>(name: N, body: Request<N>): Promise<Reply<N>>;
  restart(): Promise<void>;
  end(): Promise<Recording>;
  kill(): void;
}

const file = join(import.meta.dirname, "child.ts");
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|VITE)/.test(name)));

type Told<K extends FromSigner["is"]> = Extract<FromSigner, { is: K }>;

const openLine = (child: ChildProcess) => {
  const waiting = new Map<string, PromiseWithResolvers<FromSigner>>();
  const failed = (why: string): void => {
    for (const one of waiting.values()) one.reject(new Error(why));
    waiting.clear();
  };
  child.on("message", (told: FromSigner) => {
    if (told.is === "failed") return failed(told.why);
    const one = waiting.get(told.is);
    waiting.delete(told.is);
    one?.resolve(told);
  });
  child.on("exit", (code) => failed(`the recorded signer ended with ${code}`));
  return <K extends FromSigner["is"]>(send: ToSigner, awaits: K): Promise<Told<K>> => {
    const one = Promise.withResolvers<FromSigner>();
    waiting.set(awaits, one);
    child.send(send);
    return one.promise as Promise<Told<K>>;
  };
};

export const startRecorded = async (head: Head, bundle: string): Promise<RecordedSigner> => {
  const child = fork(file, [], { serialization: "advanced", env: environment() });
  const say = openLine(child);
  const { node } = await say({ is: "begin", head, bundle }, "begun");
  return {
    ...{ node: node as NodeId, bundle },
    call: async (name, body) => {
      const { outcome } = await say({ is: "ask", request: ask(name, body) }, "answered");
      if (outcome.is !== "reply") throw new Error(`${name}: ${JSON.stringify(outcome)}`);
      return outcome.reply as Reply<typeof name>;
    },
    restart: async () => {
      await say({ is: "restart" }, "restarted");
    },
    end: async () => {
      const { packed } = await say({ is: "end" }, "ended");
      child.disconnect();
      return unpackRecording(packed);
    },
    kill: () => void child.kill("SIGKILL"),
  };
};
