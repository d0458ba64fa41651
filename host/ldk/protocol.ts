/** What the worker and the thread that started it say to each other. Nodes have numbers, which are never used twice. */

import type { MessagePort } from "node:worker_threads";
import type { Network } from "../../protocol/operations/fields.ts";
import type { CommandName } from "./commands.ts";
import type { NodeConfig } from "./config.ts";
import type { LogLevel } from "./logger.ts";
import type { Address } from "./peers.ts";
import type { NodeEvent } from "./told.ts";

/** For all nodes of the worker. */
export interface Started {
  readonly network: Network;
  /** The file of the graph of public channels. */
  readonly graph: string;
  readonly lookEveryMs: number;
  readonly logLevel: LogLevel;
  readonly chain: { readonly port: MessagePort; readonly name: string };
}

export interface NodeStart {
  readonly directory: string;
  readonly keys:
    | { readonly kind: "local"; readonly seed: Uint8Array }
    | { readonly kind: "remote"; readonly bundle: string };
  readonly listen: Address | undefined;
  readonly config: NodeConfig;
}

export type ToWorker =
  | { readonly is: "begin"; readonly node: number; readonly start: NodeStart }
  | {
      readonly is: "command";
      readonly node: number;
      readonly number: number;
      readonly name: CommandName;
      readonly asked: unknown;
    }
  | { readonly is: "stop"; readonly node: number }
  /** No node is left. */
  | { readonly is: "end" };

export type FromWorker =
  | { readonly is: "ready"; readonly node: number; readonly id: string; readonly height: number }
  | { readonly is: "answer"; readonly node: number; readonly number: number; readonly answer: unknown }
  | {
      readonly is: "failed";
      readonly node: number;
      readonly number: number;
      /** Of the error: what is `Refused` came from the signer. */
      readonly name: string;
      readonly reason: string;
    }
  | { readonly is: "event"; readonly node: number; readonly event: NodeEvent }
  /** It could not begin, or had to end by itself: the others go on. `signer`: begun again as often as it takes. */
  | {
      readonly is: "ended";
      readonly node: number;
      readonly because: "signer" | "fault";
      readonly reason: string;
    }
  /** The worker ends, and all its nodes; with the one that it ends for, where it is known. */
  | { readonly is: "fatal"; readonly node: number | undefined; readonly reason: string }
  | { readonly is: "stopped"; readonly node: number };
