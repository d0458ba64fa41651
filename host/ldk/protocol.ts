/** What the worker and the thread that started it say to each other. */

import type { MessagePort } from "node:worker_threads";
import type { Network } from "../../protocol/operations/fields.ts";
import type { CommandName } from "./commands.ts";
import type { NodeConfig } from "./config.ts";
import type { EngineParts } from "./engine.ts";
import type { Address } from "./peers.ts";
import type { NodeEvent } from "./told.ts";

export interface Started {
  readonly directory: string;
  readonly network: Network;
  readonly keys:
    | { readonly kind: "local"; readonly seed: Uint8Array }
    | { readonly kind: "remote"; readonly bundle: string };
  readonly listen: Address | undefined;
  readonly config: NodeConfig;
  readonly lookEveryMs: number;
  readonly logLevel: EngineParts["logLevel"];
  readonly chain: { readonly port: MessagePort; readonly name: string };
}

export type ToWorker =
  | { readonly is: "command"; readonly number: number; readonly name: CommandName; readonly asked: unknown }
  | { readonly is: "stop" };

export type FromWorker =
  | { readonly is: "ready"; readonly node: string; readonly height: number }
  | { readonly is: "answer"; readonly number: number; readonly answer: unknown }
  | {
      readonly is: "failed";
      readonly number: number;
      /** Of the error: what is `Refused` came from the signer. */
      readonly name: string;
      readonly reason: string;
    }
  | { readonly is: "event"; readonly event: NodeEvent }
  /** It could not begin, or has to end: LDK panicked, or its state could not be stored. */
  | { readonly is: "fatal"; readonly reason: string }
  | { readonly is: "stopped" };
