/**
 * A compromised host has a good certificate and speaks what it likes: raw bytes, raw TLS, raw HTTP/2. Whatever it
 * does, the signer stays up, its memory stays bounded, and another host is served.
 */

import { randomBytes } from "node:crypto";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as http2,
  type OutgoingHttpHeaders,
} from "node:http2";
import { type Socket, connect as tcp } from "node:net";
import { connect as tls } from "node:tls";
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import { decodeOutcome, encodeRequest } from "../../protocol/operations/envelope.ts";
import type { Name } from "../../protocol/operations/index.ts";
import { maxHostMessage } from "../../protocol/operations/shapes.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { NodeId } from "../../protocol/units.ts";
import type { TcpAddress } from "../../protocol/wire/address.ts";
import { connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import type { Limits } from "../../protocol/wire/limits.ts";
import type { Served } from "../../protocol/wire/server.ts";
import { issueClient } from "../../signer/certificates.ts";
import { authority, credentialsOf, hostCredentials, issuance, numbered, replyOf, serveTcp } from "./wires.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const other = fromHex(`03${"11".repeat(32)}`) as NodeId;
const otherCredentials = credentialsOf(issueClient(authority, { role: "host", node: other }, issuance));

let began = 0;
/** Until something began, and nothing more did for a while: how soon depends on the machine. */
const stillness = async (): Promise<void> => {
  for (let before = -1; began === 0 || before !== began; ) {
    before = began;
    await sleep(300);
  }
};
let respond: () => Promise<Outcome<Name>> = async () => replyOf("points");
const faults: unknown[] = [];
let served: Served;
let honest: Connection;
const address = (): TcpAddress => served.address as TcpAddress;

const open = async (limits: Partial<Limits>): Promise<void> => {
  served = await serveTcp({
    respond: (request) => {
      if (Buffer.compare(request.body.node, other) === 0) return Promise.resolve(replyOf("points"));
      began++;
      return respond();
    },
    onFault: (error) => faults.push(error),
    limits: { inFlight: 64, ...limits },
  });
  honest = await connect({ address: address(), credentials: otherCredentials });
};
const close = async (): Promise<void> => {
  await honest.close();
  await served.close(0);
};
beforeEach(() => {
  began = 0;
  respond = async () => replyOf("points");
});
afterEach(async () => {
  expect((await honest.call("points", { ...numbered(1), node: other })).is).toBe("reply");
  expect(faults).toEqual([]);
});

const gone = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(true));
    socket.resume();
  });

const raw = (): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = tcp(address(), () => resolve(socket));
  });

/** HTTP/2's preface and an empty SETTINGS. */
const greeting = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

/** Of the stream's compressor: 20 MB that take 20 kB. */
const bombs = { gzip: gzipSync(Buffer.alloc(20_000_000)), deflate: deflateSync(Buffer.alloc(20_000_000)) };

const secure = (to: TcpAddress = address()): Promise<Socket> =>
  hostCredentials.key.use(
    (key) =>
      new Promise<Socket>((resolve, reject) => {
        const socket = tls({
          ...to,
          ca: hostCredentials.ca,
          cert: hostCredentials.certificate,
          key: Buffer.from(key),
          ALPNProtocols: ["h2"],
        });
        socket.once("secureConnect", () => resolve(socket));
        socket.once("error", reject);
      }),
  );

