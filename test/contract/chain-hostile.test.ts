/** Servers that answer anything at all: a source ends as SourceError, in time, and holds little. */

import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcp } from "node:net";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { bitcoind } from "../../chain/bitcoind.ts";
import { esplora } from "../../chain/esplora.ts";
import { type ChainSource, SourceError } from "../../chain/source.ts";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { reversed, toHex } from "../../protocol/bytes.ts";
import { Secret } from "../../protocol/secret.ts";
import { height } from "../../protocol/units.ts";
import { made } from "../unit/chain-embedded.kit.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const at = (server: Pick<Server, "address">): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const served = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return at(server);
};

const password = "s3cr3t-of-the-node";

const kinds = {
  rpc: (url: string, timeoutMs: number) =>
    bitcoind({
      url,
      timeoutMs,
      credentials: { user: "u", password: new Secret(new TextEncoder().encode(password)) },
    }),
  rest: (url: string, timeoutMs: number) =>
    bitcoind({
      url,
      timeoutMs,
      rest: true,
      credentials: { user: "u", password: new Secret(new TextEncoder().encode(password)) },
    }),
  esplora: (url: string, timeoutMs: number) => esplora({ url, timeoutMs }),
} satisfies Record<string, (url: string, timeoutMs: number) => ChainSource>;

const opened = (kind: keyof typeof kinds, url: string, timeoutMs = 5_000): ChainSource => {
  const source = kinds[kind](url, timeoutMs);
  closing.push(() => source.close());
  return source;
};

const { genesisHash, genesis } = chains.regtest;
const tx = made({ inputs: [{ txid: made({ inputs: [], outputs: [1n] }).txid, index: 0 }], outputs: [1n] });

const questions: Readonly<Record<string, (source: ChainSource) => Promise<unknown>>> = {
  tip: (source) => source.tip(),
  hashAt: (source) => source.hashAt(height(1)),
  header: (source) => source.header(genesisHash),
  block: (source) => source.block(genesisHash),
  feerate: (source) => source.feerate(6),
  publish: (source) => source.publish([tx.raw]),
};

const everything = (Object.keys(kinds) as (keyof typeof kinds)[]).flatMap((kind) =>
  Object.keys(questions).map((question) => [kind, question] as const),
);

/** What it came to; any other error fails the test. */
const outcome = async (
  source: ChainSource,
  question: string,
): Promise<SourceError | { readonly value: unknown }> => {
  try {
    return { value: await questions[question]?.(source) };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    expect(`${error.message} ${error.stack} ${source.name}`).not.toContain(password);
    expect(error.message.length).toBeLessThan(200);
    return error;
  }
};

