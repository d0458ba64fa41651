/** LDK's own thread: a panic ends it and nothing else, and a callback may stand still without stopping the host. */

import { parentPort, workerData } from "node:worker_threads";
import { toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { chainOver } from "./chain-port.ts";
import { type CommandName, commandsOf, type Doing } from "./commands.ts";
import { openEngine } from "./engine.ts";
import type { Keys } from "./keys/keys.ts";
import { openLocalKeys } from "./keys/local.ts";
import { openRemoteKeys } from "./keys/remote.ts";
import { approvalCommand } from "./keys/remote-answers.ts";
import { isPanic, loadLdk } from "./library.ts";
import type { FromWorker, Started, ToWorker } from "./protocol.ts";
import { type NodeStore, openNodeStore } from "./store.ts";
import { reasonOf, type Tell } from "./told.ts";

const port = parentPort;
if (port === null) throw new Error("the node's worker was started without a parent");
const started = workerData as Started;
const send = (message: FromWorker): void => port.postMessage(message);
const tell: Tell = (event) => send({ is: "event", event });

const fatal = (error: unknown): void => {
  send({ is: "fatal", reason: reasonOf(error) });
  // Nothing of LDK may be called again; the parent begins anew from disk.
  process.exit(1);
};
process.on("uncaughtException", fatal);
process.on("unhandledRejection", fatal);

const openKeys = async (store: NodeStore, curve: Curve): Promise<Keys> => {
  const { keys } = started;
  const { database } = store;
  if (keys.kind === "local") return openLocalKeys({ seed: new Secret(keys.seed), database, curve });
  return openRemoteKeys({
    bundle: keys.bundle,
    database,
    curve,
    tell: (event) => {
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
    },
  });
};

const run = async (): Promise<void> => {
  await loadLdk();
  const { directory, network, config, listen, lookEveryMs, logLevel, chain } = started;
  const curve = await openCurve("native");
  const store = openNodeStore(directory);
  const source = chainOver(chain.port, chain.name);
  const keys = await openKeys(store, curve);
  await keys.prepare();
  const engine = await openEngine({
    ...{ keys, store, source, curve, network, config, lookEveryMs, logLevel, tell, fatal },
  });
  const listening = listen === undefined ? undefined : await engine.peers.listen(listen);
  const doing = commandsOf({ engine, keys, curve, network, config, listening });
  engine.announcer.begin(listening);
  engine.peers.resume();

  const command = async (number: number, name: CommandName, asked: unknown): Promise<void> => {
    try {
      const action = doing[name] as (asked: unknown) => Promise<Awaited<ReturnType<Doing[CommandName]>>>;
      send({ is: "answer", number, answer: await action(asked) });
    } catch (error) {
      if (isPanic(error)) fatal(error);
      const failure = error instanceof Error ? error.name : "Error";
      send({ is: "failed", number, name: failure, reason: reasonOf(error) });
    }
  };

  const stop = async (): Promise<void> => {
    await engine.stop();
    await source.close();
    store.close();
    send({ is: "stopped" });
    port.close();
  };

  port.on("message", (message: ToWorker) => {
    if (message.is === "command") void command(message.number, message.name, message.asked);
    else stop().catch(fatal);
  });
  send({ is: "ready", node: toHex(keys.nodeId), height: engine.blocks.tip().height });
};

await run().catch(fatal);
