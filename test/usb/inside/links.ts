/** Pairing and requests over each of the three ways in, through the libraries and the kernel's own drivers. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import type { KeyPair } from "../../../protocol/link.ts";
import { LinkError, openLink } from "../../../protocol/link.ts";
import { type Bus, type Kind, kinds, newSigner, openSoon, pairOver, ports, times, withLink } from "./bus.ts";
import type { Case } from "./harness.ts";

/** One signer for each way in, known after the pairing. */
export const signers = Object.fromEntries(kinds.map((kind) => [kind, newSigner()])) as Record<Kind, KeyPair>;

export const done = { is: "done" } as const;

const isLinkError =
  (...whys: readonly string[]) =>
  (error: unknown) =>
    error instanceof LinkError && whys.includes(error.why);

export const linkCases = ({ devices: [device] }: Bus): readonly Case[] => {
  if (device === undefined) throw new RangeError("one device at least");
  return [
    {
      name: "codes that differ pair nobody",
      run: async () => {
        const stranger = newSigner();
        const wrong = (code: string): string => (code === "111111" ? "222222" : "111111");
        await assert.rejects(pairOver("hid", device, stranger, wrong), isLinkError("different"));
        const opened = await openSoon("hid", device);
        const link = openLink({ ...opened, identity: stranger, device: device.key, ports, times });
        await assert.rejects(link.ask(Uint8Array.of(0)), isLinkError("unpaired"));
        await link.close();
      },
    },
    ...kinds.map((kind) => ({
      name: `pairing over ${kind}`,
      isNeeded: true,
      run: async () => {
        assert.deepEqual(await pairOver(kind, device, signers[kind]), device.key);
      },
    })),
    {
      name: "a person sets the device up and unlocks it, asked over hid",
      isNeeded: true,
      run: async () => {
        for (const line of ["pin 2468", "new-pin 2468", "consent all", "person on"]) await device.step(line);
        await withLink("hid", device, signers.hid, async ({ manage, info }) => {
          assert.equal((await info()).stage, "unprovisioned");
          assert.deepEqual(await manage({ is: "setup", entropy: Uint8Array.from(randomBytes(32)) }), done);
          assert.deepEqual(await manage({ is: "unlock", passphrase: false }), done);
          assert.equal((await info()).stage, "unlocked");
        });
      },
    },
    ...kinds.map((kind) => ({
      name: `requests and answers of all sizes over ${kind}`,
      run: () =>
        withLink(kind, device, signers[kind], async ({ echo }) => {
          for (const size of [0, 1, 46, 47, 63, 64, 511, 512, 513, 4_065, 20_000])
            await echo(randomBytes(size));
          await Promise.all([5_000, 1, 3_000, 64].map((size) => echo(randomBytes(size))));
        }),
    })),
    {
      name: "three signers at once, each by a way of its own",
      run: async () => {
        await Promise.all(
          kinds.map((kind) =>
            withLink(kind, device, signers[kind], async ({ echo }) => {
              for (let i = 0; i < 5; i++) await echo(randomBytes(200));
            }),
          ),
        );
      },
    },
  ];
};
