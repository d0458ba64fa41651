/**
 * The native libraries of the cables, each loaded when it is first needed: a signer without a device needs none, and one
 * may lack what the others have.
 */

import { libraryTrouble } from "./trouble.ts";

const once = <T>(load: () => Promise<T>): (() => Promise<T>) => {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
};

export const loadSerialport = once(() =>
  import("serialport").catch((error: unknown) => {
    throw libraryTrouble("serialport", error);
  }),
);

/** Its own part in C is loaded with the first call: `devicesAsync` or the like. */
export const loadNodeHid = once(() =>
  import("node-hid").then(
    ({ default: library }) => {
      try {
        library.getHidapiVersion();
      } catch (error) {
        throw libraryTrouble("node-hid", error);
      }
      return library;
    },
    (error: unknown) => {
      throw libraryTrouble("node-hid", error);
    },
  ),
);

export const loadUsb = once(() =>
  import("usb").catch((error: unknown) => {
    throw libraryTrouble("usb", error);
  }),
);