describe.each(everything)("%s, %s", (kind, question) => {
  const isHashed = question === "header" || question === "block";

  test("garbage", async () => {
    let body: Uint8Array | string = "";
    let status = 200;
    const url = await served((_, response) => response.writeHead(status).end(body));
    const source = opened(kind, url);
    const words = fc.constantFrom(
      ...[
        "",
        "null",
        "[]",
        "{}",
        "-1",
        "1e99",
        '"x"',
        "00".repeat(32),
        "zz".repeat(32),
        "0".repeat(9),
        "499999999999",
      ],
      ...['{"result":null,"error":null}', '{"result":{},"error":null}', '{"result":1e400,"error":null}'],
      ...['{"result":"00","error":null}', '{"result":{"blocks":-1,"bestblockhash":"00"},"error":null}'],
      ...[
        '{"result":{"feerate":-1},"error":null}',
        '{"error":{"code":"x","message":[]}}',
        "[".repeat(50_000),
      ],
      ...[
        '{"1":-5}',
        '{"x":1}',
        '{"1":1e308}',
        '{"__proto__":{"1":5}}',
        '{"error":{"code":-26,"message":"\\u0000\\n\\n"}}',
      ],
    );
    const bodies = fc.oneof(words, fc.uint8Array({ maxLength: 300 }), fc.json());
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.constantFrom(200, 200, 200, 204, 302, 400, 404, 429, 500, 503),
        async (b, s) => {
          [body, status] = [b, s];
          const said = await outcome(source, question);
          if (isHashed) expect(said).toBeInstanceOf(SourceError);
          else if (!(said instanceof SourceError) && question === "publish")
            expect(said.value).toMatchObject({ is: expect.stringMatching(/^(accepted|known|refused)$/) });
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a body without an end", async () => {
    let sent = 0;
    const url = await served((_, response) => {
      const part = Buffer.alloc(65_536, "a");
      const more = (): void => {
        while (!response.destroyed && response.write(part)) sent += part.length;
      };
      response.on("drain", more);
      more();
    });
    expect(String(await outcome(opened(kind, url), question))).toMatch(/more than \d+ bytes/);
    expect(sent).toBeLessThan(20_000_000);
  });

  test("a server that is slow, in parts or altogether", async () => {
    const silent = await served(() => {});
    const slow = await served((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("0"), 10);
      response.on("close", () => clearInterval(timer));
    });
    for (const url of [silent, slow]) {
      const begun = performance.now();
      const said = await outcome(opened(kind, url, 60), question);
      expect(String(said)).toContain("no answer within 60 ms");
      expect(performance.now() - begun).toBeLessThan(2_000);
    }
  });

  test("an answer that breaks off, a connection that does, and none", async () => {
    const half = await served((_, response) => {
      response.writeHead(200, { "content-length": 1000 }).write("ab", () => response.destroy());
    });
    const raw = createTcp((socket) => {
      socket.on("error", () => {});
      socket.write("HTTP/9 nonsense\r\n\r\n", () => socket.destroy());
    });
    await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
    const nonsense = at(raw);
    for (const url of [half, nonsense])
      expect(String(await outcome(opened(kind, url), question))).toContain("it can't be reached");
    await new Promise((resolve) => raw.close(resolve));
    expect(String(await outcome(opened(kind, nonsense), question))).toContain("(ECONNREFUSED)");
  });

  test("is not led elsewhere", async () => {
    let reached = 0;
    const elsewhere = await served((_, response) => {
      reached++;
      response.end();
    });
    const url = await served((_, response) => response.writeHead(307, { location: elsewhere }).end());
    expect(await outcome(opened(kind, url), question)).toBeInstanceOf(SourceError);
    expect(reached).toBe(0);
  });
});

describe("another block than was asked for", () => {
  const block = Uint8Array.from([...genesis, 0]);
  const changed = block.with(70, 1);

  test.each(["rpc", "rest", "esplora"] as const)("is not taken from %s", async (kind) => {
    let shown = block;
    const url = await served((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const asked = `${request.url} ${Buffer.concat(parts).toString()}`;
        const isHeader = asked.includes("header");
        const bytes = isHeader ? shown.subarray(0, 80) : shown;
        const isRpc = request.method === "POST";
        if (isRpc) response.end(JSON.stringify({ result: toHex(bytes), error: null }));
        else response.end(isHeader ? toHex(bytes) : bytes);
      });
    });
    const source = opened(kind, url);
    expect(await source.header(genesisHash)).toEqual(genesis);
    expect(await source.block(genesisHash)).toEqual(block);
    shown = changed;
    await expect(source.header(genesisHash)).rejects.toThrow("another header");
    await expect(source.block(genesisHash)).rejects.toThrow("another block");
    await expect(source.header(reversed(genesisHash))).rejects.toThrow("another header");
  });
});

test("a connection that the server closed meanwhile is opened again", async () => {
  let asked = 0;
  const url = await served((request, response) => {
    asked++;
    response.end(request.url === "/blocks/tip/height" ? "0" : toHex(reversed(genesisHash)));
    // As a server does that keeps no connection for long.
    setImmediate(() => request.socket.destroy());
  });
  const source = opened("esplora", url);
  for (let i = 0; i < 10; i++) expect((await source.tip()).height).toBe(0);
  expect(asked).toBeGreaterThanOrEqual(20);
});

test("what is closed while it is asked ends at once", async () => {
  const url = await served(() => {});
  const source = opened("esplora", url, 60_000);
  const asked = source.tip();
  await Promise.all([expect(asked).rejects.toThrow("it was closed"), source.close()]);
});
