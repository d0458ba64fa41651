/** Electrum servers that answer anything at all: a source ends as SourceError, in time, and holds little. */

import { type AddressInfo, createServer } from "node:net";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type ChainSource, SourceError } from "../../chain/source.ts";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { toHex } from "../../protocol/bytes.ts";
import { height } from "../../protocol/units.ts";
import { made } from "../unit/chain-embedded.kit.ts";
import { greeting, openings, result, say } from "./electrum.kit.ts";

const { listen, source: opened, later, closeAll } = openings();
afterEach(closeAll);

const { genesis, genesisHash } = chains.regtest;
const tx = made({ inputs: [{ txid: made({ inputs: [], outputs: [1n] }).txid, index: 0 }], outputs: [1n] });
const nowhere = new Uint8Array(32).fill(7);

const questions = {
  tip: (source) => source.tip(),
  hashAt: (source) => source.hashAt(height(1)),
  header: (source) => source.header(nowhere),
  block: (source) => source.block(nowhere),
  feerate: (source) => source.feerate(6),
  publish: (source) => source.publish([tx.raw]),
} satisfies Record<string, (source: ChainSource) => Promise<unknown>>;

const everything = Object.keys(questions) as readonly (keyof typeof questions)[];

/** What it came to; any other error fails the test. */
const outcome = async (
  source: ChainSource,
  question: keyof typeof questions,
): Promise<SourceError | { readonly value: unknown }> => {
  try {
    return { value: await questions[question](source) };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    expect(error.message.length).toBeLessThan(200);
    return error;
  }
};

const values = fc.oneof(
  fc.constantFrom<unknown>(null, "", [], {}, -1, 1e99, "x", "00".repeat(32), "zz".repeat(32), "0".repeat(9)),
  fc.constantFrom<unknown>({ hex: "00", height: -1 }, { hex: toHex(genesis), height: 499_999_999 }, -0.5),
  fc.constantFrom<unknown>({ headers: ["0"] }, { hex: "00" }, { tx_hash: "00".repeat(32), merkle: [] }),
  fc.constantFrom<unknown>({ success: true }, ["a", "1.4"], ["a", "2.0"], toHex(genesis)),
  fc.jsonValue(),
);
const errors = fc.oneof(
  fc.constantFrom<unknown>("words", { code: "x", message: [] }, { code: 1.5, message: "" }, { message: "x" }),
  fc.record({ code: fc.constantFrom(1, 2, -32601, -101, 0), message: fc.string({ maxLength: 300 }) }),
);

