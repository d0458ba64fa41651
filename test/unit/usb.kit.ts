/** A host without a kernel: speaks USB/IP over a socket as Linux does, one transfer after the other or many at once. */

import { connect, type Socket } from "node:net";
import type { UsbAddress } from "../../firmware-sim/usb/index.ts";
import { encodeSetup, type Setup } from "../../firmware-sim/usb/setup.ts";
import {
  decodeImported,
  deviceIdOf,
  deviceLength,
  encodeBusId,
  encodeOperation,
  encodeTransfer,
  operationLength,
} from "../../firmware-sim/usb/usbip.ts";
import { concat } from "../../protocol/bytes.ts";

export interface Result {
  readonly status: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export interface Pending extends Promise<Result> {
  readonly sequence: number;
}

export interface Host {
  readonly socket: Socket;
  readonly ended: Promise<void>;
  /** Raw bytes, so many. */
  read(length: number): Promise<Uint8Array>;
  /** Whether the server gave it out. */
  attach(busId?: string): Promise<boolean>;
  in(endpoint: number, length: number, mustFill?: boolean): Pending;
  out(endpoint: number, bytes: Uint8Array): Pending;
  control(setup: Partial<Setup>, bytes?: Uint8Array): Pending;
  /** The status of the withdrawal. */
  unlink(victim: number): Promise<number>;
  configure(value?: number): Promise<Result>;
}

interface Extra {
  readonly bytes?: Uint8Array;
  readonly setup?: Uint8Array;
  readonly mustFill?: boolean;
}

const none: Uint8Array = new Uint8Array(0);
const replyHead = 48;
const setupOf = (setup: Partial<Setup>): Setup => ({
  ...{ isIn: false, kind: "standard", to: "device", request: 0, value: 0, index: 0, length: 0 },
  ...setup,
});

export const openHost = async (address: UsbAddress): Promise<Host> => {
  const socket = connect(address);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve()).once("error", reject);
  });
  const ended = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  socket.on("error", () => undefined);
  let held: Uint8Array = new Uint8Array(0);
  let wanted: { length: number; resolve: (bytes: Uint8Array) => void } | undefined;
  const look = (): void => {
    if (wanted === undefined || held.length < wanted.length) return;
    const { length, resolve } = wanted;
    wanted = undefined;
    const taken = held.slice(0, length);
    held = held.slice(length);
    resolve(taken);
  };
  socket.on("data", (bytes: Buffer) => {
    held = concat(held, bytes);
    look();
  });
  const read = (length: number): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      wanted = { length, resolve };
      void ended.then(() => reject(new Error("the server has closed")));
      look();
    });

  let sequence = 0;
  let deviceId = 0;
  const waiting = new Map<number, { isIn: boolean; resolve: (result: Result) => void }>();

  const replies = async (): Promise<void> => {
    for (;;) {
      const view = new DataView((await read(replyHead)).buffer);
      const at = view.getUint32(4);
      const [status, count] = [view.getInt32(20), view.getInt32(24)];
      const one = waiting.get(at);
      if (one === undefined) throw new Error(`a reply to nothing: ${at}`);
      waiting.delete(at);
      const isSubmitted = view.getUint32(0) === 3;
      const bytes = isSubmitted && one.isIn && count > 0 ? await read(count) : new Uint8Array(0);
      one.resolve({ status, count, bytes });
    }
  };

  const wait = (at: number, isIn: boolean): Pending => {
    const result = new Promise<Result>((resolve) => void waiting.set(at, { isIn, resolve }));
    return Object.assign(result, { sequence: at });
  };

  const submit = (
    endpoint: number,
    isIn: boolean,
    length: number,
    { bytes = none, setup = new Uint8Array(8), mustFill = false }: Extra = {},
  ): Pending => {
    const at = ++sequence;
    const done = wait(at, isIn);
    const head = { is: "submit", sequence: at, deviceId, isIn, endpoint, mustFill, length, setup } as const;
    socket.write(concat(encodeTransfer(head), bytes));
    return done;
  };

  const control: Host["control"] = (setup, bytes = none) => {
    const whole = setupOf({ ...setup, ...(setup.isIn === true ? {} : { length: bytes.length }) });
    return submit(0, whole.isIn, whole.length, { setup: encodeSetup(whole), bytes });
  };

  return {
    socket,
    ended,
    read,
    attach: async (busId = "1-1") => {
      socket.write(concat(encodeOperation("import"), encodeBusId(busId)));
      const head = await read(operationLength);
      if (head[7] !== 0) return false;
      const imported = decodeImported(concat(head, await read(deviceLength)));
      if (imported === "refused") return false;
      deviceId = imported.deviceId;
      if (deviceId !== deviceIdOf(Number(busId.slice(2)))) throw new Error(`another device: ${deviceId}`);
      replies().catch(() => undefined);
      return true;
    },
    in: (endpoint, length, mustFill = false) => submit(endpoint, true, length, { mustFill }),
    out: (endpoint, bytes) => submit(endpoint, false, bytes.length, { bytes }),
    control,
    unlink: async (victim) => {
      const at = ++sequence;
      const done = wait(at, false);
      socket.write(encodeTransfer({ is: "unlink", sequence: at, deviceId, victim }));
      const { status } = await done;
      if (status !== 0) waiting.delete(victim);
      return status;
    },
    configure: (value = 1) => control({ request: 9, value }),
  };
};
