/** What only gRPC has: certificates, limits of one caller, closing, dying, and a signer that is not one. */

import { type ChildProcess, spawn } from "node:child_process";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, connect as tcp } from "node:net";
import { connect as tls } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import { encodeOutcome } from "../../protocol/operations/envelope.ts";
import { maxSignerMessage } from "../../protocol/operations/shapes.ts";
import type { TcpAddress } from "../../protocol/wire/address.ts";
import { connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import type { Served } from "../../protocol/wire/server.ts";
import { createAuthority, issueClient, issueServer } from "../../signer/certificates.ts";
import {
  authority,
  type Behaviour,
  credentialsOf,
  host,
  hostCredentials,
  issuance,
  node,
  numbered,
  replyOf,
  serverCredentials,
  serveTcp,
} from "./wires.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("no rejection");
};

const answers: Behaviour = { respond: async () => replyOf("points") };
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const started = async (behaviour: Behaviour = answers, given = {}): Promise<Served> => {
  const served = await serveTcp(behaviour, given);
  stops.push(() => served.close(0));
  return served;
};
const to = (served: Served): TcpAddress => served.address as TcpAddress;
const connected = async (address: TcpAddress, given = {}): Promise<Connection> => {
  const connection = await connect({ address, credentials: hostCredentials, timeoutMs: 8_000, ...given });
  stops.push(() => connection.close());
  return connection;
};

describe("certificates", () => {
  const day = 86_400_000;
  const foreign = createAuthority("Countersign authority", issuance);
  const foreignHost = credentialsOf(issueClient(foreign, host, issuance));
  const expired = credentialsOf(issueClient(authority, host, { ...issuance, now: Date.now() - 2 * day }));
  const early = credentialsOf(issueClient(authority, host, { ...issuance, now: Date.now() + day }));

  test.each([
    ["of a foreign authority", { ...foreignHost, ca: authority.certificate }],
    ["of a server", serverCredentials],
    ["that has expired", expired],
    ["that is not valid yet", early],
  ])("a host with a certificate %s is not let in", async (_, credentials) => {
    let asked = 0;
    const served = await started({
      respond: async () => {
        asked++;
        return replyOf("points");
      },
    });
    expect(await rejection(connected(to(served), { credentials }))).toMatchObject({ name: "Disconnected" });
    expect((await (await connected(to(served))).call("points", numbered(1))).is).toBe("reply");
    expect(asked).toBe(1);
  });

  test("a host without a certificate is not let in", async () => {
    const served = await started();
    const socket = tls({ ...to(served), ca: authority.certificate, ALPNProtocols: ["h2"] });
    const ended = new Promise<string>((resolve) => {
      socket.on("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? ""));
      socket.on("end", () => resolve("end"));
    });
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    expect(await ended).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET|EPIPE/);
  });

  test("TLS 1.2 is not spoken", async () => {
    const served = await started();
    const socket = tls({
      ...to(served),
      ca: authority.certificate,
      maxVersion: "TLSv1.2",
      ALPNProtocols: ["h2"],
    });
    expect(await new Promise((resolve) => socket.on("error", (error) => resolve(String(error))))).toMatch(
      /protocol version/i,
    );
  });

  test.each([
    ["of a foreign authority", credentialsOf(issueServer(foreign, [], issuance)), "127.0.0.1"],
    ["of a host", credentialsOf(issueClient(authority, host, issuance)), "127.0.0.1"],
    ["for another address", serverCredentials, "127.0.0.2"],
  ])("a signer with a certificate %s is not trusted", async (_, credentials, address) => {
    const served = await started(answers, { address: { host: address, port: 0 }, credentials });
    expect(await rejection(connected(to(served)))).toMatchObject({ name: "Disconnected", why: "lost" });
  });

  test("a name is checked as well as an address", async () => {
    const served = await started();
    const connection = await connected({ host: "localhost", port: to(served).port });
    expect((await connection.call("points", numbered(1))).is).toBe("reply");
  });

  test("an administrator is denied where hosts are served, and let in where administrators are", async () => {
    const admin = credentialsOf(issueClient(authority, { role: "admin" }, issuance));
    const callers: unknown[] = [];
    const behaviour: Behaviour = {
      respond: async (_, caller) => {
        callers.push(caller);
        return replyOf("status");
      },
    };
    const denied = { why: "denied" };
    const asAdmin = { credentials: admin, role: "admin" };
    const forHosts = await started(behaviour);
    // Whichever service is named: the certificate decides.
    expect(await rejection(connected(to(forHosts), { credentials: admin }))).toMatchObject(denied);
    expect(await rejection(connected(to(forHosts), asAdmin))).toMatchObject(denied);
    expect(await rejection(connected(to(forHosts), { role: "admin" }))).toMatchObject(denied);
    const forAdmins = await started(behaviour, { roles: ["admin"] });
    expect(await rejection(connected(to(forAdmins)))).toMatchObject(denied);
    expect(await rejection(connected(to(forAdmins), { role: "admin" }))).toMatchObject(denied);
    expect(await rejection(connected(to(forAdmins), { credentials: admin }))).toMatchObject(denied);
    const connection = await connected(to(forAdmins), asAdmin);
    await connection.call("status", { node });
    await connection.unary("status", { node });
    expect(callers).toStrictEqual([{ role: "admin" }, { role: "admin" }]);
    expect(await rejection(connection.unary("points", numbered(1)))).toMatchObject(denied);
    expect(await rejection(connection.call("points", numbered(1)))).toMatchObject(denied);
    expect(callers).toHaveLength(2);
  });
});

