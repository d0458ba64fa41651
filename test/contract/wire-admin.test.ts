/** Two services, two certificates: who may ask what, on every way in. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { namesOf } from "../../protocol/operations/index.ts";
import type { TcpAddress } from "../../protocol/wire/address.ts";
import type { Respond } from "../../protocol/wire/answering.ts";
import { type ConnectOptions, connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import { memoryConnection } from "../../protocol/wire/memory.ts";
import { serve } from "../../protocol/wire/server.ts";
import { createAuthority, issueClient } from "../../signer/certificates.ts";
import {
  authority,
  credentialsOf,
  host,
  hostCredentials,
  issuance,
  node,
  numbered,
  replyOf,
  requestOf,
  serverCredentials,
  serveTcp,
} from "./wires.ts";

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error("no rejection");
    },
    (error: unknown) => error,
  );

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const opened = async (options: ConnectOptions): Promise<Connection> => {
  const connection = await connect(options);
  stops.push(() => connection.close());
  return connection;
};

const denied = { name: "Disconnected", why: "denied" };

/** Answers everything, and remembers who asked for what. */
const witness = () => {
  const asked: string[] = [];
  const respond: Respond = async (request, caller) => {
    asked.push(`${caller.role} ${request.name}`);
    return replyOf(request.name);
  };
  return { asked, respond, onFault: () => undefined };
};

describe.each(["call", "unary"] as const)("%s", (way) => {
  test.each(namesOf("admin"))(
    "a host that asks for %s is denied, and the signer does not hear of it",
    async (name) => {
      const { asked, ...answering } = witness();
      const served = await serveTcp(answering, { roles: ["host", "admin"] });
      stops.push(() => served.close(0));
      const connection = await opened({
        address: served.address as TcpAddress,
        credentials: hostCredentials,
      });
      expect((await connection[way]("points", numbered(1))).is).toBe("reply");
      expect(await rejection(connection[way](name, requestOf(name)))).toMatchObject(denied);
      expect(asked).toEqual(["host points"]);
    },
  );

  test("in one process it is the same, for each of the two", async () => {
    const { asked, ...answering } = witness();
    for (const name of namesOf("admin")) {
      const connection = memoryConnection({ ...answering, caller: host });
      expect(await rejection(connection[way](name, requestOf(name)))).toMatchObject(denied);
    }
    for (const name of namesOf("host")) {
      const connection = memoryConnection({ ...answering, caller: { role: "admin" } });
      expect(await rejection(connection[way](name, requestOf(name)))).toMatchObject(denied);
    }
    expect(asked).toEqual([]);
    const admin = memoryConnection({ ...answering, caller: { role: "admin" } });
    for (const name of namesOf("admin"))
      expect(await admin[way](name, requestOf(name))).toStrictEqual(replyOf(name));
    expect(asked).toEqual(namesOf("admin").map((name) => `admin ${name}`));
  });
});

test("administrators are served on a Unix socket as well, and show a certificate there too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wire-"));
  const path = join(folder, "admin.sock");
  const served = await serve({
    address: { path },
    credentials: serverCredentials,
    roles: ["admin"],
    respond: async (request) => replyOf(request.name),
    onFault: () => undefined,
  });
  try {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const credentials = credentialsOf(issueClient(authority, { role: "admin" }, issuance));
    const admin = await connect({ address: { path }, credentials, role: "admin" });
    expect((await admin.unary("status", { node })).is).toBe("reply");
    await admin.close();
    const refused = async (options: Partial<Parameters<typeof connect>[0]>) =>
      rejection(connect({ address: { path }, credentials, role: "admin", ...options } as never));
    expect(await refused({ credentials: hostCredentials })).toMatchObject({ why: "denied" });
    const strangers = credentialsOf(
      issueClient(createAuthority("Countersign authority", issuance), { role: "admin" }, issuance),
    );
    expect(await refused({ credentials: strangers, timeoutMs: 2_000 })).toMatchObject({ why: "lost" });
    const none = connect({ address: { path }, role: "admin", timeoutMs: 2_000 });
    expect(await rejection(none)).toMatchObject({ why: "lost" });
  } finally {
    await served.close(0);
    rmSync(folder, { recursive: true });
  }
});
