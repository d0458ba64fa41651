/** The gRPC service as the table has it. Messages pass gRPC as bytes: what decodes them says what is wrong. */

import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { capital, packageName } from "../operations/envelope.ts";
import type { Name } from "../operations/index.ts";

const service = `/${packageName}.Signer`;
export const conversePath = `${service}/Converse`;
export const pathOf = (name: Name): string => `${service}/${capital(name)}`;

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
export const asBytes = (buffer: Buffer): Buffer => buffer;

// What gRPC prints by itself is chosen by whoever sends it bad headers.
setLogVerbosity(logVerbosity.NONE);

/** Trailer of a unary call that did not end in a reply. */
export const trailers = {
  refusal: "countersign-refusal-bin",
  malformed: "countersign-malformed-bin",
  fault: "countersign-fault-bin",
} as const;
