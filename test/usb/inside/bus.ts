/** The devices of a test: their process, the cables between them and this kernel, and what a signer does with them. */

import { strict as assert } from "node:assert";
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { attachUsb } from "../../../firmware-sim/usb/index.ts";
import { concat } from "../../../protocol/bytes.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  encodeDeviceRequest,
  forCore,
  forDevice,
} from "../../../protocol/device/requests.ts";
import {
  freshKeyPair,
  type KeyPair,
  type Link,
  LinkError,
  type LinkPorts,
  type LinkTimes,
  openLink,
  pairLink,
} from "../../../protocol/link.ts";
import { parseLinkAddress } from "../../../protocol/wire/links/address.ts";
import { type OpenedLink, openLinkAddress } from "../../../protocol/wire/links/open.ts";
import { LinkUnavailable } from "../../../protocol/wire/links/trouble.ts";
import type { Order, Reply } from "../simulator.ts";
import { eventually, sleep, within } from "./harness.ts";

export const kinds = ["hid", "serial", "usb"] as const;
export type Kind = (typeof kinds)[number];

export const ports: LinkPorts = {
  random: (length) => Uint8Array.from(randomBytes(length)),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

/** An emulated machine on a busy one may be away for a second. */
export const times: Partial<LinkTimes> = { greetMs: 8_000, patienceMs: 20_000 };

type Told<O = Order> = O extends { readonly device: number } ? Omit<O, "device"> : never;

export interface Device {
  readonly at: number;
  readonly serialNumber: string;
  readonly key: Uint8Array;
  tell(order: Told): Promise<string>;
  step(line: string): Promise<void>;
  /** Plugs it in, and waits until all three ways in are there. */
  plug(): Promise<void>;
  /** The same, and waits for nothing but the kernel to take it. */
  insert(): Promise<void>;
  unplug(): Promise<void>;
  isThere(): boolean;
}

export interface Bus {
  readonly devices: readonly Device[];
  /** As if the power of all devices went. */
  kill(): Promise<void>;
}

const byId = "/dev/serial/by-id";
export const serialPath = (serialNumber: string): string | undefined => {
  if (!existsSync(byId)) return undefined;
  const name = readdirSync(byId).find((one) => one.endsWith(`_${serialNumber}-if01`));
  return name === undefined ? undefined : join(byId, name);
};

export const addressOf = (kind: Kind, serialNumber: string): string =>
  kind === "serial"
    ? `serial:${serialPath(serialNumber) ?? `/dev/not-there-${serialNumber}`}`
    : `${kind}:1209:0001:${serialNumber}`;

/** Once; what is not there is not waited for. */
export const openNow = (kind: Kind, serialNumber: string): Promise<OpenedLink> =>
  openLinkAddress(parseLinkAddress(addressOf(kind, serialNumber)));

export const openSoon = (kind: Kind, { serialNumber }: Pick<Device, "serialNumber">): Promise<OpenedLink> =>
  eventually(`${kind} of ${serialNumber}`, () => openNow(kind, serialNumber));

const talk = (child: ChildProcess) => {
  let last = 0;
  const open = new Map<number, { resolve: (value: string) => void; reject: (error: Error) => void }>();
  child.on("message", ({ id, value, error }: Reply) => {
    const one = open.get(id);
    open.delete(id);
    if (error === undefined) one?.resolve(value ?? "");
    else one?.reject(new Error(`simulator: ${error}`));
  });
  child.on("exit", () => {
    for (const { reject } of open.values()) reject(new Error("the simulator is gone"));
  });
  return (order: Order): Promise<string> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      open.set(id, { resolve, reject });
      child.send({ ...order, id });
    });
};

