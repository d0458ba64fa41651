/** Speaks as LDK's worker does, and dies when it is told to. */

import { parentPort, workerData } from "node:worker_threads";
import type { FromWorker, NodeStart, ToWorker } from "../../host/ldk/protocol.ts";

const port = parentPort;
const { life, lives } = workerData as { readonly life: number; readonly lives: Int32Array };
if (port === null) throw new Error("no parent");
const send = (message: FromWorker): void => port.postMessage(message);

const die = (reason: string, node?: number): void => {
  send({ is: "fatal", node, reason });
  process.exit(1);
};
if (life === 3) die("the file is gone");

/** What a node does is in the name of its directory. */
const begin = (node: number, { directory }: NodeStart): void => {
  if (directory.startsWith("bad")) send({ is: "ended", node, because: "fault", reason: "no such directory" });
  else if (directory.startsWith("deadly")) die("unreachable", node);
  else if (!directory.startsWith("slow")) send({ is: "ready", node, id: `02a${node}`, height: life });
};

port.on("message", (message: ToWorker) => {
  if (message.is === "end") port.close();
  else if (message.is === "begin") begin(message.node, message.start);
  else if (message.is === "stop") send({ is: "stopped", node: message.node });
  else {
    const { node, number, name, asked } = message;
    if (name === "sync")
      process.stdout.write("[fd 2]: panicked at channel.rs:6316\n", () =>
        die("unreachable", asked as number),
      );
    else if (name === "claim") send({ is: "failed", node, number, name: "Refused", reason: "by a rule" });
    else if (name === "info") send({ is: "answer", node, number, answer: life });
    else if (name === "balance") send({ is: "ended", node, because: "signer", reason: "silent" });
    else if (name === "channels") send({ is: "ended", node, because: "fault", reason: "the disk is full" });
  }
});
Atomics.add(lives, 0, 1);
