/** Requests to one server that nobody trusts: bounded in time and size, never sent on to another place. */

import { type IncomingMessage, Agent as PlainAgent, request as plain } from "node:http";
import { Agent as SecureAgent, request as secure } from "node:https";
import { SourceError } from "./source.ts";

export interface Ask {
  readonly method: "GET" | "POST";
  /** Under the server's address. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bytes of an answer. */
  readonly most: number;
}

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

export interface Http {
  /** Host and port, for people. */
  readonly at: string;
  /** An answer of whatever status, or a SourceError. */
  ask(ask: Ask): Promise<Answer>;
  close(): void;
}

export interface HttpOptions {
  /** With a path, where the server has one; without credentials, which would come to stand in messages. */
  readonly url: string;
  readonly timeoutMs?: number;
}

const maxSockets = 8;

const addressOf = (text: string): URL => {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new RangeError("a source's address begins with http:// or https://");
  if (url.username + url.password + url.search + url.hash !== "")
    throw new RangeError("a source's address has no credentials, query or fragment");
  return url;
};

/** A code says enough; a message may say more than is wanted. */
const codeOf = (error: unknown): string => {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" && /^[A-Z0-9_]{1,50}$/.test(code) ? ` (${code})` : "";
};

const collect = async (response: IncomingMessage, most: number): Promise<Uint8Array> => {
  const parts: Buffer[] = [];
  let total = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    total += part.length;
    if (total > most) throw new SourceError(`it answers with more than ${most} bytes`);
    parts.push(part);
  }
  // A copy without the pool behind it.
  return new Uint8Array(Buffer.concat(parts));
};

export const openHttp = ({ url, timeoutMs = 30_000 }: HttpOptions): Http => {
  const address = addressOf(url);
  const isSecure = address.protocol === "https:";
  const base = address.pathname.replace(/\/+$/, "");
  const agent = new (isSecure ? SecureAgent : PlainAgent)({ keepAlive: true, maxSockets });
  const closing = new AbortController();

  const once = (ask: Ask, signal: AbortSignal): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { method, path, headers, body, most } = ask;
      const sent = (isSecure ? secure : plain)(
        {
          agent,
          method,
          signal,
          hostname: address.hostname.replace(/^\[|\]$/g, ""),
          ...(address.port === "" ? {} : { port: address.port }),
          path: `${base}${path}`,
          headers: {
            ...headers,
            ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
          },
        },
        (response) => {
          collect(response, most).then(
            (bytes) => resolve({ status: response.statusCode ?? 0, body: bytes }),
            (error: unknown) => {
              sent.destroy();
              reject(error);
            },
          );
        },
      );
      sent.on("error", (error) => {
        // The server had closed a connection that was kept: it never saw the request.
        if (sent.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET")
          once(ask, signal).then(resolve, reject);
        else reject(error);
      });
      sent.end(body);
    });

  return {
    at: address.host,
    ask: async (ask) => {
      const late = AbortSignal.timeout(timeoutMs);
      try {
        return await once(ask, AbortSignal.any([late, closing.signal]));
      } catch (error) {
        if (error instanceof SourceError) throw error;
        if (closing.signal.aborted) throw new SourceError("it was closed");
        if (late.aborted) throw new SourceError(`no answer within ${timeoutMs} ms`);
        throw new SourceError(`it can't be reached${codeOf(error)}`);
      }
    },
    close: () => {
      closing.abort();
      agent.destroy();
    },
  };
};
