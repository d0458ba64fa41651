/**
 * What the device answers on its endpoint 0: standard requests (USB 2.0, section 9.4), those of HID (1.11, section 7.2) and of
 * a serial line (PSTN 1.2, section 6.3). Undefined is a stall: what it does not know it does not pretend to.
 */

import { interfaces, packetLengths } from "../../protocol/device/ids.ts";
import {
  configurationDescriptor,
  configurationValue,
  descriptorTypes,
  deviceDescriptor,
  hidDescriptor,
  reportDescriptor,
  stringDescriptor,
} from "./descriptors.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Setup } from "./setup.ts";

/** What endpoint 0 can reach of the device. */
export interface Controlled {
  readonly serialNumber: string;
  /** By address: the number, with the top bit for IN. */
  readonly endpoints: ReadonlyMap<number, Endpoint>;
  isConfigured(): boolean;
  configure(does: boolean): void;
  /** A report that came without its endpoint. Whether there was somebody to take it. */
  report(bytes: Uint8Array): boolean;
}

export type Control = (setup: Setup, bytes: Uint8Array) => Uint8Array | undefined;

const requests = {
  standard: {
    getStatus: 0,
    clearFeature: 1,
    setFeature: 3,
    getDescriptor: 6,
    getConfiguration: 8,
    setConfiguration: 9,
    getInterface: 10,
    setInterface: 11,
  },
  hid: { getReport: 1, getIdle: 2, setReport: 9, setIdle: 10 },
  serial: { setLineCoding: 0x20, getLineCoding: 0x21, setControlLineState: 0x22 },
} as const;

const nothing = new Uint8Array(0);
const endpointHalt = 0;
const reportTypes = { input: 1, output: 2 } as const;
const lineCodingLength = 7;
/** 115,200 baud, 8 bits, no parity, 1 stop bit. */
const usualCoding = Uint8Array.of(0x00, 0xc2, 0x01, 0x00, 0, 0, 8);

export const controlOf = (device: Controlled): Control => {
  let coding = usualCoding;
  let idle = 0;

  const descriptor = (setup: Setup): Uint8Array | undefined => {
    const [type, index] = [setup.value >> 8, setup.value & 0xff];
    switch (type) {
      case descriptorTypes.device:
        return deviceDescriptor;
      case descriptorTypes.configuration:
        return index === 0 ? configurationDescriptor : undefined;
      case descriptorTypes.string:
        return stringDescriptor(index, device.serialNumber);
      default:
        return undefined;
    }
  };

  const hidPart = (setup: Setup): Uint8Array | undefined => {
    if (setup.index !== interfaces.hid) return undefined;
    switch (setup.value >> 8) {
      case descriptorTypes.hid:
        return hidDescriptor;
      case descriptorTypes.hidReport:
        return reportDescriptor;
      default:
        return undefined;
    }
  };

  const ofDevice = (setup: Setup): Uint8Array | undefined => {
    const known = requests.standard;
    switch (setup.request) {
      case known.getStatus:
        return Uint8Array.of(0, 0);
      case known.getDescriptor:
        return descriptor(setup);
      case known.getConfiguration:
        return Uint8Array.of(device.isConfigured() ? configurationValue : 0);
      case known.setConfiguration: {
        if (setup.value !== 0 && setup.value !== configurationValue) return undefined;
        device.configure(setup.value !== 0);
        return nothing;
      }
      default:
        return undefined;
    }
  };

  const ofInterface = (setup: Setup): Uint8Array | undefined => {
    const known = requests.standard;
    if (setup.index >= Object.keys(interfaces).length) return undefined;
    switch (setup.request) {
      case known.getStatus:
        return Uint8Array.of(0, 0);
      case known.getDescriptor:
        return hidPart(setup);
      case known.getInterface:
        return device.isConfigured() ? Uint8Array.of(0) : undefined;
      case known.setInterface:
        return device.isConfigured() && setup.value === 0 ? nothing : undefined;
      default:
        return undefined;
    }
  };

  const ofEndpoint = (setup: Setup): Uint8Array | undefined => {
    const known = requests.standard;
    const endpoint = device.endpoints.get(setup.index);
    if (setup.index === 0 || setup.index === 0x80)
      return setup.request === known.getStatus ? Uint8Array.of(0, 0) : undefined;
    if (endpoint === undefined || !device.isConfigured()) return undefined;
    if (setup.request === known.getStatus) return Uint8Array.of(endpoint.isHalted() ? 1 : 0, 0);
    if (setup.value !== endpointHalt) return undefined;
    if (setup.request !== known.clearFeature && setup.request !== known.setFeature) return undefined;
    endpoint.halt(setup.request === known.setFeature);
    return nothing;
  };

  const ofHid = (setup: Setup, bytes: Uint8Array): Uint8Array | undefined => {
    const known = requests.hid;
    const [type, id] = [setup.value >> 8, setup.value & 0xff];
    switch (setup.request) {
      // What the device has to say it says on its endpoint, once.
      case known.getReport:
        return type === reportTypes.input && id === 0 ? new Uint8Array(packetLengths.hid) : undefined;
      case known.setReport: {
        if (type !== reportTypes.output || id !== 0 || bytes.length !== packetLengths.hid) return undefined;
        return device.report(bytes) ? nothing : undefined;
      }
      case known.getIdle:
        return Uint8Array.of(idle);
      case known.setIdle:
        idle = type;
        return nothing;
      default:
        return undefined;
    }
  };

  const ofSerial = (setup: Setup, bytes: Uint8Array): Uint8Array | undefined => {
    const known = requests.serial;
    switch (setup.request) {
      case known.setLineCoding:
        if (bytes.length !== lineCodingLength) return undefined;
        coding = bytes.slice();
        return nothing;
      case known.getLineCoding:
        return coding;
      // Whether somebody is there a device learns from what is said.
      case known.setControlLineState:
        return nothing;
      default:
        return undefined;
    }
  };

  const standard = { device: ofDevice, interface: ofInterface, endpoint: ofEndpoint };

  return (setup, bytes) => {
    if (setup.kind === "standard") return setup.to === "other" ? undefined : standard[setup.to](setup);
    if (setup.kind !== "class" || setup.to !== "interface" || !device.isConfigured()) return undefined;
    if (setup.index === interfaces.hid) return ofHid(setup, bytes);
    return setup.index === interfaces.serialControl ? ofSerial(setup, bytes) : undefined;
  };
};
