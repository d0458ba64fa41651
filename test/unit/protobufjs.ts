/** The printed .proto as an independent parser understands it, and our values in its terms. */

import protobuf from "protobufjs";
import { isKnown, type Shape } from "../../protocol/codec.ts";

export type Peer = protobuf.Root;

export const peerOf = (proto: string): Peer => {
  const { root } = protobuf.parse(proto, { keepCase: false });
  root.resolveAll();
  return root;
};

/** As `toObject` gives it with 64-bit numbers and bytes as text. */
export const inPeerTerms = (shape: Shape, value: unknown): unknown => {
  switch (shape.kind) {
    case "uint":
      return shape.bits === 64 ? `${value}` : value;
    case "bool":
    case "text":
      return value;
    case "bytes":
    case "blob":
      return Buffer.from(value as Uint8Array).toString("base64");
    case "choice":
      return shape.values.indexOf(value as string) + 1;
    case "list":
      return (value as readonly unknown[]).map((item) => inPeerTerms(shape.of, item));
    case "maybe":
      if (!isKnown(value)) return { unknown: true };
      return {
        known:
          shape.of.kind === "list" ? { items: inPeerTerms(shape.of, value) } : inPeerTerms(shape.of, value),
      };
    case "message":
      return Object.fromEntries(
        Object.entries(shape.fields).map(([name, field]) => [
          name,
          inPeerTerms(field, (value as Readonly<Record<string, unknown>>)[name]),
        ]),
      );
  }
};

export const decodeAsPeer = (peer: Peer, type: string, bytes: Uint8Array): unknown => {
  const known = peer.lookupType(type);
  return known.toObject(known.decode(bytes), { longs: String, bytes: String, arrays: true });
};

export const encodeAsPeer = (peer: Peer, type: string, value: unknown): Uint8Array => {
  const known = peer.lookupType(type);
  return known.encode(known.fromObject(value as Record<string, unknown>)).finish();
};