describe("sockets", () => {
  // Long enough for a good handshake on a busy machine.
  beforeAll(() => open({ idleMs: 1_000, handshakeMs: 1_000 }));
  afterAll(close);

  test("that say nothing are dropped", async () => {
    const socket = await raw();
    expect(await gone(socket)).toBe(true);
  });

  test("that speak no TLS are dropped", async () => {
    for (const bytes of [
      randomBytes(2000),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.alloc(70_000, 0x16),
    ]) {
      const socket = await raw();
      socket.write(bytes);
      expect(await gone(socket)).toBe(true);
    }
  });

  test("that are torn down in the middle of a handshake do no harm", async () => {
    for (let i = 0; i < 20; i++) {
      const socket = await raw();
      socket.on("error", () => undefined);
      socket.write(Buffer.from("160301020001000100", "hex"));
      socket.resetAndDestroy();
    }
  });

  test("that speak no HTTP/2 after a good handshake are dropped", async () => {
    for (const bytes of [
      randomBytes(3000),
      Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
      Buffer.alloc(20_000),
    ]) {
      const socket = await secure();
      socket.write(bytes);
      expect(await gone(socket)).toBe(true);
    }
  });

  test("that fall silent after a good handshake are dropped", async () => {
    const silent = await secure();
    const settled = await secure();
    settled.write(greeting);
    expect(await Promise.all([gone(silent), gone(settled)])).toEqual([true, true]);
  });

  test("that open a stream and then answer no ping are dropped", async () => {
    const watchful = await serveTcp({
      respond: () => respond(),
      limits: { keepaliveMs: 100, keepaliveTimeoutMs: 200 },
    });
    const deaf = await secure(watchful.address as TcpAddress);
    const literal = (name: string, value: string): Buffer =>
      Buffer.concat([
        Buffer.of(0, name.length),
        Buffer.from(name),
        Buffer.of(value.length),
        Buffer.from(value),
      ]);
    const headers = Buffer.concat([
      literal(":method", "POST"),
      literal(":scheme", "https"),
      literal(":path", "/countersign.v1.Signer/Converse"),
      literal(":authority", "localhost"),
      literal("content-type", "application/grpc"),
      literal("te", "trailers"),
    ]);
    // Type 1, END_HEADERS, stream 1.
    deaf.write(Buffer.concat([greeting, Buffer.of(0, 0, headers.length, 1, 4, 0, 0, 0, 1), headers]));
    const types: number[] = [];
    deaf.on("data", (bytes: Buffer) => {
      for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
        types.push(bytes[at + 3] ?? 0);
    });
    expect(await gone(deaf)).toBe(true);
    // The stream was let in (HEADERS), and a ping was waited for.
    expect(types).toEqual(expect.arrayContaining([1, 6]));
    await watchful.close(0);
  });

  test("without ALPN are dropped", async () => {
    const socket = await hostCredentials.key.use(async (key) =>
      tls({ ...address(), ca: hostCredentials.ca, cert: hostCredentials.certificate, key: Buffer.from(key) }),
    );
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    expect(await gone(socket)).toBe(true);
  });
});

