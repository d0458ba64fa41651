/** Cables that are pulled, at every moment of an exchange, and what others left on them. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { concat } from "../../../protocol/bytes.ts";
import { encodeInit, initFrame } from "../../../protocol/link/hello.ts";
import { LinkError, openLink } from "../../../protocol/link.ts";
import { type Bus, type Device, type Kind, kinds, openSoon, ports, times, using, withLink } from "./bus.ts";
import { type Case, within } from "./harness.ts";
import { signers } from "./links.ts";

const gone: ReadonlySet<string> = new Set(["gone", "stuck", "silent"]);

const request = (): Uint8Array => Uint8Array.from(randomBytes(150));

/** How one exchange ended: the right answer, or a clear error. A wrong answer throws. */
const exchange = async (kind: Kind, device: Device): Promise<"answered" | "gone"> => {
  const link = openLink({
    ...(await openSoon(kind, device)),
    identity: signers[kind],
    device: device.key,
    ports,
    times: { ...times, patienceMs: 8_000, silenceMs: 2_000 },
  });
  try {
    await using(link).echo(request());
    return "answered";
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    assert.ok(gone.has(error.why), `${error.why}: ${error.message}`);
    return "gone";
  } finally {
    await within(5_000, "closing the link", link.close());
  }
};

const unpluggedAtEach = async (kind: Kind, device: Device): Promise<void> => {
  await device.tell({ do: "count", at: 0 });
  assert.equal(await exchange(kind, device), "answered");
  const pieces = Number(await device.tell({ do: "counted" }));
  // Init, hello, two messages of the handshake, request, answer, close.
  assert.ok(pieces >= 6, `only ${pieces} pieces`);
  let cut = 0;
  for (let at = 1; at <= pieces; at++) {
    await device.tell({ do: "count", at });
    const ended = await exchange(kind, device);
    // What comes behind the answer can't take it back.
    if (ended === "gone") cut++;
    const reached = Number(await device.tell({ do: "counted" }));
    assert.ok(reached >= at || ended === "answered", `piece ${at} was never reached: ${ended} at ${reached}`);
    await device.tell({ do: "count", at: 0 });
    if (reached < at) continue;
    await device.unplug();
    await device.plug();
    assert.equal(await exchange(kind, device), "answered", `after piece ${at}`);
  }
  assert.ok(cut >= 5, `the cable was pulled ${cut} times within the exchange`);
};

export const cablesCases = ({ devices: [device] }: Bus): readonly Case[] => {
  if (device === undefined) throw new RangeError("one device at least");
  return [
    ...kinds.map((kind) => ({
      name: `pulled between two requests over ${kind}: the link ends, another one goes on`,
      run: async () => {
        const link = openLink({
          ...(await openSoon(kind, device)),
          identity: signers[kind],
          device: device.key,
          ports,
          times,
        });
        await using(link).echo(request());
        await device.unplug();
        const next = using(link).echo(request());
        await assert.rejects(within(15_000, "the request", next), LinkError);
        assert.ok(gone.has((await within(15_000, "the link's end", link.closed)).why));
        await link.close();
        await device.plug();
        await withLink(kind, device, signers[kind], ({ echo }) => echo(request()));
      },
    })),
    ...kinds.map((kind) => ({
      name: `what others left on ${kind} is passed over`,
      run: async () => {
        const { transport, carrier } = await openSoon(kind, device);
        const init = encodeInit({
          nonce: ports.random(8),
          ...{ purpose: "session", lowest: 1, highest: 1, capabilities: 0, maxMessage: 1_000 },
          signer: new Uint8Array(8),
        });
        const pieces = carrier.encode(initFrame(init));
        const half = concat(...pieces);
        if (kind === "hid") {
          for (let i = 0; i < 20; i++) await transport.send(Uint8Array.from(randomBytes(64)));
          await transport.send(pieces[0] ?? half);
        } else {
          await transport.send(Uint8Array.from(randomBytes(3_000)));
          // A frame that is broken off.
          await transport.send(half.slice(0, -9));
        }
        await transport.close();
        await withLink(kind, device, signers[kind], ({ echo }) => echo(request()));
      },
    })),
    ...kinds.map((kind) => ({
      name: `unplugged at every piece of an exchange over ${kind}`,
      limit: 180_000,
      run: () => unpluggedAtEach(kind, device),
    })),
  ];
};
