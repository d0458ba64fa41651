/** A piece that is lost while a person reads a question: the others who ask go on meanwhile. */

import { expect, test } from "vitest";
import { carriers } from "../../protocol/carrier/index.ts";
import { type Transport, Unplugged } from "../../protocol/link.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { htlcOf, keysendOf } from "../scripted/channel.ts";
import { type Cable, deviceBench } from "../scripted/device.ts";
import { rig } from "../scripted/road.ts";

type Listener = (bytes: Uint8Array) => void;

/** The next piece from the device is lost where `loses` says so. */
const lossy = (loses: () => boolean): Cable => {
  const gone = new Unplugged("gone", "the cable was pulled");
  const closed = Promise.withResolvers<Unplugged>();
  const ends = [0, 1].map(() => ({ to: undefined as Listener | undefined, waiting: [] as Uint8Array[] }));
  const [first, second] = ends as [(typeof ends)[0], (typeof ends)[0]];
  const side = (mine: typeof first, other: typeof first, isDevice: boolean): Transport => ({
    name: "lossy",
    closed: closed.promise,
    send: async (bytes) => {
      if (isDevice && loses()) return;
      setImmediate(() => (other.to === undefined ? other.waiting.push(bytes) : other.to(bytes)));
    },
    receive: (listener) => {
      setImmediate(() => {
        mine.to = listener;
        for (const bytes of mine.waiting.splice(0)) listener(bytes);
      });
    },
    close: async () => closed.resolve(gone),
  });
  return {
    signer: side(first, second, false),
    device: side(second, first, true),
    unplug: () => closed.resolve(gone),
  };
};

test("a keepalive that is lost holds up nobody but the question that it was for", async () => {
  let loses = false;
  const once = (): boolean => {
    const did = loses;
    loses = false;
    return did;
  };
  const over = { carrier: carriers.bulk, cable: async () => lossy(once) };
  const bench = await deviceBench({ lingers: (title) => title === "Pay", over });
  const keyring = await bench.keyring(grouped(memoryDisk().open()));
  const signer = await rig({ watch: () => keyring, proposes: false });
  await expect.poll(() => keyring.state(), { timeout: 10_000 }).toBe("open");
  const { node } = keyring;
  const large = signer.outcome("proposePayment", keysendOf(node, htlcOf("holder", 50_000_000n, "large")));
  await expect.poll(() => bench.device().screen.is, { timeout: 10_000 }).toBe("consent");
  loses = true;
  await expect.poll(() => loses, { timeout: 10_000 }).toBe(false);
  // The link has noticed by the next one, and trusts the cable less.
  for (const name of ["a", "b", "c"]) {
    await new Promise((done) => setTimeout(done, 300));
    const message = new TextEncoder().encode(name);
    expect(await signer.call("signMessage", { node, message } as never)).toBeDefined();
  }
  expect(bench.device().screen.is).toBe("consent");
  bench.goOn();
  expect(await large).toMatchObject({ reply: { standing: "approved" } });
  await keyring.close();
  await bench.close();
}, 30_000);
