/** Speaks as LDK's worker does, and dies when it is told to. */

import { parentPort, workerData } from "node:worker_threads";

const port = parentPort;
const { life, lives } = workerData as { readonly life: number; readonly lives: Int32Array };
if (port === null) throw new Error("no parent");
if (life === 3) {
  port.postMessage({ is: "fatal", reason: "the file is gone" });
  process.exit(1);
}
port.on("message", (message: { is: string; number: number; name: string; asked: unknown }) => {
  if (message.is === "stop") {
    port.postMessage({ is: "stopped" });
    port.close();
  } else if (message.name === "sync") {
    process.stdout.write("[fd 2]: panicked at channel.rs:6316\n", () => {
      port.postMessage({ is: "fatal", reason: "unreachable" });
      process.exit(1);
    });
  } else if (message.name === "claim")
    port.postMessage({ is: "failed", number: message.number, name: "Refused", reason: "by a rule" });
  else if (message.name === "info") port.postMessage({ is: "answer", number: message.number, answer: life });
});
Atomics.add(lives, 0, 1);
port.postMessage({ is: "ready", node: "02aa", height: life });