describe("limits of one caller", () => {
  test("streams", async () => {
    const served = await started({ ...answers, limits: { conversations: 2 } });
    const first = await connected(to(served));
    await connected(to(served));
    expect(await rejection(connected(to(served)))).toMatchObject({
      message: expect.stringContaining("RESOURCE_EXHAUSTED"),
    });
    await first.close();
    // The signer hears of it a little later.
    await expect.poll(() => connected(to(served)).then(() => "in", String), { timeout: 10_000 }).toBe("in");
  });

  test("connections; another caller still gets in", async () => {
    const served = await started({ ...answers, limits: { connectionsOfCaller: 2 } });
    await connected(to(served));
    await connected(to(served));
    expect(await rejection(connected(to(served)))).toMatchObject({ why: "lost" });
    const node = fromHex(`03${"11".repeat(32)}`) as never;
    const other = credentialsOf(issueClient(authority, { role: "host", node }, issuance));
    const connection = await connected(to(served), { credentials: other });
    expect((await connection.call("points", { ...numbered(1), node })).is).toBe("reply");
  });
});

describe("the end of a signer", () => {
  test("closing lets answers leave, and then the host knows", async () => {
    const release = Promise.withResolvers<void>();
    let began = 0;
    const served = await started({
      respond: async () => {
        began++;
        await release.promise;
        return replyOf("points");
      },
    });
    const connection = await connected(to(served));
    const other = await connected(to(served));
    const calls = [connection.call("points", numbered(1)), connection.unary("points", numbered(2))];
    await expect.poll(() => began, { timeout: 10_000 }).toBe(2);
    const closed = served.close(2_000);
    expect(await other.closed).toMatchObject({ why: "lost", message: expect.stringContaining("closing") });
    expect(await rejection(connected(to(served), { timeoutMs: 500 }))).toMatchObject({ why: "lost" });
    release.resolve();
    expect((await Promise.all(calls)).map(({ is }) => is)).toEqual(["reply", "reply"]);
    expect(await connection.closed).toMatchObject({ why: "lost" });
    await closed;
  });

  test("closing does not wait for ever", async () => {
    const served = await started({ respond: () => new Promise(() => undefined) });
    const connection = await connected(to(served));
    const waiting = rejection(connection.call("points", numbered(1)));
    await sleep(20);
    const before = Date.now();
    await served.close(100);
    expect(Date.now() - before).toBeLessThan(3_000);
    expect(await waiting).toMatchObject({ name: "Disconnected", why: "lost" });
  });

  test("closing does not wait for those who never said who they are", async () => {
    const served = await serveTcp(answers);
    const socket = tcp(to(served));
    await new Promise((resolve) => socket.once("connect", resolve));
    await sleep(20);
    const before = Date.now();
    await served.close(100);
    expect(Date.now() - before).toBeLessThan(3_000);
    socket.destroy();
  });

  const child = async (): Promise<{ readonly process: ChildProcess; readonly address: TcpAddress }> => {
    const { ca, certificate, key } = serverCredentials;
    const process_ = spawn(process.execPath, [fileURLToPath(new URL("./wire-child.ts", import.meta.url))], {
      env: {
        ...process.env,
        CREDENTIALS: JSON.stringify({
          ca,
          certificate,
          key: key.use((bytes) => Buffer.from(bytes).toString()),
        }),
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    stops.push(() => process_.kill("SIGKILL"));
    const port = await new Promise<number>((resolve) =>
      process_.stdout?.once("data", (line: Buffer) => resolve(Number(line.toString()))),
    );
    return { process: process_, address: { host: "127.0.0.1", port } };
  };

  test("killed, or frozen: the host is told, by name", async () => {
    const signer = await child();
    const connection = await connected(signer.address, { keepaliveMs: 200, keepaliveTimeoutMs: 200 });
    expect((await connection.call("points", numbered(1))).is).toBe("reply");
    const waiting = rejection(connection.call("points", numbered(0)));
    signer.process.kill("SIGSTOP");
    expect(await waiting).toMatchObject({ name: "Disconnected", why: "lost" });
    signer.process.kill("SIGCONT");

    const again = await connected(signer.address);
    const lost = [
      rejection(again.call("points", numbered(0))),
      rejection(again.unary("points", numbered(0))),
    ];
    await sleep(20);
    signer.process.kill("SIGKILL");
    for (const error of await Promise.all(lost))
      expect(error).toMatchObject({ name: "Disconnected", why: "lost" });
    expect(await rejection(again.call("points", numbered(1)))).toMatchObject({ why: "lost" });
  });
});

describe("a signer that is not one", () => {
  const framed = (bytes: Uint8Array, length = bytes.length): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, bytes]);
  };
  const impostor = async (behave: (stream: ServerHttp2Stream) => void): Promise<TcpAddress> => {
    const server: Http2SecureServer = serverCredentials.key.use((key) =>
      createSecureServer({
        ca: authority.certificate,
        cert: serverCredentials.certificate,
        key: Buffer.from(key),
        requestCert: true,
      }),
    );
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => undefined);
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
      stream.once("data", () => behave(stream));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    stops.push(() => server.close());
    return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  };

  const good = encodeOutcome(1n, "points", replyOf("points"));
  test.each([
    ["garbage", framed(Uint8Array.of(1, 2, 3)), "protocol"],
    ["an answer to nothing", framed(encodeOutcome(9n, "points", replyOf("points"))), "protocol"],
    ["an answer to something else", framed(encodeOutcome(1n, "setup", replyOf("setup"))), "protocol"],
    ["an answer cut short", framed(good.slice(0, -1)), "protocol"],
    ["too much", framed(new Uint8Array(10), maxSignerMessage + 1), "lost"],
    ["what is no gRPC", Buffer.from("HTTP is not spoken here"), "lost"],
  ])("sends %s: the host leaves, and says why", async (_, bytes, why) => {
    const address = await impostor((stream) => stream.write(bytes));
    const connection = await connected(address);
    expect(await rejection(connection.call("points", numbered(1)))).toMatchObject({
      name: "Disconnected",
      why,
    });
    expect(await connection.closed).toMatchObject({ why });
  });

  test("answers twice", async () => {
    const address = await impostor((stream) => {
      stream.write(framed(good));
      stream.write(framed(good));
    });
    const connection = await connected(address);
    expect((await connection.call("points", numbered(1))).is).toBe("reply");
    expect(await connection.closed).toMatchObject({ why: "protocol" });
  });

  test("says nothing at all", async () => {
    const address = await impostor(() => undefined);
    const connection = await connected(address);
    expect(await rejection(connection.call("points", numbered(1), { timeoutMs: 50 }))).toMatchObject({
      name: "TimedOut",
    });
  });
});

describe("a signer that was away", () => {
  test("finds nobody at its door but who is still there", async () => {
    const gone = await started();
    const address = to(gone);
    await gone.close(0);
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(await rejection(connect({ address, credentials: hostCredentials }))).toMatchObject({
        why: "lost",
      });
    }
    let callers = 0;
    const door = createServer(() => callers++).listen(address.port, address.host);
    stops.push(() => door.close());
    // gRPC's own second attempt would come after one second.
    await sleep(2_000);
    expect(callers).toBe(0);
  });
});