export const startBus = async (
  serialNumbers: readonly string[],
  module = join(import.meta.dirname, "../firmware.ts"),
): Promise<Bus> => {
  const path = `/run/countersign-${serialNumbers.join("-")}.sock`;
  const child = fork(join(import.meta.dirname, "../simulator.ts"));
  const order = talk(child);
  const gone = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  await order({ do: "start", path, serialNumbers, module });
  const devices = await Promise.all(
    serialNumbers.map(async (serialNumber, at): Promise<Device> => {
      const tell = (what: Told): Promise<string> => order({ ...what, device: at });
      const isThere = (): boolean => serialPath(serialNumber) !== undefined;
      const insert = async (): Promise<void> => {
        await tell({ do: "plug" });
        await eventually("a free bus", () => attachUsb({ address: { path }, busId: `1-${at + 1}` }));
      };
      return {
        at,
        serialNumber,
        key: Uint8Array.from(Buffer.from(await tell({ do: "key" }), "hex")),
        tell,
        step: async (line) => {
          await tell({ do: "step", line });
        },
        isThere,
        insert,
        plug: async () => {
          await insert();
          await eventually("its serial port", () => isThere() || undefined);
          for (const kind of ["hid", "usb"] as const) {
            const { transport } = await openSoon(kind, { serialNumber });
            await sleep(5);
            await transport.close();
          }
        },
        unplug: async () => {
          await tell({ do: "unplug" });
          await eventually("the end of its serial port", () => !isThere() || undefined);
        },
      };
    }),
  );
  return {
    devices,
    kill: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
};

export const newSigner = (): KeyPair => freshKeyPair(ports);

/** A person opens the pairing on the device and compares; `sees` is what they read on the signer's screen. */
const pairedOnce = async (
  kind: Kind,
  device: Device,
  identity: KeyPair,
  sees: (code: string) => string,
): Promise<Uint8Array> => {
  const { transport, carrier } = await openSoon(kind, device);
  try {
    await device.step("person off");
    await device.step("code 000000");
    await device.step("hold");
    return await pairLink({
      transport,
      carrier,
      identity,
      ports,
      times,
      compare: async (code) => {
        await device.step(`code ${sees(code)}`);
        await device.step("person on");
        return true;
      },
    });
  } finally {
    await transport.close();
  }
};

/** A lost frame ends a pairing (docs/device-protocol.md), and the person begins again: once. */
export const pairOver = async (
  kind: Kind,
  device: Device,
  identity: KeyPair,
  sees: (code: string) => string = (code) => code,
): Promise<Uint8Array> => {
  try {
    return await pairedOnce(kind, device, identity, sees);
  } catch (error) {
    if (!(error instanceof LinkError) || !["silent", "interrupted"].includes(error.why)) throw error;
    process.stdout.write(`        pairing over ${kind} once more: ${error.message}\n`);
    return pairedOnce(kind, device, identity, sees);
  }
};

export interface Using {
  readonly link: Link;
  info(): Promise<Extract<DeviceAnswer, { is: "info" }>["info"]>;
  manage(request: DeviceRequest): Promise<DeviceAnswer>;
  /** Through the core, which sends it back the other way round: compared here. */
  echo(bytes: Uint8Array): Promise<void>;
}

export const using = (link: Link): Using => {
  const manage = async (request: DeviceRequest): Promise<DeviceAnswer> => {
    const answer = await link.ask(concat(Uint8Array.of(forDevice), encodeDeviceRequest(request)));
    assert.equal(answer[0], forDevice);
    return decodeDeviceAnswer(answer.subarray(1));
  };
  return {
    link,
    manage,
    info: async () => {
      const answer = await manage({ is: "info" });
      if (answer.is !== "info") throw new Error(`info is answered by ${JSON.stringify(answer)}`);
      return answer.info;
    },
    echo: async (bytes) => {
      const answer = await link.ask(concat(Uint8Array.of(forCore), bytes));
      assert.equal(answer[0], forCore);
      assert.deepEqual(Buffer.from(answer.subarray(1)).reverse(), Buffer.from(bytes));
    },
  };
};

export const withLink = async <T>(
  kind: Kind,
  device: Device,
  identity: KeyPair,
  action: (one: Using) => Promise<T>,
): Promise<T> => {
  const link = openLink({ ...(await openSoon(kind, device)), identity, device: device.key, ports, times });
  try {
    return await action(using(link));
  } finally {
    await within(5_000, "closing the link", link.close());
  }
};

export const whyOf = async (action: Promise<unknown>): Promise<string> => {
  try {
    await action;
  } catch (error) {
    if (error instanceof LinkUnavailable) return error.why;
    throw error;
  }
  return "none";
};