describe("HTTP/2", () => {
  beforeAll(() => open({}));
  afterAll(close);
  let session: ClientHttp2Session;
  beforeEach(async () => {
    const socket = await secure();
    session = http2("https://localhost", { createConnection: () => socket as never });
    session.on("error", () => undefined);
  });
  afterEach(() => session.destroy());

  const framed = (bytes: Uint8Array, flag = 0, length = bytes.length): Buffer => {
    const head = Buffer.alloc(5);
    head[0] = flag;
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, bytes]);
  };
  const request = (path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => undefined);
    return stream;
  };
  const converse = (headers: OutgoingHttpHeaders = {}) => request("/countersign.v1.Signer/Converse", headers);

  interface Ended {
    readonly status: string | undefined;
    readonly messages: readonly Buffer[];
  }
  const ended = (stream: ClientHttp2Stream): Promise<Ended> =>
    new Promise((resolve) => {
      let status: string | undefined;
      const chunks: Buffer[] = [];
      const note = (headers: Record<string, unknown>): void => {
        const found = headers["grpc-status"] ?? (headers[":status"] === 200 ? undefined : headers[":status"]);
        if (found === undefined) return;
        status = `${found}`;
        // The signer is done with the stream; it is closed when this side is, too.
        stream.end();
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("close", () => {
        const all = Buffer.concat(chunks);
        const messages: Buffer[] = [];
        for (let at = 0; at + 5 <= all.length; ) {
          const length = all.readUInt32BE(at + 1);
          messages.push(all.subarray(at + 5, at + 5 + length));
          at += 5 + length;
        }
        resolve({ status, messages });
      });
    });

  const good = (n: number): Buffer => framed(encodeRequest(BigInt(n), "points", numbered(n)));

  test("a good request by hand is answered, so what follows fails for its own reasons", async () => {
    const stream = converse();
    stream.end(good(5));
    const { status, messages } = await ended(stream);
    expect(status).toBe("0");
    expect(messages.map((bytes) => decodeOutcome(bytes).id)).toEqual([5n]);
  });

  test("random messages are Malformed, and end that stream alone", async () => {
    const beside = converse();
    const besideEnded = ended(beside);
    for (let i = 0; i < 100; i++) {
      const stream = converse();
      stream.write(framed(randomBytes(i)));
      const { status, messages } = await ended(stream);
      expect(status).toBe("3");
      expect(messages.map((bytes) => decodeOutcome(bytes).is)).toEqual(["malformed"]);
    }
    beside.end(good(7));
    expect((await besideEnded).messages.map((bytes) => decodeOutcome(bytes).is)).toEqual(["reply"]);
    expect(began).toBe(1);
  });

  test("a Malformed answer bears the id that could be read", async () => {
    const stream = converse();
    stream.write(Buffer.concat([good(8), framed(Uint8Array.of(8, 9, 0xda, 0x3f, 0)), good(10)]));
    const { status, messages } = await ended(stream);
    expect(status).toBe("3");
    const answers = messages.map((bytes) => decodeOutcome(bytes)).toSorted((a, b) => Number(a.id - b.id));
    expect(answers.map(({ id, is }) => [id, is])).toEqual([
      [8n, "reply"],
      [9n, "malformed"],
    ]);
    expect(answers[1]).toMatchObject({ malformed: { path: "points.node", reason: "missing" } });
    expect(began).toBe(1);
  });

  test("an id given again before its answer is Malformed", async () => {
    respond = async () => {
      await sleep(30);
      return replyOf("points");
    };
    const stream = converse();
    stream.write(Buffer.concat([good(8), good(8)]));
    expect((await ended(stream)).status).toBe("3");
    expect(began).toBe(1);
  });

  test("lengths and encodings that lie end their stream", async () => {
    const cases: readonly (readonly [Buffer, OutgoingHttpHeaders])[] = [
      [framed(Buffer.alloc(10), 0, 0xffff_ffff), {}],
      [framed(Buffer.alloc(10), 0, maxHostMessage + 1), {}],
      [framed(Buffer.alloc(10), 1), { "grpc-encoding": "gzip" }],
      [framed(bombs.gzip, 1), { "grpc-encoding": "gzip" }],
      [framed(bombs.deflate, 1), { "grpc-encoding": "deflate" }],
      [framed(Buffer.alloc(10), 1), { "grpc-encoding": "brotli" }],
      [framed(Buffer.alloc(10), 1), {}],
      [framed(Buffer.alloc(10), 77), {}],
    ];
    const before = process.memoryUsage().rss;
    for (const path of ["/countersign.v1.Signer/Converse", "/countersign.v1.Signer/Points"])
      for (const [bytes, headers] of cases) {
        const stream = request(path, headers);
        stream.end(bytes);
        const { status } = await ended(stream);
        expect(Number(status), `${path} ${JSON.stringify(headers)}`).toBeGreaterThan(0);
      }
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    expect(began).toBe(0);
  });

  test("headers and paths that make no sense are answered or reset", async () => {
    const odd: readonly OutgoingHttpHeaders[] = [
      { ":path": "" },
      { ":path": "/%%%\u00ff\u00fe" },
      { ":path": `/${"a".repeat(8000)}` },
      { ":path": "/countersign.v1.Signer/Nothing\u0001" },
      { ":path": "*" },
      { ":path": "/__proto__/constructor" },
      { ":method": "GET" },
      { "content-type": "text/html" },
      { "content-type": "application/grpc+json" },
      { "grpc-timeout": "soon" },
      { "grpc-timeout": "99999999999999H" },
      { "grpc-timeout": "0n" },
      { "grpc-encoding": "\u00ff" },
      { "x-bin": "!!!" },
      { "grpc-accept-encoding": "x".repeat(5000) },
      { "countersign-refusal-bin": "AAAA" },
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, "y".repeat(100)])),
    ];
    for (const headers of odd) {
      try {
        const stream = request("/countersign.v1.Signer/Points", headers);
        stream.end(framed(Uint8Array.of(1)));
        await Promise.race([ended(stream), sleep(500)]);
        stream.close();
      } catch {
        // The client's own HTTP/2 would not send it.
      }
    }
  });

  test("a stream that is never read makes the signer stop reading it", async () => {
    const { points } = (replyOf("points") as { reply: { points: readonly Uint8Array[] } }).reply;
    const big = {
      is: "reply",
      reply: { points: Array.from({ length: 64 }, () => points[0]) },
    } as Outcome<Name>;
    respond = async () => big;
    const stream = converse();
    let sent = 0;
    const feed = (): void => {
      while (sent < 20_000 && stream.write(good(++sent)));
    };
    stream.on("drain", feed);
    feed();
    await stillness();
    const after = began;
    expect(after).toBeGreaterThan(20);
    // 64 owed, and what fits into the client's window of 64 KiB at 2.2 KiB an answer.
    expect(after).toBeLessThan(64 + 64);
    await sleep(200);
    expect(began).toBe(after);
    stream.close();
  });

  test("requests whose answer never comes are read no further than the limit", async () => {
    respond = () => new Promise(() => undefined);
    const stream = converse();
    for (let i = 1; i <= 3000; i++) stream.write(good(i));
    await stillness();
    expect(began).toBe(64);
    stream.close();
  });

  test("2,000 streams opened and reset at once, or left half-sent", async () => {
    for (let i = 0; i < 2000; i++) {
      if (session.destroyed) break;
      const stream = i % 2 === 0 ? converse() : request("/countersign.v1.Signer/Points");
      stream.write(good(i + 1).subarray(0, (i % 40) + 1));
      if (i % 3 !== 0) stream.close(i % 5);
    }
    await sleep(200);
  });

  test("a session torn down under its answers", async () => {
    respond = async () => {
      await sleep(5);
      return replyOf("points");
    };
    const stream = converse();
    for (let i = 1; i <= 60; i++) stream.write(good(i));
    await sleep(4);
    session.destroy();
    await sleep(50);
  });
});
