/** What happens to cables that the operating system has a part in. */

import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeFrame } from "../../protocol/frame.ts";
import { type Transport, Unplugged } from "../../protocol/link.ts";
import { parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../protocol/wire/links/open.ts";
import { connectSocket, listenSocket } from "../../protocol/wire/links/socket.ts";
import { random } from "../fuzz/random.ts";
import { hasSocat, terminalPair } from "./link.cables.ts";
import { filled, linked, worlds } from "./link.kit.ts";

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error) => error,
  );

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cs-link-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Until no more is taken; how that ends. */
const flooded = async (transport: Transport): Promise<unknown> => {
  for (;;) {
    const error = await caught(transport.send(new Uint8Array(65_536)));
    if (error !== "no error") return error;
  }
};

const real = Object.entries(worlds).filter(([name]) => /socket|pseudo/.test(name));

describe.each(real)("%s", (_, { start }) => {
  test("the device's process dies amid a frame: the request ends, and another cable is as good as new", async () => {
    const world = start();
    const pair = await world.pair();
    const begun = Promise.withResolvers<void>();
    const { link } = linked(world, pair, {
      answer: async () => {
        begun.resolve();
        return new Promise(() => {});
      },
    });
    const asked = caught(link.ask(filled(1, 5_000)));
    await begun.promise;
    const frame = encodeFrame({ channel: 7, type: "data", sequence: 0, payload: new Uint8Array(900) });
    await pair.device.send(frame.subarray(0, 500));
    await pair.device.close();
    expect(await asked).toMatchObject({ name: "LinkError", why: "gone" });
    pair.unplug();
    const next = await world.pair();
    expect(await linked(world, next).link.ask(filled(2, 5_000))).toEqual(filled(2, 5_000));
    next.unplug();
  });

  test("garbage from the device before and amid what it says", async () => {
    const world = start();
    const pair = await world.pair();
    const rng = random(3);
    const { link } = linked(world, {
      ...pair,
      device: {
        ...pair.device,
        send: async (bytes) => {
          // A frame on a serial line ends what was left before it only where it is an opening.
          await pair.device.send(Uint8Array.of(...rng.bytes(rng.int(3_000)), 0));
          await pair.device.send(bytes);
        },
      },
    });
    await pair.device.send(rng.bytes(10_000));
    for (let n = 0; n < 5; n++) expect(await link.ask(filled(n, 2_000))).toEqual(filled(n, 2_000));
    await link.close();
    expect(await link.closed).toMatchObject({ why: "closed" });
    pair.unplug();
  });
});

describe("a Unix socket", () => {
  test("who does not read is stuck", async () => {
    const path = join(folder, "s");
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    const transport = await connectSocket({ path, stuckMs: 100 });
    expect(await flooded(transport)).toMatchObject({ name: "Unplugged", why: "stuck" });
    expect(await transport.closed).toMatchObject({ why: "stuck" });
    server.close();
  });

  test("its file is its owner's alone, a dead one is replaced, a living one is not; closing ends all", async () => {
    const path = join(folder, "s");
    await writeFile(path, "");
    const open: Transport[] = [];
    const listener = await listenSocket({ path, onTransport: (one) => open.push(one) });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await caught(listenSocket({ path, onTransport: () => undefined }))).toMatchObject({
      code: "EADDRINUSE",
    });
    const { transport, carrier } = await openLinkAddress(parseLinkAddress(`unix:${path}`));
    expect(carrier.name).toBe("bulk");
    await listener.close();
    expect(await transport.closed).toMatchObject({ why: "gone" });
    expect(await caught(transport.send(filled(1)))).toBeInstanceOf(Unplugged);
    expect(existsSync(path)).toBe(false);
    expect(await caught(openLinkAddress(parseLinkAddress(`unix:${path}`)))).toMatchObject({
      name: "LinkUnavailable",
      why: "missing",
    });
  });
});

describe("a serial line", () => {
  test.runIf(hasSocat)("a device that takes no bytes is stuck", async () => {
    const pair = await terminalPair({ stuckMs: 150 });
    pair.freeze();
    expect(await flooded(pair.host)).toMatchObject({ name: "Unplugged", why: "stuck" });
    expect(await pair.host.closed).toMatchObject({ why: "stuck" });
    pair.unplug();
  });

  // Each would else wait for the next look at the port's file, a quarter of a second.
  test.runIf(hasSocat)(
    "what arrives is told at once, though nothing else happens",
    { timeout: 12_000 },
    async () => {
      const pair = await terminalPair();
      let told = (): void => undefined;
      pair.device.receive((bytes) => void pair.device.send(bytes));
      pair.host.receive(() => told());
      for (let n = 0; n < 100; n++) {
        const { promise, resolve } = Promise.withResolvers<void>();
        told = resolve;
        await pair.host.send(filled(n, 1));
        await promise;
      }
      pair.unplug();
    },
  );

  test.runIf(hasSocat)("one process has it at a time, and the next may have it afterwards", async () => {
    const pair = await terminalPair();
    const address = parseLinkAddress(`serial:${pair.path}`);
    expect(await caught(openLinkAddress(address))).toMatchObject({ name: "LinkUnavailable", why: "busy" });
    pair.unplug();
  });

  test("no port, and no serial port", async () => {
    const nowhere = parseLinkAddress(`serial:${join(folder, "tty")}`);
    expect(await caught(openLinkAddress(nowhere))).toMatchObject({ why: "missing" });
    const file = parseLinkAddress("serial:/dev/null");
    expect(await caught(openLinkAddress(file))).toMatchObject({ why: "refused" });
  });
});
