/** Who asks. On TCP the client certificate says it, in its only subject alternative name. */

import type { PeerCertificate } from "node:tls";
import { equal, fromHex, toHex } from "../bytes.ts";
import { type Name, operations } from "../operations/index.ts";
import type { Role } from "../operations/operation.ts";
import { type NodeId, point } from "../units.ts";

export type Caller = { readonly role: "host"; readonly node: NodeId } | { readonly role: "admin" };
export type { Role };

export const roleUri = (caller: Caller): string => {
  switch (caller.role) {
    case "host":
      return `countersign:host:${toHex(caller.node)}`;
    case "admin":
      return "countersign:admin";
  }
};

const host = /^countersign:host:(0[23][0-9a-f]{64})$/;

/** Exactly one of the two forms: anything else is nobody. */
export const callerOf = (uri: string): Caller | undefined => {
  if (uri === "countersign:admin") return { role: "admin" };
  const [, node] = host.exec(uri) ?? [];
  return node === undefined ? undefined : { role: "host", node: point(fromHex(node)) };
};

export const callerOfCertificate = (
  certificate: Pick<PeerCertificate, "subjectaltname"> | undefined,
): Caller | undefined => {
  const names = certificate?.subjectaltname;
  return names?.startsWith("URI:") === true ? callerOf(names.slice("URI:".length)) : undefined;
};

/** Each role has operations of its own. A host asks for its own node alone, an administrator for every one. */
export const mayAsk = (caller: Caller, name: Name, node: NodeId): boolean =>
  operations[name].role === caller.role && (caller.role === "admin" || equal(caller.node, node));

/** For counting what one caller takes up. */
export const callerKey = (caller: Caller): string => roleUri(caller);
