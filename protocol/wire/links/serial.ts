/** A serial line: a USB device's CDC-ACM port, an adapter, or a pseudo-terminal. */

import { EventEmitter } from "node:events";
import { access, constants, stat } from "node:fs/promises";
import type { SerialPort } from "serialport";
import type { Transport } from "../../transport.ts";
import { type LinkAddress, usualBaud } from "./address.ts";
import { type CableOptions, cable } from "./cable.ts";
import { loadSerialport } from "./libraries.ts";
import { unavailable } from "./trouble.ts";

export interface SerialOptions extends Pick<CableOptions, "stuckMs"> {
  readonly path: string;
  readonly baud?: number;
}

const opened = (port: SerialPort): Promise<void> =>
  new Promise((resolve, reject) => {
    port.open((error) => (error == null ? resolve() : reject(error)));
  });

/** Some devices say nothing until somebody is there (CDC 1.2, PSTN subclass, 6.3.12); pseudo-terminals have no such lines. */
const raiseLines = (port: SerialPort): Promise<void> =>
  new Promise((resolve) => {
    port.set({ dtr: true, rts: true }, () => resolve());
  });

/**
 * The library's poller calls JavaScript without running what is then promised; since Node 26 that waits for whatever
 * happens next, however late. Something happens here, in the same turn of the loop.
 */
const keepAwake = (port: SerialPort): void => {
  const inner: unknown = port.port;
  if (typeof inner !== "object" || inner === null || !("poller" in inner)) return;
  const { poller } = inner;
  if (!(poller instanceof EventEmitter)) return;
  const wake = (): void => void setImmediate(() => undefined);
  for (const event of ["readable", "writable", "disconnect"]) poller.on(event, wake);
};

const presenceMs = 250;

/** Of the file at a path; elsewhere than on Unix ports are no files. */
const identityOf = async (path: string): Promise<string> => {
  if (!path.startsWith("/")) return "";
  const { dev, ino, rdev } = await stat(path);
  return [dev, ino, rdev].join();
};

export const connectSerial = async ({
  path,
  baud = usualBaud,
  ...options
}: SerialOptions): Promise<Transport> => {
  const address: LinkAddress = { is: "serial", path, baud };
  const { SerialPort } = await loadSerialport();
  try {
    // Its own errors have no codes.
    if (path.startsWith("/")) await access(path, constants.R_OK | constants.W_OK);
    const identity = await identityOf(path);
    const port = new SerialPort({ path, baudRate: baud, autoOpen: false });
    // Errors come as events too, and without a listener would end the process.
    port.on("error", () => undefined);
    await opened(port);
    keepAwake(port);
    await raiseLines(port);
    return transportOf(port, path, identity, options);
  } catch (error) {
    throw unavailable(address, error);
  }
};

const transportOf = (
  port: SerialPort,
  name: string,
  identity: string,
  options: Pick<CableOptions, "stuckMs">,
): Transport => {
  const { transport, arrived, lost } = cable({
    ...options,
    name,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        // It would wait for a port that is opened again.
        if (!port.isOpen) reject(new Error("the port is closed"));
        else port.write(Buffer.from(bytes), (error) => (error == null ? resolve() : reject(error)));
      }),
    shut: () =>
      new Promise((resolve) => {
        if (port.isOpen) port.close(() => resolve());
        else resolve();
      }),
  });
  port.on("data", arrived);
  port.on("error", lost);
  port.on("close", (error: unknown) => lost(error));
  port.on("end", () => lost());
  // Where a port hangs up amid traffic the library reads on at its end, without a pause, and says nothing
  // (serialport/node-serialport#2043). The file goes with the device, so the file is looked at.
  const look = async (): Promise<void> => {
    if (identity !== (await identityOf(name).catch(() => ""))) lost(new Error("its file is no longer there"));
  };
  const looking = setInterval(() => void look(), presenceMs);
  void transport.closed.then(() => clearInterval(looking));
  return transport;
};
