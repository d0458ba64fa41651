/** One device as its host's bus sees it: endpoints, configuration, and the three functions behind them. */

import { carriers } from "../../protocol/carrier/index.ts";
import { endpoints as numbers, packetLengths } from "../../protocol/device/ids.ts";
import type { Carrier } from "../../protocol/frame.ts";
import { type Transport, Unplugged } from "../../protocol/transport.ts";
import { controlOf } from "./control.ts";
import { directionIn } from "./descriptors.ts";
import {
  type Endpoint,
  type InEndpoint,
  inEndpoint,
  type OutEndpoint,
  outEndpoint,
  silentEndpoint,
  type Waiting,
} from "./endpoint.ts";
import { decodeSetup } from "./setup.ts";
import type { Transfer } from "./usbip.ts";

export const functionKinds = ["hid", "serial", "usb"] as const;
export type FunctionKind = (typeof functionKinds)[number];

/** What a firmware gets to speak through: what `answerLink` takes. */
export interface UsbFunction {
  readonly kind: FunctionKind;
  readonly carrier: Carrier;
  readonly transport: Transport;
}

const parts: Readonly<
  Record<FunctionKind, { readonly endpoint: "hid" | "serialData" | "bulk"; readonly carrier: Carrier }>
> = {
  hid: { endpoint: "hid", carrier: carriers.hid },
  serial: { endpoint: "serialData", carrier: carriers.serial },
  usb: { endpoint: "bulk", carrier: carriers.bulk },
};

export interface GadgetOptions {
  readonly serialNumber: string;
  /** For the names of transports. */
  readonly busId: string;
  /**
   * When a host has configured the device, once for each function; and again when the firmware has closed a function's
   * transport and the host says something more.
   */
  onFunction(one: UsbFunction): void;
}

export interface Gadget {
  submit(transfer: Extract<Transfer, { is: "submit" }>, waiting: Waiting): void;
  withdraw(waiting: Waiting): boolean;
  /** The cable is pulled. */
  detach(): void;
}

interface Opened {
  readonly input: InEndpoint;
  readonly output: OutEndpoint;
  lose(why: Unplugged): void;
}

const open = (name: string, input: InEndpoint, output: OutEndpoint): Opened & { transport: Transport } => {
  const closed = Promise.withResolvers<Unplugged>();
  let gone: Unplugged | undefined;
  const lose = (why: Unplugged): void => {
    if (gone !== undefined) return;
    gone = why;
    output.listen(undefined);
    input.flush(why);
    closed.resolve(why);
  };
  return {
    input,
    output,
    lose,
    transport: {
      name,
      closed: closed.promise,
      send: (bytes) => (gone === undefined ? input.give(bytes) : Promise.reject(gone)),
      receive: (listener) => {
        if (gone === undefined) output.listen(listener);
      },
      close: async () => lose(new Unplugged("closed", "closed by the firmware")),
    },
  };
};

export const gadget = ({ serialNumber, busId, onFunction }: GadgetOptions): Gadget => {
  const functions = new Map<FunctionKind, Opened>();
  const endpoints = new Map<number, Endpoint>();
  const pairs = new Map<FunctionKind, { readonly input: InEndpoint; readonly output: OutEndpoint }>();
  let isConfigured = false;

  const start = (kind: FunctionKind): void => {
    const pair = pairs.get(kind);
    if (!isConfigured || pair === undefined || functions.has(kind)) return;
    const { transport, ...opened } = open(`usb ${busId} ${kind}`, pair.input, pair.output);
    functions.set(kind, opened);
    void transport.closed.then(() => {
      if (functions.get(kind) === opened) functions.delete(kind);
    });
    onFunction({ kind, carrier: parts[kind].carrier, transport });
  };

  for (const kind of functionKinds) {
    const { endpoint } = parts[kind];
    const input = inEndpoint(packetLengths[endpoint]);
    const output = outEndpoint(packetLengths[endpoint], () => start(kind));
    pairs.set(kind, { input, output });
    endpoints.set(numbers[endpoint] | directionIn, input);
    endpoints.set(numbers[endpoint], output);
  }
  endpoints.set(numbers.serialNotice | directionIn, silentEndpoint());

  const stop = (sentence: string): void => {
    isConfigured = false;
    const lost = [...functions.values()];
    functions.clear();
    for (const one of lost) one.lose(new Unplugged("gone", sentence));
  };

  const control = controlOf({
    serialNumber,
    endpoints,
    isConfigured: () => isConfigured,
    configure: (does) => {
      stop("configured anew");
      for (const one of endpoints.values()) one.halt(false);
      isConfigured = does;
      if (does) for (const kind of functionKinds) start(kind);
    },
    report: (bytes) => {
      const output = pairs.get("hid")?.output;
      if (output === undefined || output.isHalted()) return false;
      output.submit({ length: 0, bytes, done: () => undefined });
      return true;
    },
  });

  const onControl = ({ setup: raw, isIn }: Parameters<Gadget["submit"]>[0], waiting: Waiting): void => {
    const setup = decodeSetup(raw);
    const answer = isIn === setup.isIn || setup.length === 0 ? control(setup, waiting.bytes) : undefined;
    if (answer === undefined) waiting.done("stalled", 0);
    else if (setup.isIn) {
      const content = answer.subarray(0, Math.min(setup.length, waiting.length));
      waiting.done("done", content.length, content);
    } else waiting.done("done", waiting.bytes.length);
  };

  return {
    submit: (transfer, waiting) => {
      if (transfer.endpoint === 0) {
        onControl(transfer, waiting);
        return;
      }
      const endpoint = endpoints.get(transfer.endpoint | (transfer.isIn ? directionIn : 0));
      if (endpoint === undefined || !isConfigured) waiting.done("stalled", 0);
      else endpoint.submit(waiting);
    },
    withdraw: (waiting) => [...endpoints.values()].some((one) => one.withdraw(waiting)),
    detach: () => stop("the cable was pulled"),
  };
};
