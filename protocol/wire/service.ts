/** The gRPC services as the table has them, one for each role. Messages pass gRPC as bytes: what decodes them says what is wrong. */

import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { capital, packageName, serviceOf } from "../operations/envelope.ts";
import { type Name, operations } from "../operations/index.ts";
import type { Role } from "./caller.ts";

const under = (role: Role, method: string): string => `/${packageName}.${serviceOf(role)}/${method}`;
export const conversePath = (role: Role): string => under(role, "Converse");
export const pathOf = (name: Name): string => under(operations[name].role, capital(name));

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
