/** Two devices with the real core at once, and one in the place of the other. */

import { strict as assert } from "node:assert";
import { unknown } from "../../../protocol/codec.ts";
import { kinds, openNow } from "./bus.ts";
import { type Case, eventually } from "./harness.ts";
import type { Running } from "./owner.ts";
import { type Owners, running, wholeChannel } from "./signing.ts";

/** Why a signer that asks for a channel gets none. */
const awayBecause = async (signer: Running): Promise<readonly string[]> => {
  const { rule, facts } = await signer.refusal("new", { node: signer.rig.session.node, wanted: unknown });
  assert.equal(rule, "device-reachable");
  return ["is", "because"].map((name) => facts.find((fact) => fact.name === name)?.value ?? "");
};

const opened = async (signer: Running): Promise<void> => {
  await eventually("an open device", () => signer.state() === "open" || undefined);
};

export const strangersCases = ([first, second]: Owners): readonly Case[] => {
  if (first === undefined || second === undefined) throw new RangeError("two owners");
  let pairing: Promise<Uint8Array> | undefined;
  /** The second device knows the signer of the first one as well, so that its key or its words alone tell it. */
  const meet = async (): Promise<Uint8Array> => {
    const [owner, other] = [await first(), await second()];
    // A locked one would ask for its PIN before it lets itself be paired.
    await running(other.over("hid"), (signer) => opened(signer));
    return owner.pair("hid", other.device);
  };
  const known = (): Promise<Uint8Array> => {
    pairing ??= meet();
    return pairing;
  };
  return [
    {
      name: "two devices signing at once, each for its own signer",
      limit: 180_000,
      run: async () => {
        const owners = [await first(), await second()];
        const ways = ["serial", "usb"] as const;
        await Promise.all(
          owners.map((owner, i) =>
            running(owner.over(ways[i] ?? "hid"), (signer) =>
              wholeChannel(owner.device, signer, "both at once"),
            ),
          ),
        );
      },
    },
    ...kinds.map((kind) => ({
      name: `signing with another device in the place of one's own, over ${kind}: it is noticed`,
      limit: 120_000,
      run: async () => {
        await known();
        const [own, other] = [(await first()).device, (await second()).device];
        let there = other;
        const open = () => openNow(kind, there.serialNumber);
        // Far less than the link's own patience, at whose end nothing is known but silence.
        const options = { open, patienceMs: 6_000 };
        await running((await first()).start(options), async (signer) => {
          const [is, because = ""] = await awayBecause(signer);
          assert.equal(is, "wrong-device");
          assert.match(because, /its key is not that of the one that was paired/);
          there = own;
          await opened(signer);
          await signer.call("new", { node: signer.rig.session.node, wanted: unknown });
        });
      },
    })),
    {
      name: "signing with a device that knows the signer and has other words: it is noticed",
      limit: 120_000,
      run: async () => {
        const key = await known();
        const [owner, { device }] = [await first(), await second()];
        const open = () => openNow("hid", device.serialNumber);
        await running(owner.start({ open, key, patienceMs: 4_000 }), async (signer) => {
          const [is] = await awayBecause(signer);
          assert.equal(is, "wrong-device");
        });
      },
    },
  ];
};
