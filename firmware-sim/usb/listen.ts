/** Where clients come in: a Unix socket, or a TCP port of this machine for tools that know nothing else. */

import { type AddressInfo, createServer } from "node:net";
import type { Transport } from "../../protocol/transport.ts";
import { cable } from "../../protocol/wire/links/cable.ts";
import { listenSocket } from "../../protocol/wire/links/socket.ts";

/** Port 0 is any that is free. */
export type UsbAddress = { readonly path: string } | { readonly port: number };

export interface UsbListener {
  readonly address: UsbAddress;
  close(): Promise<void>;
}

const onPort = (wanted: number, onTransport: (transport: Transport) => void): Promise<UsbListener> => {
  const open = new Set<Transport>();
  const server = createServer({ noDelay: true }, (socket) => {
    const { transport, arrived, lost } = cable({
      name: `${socket.remoteAddress}:${socket.remotePort}`,
      write: (bytes) =>
        new Promise((resolve, reject) => {
          socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
        }),
      shut: async () => {
        socket.destroy();
      },
    });
    socket.on("data", arrived).on("error", lost);
    socket.on("end", () => lost()).on("close", () => lost());
    open.add(transport);
    void transport.closed.then(() => open.delete(transport));
    onTransport(transport);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // Whoever reaches it holds the device's cable, so it is for this machine alone.
    server.listen(wanted, "127.0.0.1", () => {
      server.off("error", reject).on("error", () => undefined);
      resolve({
        address: { port: (server.address() as AddressInfo).port },
        close: async () => {
          const ended = new Promise<void>((done) => void server.close(() => done()));
          await Promise.all([...open].map((one) => one.close()));
          await ended;
        },
      });
    });
  });
};

export const listenUsb = async (
  address: UsbAddress,
  onTransport: (transport: Transport) => void,
): Promise<UsbListener> => {
  if ("port" in address) return onPort(address.port, onTransport);
  const { path, close } = await listenSocket({ path: address.path, onTransport });
  return { address: { path }, close };
};
