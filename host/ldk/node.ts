/** One node of the worker, from its directory to its commands. It can end by itself: the others go on. */

import { toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { Secret } from "../../protocol/secret.ts";
import { readBundle } from "../bundle.ts";
import { openLine } from "./bridge/line.ts";
import type { Lines } from "./bridge/lines.ts";
import { type PatientLine, patientLine } from "./bridge/patient.ts";
import { type CommandName, commandsOf, type Doing } from "./commands.ts";
import type { Common } from "./common.ts";
import { type Engine, openEngine } from "./engine.ts";
import type { Keys } from "./keys/keys.ts";
import { openLocalKeys } from "./keys/local.ts";
import { openRemoteKeys } from "./keys/remote.ts";
import { approvalCommand } from "./keys/remote-answers.ts";
import type { KeysEvent } from "./keys/remote-events.ts";
import type { NodeStart } from "./protocol.ts";
import { openNodeStore } from "./store.ts";
import { reasonOf, type Tell } from "./told.ts";

export interface NodeParts {
  readonly start: NodeStart;
  readonly common: Common;
  readonly lines: Lines;
  readonly curve: Curve;
  readonly tell: Tell;
  /** Once, and never before it has begun: it has to be stopped, and nothing that it did since its last commit was said. */
  readonly fatal: (error: unknown) => void;
  /** Milliseconds that LDK may stand still for the signer. */
  readonly patience: () => number;
  /** Nobody wants it any more. */
  readonly signal: AbortSignal;
}

export interface RunningNode {
  readonly id: string;
  height(): number;
  command(name: CommandName, asked: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

const telling =
  (tell: Tell) =>
  (event: KeysEvent): void => {
    switch (event.is) {
      case "refused": {
        const asks = approvalCommand(event.refusal);
        tell({
          is: "refused",
          operation: event.operation,
          rule: event.refusal.rule,
          sentence: event.refusal.sentence,
          waits: event.waits,
          ...(asks === undefined ? {} : { command: asks }),
        });
        return;
      }
      case "trouble":
        tell({
          is: "trouble",
          what: `the signer, asked for ${event.operation}`,
          reason: event.fault.sentence,
        });
        return;
      case "defect":
        tell({ is: "trouble", what: event.where, reason: reasonOf(event.error) });
        return;
      case "feed":
        tell({ is: "trouble", what: "showing blocks to the signer", reason: event.reason });
        return;
      case "signer":
        tell({ is: "signer", state: event.state.is });
    }
  };

interface LineParts {
  readonly lines: Lines;
  readonly bundle: string;
  readonly tell: (event: KeysEvent) => void;
  readonly limit: () => number;
  readonly gaveUp: () => void;
}

const lineTo = ({ lines, bundle, tell, limit, gaveUp }: LineParts): PatientLine => {
  // With its own words where it can't be read: a line would say no more than that its thread ended.
  readBundle(bundle).credentials.key.wipe();
  const line = patientLine({
    ...{ limit, gaveUp },
    line: openLine({
      ...{ bundle, lines },
      onState: (state) => {
        line.heard(state);
        tell({ is: "signer", state });
      },
    }),
  });
  return line;
};

export const openNode = async (parts: NodeParts): Promise<RunningNode> => {
  const { start, common, curve, signal } = parts;
  const { directory, config, listen } = start;
  const { network } = common;
  let line: PatientLine | undefined;
  let keys: Keys | undefined;
  let engine: Engine | undefined;
  let hasBegun = false;
  let isOver = false;
  /** What comes of an answer that was never given is nobody's business. */
  const tell: Tell = (event) => {
    if (!isOver) parts.tell(event);
  };
  const store = openNodeStore(directory);
  /** LDK may wait for ever for what is over. */
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => undefined);
  const quitting = new AbortController();
  const fatal = (error: unknown): void => {
    isOver = true;
    if (hasBegun) parts.fatal(error);
    else over.reject(error);
  };
  const quit = (): void => over.reject(new Error("it was stopped before it had begun"));
  signal.addEventListener("abort", quit, { once: true });

  const openKeys = async (): Promise<Keys> => {
    const { database } = store;
    if (start.keys.kind === "local")
      return openLocalKeys({ seed: new Secret(start.keys.seed), database, curve });
    const { bundle } = start.keys;
    const told = telling(tell);
    line = lineTo({
      ...{ lines: parts.lines, bundle, tell: told, limit: parts.patience },
      gaveUp: () => {
        isOver = true;
      },
    });
    return openRemoteKeys({ bundle, line, database, curve, tell: told });
  };

  const begin = async (): Promise<RunningNode> => {
    const held = await openKeys();
    keys = held;
    await held.prepare();
    const running = await openEngine({
      ...{ keys: held, store, common, curve, config, tell, fatal },
      check: () => line?.check(),
      signal: quitting.signal,
    });
    engine = running;
    const listening = listen === undefined ? undefined : await running.peers.listen(listen);
    quitting.signal.throwIfAborted();
    const doing = commandsOf({ engine: running, keys: held, curve, network, config, listening });
    running.announcer.begin(listening);
    running.peers.resume();
    return {
      id: toHex(held.nodeId),
      height: () => running.blocks.tip().height,
      command: (name, asked) =>
        (doing[name] as (asked: unknown) => Promise<Awaited<ReturnType<Doing[CommandName]>>>)(asked),
      stop: async () => {
        // Who asked a signer that does not answer would wait on.
        if (isOver) await line?.close();
        await running.stop();
        store.close();
      },
    };
  };
  try {
    const node = await Promise.race([begin(), over.promise]);
    hasBegun = true;
    return node;
  } catch (error) {
    isOver = true;
    quitting.abort();
    await (engine === undefined ? (keys ?? line)?.close() : engine.stop());
    store.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", quit);
  }
};
