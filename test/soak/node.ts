/** One LDK node in a process of its own, so that SIGKILL takes all of it. What crosses has bigints and bytes: structured clones. */

import { esplora } from "../../chain/esplora.ts";
import { type LdkNode, type NodeConfig, type NodeEvent, startNode } from "../../host/ldk/index.ts";
import { Secret } from "../../protocol/secret.ts";

export interface Begin {
  readonly is: "begin";
  readonly directory: string;
  readonly keys:
    | { readonly kind: "local"; readonly seed: Uint8Array }
    | { readonly kind: "remote"; readonly bundle: string };
  /** Of an Esplora index. */
  readonly chain: string;
  readonly port: number;
  readonly config: NodeConfig;
}

export type ToNode =
  | Begin
  | { readonly is: "ask"; readonly number: number; readonly name: string; readonly asked: unknown }
  | { readonly is: "stop" };

export type FromNode =
  | { readonly is: "ready"; readonly node: string }
  | { readonly is: "answer"; readonly number: number; readonly answer: unknown }
  | { readonly is: "failed"; readonly number: number; readonly name: string; readonly reason: string }
  | { readonly is: "event"; readonly event: NodeEvent }
  | { readonly is: "broken"; readonly reason: string };

const send = (message: FromNode): void => {
  if (process.connected) process.send?.(message);
};
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const host = "127.0.0.1";

const begin = async ({ directory, keys, chain, port, config }: Begin): Promise<LdkNode> => {
  const node = await startNode({
    ...{ directory, config, network: "regtest", lookEveryMs: 300, logLevel: "error" },
    keys: keys.kind === "remote" ? keys : { kind: "local", seed: new Secret(keys.seed) },
    chain: esplora({ url: chain }),
    listen: { host, port },
  });
  void (async () => {
    for await (const event of node.events()) send({ is: "event", event });
  })();
  return node;
};

let node: LdkNode | undefined;

const take = async (message: ToNode): Promise<void> => {
  switch (message.is) {
    case "begin":
      node = await begin(message);
      return send({ is: "ready", node: node.id });
    case "ask": {
      const { number, name, asked } = message;
      try {
        const command = node?.[name as "info"] as ((asked: unknown) => Promise<unknown>) | undefined;
        if (command === undefined) throw new Error(`the node has no command ${name}, or has not begun`);
        return send({ is: "answer", number, answer: await command(asked) });
      } catch (error) {
        const name_ = error instanceof Error ? error.name : "Error";
        return send({ is: "failed", number, name: name_, reason: reasonOf(error) });
      }
    }
    case "stop":
      await node?.stop();
      process.exit(0);
  }
};

process.on("message", (message: ToNode) => {
  take(message).catch((error: unknown) => {
    send({ is: "broken", reason: reasonOf(error) });
    process.exit(1);
  });
});
// Without whoever began it there is nobody to answer.
process.on("disconnect", () => process.exit(1));
