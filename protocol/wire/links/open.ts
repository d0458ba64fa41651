/** The way in for who has an address and wants a transport. */

import { carriers } from "../../carrier/index.ts";
import type { Carrier } from "../../frame.ts";
import type { Transport } from "../../transport.ts";
import type { LinkAddress } from "./address.ts";
import type { CableOptions } from "./cable.ts";
import { connectHid } from "./hid.ts";
import { connectSerial } from "./serial.ts";
import { connectSocket } from "./socket.ts";
import { connectUsb } from "./usb.ts";

export interface OpenedLink {
  readonly transport: Transport;
  readonly carrier: Carrier;
}

/** How frames lie on what is at such an address. */
export const carrierOf = (address: LinkAddress): Carrier => {
  switch (address.is) {
    case "serial":
      return carriers.serial;
    case "hid":
      return carriers.hid;
    case "unix":
    case "usb":
      return carriers.bulk;
  }
};

const connect = (address: LinkAddress, options: Pick<CableOptions, "stuckMs">): Promise<Transport> => {
  switch (address.is) {
    case "unix":
      return connectSocket({ ...options, path: address.path });
    case "serial":
      return connectSerial({ ...options, path: address.path, baud: address.baud });
    case "hid":
      return connectHid({ ...options, device: address.device });
    case "usb":
      return connectUsb({ ...options, device: address.device });
  }
};

/** Rejects with `LinkUnavailable`, in words for who has the cable in the hand. */
export const openLinkAddress = async (
  address: LinkAddress,
  options: Pick<CableOptions, "stuckMs"> = {},
): Promise<OpenedLink> => ({ transport: await connect(address, options), carrier: carrierOf(address) });
