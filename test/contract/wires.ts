/** A signer that answers as told, behind each kind of wire. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Name, Request } from "../../protocol/operations/index.ts";
import { replyShape, requestShape } from "../../protocol/operations/shapes.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { channelId, type NodeId, point } from "../../protocol/units.ts";
import type { Address, Credentials, TcpAddress } from "../../protocol/wire/address.ts";
import type { Respond } from "../../protocol/wire/answering.ts";
import type { Caller } from "../../protocol/wire/caller.ts";
import { connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import type { Limits } from "../../protocol/wire/limits.ts";
import { memoryConnection } from "../../protocol/wire/memory.ts";
import { type Served, serve } from "../../protocol/wire/server.ts";
import { createAuthority, type Identity, issueClient, issueServer } from "../../signer/certificates.ts";
import { exampleOf } from "../frozen/example.ts";

export const issuance = { now: Date.now(), days: 1, random: (length: number) => randomBytes(length) };

export const node: NodeId = point(new Uint8Array(33).fill(2));
export const stranger: NodeId = point(new Uint8Array(33).fill(3));
export const host: Caller = { role: "host", node };

export const authority = createAuthority("Countersign authority", issuance);
const server = issueServer(authority, [], issuance);
const client = issueClient(authority, host, issuance);

export const credentialsOf = (identity: Identity, ca: Identity = authority): Credentials => ({
  ca: ca.certificate,
  certificate: identity.certificate,
  key: identity.key,
});
export const serverCredentials = credentialsOf(server);
export const hostCredentials = credentialsOf(client);

export const requestOf = <N extends Name>(name: N): Request<N> => ({
  ...(exampleOf(requestShape(name)) as Request<N>),
  node,
});
export const replyOf = <N extends Name>(name: N): Outcome<N> =>
  ({ is: "reply", reply: exampleOf(replyShape(name)) }) as Outcome<N>;

/** The smallest request that carries a figure: the channel. */
export const numbered = (n: number): Request<"points"> => ({
  node,
  channel: channelId(BigInt(n)),
  numbers: [],
});
export const numberOf = (request: Parameters<Respond>[0]): number =>
  "channel" in request.body ? Number(request.body.channel) : -1;

export interface Behaviour {
  readonly respond: Respond;
  readonly limits?: Partial<Limits>;
  readonly onFault?: (error: unknown) => void;
}

export interface Wire {
  open(): Promise<Connection>;
  stop(): Promise<void>;
}

export const strictly = (error: unknown): never => {
  throw error;
};

export const serveTcp = (
  behaviour: Behaviour,
  given: Partial<Parameters<typeof serve>[0]> = {},
): Promise<Served> =>
  serve({
    address: { host: "127.0.0.1", port: 0 },
    credentials: serverCredentials,
    onFault: () => undefined,
    ...behaviour,
    ...given,
  } as Parameters<typeof serve>[0]);

const opened = (open: () => Promise<Connection>, stop: () => Promise<void>): Wire => {
  const all: Connection[] = [];
  return {
    open: async () => {
      const connection = await open();
      all.push(connection);
      return connection;
    },
    stop: async () => {
      await Promise.all(all.map((connection) => connection.close()));
      await stop();
    },
  };
};

const quiet = () => undefined;

export const wires: Readonly<Record<string, (behaviour: Behaviour) => Promise<Wire>>> = {
  memory: async (behaviour) =>
    opened(
      async () => memoryConnection({ caller: host, onFault: quiet, ...behaviour }),
      async () => undefined,
    ),
  "gRPC over mTLS": async (behaviour) => {
    const served = await serveTcp(behaviour);
    const address = served.address as TcpAddress;
    return opened(
      () => connect({ address, credentials: hostCredentials }),
      () => served.close(0),
    );
  },
  "gRPC over a Unix socket": async (behaviour) => {
    const folder = mkdtempSync(join(tmpdir(), "wire-"));
    const served = await serve({
      address: { path: join(folder, "signer.sock") },
      caller: host,
      onFault: quiet,
      ...behaviour,
    });
    const address = served.address as Exclude<Address, TcpAddress>;
    return opened(
      () => connect({ address }),
      async () => {
        await served.close(0);
        rmSync(folder, { recursive: true });
      },
    );
  },
};
