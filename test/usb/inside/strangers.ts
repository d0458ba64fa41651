/** Two devices with the real core at once, and one in the place of the other. */

import { strict as assert } from "node:assert";
import { unknown } from "../../../protocol/codec.ts";
import { kinds, openNow } from "./bus.ts";
import { type Case, eventually } from "./harness.ts";
import type { Running } from "./owner.ts";
import { type Owners, running, wholeChannel } from "./signing.ts";

/** Why a signer that asks for a channel gets none. */
const awayBecause = async (signer: Running): Promise<string> => {
  const { rule, facts } = await signer.refusal("new", { node: signer.rig.session.node, wanted: unknown });
  assert.equal(rule, "device-reachable");
  return facts.find(({ name }) => name === "is")?.value ?? "";
};

export const strangersCases = ([first, second]: Owners): readonly Case[] => {
  if (first === undefined || second === undefined) throw new RangeError("two owners");
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
        const [own, other] = [(await first()).device, (await second()).device];
        let there = other;
        const open = () => openNow(kind, there.serialNumber);
        await running((await first()).start({ open, patienceMs: 4_000 }), async (signer) => {
          assert.equal(await awayBecause(signer), "unplugged");
          there = own;
          await eventually("its own device", () => signer.state() === "open" || undefined);
          await signer.call("new", { node: signer.rig.session.node, wanted: unknown });
        });
      },
    })),
    {
      name: "signing with a device that knows the signer and has other words: it is noticed",
      limit: 120_000,
      run: async () => {
        const [owner, { device }] = [await first(), await second()];
        const key = await owner.pair("hid", device);
        const open = () => openNow("hid", device.serialNumber);
        await running(owner.start({ open, key, patienceMs: 4_000 }), async (signer) =>
          assert.equal(await awayBecause(signer), "wrong-device"),
        );
      },
    },
  ];
};
