/** The thread that owns the stream to the signer: it is never still, so that LDK's own may stand still for an answer. */

import { parentPort, workerData } from "node:worker_threads";
import { type Name, packReply, type Request, unpackRequest } from "../../../protocol/operations/index.ts";
import { connectTo, readBundle } from "../../bundle.ts";
import { signerClient } from "../../client.ts";
import { type Answer, type Asked, bell, type Start, type Told } from "./thread-messages.ts";

const { bundle, shared, blocking, watch } = workerData as Start;
const port = parentPort;
if (port === null) throw new Error("not the main thread's work");
const words = new Int32Array(shared);

const ring = (word: number): void => {
  Atomics.add(words, word, 1);
  Atomics.notify(words, bell.rung);
};
process.once("exit", () => {
  Atomics.store(words, bell.gone, 1);
  Atomics.add(words, bell.rung, 1);
  Atomics.notify(words, bell.rung);
});
setInterval(() => Atomics.add(words, bell.beats, 1), 500).unref();

const tell = (told: Told): void => {
  port.postMessage(told);
  if (told.is === "state") watch?.postMessage(told.state);
};

const client = signerClient({
  connect: connectTo(readBundle(bundle)),
  onState: (state) => tell({ is: "state", state }),
});

/** What this side can't send is a defect of this side, and told as one: whoever asked would wait for ever. */
const outcomeOf = async (packed: Uint8Array): Promise<Answer> => {
  try {
    const { name, body } = unpackRequest(packed);
    const outcome = await client.outcome(name as Name, body as Request<Name>);
    return outcome.is === "reply"
      ? { is: "reply", packed: packReply(name, outcome.reply as never) }
      : outcome;
  } catch (error) {
    return { is: "fault", fault: { code: "internal", sentence: `this host: ${(error as Error).message}` } };
  }
};

const answer = async ({ id, how, packed }: Asked): Promise<void> => {
  const given = await outcomeOf(packed);
  if (how === "bell") {
    blocking.postMessage(given);
    ring(bell.rung);
  } else tell({ is: "answer", id, answer: given });
};

port.on("message", (asked: Asked) => {
  if (asked.how !== "close") {
    void answer(asked);
    return;
  }
  void client.close().then(() => {
    watch?.close();
    blocking.close();
    port.close();
    process.exit(0);
  });
});
