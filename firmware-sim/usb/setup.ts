/** A control transfer's first eight bytes (USB 2.0, section 9.3). Little-endian, as all of USB. */

import { invalid } from "../../protocol/malformed.ts";

export interface Setup {
  readonly isIn: boolean;
  readonly kind: "standard" | "class" | "vendor";
  readonly to: "device" | "interface" | "endpoint" | "other";
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

export const setupLength = 8;
const kinds = ["standard", "class", "vendor"] as const;
const recipients = ["device", "interface", "endpoint", "other"] as const;

export const decodeSetup = (raw: Uint8Array): Setup => {
  if (raw.length !== setupLength) throw invalid(`not of ${setupLength} bytes`);
  const view = new DataView(raw.buffer, raw.byteOffset);
  const type = view.getUint8(0);
  const kind = kinds[(type >> 5) & 3];
  const to = recipients[type & 31];
  if (kind === undefined || to === undefined) throw invalid("a reserved type");
  return {
    isIn: type >= 0x80,
    kind,
    to,
    request: view.getUint8(1),
    value: view.getUint16(2, true),
    index: view.getUint16(4, true),
    length: view.getUint16(6, true),
  };
};

export const encodeSetup = ({ isIn, kind, to, request, value, index, length }: Setup): Uint8Array => {
  const raw = new Uint8Array(setupLength);
  const view = new DataView(raw.buffer);
  view.setUint8(0, (isIn ? 0x80 : 0) | (kinds.indexOf(kind) << 5) | recipients.indexOf(to));
  view.setUint8(1, request);
  view.setUint16(2, value, true);
  view.setUint16(4, index, true);
  view.setUint16(6, length, true);
  return raw;
};
