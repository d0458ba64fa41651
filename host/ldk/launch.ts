/** The worker with all that it is given. */

import { MessageChannel, Worker } from "node:worker_threads";
import type { ChainSource } from "../../chain/source.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Secret } from "../../protocol/secret.ts";
import { serveChain } from "./chain-port.ts";
import type { NodeConfig } from "./config.ts";
import type { EngineParts } from "./engine.ts";
import type { Address } from "./peers.ts";
import type { Started } from "./protocol.ts";

export interface NodeOptions {
  /** Of this node alone: its SQLite file. */
  readonly directory: string;
  readonly network: Network;
  readonly keys:
    | { readonly kind: "local"; readonly seed: Secret }
    /** The copy of the signer's `host` folder. */
    | { readonly kind: "remote"; readonly bundle: string };
  /** Stays open when the node stops. */
  readonly chain: ChainSource;
  readonly listen?: Address;
  readonly config?: NodeConfig;
  /** Default: 10 s. */
  readonly lookEveryMs?: number;
  /** Of LDK's lines, as events. Default: none. */
  readonly logLevel?: EngineParts["logLevel"];
  /** Beginnings anew within a quarter of an hour, after which it stays down. Default: 5. */
  readonly mostRestarts?: number;
}

const workerFile = new URL(`./worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export const startWorker = (options: NodeOptions): Worker => {
  const { directory, network, keys, chain, listen, config = {} } = options;
  const { port1, port2 } = new MessageChannel();
  serveChain(chain, port1);
  const started: Started = {
    ...{ directory, network, listen, config },
    keys:
      keys.kind === "remote"
        ? keys
        : { kind: "local", seed: keys.seed.use((bytes) => Uint8Array.from(bytes)) },
    lookEveryMs: options.lookEveryMs ?? 10_000,
    logLevel: options.logLevel ?? "none",
    chain: { port: port2, name: chain.name },
  };
  const worker = new Worker(workerFile, {
    workerData: started,
    transferList: [port2],
    // LDK's bindings print to the console, also when LDK panics.
    stdout: true,
    stderr: true,
  });
  worker.once("exit", () => port1.close());
  return worker;
};
