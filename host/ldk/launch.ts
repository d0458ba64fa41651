/** The worker with all that it is given, and what a node is begun with. */

import { MessageChannel, Worker } from "node:worker_threads";
import type { ChainSource } from "../../chain/source.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Secret } from "../../protocol/secret.ts";
import { serveChain } from "./chain-port.ts";
import type { NodeConfig } from "./config.ts";
import type { LogLevel } from "./logger.ts";
import type { Address } from "./peers.ts";
import type { NodeStart, Started } from "./protocol.ts";

/** Of one node. */
export interface FleetNode {
  /** Of this node alone: its SQLite file. */
  readonly directory: string;
  readonly keys:
    | { readonly kind: "local"; readonly seed: Secret }
    /** The copy of the signer's `host` folder. */
    | { readonly kind: "remote"; readonly bundle: string };
  readonly listen?: Address;
  readonly config?: NodeConfig;
}

/** Of all nodes that share workers. */
export interface SharedOptions {
  readonly network: Network;
  /** Stays open when the nodes stop. */
  readonly chain: ChainSource;
  /** Default: 10 s. */
  readonly lookEveryMs?: number;
  /** Of LDK's lines, as events. Default: none. */
  readonly logLevel?: LogLevel;
  /** Beginnings anew within a quarter of an hour for which a node is to blame, after which it stays down. Default: 5. */
  readonly mostRestarts?: number;
}

export interface WorkerOptions extends SharedOptions {
  /** The file of the graph of public channels: what the worker's nodes share. */
  readonly graph: string;
}

const workerFile = new URL(`./worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export const startWorker = (options: WorkerOptions): Worker => {
  const { graph, network, chain } = options;
  const { port1, port2 } = new MessageChannel();
  serveChain(chain, port1);
  const started: Started = {
    ...{ graph, network },
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

export const startOf = ({ directory, keys, listen, config = {} }: FleetNode): NodeStart => ({
  ...{ directory, listen, config },
  keys:
    keys.kind === "remote" ? keys : { kind: "local", seed: keys.seed.use((bytes) => Uint8Array.from(bytes)) },
});
