/** Keys on the device that a signer's configuration names. */

import { dirname } from "node:path";
import { fromHex } from "../../protocol/bytes.ts";
import { mostOffered } from "../../protocol/device/core.ts";
import { openLink } from "../../protocol/link.ts";
import { point } from "../../protocol/units.ts";
import { parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../protocol/wire/links/open.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Policy } from "../core/policy.ts";
import { holdDevice } from "../device/hold.ts";
import { type DeviceKeyring, openDeviceKeyring } from "../device/keyring.ts";
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

export interface OwnDeviceParts {
  readonly config: Config;
  /** The configuration. */
  readonly file: string;
  readonly store: OpenStore;
  readonly log: Log;
  readonly report: (error: unknown) => void;
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

/** A command that a person runs on the device takes seconds, as a rule. */
const holdMs = 10_000;

export const openOwnDevice = async ({
  config,
  file,
  store,
  log,
  report,
}: OwnDeviceParts): Promise<DeviceKeyring> => {
  if (config.device === undefined) throw new Error("no device is configured");
  const { name, passphrase } = config.device;
  const dir = dirname(file);
  const { key } = pairedIn(dir, name, file);
  const identity = linkIdentity(dir);
  const hold = await holdDevice(identity, key, holdMs);
  if (hold === undefined)
    throw new SetupError(
      "unavailable",
      `another process of this signer speaks with the device ${name}`,
      "Wait until that command has ended.",
    );
  const keyring = openDeviceKeyring({
    name,
    node: point(fromHex(config.node.id)),
    network: config.network,
    tier: config.tier,
    index: config.node.index,
    passphrase,
    connect: async () => {
      // It may have been paired anew at another place meanwhile.
      const { address } = pairedIn(dir, name, file);
      const { transport, carrier } = await openLinkAddress(parseLinkAddress(address));
      return openLink({ transport, carrier, identity, device: key, ports: linkPorts });
    },
    shelf: await openShelf(store, key),
    now: () => Math.floor(systemClock.now() / 1000),
    witness: () => store.head().version,
    onState: (state, reason) =>
      state === "open"
        ? log.write({ event: "device-open", device: name })
        : log.write({ event: "device-away", device: name, is: state, reason }),
    report,
  });
  return {
    ...keyring,
    close: async () => {
      await keyring.close();
      await hold.release();
      identity.secret.wipe();
    },
  };
};
