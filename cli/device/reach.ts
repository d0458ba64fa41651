/** The way from a command to one of a signer's devices. */

import { resolve } from "node:path";
import { concat } from "../../protocol/bytes.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  encodeDeviceRequest,
  forDevice,
  otherVersion,
} from "../../protocol/device/requests.ts";
import { type KeyPair, type Link, type LinkTimes, openLink } from "../../protocol/link.ts";
import { invalid, Malformed } from "../../protocol/malformed.ts";
import { formatLinkAddress, type LinkAddress, parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../protocol/wire/links/open.ts";
import { holdDevice } from "../../signer/device/hold.ts";
import { linkIdentity, type PairedDevice, readPaired } from "../../signer/device/pairing.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import { checkPrivateDirectory } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { Unable } from "../exit.ts";
import { type About, explained, inUse } from "./sentences.ts";

export interface DeviceOptions {
  readonly dir: string;
  readonly device?: string;
  readonly address?: string;
  readonly json?: true;
}

/** It is remembered, and the signer may run in another directory than this command. */
const absolute = (address: LinkAddress): LinkAddress => {
  switch (address.is) {
    case "unix":
    case "serial":
      return { ...address, path: resolve(address.path) };
    case "hid":
    case "usb":
      return address;
  }
};

export const addressOption = (text: string): LinkAddress => {
  try {
    const address = parseLinkAddress(text);
    return process.platform === "win32" ? address : parseLinkAddress(formatLinkAddress(absolute(address)));
  } catch (error) {
    if (error instanceof Malformed) throw new SetupError("usage", `--address ${text} ${error.reason}`);
    throw error;
  }
};

export const deviceDirectory = (place: string): string => {
  const dir = resolve(place);
  checkPrivateDirectory(dir);
  return dir;
};

/** The one that is named, or the only one. */
const chosen = (dir: string, name: string | undefined): PairedDevice => {
  const devices = readPaired(dir);
  const names = devices.map((one) => one.name).join(", ");
  if (name !== undefined) {
    const found = devices.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new SetupError("usage", `no device ${name} is paired; these are: ${names || "none"}`);
  }
  const [only, another] = devices;
  if (only === undefined)
    throw new SetupError(
      "usage",
      "no device is paired with this signer",
      `Pair one: \`countersign device pair --dir ${dir} --address ADDRESS\`.`,
    );
  if (another !== undefined) throw new SetupError("usage", `say which device: --device ${names}`);
  return only;
};

export interface AskMore {
  readonly signal?: AbortSignal;
  /** Called once: a person has to do something on the device. */
  readonly onPerson?: () => void;
}

export interface Reached {
  readonly about: About;
  readonly key: Uint8Array;
  ask(request: DeviceRequest, more?: AskMore): Promise<DeviceAnswer>;
}

const asking = (link: Link, { name }: About): Reached["ask"] => {
  return async (request, { signal, onPerson } = {}) => {
    let isTold = false;
    const answer = await link.ask(concat(Uint8Array.of(forDevice), encodeDeviceRequest(request)), {
      ...(signal === undefined ? {} : { signal }),
      onWaiting: (waits) => {
        if (waits === "person" && !isTold) onPerson?.();
        isTold ||= waits === "person";
      },
    });
    if (answer[0] !== forDevice) throw invalid("the device answers what was not asked");
    const body = answer.subarray(1);
    const other = otherVersion(body);
    if (other !== undefined)
      throw new Unable(
        "unavailable",
        `${name} is of another version: ${other}. Update the older of the two.`,
      );
    return decodeDeviceAnswer(body);
  };
};

export interface ReachOptions {
  readonly dir: string;
  readonly identity: KeyPair;
  readonly device: PairedDevice;
  readonly patienceMs: number;
  readonly times?: Partial<LinkTimes>;
}

/** Holds the device for as long as `use` takes. */
export const reach = async <T>(
  { dir, identity, device, patienceMs, times }: ReachOptions,
  use: (reached: Reached) => Promise<T>,
): Promise<T> => {
  const { name, address, key } = device;
  const about: About = { name, address, dir };
  const hold = await holdDevice(identity, key, patienceMs);
  if (hold === undefined) throw inUse(about);
  try {
    const { transport, carrier } = await openLinkAddress(parseLinkAddress(address));
    const link = openLink({
      transport,
      carrier,
      identity,
      device: key,
      ports: linkPorts,
      ...(times === undefined ? {} : { times }),
    });
    try {
      return await use({ about, key, ask: asking(link, about) });
    } finally {
      await link.close();
    }
  } catch (error) {
    throw explained(error, about);
  } finally {
    await hold.release();
  }
};

/** A watch looks at each device now and then: that is over at once. */
const patienceMs = 1_000;

export const withDevice = async <T>(
  options: DeviceOptions,
  use: (reached: Reached) => Promise<T>,
): Promise<T> => {
  const dir = deviceDirectory(options.dir);
  const paired = chosen(dir, options.device);
  const { address } = options;
  const device =
    address === undefined ? paired : { ...paired, address: formatLinkAddress(addressOption(address)) };
  const identity = linkIdentity(dir);
  try {
    return await reach({ dir, identity, device, patienceMs }, use);
  } finally {
    identity.secret.wipe();
  }
};
