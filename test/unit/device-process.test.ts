import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pairingOpen } from "../../firmware-sim/device.ts";
import { type FlashSim, memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { linkKeyOf, mostCables, runDeviceProcess } from "../../firmware-sim/process.ts";
import { openChance } from "../../firmware-sim/process-chance.ts";
import type { Screen } from "../../firmware-sim/screen.ts";
import { carriers, freshKeyPair, pairLink, type Transport } from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import { connectSocket, listenSocket, type SocketListener } from "../../protocol/wire/links/socket.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import { virtualClock } from "../contract/link.kit.ts";
import { freshFlash } from "./firmware.kit.ts";

let dir: string;
const open: { close(): Promise<unknown> }[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "countersign-process-"));
});
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
  rmSync(dir, { recursive: true, force: true });
});

const secret = () => new Secret(new Uint8Array(32).fill(7));

const switchedOn = async (flash: FlashSim) => {
  const screens: Screen[] = [];
  const events: unknown[] = [];
  const device = runDeviceProcess({
    ...linkPorts,
    flash,
    secret: secret(),
    int: openChance("process").int,
    tick: () => performance.now(),
    serve: async () => {
      throw new Error("nothing is unlocked here");
    },
    onShow: (screen) => void screens.push(screen),
    onFault: (error) => void events.push(error),
    onPowerCut: () => void events.push("power-cut"),
  });
  const listener: SocketListener = await listenSocket({
    path: join(dir, "device.sock"),
    onTransport: (transport) => device.plug(transport, carriers.bulk),
  });
  open.push(device, listener);
  const cable = async (): Promise<Transport> => {
    const transport = await connectSocket({ path: listener.path });
    open.push(transport);
    return transport;
  };
  /** With a person who takes any code. */
  const paired = async (): Promise<Uint8Array> =>
    pairLink({
      transport: await cable(),
      carrier: carriers.bulk,
      identity: freshKeyPair(linkPorts),
      ports: linkPorts,
      compare: async () => {
        while (device.screen.is !== "pairing") await new Promise((done) => setTimeout(done, 5));
        device.press("hold");
        return true;
      },
    });
  return { device, screens, events, cable, paired };
};

test("a device is known by what is in its chip, whatever is in its flash", async () => {
  const { device, paired, events } = await switchedOn(freshFlash(1, 4));
  device.press("hold");
  expect(await paired()).toEqual(device.key);
  expect(device.key).toEqual(linkKeyOf(secret()).public);
  expect(linkKeyOf(new Secret(new Uint8Array(32))).public).not.toEqual(device.key);
  expect(events).toEqual([]);
});

test("without power it says nothing more: no screen, no answer, no word about its fault", async () => {
  const flash = freshFlash(1, 4);
  const { device, paired, events, screens, cable } = await switchedOn(flash);
  device.press("hold");
  flash.cutAfter(0);
  // Where it stores the signer. Had it said that this failed, it would be `different`.
  await expect(paired()).rejects.toMatchObject({ why: "gone" });
  expect(events).toEqual(["power-cut"]);
  const shown = screens.length;
  device.press("hold");
  expect(screens).toHaveLength(shown);
  expect(await (await cable()).closed).toMatchObject({ why: "gone" });
  expect(events).toEqual(["power-cut"]);
});

test("its screen says that pairing is open as long as it is, and no longer", async () => {
  const clock = virtualClock();
  const titles: string[] = [];
  const device = runDeviceProcess({
    ...linkPorts,
    after: clock.after,
    tick: () => clock.now,
    flash: freshFlash(1, 4),
    secret: secret(),
    int: openChance("process").int,
    serve: async () => {
      throw new Error("nothing is unlocked here");
    },
    onShow: (screen) => void titles.push("title" in screen ? screen.title : screen.is),
    onFault: (error) => {
      throw error;
    },
    onPowerCut: () => {},
  });
  open.push(device);
  const before = titles.splice(0).at(-1) ?? "";
  device.press("hold");
  await clock.pass(pairingOpen / 2);
  // Opened anew: the minute begins again.
  device.press("hold");
  await clock.pass(pairingOpen - 1);
  expect(titles).toEqual(["Pairing is open", "Pairing is open"]);
  await clock.pass(1);
  expect(titles.slice(2)).toEqual([before]);
  device.press("hold");
  await device.close();
  await clock.pass(2 * pairingOpen);
  expect(titles.slice(3)).toEqual(["Pairing is open"]);
});

test("it takes so many cables and no more", async () => {
  const { cable, device, paired } = await switchedOn(freshFlash(1, 4));
  const cables = await Promise.all(Array.from({ length: mostCables }, cable));
  const more = await cable();
  expect(await more.closed).toMatchObject({ why: "gone" });
  await cables[0]?.close();
  device.press("hold");
  // The device hears of it a little later.
  const again = async (tries: number): Promise<Uint8Array> =>
    paired().catch((error: unknown) => {
      if (tries === 0) throw error;
      return again(tries - 1);
    });
  expect(await again(200)).toEqual(device.key);
});

test("with a damaged memory it shows that, and answers nothing", async () => {
  const flash = openFlash({ medium: memoryMedium(4), int: () => 0 });
  const { device, cable, events } = await switchedOn(flash);
  expect(device.screen).toMatchObject({ is: "notice", title: "FAULT" });
  const transport = await cable();
  let heard = 0;
  transport.receive((bytes) => {
    heard += bytes.length;
  });
  await transport.send(new Uint8Array(100));
  device.press("hold");
  await new Promise((done) => setTimeout(done, 50));
  expect([heard, device.screen.is, events]).toEqual([0, "notice", []]);
});

test("chance is another one each time, and for one seed the same", () => {
  const [a, b, c] = [openChance("a"), openChance("a"), openChance()];
  expect(a.random(70)).toEqual(b.random(70));
  expect(a.random(8)).not.toEqual(c.random(8));
  const drawn = Array.from({ length: 600 }, () => a.int(3));
  expect([0, 1, 2].map((n) => drawn.filter((one) => one === n).length > 120)).toEqual([true, true, true]);
  expect(new Set(drawn).size).toBe(3);
});
