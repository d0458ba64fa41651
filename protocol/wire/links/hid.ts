/** HID: a piece is a report of 64 bytes, without an id. */

import { access, constants } from "node:fs/promises";
import type { Device, HIDAsync } from "node-hid";
import { hidUsage } from "../../device/ids.ts";
import type { Transport } from "../../transport.ts";
import { formatLinkAddress, type LinkAddress, type UsbIdentity } from "./address.ts";
import { type CableOptions, cable } from "./cable.ts";
import { loadNodeHid } from "./libraries.ts";
import { only } from "./select.ts";
import { unavailable } from "./trouble.ts";

type HidAddress = Extract<LinkAddress, { is: "hid" }>;

export interface HidOptions extends Pick<CableOptions, "stuckMs"> {
  readonly device: HidAddress["device"];
}

/** A device may have several interfaces of HID, such as a keyboard's; one speaks as docs/device-protocol.md says. */
export const isOurUsage = ({ usagePage, usage }: Pick<Device, "usagePage" | "usage">): boolean =>
  usagePage === hidUsage.page && usage === hidUsage.usage;

export const pickHid = (devices: readonly Device[], identity: UsbIdentity): string => {
  const address: HidAddress = { is: "hid", device: identity };
  const { path } = only(
    formatLinkAddress(address),
    devices.filter(
      (one) =>
        one.vendorId === identity.vendor &&
        one.productId === identity.product &&
        (identity.serial === undefined || one.serialNumber === identity.serial) &&
        isOurUsage(one) &&
        one.path !== undefined,
    ),
    ({ serialNumber, path }) => serialNumber || path || "",
  );
  return path ?? "";
};

export const connectHid = async ({ device, ...options }: HidOptions): Promise<Transport> => {
  const address: HidAddress = { is: "hid", device };
  const library = await loadNodeHid();
  try {
    const path =
      "path" in device
        ? device.path
        : pickHid(await library.devicesAsync(device.vendor, device.product), device);
    // Its own errors have no codes.
    if (path.startsWith("/")) await access(path, constants.R_OK | constants.W_OK);
    return transportOf(await library.HIDAsync.open(path), path, options);
  } catch (error) {
    throw unavailable(address, error);
  }
};

/** A report has no id, and its place is said to be zero. */
const noId = 0;

const transportOf = (hid: HIDAsync, name: string, options: Pick<CableOptions, "stuckMs">): Transport => {
  const begun = Promise.withResolvers<void>();
  const { transport, arrived, lost } = cable({
    ...options,
    name,
    write: async (bytes) => {
      const written = await hid.write(Buffer.from([noId, ...bytes]));
      if (written < bytes.length) throw new Error(`${written} bytes of a report were written`);
    },
    shut: async () => {
      await begun.promise;
      await hid.close();
    },
  });
  hid.on("data", (bytes: Buffer) => arrived(bytes));
  // The library begins to read in a later turn, and throws where nobody can catch it if it was closed before that.
  setImmediate(begun.resolve);
  hid.on("error", lost);
  return transport;
};
