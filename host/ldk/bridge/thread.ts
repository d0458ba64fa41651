/** The thread that owns the streams to the signers: it is never still, so that LDK's own may stand still for an answer. */

import { parentPort } from "node:worker_threads";
import { type Name, packReply, type Request, unpackRequest } from "../../../protocol/operations/index.ts";
import { connectTo, readBundle } from "../../bundle.ts";
import { signerClient } from "../../client.ts";
import { type Answer, type Asked, bell, type Start, type Told } from "./thread-messages.ts";

const port = parentPort;
if (port === null) throw new Error("not the main thread's work");
const bells = new Set<Int32Array>();

const ring = (words: Int32Array, word: number): void => {
  Atomics.add(words, word, 1);
  Atomics.notify(words, bell.rung);
};
const hush = (words: Int32Array): void => {
  Atomics.store(words, bell.gone, 1);
  ring(words, bell.rung);
};
process.once("exit", () => {
  for (const words of bells) hush(words);
});
setInterval(() => {
  for (const words of bells) Atomics.add(words, bell.beats, 1);
}, 500).unref();

const openLine = ({ bundle, shared, blocking, talk, watch }: Start): void => {
  const words = new Int32Array(shared);

  const tell = (told: Told): void => {
    talk.postMessage(told);
    if (told.is === "state") watch?.postMessage(told.state);
  };
  const leave = (): void => {
    bells.delete(words);
    watch?.close();
    blocking.close();
    talk.close();
  };

  const client = signerClient({
    connect: connectTo(readBundle(bundle)),
    onState: (state) => tell({ is: "state", state }),
  });

  bells.add(words);

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
      ring(words, bell.rung);
    } else tell({ is: "answer", id, answer: given });
  };

  talk.on("message", (asked: Asked) => {
    if (asked.how === "close") void client.close().then(leave);
    else void answer(asked);
  });
};

/** One whose bundle can't be read is no business of the other lines'. */
port.on("message", (start: Start) => {
  try {
    openLine(start);
  } catch (error) {
    start.talk.postMessage({ is: "broken", reason: (error as Error).message } satisfies Told);
    start.talk.close();
    start.blocking.close();
    start.watch?.close();
    hush(new Int32Array(start.shared));
  }
});