describe.each(everything)("%s", (question) => {
  test("answers of any shape", async () => {
    let answer: Readonly<Record<string, unknown>> = {};
    const { url } = await listen(greeting((asked, socket) => say(socket, { id: asked.id, ...answer })));
    const source = opened(url);
    const answers = fc.oneof(
      values.map((value) => ({ result: value })),
      errors.map((error) => ({ error })),
      fc.tuple(values, errors).map(([value, error]) => ({ result: value, error })),
    );
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        answer = given;
        const said = await outcome(source, question);
        if (question === "header" || question === "block") expect(said).toBeInstanceOf(SourceError);
        else if (!(said instanceof SourceError) && question === "publish")
          expect(said.value).toMatchObject({ is: expect.stringMatching(/^(accepted|known|refused)$/) });
      }),
      { numRuns: 80 },
    );
  });

  test("lines that are no answers", async () => {
    let line: Uint8Array = new Uint8Array();
    const { url } = await listen(
      greeting((_, socket) => {
        socket.write(line);
        socket.end("\n");
      }),
    );
    const source = opened(url);
    const texts = fc.constantFrom(
      ...[
        "",
        "null",
        "[]",
        "[".repeat(50_000),
        '{"id":null,"error":{"code":-32700,"message":"parse error"}}',
      ],
      ...['{"id":77,"result":1}', '{"id":-1,"result":1}', '{"id":"1","result":1}', '{"id":1.5,"result":1}'],
      ...['{"method":"x","params":[]}', '{"__proto__":{"id":1,"result":1}}', '[{"id":1,"result":1}]'],
    );
    const bytes = fc.oneof(
      texts.map((text) => new TextEncoder().encode(text)),
      fc.uint8Array({ maxLength: 300 }),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (given) => {
        line = given;
        expect(await outcome(source, question)).toBeInstanceOf(SourceError);
      }),
      { numRuns: 40 },
    );
  });

  test("a line without an end", async () => {
    let sent = 0;
    const { url } = await listen(
      greeting((_, socket) => {
        const part = Buffer.alloc(65_536, "a");
        const more = (): void => {
          while (!socket.destroyed && socket.write(part)) sent += part.length;
        };
        socket.on("drain", more);
        more();
      }),
    );
    expect(String(await outcome(opened(url), question))).toMatch(/more than \d+ bytes/);
    expect(sent).toBeLessThan(20_000_000);
  });

  test("a server that is slow, in parts or altogether, before or after its greeting", async () => {
    const silent = await listen(() => {});
    const later = await listen(greeting(() => {}));
    const slow = await listen(
      greeting((_, socket) => {
        const timer = setInterval(() => socket.write("0"), 10);
        socket.on("close", () => clearInterval(timer));
      }),
    );
    for (const { url } of [silent, later, slow])
      expect(String(await outcome(opened(url, { timeoutMs: 60 }), question))).toContain(
        "no answer within 60 ms",
      );
  });

  test("a connection that breaks off, that speaks otherwise, and none", async () => {
    const half = await listen(greeting((_, socket) => void socket.write("ab", () => socket.destroy())));
    const rude = await listen((_, socket) => socket.destroy());
    const http = createServer((socket) => {
      socket.on("error", () => {});
      socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const other = `tcp://127.0.0.1:${(http.address() as AddressInfo).port}`;
    for (const { url } of [half, rude])
      expect(String(await outcome(opened(url), question))).toContain("it can't be reached");
    expect(String(await outcome(opened(other), question))).toMatch(/no JSON|can't be reached/);
    await new Promise((resolve) => http.close(resolve));
    expect(String(await outcome(opened(other), question))).toContain("(ECONNREFUSED)");
  });

  test("what nobody asked for, without an end", async () => {
    const { url } = await listen(
      greeting((_, socket) => {
        for (let i = 0; i < 1_100; i++) say(socket, { method: "blockchain.headers.subscribe", params: [i] });
      }),
    );
    expect(String(await outcome(opened(url), question))).toContain("what nobody asked for");
  });
});

describe("a greeting", () => {
  test.each([
    ["another version", { result: ["Old", "0.10"] }],
    ["no version", { result: "1.4" }],
    ["a refusal", { error: { code: 1, message: "unsupported protocol version: 1.4" } }],
  ])("with %s", async (_, answer) => {
    const { url } = await listen((asked, socket) => say(socket, { id: asked.id, ...answer }));
    await expect(opened(url).tip()).rejects.toThrow("no version of the protocol that we do");
  });
});

test("what is told beside answers changes none", async () => {
  const { url } = await listen(
    greeting((asked, socket) => {
      const tip = { height: 0, hex: toHex(genesis) };
      say(socket, {
        jsonrpc: "2.0",
        method: "blockchain.headers.subscribe",
        params: [{ height: 9, hex: "" }],
      });
      result(socket, asked, tip);
    }),
  );
  const source = opened(url);
  for (let i = 0; i < 1_200; i++) expect(await source.tip()).toEqual({ height: 0, hash: genesisHash });
});

test("a connection that the server closed meanwhile is opened again", async () => {
  const server = await listen(
    greeting((asked, socket) => {
      result(socket, asked, { height: 0, hex: toHex(genesis) });
      // As a server does that keeps no connection for long.
      setImmediate(() => socket.destroy());
    }),
  );
  const source = opened(server.url);
  for (let i = 0; i < 10; i++) expect((await source.tip()).height).toBe(0);
  expect(server.connections()).toBeGreaterThan(1);
});

test("one connection is enough for many who ask", async () => {
  const server = await listen(
    greeting((asked, socket) => result(socket, asked, { height: 0, hex: toHex(genesis) })),
  );
  const source = opened(server.url);
  await Promise.all(Array.from({ length: 50 }, () => source.tip()));
  expect(server.connections()).toBe(1);
  await expect(Promise.all(Array.from({ length: 1_001 }, () => source.tip()))).rejects.toThrow(
    "too much is asked of it",
  );
});

test("is reached again once it is back, and not asked without a pause meanwhile", async () => {
  let isUp = false;
  const server = await listen((asked, socket) => {
    if (!isUp) socket.destroy();
    else if (asked.method === "server.version") result(socket, asked, ["Test", "1.4.2"]);
    else result(socket, asked, { height: 0, hex: toHex(genesis) });
  });
  const source = opened(server.url, { timeoutMs: 300, retry: { firstMs: 20, mostMs: 1_000 } });
  let asked = 0;
  for (const until = performance.now() + 400; performance.now() < until; asked++)
    await source.tip().catch(() => {});
  // 20, 40, 80, 160, 320: whoever asks waits for his turn.
  expect(server.connections()).toBeLessThan(8);
  expect(asked).toBeLessThan(10);
  isUp = true;
  await expect.poll(() => source.tip().catch(() => undefined)).toMatchObject({ height: 0 });
});

test("what is closed while it is asked ends at once, and answers nothing after", async () => {
  const { url } = await listen(greeting(() => {}));
  const source = opened(url, { timeoutMs: 60_000 });
  const asked = source.tip();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await Promise.all([expect(asked).rejects.toThrow("it was closed"), source.close()]);
  await expect(source.tip()).rejects.toThrow("it was closed");
  const gone = opened("tcp://127.0.0.1:1", { retry: { firstMs: 60_000, mostMs: 60_000 } });
  await expect(gone.tip()).rejects.toThrow("ECONNREFUSED");
  const waiting = gone.tip();
  later(async () => {});
  await Promise.all([expect(waiting).rejects.toThrow("it was closed"), gone.close()]);
});
