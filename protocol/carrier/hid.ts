/**
 * HID: reports of 64 bytes on a vendor's usage page, shaped as those of CTAPHID (FIDO CTAP 2.1, section 11.2.4). The first
 * report of a frame is its first 64 bytes. Each further one has the channel, a counter from 0 with a clear top bit, and
 * 59 bytes more. What is left over in the last is zero, and not read. A frame needs 70 reports at most, so the counter
 * does not come round.
 */

import {
  type Carrier,
  type Deframer,
  encodeFrame,
  frameLength,
  frameOf,
  type Received,
  receivedOf,
} from "../frame.ts";

export const reportLength = 64;
const continuedHead = 5;
const continued = reportLength - continuedHead;

export const encodeReports = (bytes: Uint8Array): readonly Uint8Array[] => {
  const reports: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const report = new Uint8Array(reportLength);
    if (at === 0) {
      report.set(bytes.subarray(0, reportLength));
      at = reportLength;
    } else {
      report.set(bytes.subarray(0, 4));
      report[4] = reports.length - 1;
      report.set(bytes.subarray(at, at + continued), continuedHead);
      at += continued;
    }
    reports.push(report);
  }
  return reports;
};

const sameChannel = (a: Uint8Array, b: Uint8Array): boolean =>
  a.subarray(0, 4).every((byte, i) => byte === b[i]);

const deframer = (): Deframer => {
  let held = new Uint8Array(0);
  let length = 0;
  let counter = 0;
  const drop = (): void => {
    held = new Uint8Array(0);
    length = 0;
  };
  const add = (bytes: Uint8Array): Received | undefined => {
    const rest = held.length - length;
    held.set(bytes.subarray(0, rest), length);
    length += Math.min(rest, bytes.length);
    if (length < held.length) return undefined;
    const frame = frameOf(held);
    drop();
    return receivedOf(frame);
  };
  const accept = (report: Uint8Array): readonly (Received | undefined)[] => {
    const kind = report[4] as number;
    if ((kind & 0x80) !== 0) {
      const broken = held.length > 0 ? receivedOf("order") : undefined;
      drop();
      const size = frameLength(report);
      if (size === undefined) return [broken, receivedOf("header")];
      held = new Uint8Array(size);
      counter = 0;
      return [broken, add(report)];
    }
    // Another channel's is not for whoever reads this frame, and breaks nothing.
    if (held.length === 0 || !sameChannel(held, report)) return [receivedOf("order")];
    if (kind !== counter) {
      drop();
      return [receivedOf("order")];
    }
    counter++;
    return [add(report.subarray(continuedHead))];
  };
  return {
    push: (bytes) => {
      if (bytes.length === 0 || bytes.length % reportLength !== 0) return [receivedOf("report")];
      const received: Received[] = [];
      for (let at = 0; at < bytes.length; at += reportLength)
        for (const one of accept(bytes.subarray(at, at + reportLength)))
          if (one !== undefined) received.push(one);
      return received;
    },
  };
};

export const hidCarrier: Carrier = {
  name: "hid",
  encode: (frame) => encodeReports(encodeFrame(frame)),
  deframer,
};
