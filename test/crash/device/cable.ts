/** The cable between a signer and a device: pulled after so many bytes, in the middle of a frame as anywhere, and put back. */

import { connect, createServer, type Socket } from "node:net";

export interface Cable {
  /** Where the signer finds it. */
  readonly path: string;
  /** Where its other end is put. */
  plug(device: string): void;
  /** Pulled when so many more bytes came through, either way; `onPull` tells of it. */
  cutAfter(bytes: number, onPull: () => void): void;
  pull(): void;
  close(): Promise<void>;
}

export const openCable = async (path: string): Promise<Cable> => {
  const ends = new Set<Socket>();
  let device: string | undefined;
  let left: { bytes: number; onPull: () => void } | undefined;

  const pull = (): void => {
    const pulled = left;
    left = undefined;
    for (const end of ends) end.destroy();
    ends.clear();
    pulled?.onPull();
  };

  /** What fits before the cut arrives, and nothing behind it. */
  const carry = (to: Socket, bytes: Buffer): void => {
    if (left === undefined || bytes.length < left.bytes) {
      if (left !== undefined) left.bytes -= bytes.length;
      to.write(bytes);
      return;
    }
    to.write(bytes.subarray(0, left.bytes), () => pull());
  };

  const server = createServer((near) => {
    if (device === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ path: device });
    const over = (): void => {
      for (const end of [near, far]) {
        end.destroy();
        ends.delete(end);
      }
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(from);
      from.on("data", (bytes) => carry(to, bytes as Buffer));
      from.on("error", over);
      from.on("close", over);
    }
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  return {
    path,
    plug: (address) => {
      device = address;
    },
    cutAfter: (bytes, onPull) => {
      left = { bytes, onPull };
    },
    pull,
    close: async () => {
      pull();
      await new Promise((done) => server.close(done));
    },
  };
};
