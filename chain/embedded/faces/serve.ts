/** A small HTTP server on this machine alone. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly body: string | Uint8Array;
  readonly type?: string;
}

export interface Served {
  /** Without a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

const mostBody = 16_000_000;

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = [];
  let total = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    total += part.length;
    if (total > mostBody) throw new RangeError("a body too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
};

export const serve = async (answer: (asked: Asked) => Answered, port = 0): Promise<Served> => {
  const server = createServer((request, response) => {
    void (async () => {
      try {
        const { status, body, type } = answer({
          method: request.method ?? "",
          path: request.url ?? "",
          authorization: request.headers.authorization ?? "",
          body: await bodyOf(request),
        });
        response.writeHead(status, { "content-type": type ?? "text/plain" }).end(body);
      } catch {
        response.writeHead(500).end();
      }
    })();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
