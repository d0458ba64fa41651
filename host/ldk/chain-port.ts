/** A ChainSource of one thread for another: the same port, over a MessagePort. */

import type { MessagePort } from "node:worker_threads";
import { type ChainSource, SourceError } from "../../chain/source.ts";

type Method = Exclude<keyof ChainSource, "name" | "close">;
const methods: ReadonlySet<string> = new Set<Method>([
  "tip",
  "hashAt",
  "header",
  "block",
  "feerate",
  "publish",
]);

interface Question {
  readonly number: number;
  readonly method: Method;
  readonly given: readonly unknown[];
}

type Reply =
  | { readonly number: number; readonly is: "answer"; readonly answer: unknown }
  | { readonly number: number; readonly is: "failed"; readonly reason: string };

const isQuestion = (value: unknown): value is Question =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as Question).number === "number" &&
  methods.has((value as Question).method) &&
  Array.isArray((value as Question).given);

/** In the thread that has the source. Ends with the port; the source stays open. */
export const serveChain = (source: ChainSource, port: MessagePort): void => {
  const answer = async ({ number, method, given }: Question): Promise<void> => {
    let reply: Reply;
    try {
      const ask = source[method] as (...given: unknown[]) => Promise<unknown>;
      reply = { number, is: "answer", answer: await ask.apply(source, [...given]) };
    } catch (error) {
      reply = { number, is: "failed", reason: error instanceof Error ? error.message : "unknown" };
    }
    port.postMessage(reply);
  };
  port.on("message", (value: unknown) => {
    if (isQuestion(value)) void answer(value);
  });
};

/** In the thread that has not. */
export const chainOver = (port: MessagePort, name: string): ChainSource => {
  const waiting = new Map<
    number,
    { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }
  >();
  let next = 0;
  let isClosed = false;
  port.on("message", (reply: Reply) => {
    const one = waiting.get(reply.number);
    waiting.delete(reply.number);
    if (reply.is === "answer") one?.resolve(reply.answer);
    else one?.reject(new SourceError(reply.reason));
  });
  const end = (): void => {
    isClosed = true;
    for (const { reject } of waiting.values()) reject(new SourceError("the chain's source was closed"));
    waiting.clear();
  };
  port.on("close", end);
  const ask = <T>(method: Method, ...given: readonly unknown[]): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (isClosed) {
        reject(new SourceError("the chain's source was closed"));
        return;
      }
      const number = next++;
      waiting.set(number, { resolve: (answer) => resolve(answer as T), reject });
      port.postMessage({ number, method, given } satisfies Question);
    });
  return {
    name,
    tip: () => ask("tip"),
    hashAt: (height) => ask("hashAt", height),
    header: (hash) => ask("header", hash),
    block: (hash) => ask("block", hash),
    feerate: (blocks) => ask("feerate", blocks),
    publish: (transactions) => ask("publish", transactions),
    close: async () => {
      port.close();
      end();
    },
  };
};
