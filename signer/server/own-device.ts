/** Keys on the device that a signer's configuration names. */

import { dirname } from "node:path";
import { fromHex } from "../../protocol/bytes.ts";
import { mostOffered } from "../../protocol/device/core.ts";
import { openLink } from "../../protocol/link.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { point } from "../../protocol/units.ts";
import { parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../protocol/wire/links/open.ts";
import { LinkUnavailable } from "../../protocol/wire/links/trouble.ts";
import { systemClock } from "../clock.ts";
import type { Config, ConfigNode } from "../config.ts";
import { Fault } from "../core/fault.ts";
import type { Policy } from "../core/policy.ts";
import { keysAway } from "../device/away.ts";
import { type Hold, holdDevice } from "../device/hold.ts";
import { type DeviceKeyring, type DeviceTimes, openDeviceKeyring } from "../device/keyring.ts";
import { linkIdentity, type PairedDevice, readPaired } from "../device/pairing.ts";
import { linkPorts } from "../device/ports.ts";
import { openShelf } from "../device/shelf.ts";
import type { Log } from "../log.ts";
import { SetupError } from "../setup-error.ts";
import type { OpenStore } from "../store/store.ts";

/** What the device refuses is not promised to a host. */
export const withinDevice = (policy: Policy): Policy => ({
  ...policy,
  maxOfferedHtlcs: Math.min(policy.maxOfferedHtlcs, mostOffered),
});

export type DeviceNode = ConfigNode & { readonly device: string };
export const isOnDevice = (node: ConfigNode): node is DeviceNode => node.device !== undefined;

export interface OwnDeviceParts {
  readonly config: Config;
  readonly about: DeviceNode;
  /** The configuration. */
  readonly file: string;
  readonly store: OpenStore;
  readonly log: Log;
  readonly report: (error: unknown) => void;
  readonly times?: Partial<DeviceTimes>;
}

const pairedIn = (dir: string, name: string, file: string): PairedDevice => {
  const found = readPaired(dir).find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new SetupError(
    "missing",
    `${file} names the device ${name}, and none of that name is paired`,
    `Pair it again: \`countersign device pair --dir ${dir} --address ADDRESS --name ${name}\`.`,
  );
};

/** A device that breaks its word is out of order by itself: a fault would stop the nodes of other keys with it. */
const forItself = (
  { about: { device: name }, log }: OwnDeviceParts,
  keyring: DeviceKeyring,
): DeviceKeyring => {
  const caught = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof Malformed) && !(error instanceof Fault && error.code === "keyring")) throw error;
      log.write({ event: "device-away", device: name, is: "broken", reason: error.message });
      throw keysAway(name, "broken", error.message);
    }
  };
  const { second } = keyring;
  return {
    ...keyring,
    second: {
      judge: (asked) => caught(() => second.judge(asked)),
      judgeAll: (asked) => caught(() => second.judgeAll(asked)),
    },
    basepoints: (channel) => caught(() => keyring.basepoints(channel)),
    points: (channel, numbers) => caught(() => keyring.points(channel, numbers)),
    closingScript: (channel) => caught(() => keyring.closingScript(channel)),
    walletKey: (place) => caught(() => keyring.walletKey(place)),
    identity: () => caught(() => keyring.identity()),
    payerKey: (tweak) => caught(() => keyring.payerKey(tweak)),
    ecdh: (point) => caught(() => keyring.ecdh(point)),
    random: (count) => caught(() => keyring.random(count)),
  };
};

export const openOwnDevice = async (parts: OwnDeviceParts): Promise<DeviceKeyring> => {
  const { config, about, file, store, log, report, times } = parts;
  const { device: name, id, index, passphrase = false } = about;
  const dir = dirname(file);
  const { key } = pairedIn(dir, name, file);
  const identity = linkIdentity(dir);
  const shelf = await openShelf(store, key);
  let hold: Hold | undefined;
  const held = async (): Promise<void> => {
    hold ??= await holdDevice(identity, key);
    if (hold === undefined)
      throw new LinkUnavailable(
        "busy",
        `Another process of this signer speaks with the device ${name}.`,
        "Wait until that command has ended.",
      );
  };
  const keyring = openDeviceKeyring({
    ...{ name, index, passphrase, shelf, report },
    ...(times === undefined ? {} : { times }),
    node: point(fromHex(id)),
    network: config.network,
    tier: config.tier,
    connect: async () => {
      await held();
      // It may have been paired anew at another place meanwhile.
      const { address } = pairedIn(dir, name, file);
      const { transport, carrier } = await openLinkAddress(parseLinkAddress(address));
      return openLink({ transport, carrier, identity, device: key, ports: linkPorts });
    },
    now: () => Math.floor(systemClock.now() / 1000),
    witness: () => store.head().version,
    onState: (state, reason) => {
      if (state === "open") log.write({ event: "device-open", device: name });
      // On its way, and nothing to report.
      else if (state !== "opening" || reason !== "")
        log.write({ event: "device-away", device: name, is: state, reason });
    },
  });
  return {
    ...forItself(parts, keyring),
    close: async () => {
      await keyring.close();
      await hold?.release();
      identity.secret.wipe();
    },
  };
};
