/** Several devices, the wrong one, and one that dies. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { LinkError, openLink } from "../../../protocol/link.ts";
import { parseLinkAddress } from "../../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../../protocol/wire/links/open.ts";
import {
  addressOf,
  type Bus,
  kinds,
  newSigner,
  openSoon,
  pairOver,
  ports,
  times,
  using,
  whyOf,
  withLink,
} from "./bus.ts";
import { type Case, eventually, within } from "./harness.ts";
import { signers } from "./links.ts";

export const deviceCases = (bus: Bus): readonly Case[] => {
  const [first, second] = bus.devices;
  if (first === undefined || second === undefined) throw new RangeError("two devices");
  const other = newSigner();
  return [
    {
      name: "two devices at once: each is told by its serial number and its key",
      run: async () => {
        await second.plug();
        assert.notDeepEqual(first.key, second.key);
        assert.deepEqual(await pairOver("hid", second, other), second.key);
        const ambiguous = (kind: string) => openLinkAddress(parseLinkAddress(`${kind}:1209:0001`));
        assert.equal(await whyOf(ambiguous("hid")), "ambiguous");
        assert.equal(await whyOf(ambiguous("usb")), "ambiguous");
        await Promise.all([
          withLink("hid", first, signers.hid, async ({ info }) => {
            for (let i = 0; i < 10; i++) assert.notEqual((await info()).stage, "unprovisioned");
          }),
          withLink("hid", second, other, async ({ info }) => {
            for (let i = 0; i < 10; i++) assert.equal((await info()).stage, "unprovisioned");
          }),
        ]);
      },
    },
    ...kinds.map((kind) => ({
      name: `another device than the paired one is noticed over ${kind}`,
      run: async () => {
        await eventually("the second device", () => second.isThere() || undefined);
        const opened = await openSoon(kind, second);
        // It knows this signer as well, so that the key alone tells it from the first.
        const link = openLink({
          ...opened,
          identity: other,
          device: first.key,
          ports,
          times: { ...times, patienceMs: 3_000 },
        });
        await assert.rejects(
          using(link).info(),
          (error) => error instanceof LinkError && error.why === "wrong-device",
        );
        await link.close();
      },
    })),
    {
      name: "what is not there, or is somebody else's already, is said at once",
      run: async () => {
        for (const kind of kinds)
          assert.equal(await whyOf(openLinkAddress(parseLinkAddress(addressOf(kind, "SN9999")))), "missing");
        for (const kind of ["serial", "usb"] as const) {
          const { transport } = await openSoon(kind, first);
          const again = openLinkAddress(parseLinkAddress(addressOf(kind, first.serialNumber)));
          assert.equal(await whyOf(within(5_000, kind, again)), "busy", kind);
          await transport.close();
        }
      },
    },
    {
      name: "devices that lose their power end every link",
      run: async () => {
        const links = await Promise.all(
          kinds.map(async (kind) =>
            openLink({
              ...(await openSoon(kind, first)),
              identity: signers[kind],
              device: first.key,
              ports,
              times: { ...times, patienceMs: 8_000, silenceMs: 2_000 },
            }),
          ),
        );
        await Promise.all(links.map((link) => using(link).echo(randomBytes(100))));
        await bus.kill();
        await eventually(
          "the end of the serial ports",
          () => (!first.isThere() && !second.isThere()) || undefined,
        );
        await Promise.all(
          links.map((link) =>
            assert.rejects(within(15_000, "a request", using(link).echo(randomBytes(9))), LinkError),
          ),
        );
        await Promise.all(links.map((link) => link.close()));
      },
    },
  ];
};
