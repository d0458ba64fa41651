/** One client of the server, from its first byte on. Whatever it sends, it can end itself and nothing else. */

import { concat } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Transport } from "../../protocol/transport.ts";
import type { Waiting } from "./endpoint.ts";
import type { Gadget } from "./gadget.ts";
import {
  busIdLength,
  decodeBusId,
  decodeOperation,
  decodeTransfer,
  deviceIdOf,
  type Exported,
  encodeImported,
  encodeList,
  encodeSubmitted,
  encodeUnlinked,
  operationLength,
  type Transfer,
  transferHead,
} from "./usbip.ts";

/** A device that waits to be imported, or is. */
export interface Port {
  readonly exported: Exported;
  /** Undefined where it is unplugged, or somebody else's. */
  take(client: Transport): Gadget | undefined;
}

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly ports: readonly Port[];
}

/** Linux has a handful for each endpoint. */
const mostWaiting = 1_024;
const mostWaitingBytes = 4 * 1_048_576;
/** A client that asks and does not read. */
const mostUnsent = 1_024;

/** Bytes as they come, given out in lengths that the reader asks for next. */
interface Reader {
  readonly length: number;
  readonly read: (bytes: Uint8Array) => Reader;
}

const noBytes = new Uint8Array(0);

export const serve = ({ transport, ports }: ConnectionOptions): void => {
  const waiting = new Map<number, Waiting>();
  let waitingBytes = 0;
  let unsent = 0;
  let isOver = false;

  const end = (): void => {
    isOver = true;
    void transport.close();
  };

  const send = (bytes: Uint8Array): void => {
    if (++unsent > mostUnsent) end();
    if (isOver) return;
    transport.send(bytes).then(
      () => {
        unsent--;
      },
      () => end(),
    );
  };

  const submit = (gadget: Gadget, one: Extract<Transfer, { is: "submit" }>, bytes: Uint8Array): void => {
    const { sequence, mustFill } = one;
    if (waiting.has(sequence)) throw new Malformed("sequence", "another transfer has it");
    const entry: Waiting = {
      length: one.length,
      bytes,
      done: (status, count, content = noBytes) => {
        if (waiting.get(sequence) !== entry) return;
        waiting.delete(sequence);
        waitingBytes -= bytes.length;
        const isShort = status === "done" && mustFill && count < one.length;
        send(encodeSubmitted(sequence, isShort ? "short" : status, count, content));
      },
    };
    waiting.set(sequence, entry);
    waitingBytes += bytes.length;
    if (waiting.size > mostWaiting || waitingBytes > mostWaitingBytes)
      throw new Malformed("sequence", "more transfers than any host has");
    gadget.submit(one, entry);
  };

  const unlink = (gadget: Gadget, sequence: number, victim: number): void => {
    const entry = waiting.get(victim);
    const was = entry !== undefined && gadget.withdraw(entry);
    if (was) {
      waiting.delete(victim);
      waitingBytes -= entry.bytes.length;
    }
    send(encodeUnlinked(sequence, was ? "unlinked" : "done"));
  };

  const transfers = (gadget: Gadget, { number }: Exported): Reader => {
    const next: Reader = {
      length: transferHead,
      read: (head) => {
        const one = decodeTransfer(head);
        if (one.deviceId !== deviceIdOf(number)) throw new Malformed("deviceId", "another device's");
        if (one.is === "unlink") {
          unlink(gadget, one.sequence, one.victim);
          return next;
        }
        if (one.isIn || one.length === 0) {
          submit(gadget, one, noBytes);
          return next;
        }
        return {
          length: one.length,
          read: (bytes) => {
            submit(gadget, one, bytes);
            return next;
          },
        };
      },
    };
    return next;
  };

  const imported: Reader = {
    length: busIdLength,
    read: (raw) => {
      const busId = decodeBusId(raw);
      const port = ports.find(({ exported }) => exported.busId === busId);
      const gadget = port?.take(transport);
      if (port === undefined || gadget === undefined) {
        send(encodeImported(undefined));
        return operations;
      }
      void transport.closed.then(() => gadget.detach());
      send(encodeImported(port.exported));
      return transfers(gadget, port.exported);
    },
  };

  const operations: Reader = {
    length: operationLength,
    read: (raw) => {
      if (decodeOperation(raw) === "import") return imported;
      send(encodeList(ports.map(({ exported }) => exported)));
      return operations;
    },
  };

  let reader = operations;
  let held: Uint8Array[] = [];
  let length = 0;

  const receive = (bytes: Uint8Array): void => {
    held.push(bytes);
    length += bytes.length;
    if (length < reader.length) return;
    let all = held.length === 1 ? bytes : concat(...held);
    while (!isOver && all.length >= reader.length) {
      const { length: wanted, read } = reader;
      reader = read(all.slice(0, wanted));
      all = all.subarray(wanted);
    }
    held = [all];
    length = all.length;
  };

  transport.receive((bytes) => {
    if (isOver) return;
    try {
      receive(bytes);
    } catch (error) {
      end();
      if (!(error instanceof Malformed)) throw error;
    }
  });
};
