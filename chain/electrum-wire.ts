/** One connection to an Electrum server that nobody trusts: lines of JSON-RPC, bounded in time, size and number. */

import { isIP, connect as plain, type Socket } from "node:net";
import { checkServerIdentity, type PeerCertificate, connect as secure } from "node:tls";
import { z } from "zod";
import { equal } from "../protocol/bytes.ts";
import { mostSmall, quoted } from "./answers.ts";
import {
  type ElectrumAddress,
  type ElectrumLine,
  parseElectrumLine,
  parseElectrumUrl,
  printAuthority,
} from "./electrum-line.ts";
import { lines } from "./lines.ts";
import { SourceError } from "./source.ts";

/** A server's no, which may be an answer; the words are its own. */
export class ElectrumError extends Error {
  override readonly name = "ElectrumError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  get told(): string {
    return `it answers with error ${this.code}: ${quoted(this.message).slice(0, 100)}`;
  }
}

export interface ElectrumCall<T> {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly result: z.ZodType<T>;
  /** Bytes of the line that answers. */
  readonly most?: number;
}

export interface ElectrumWire {
  /** Host and port, for people. */
  readonly at: string;
  /** An ElectrumError where the server says no, else a SourceError. */
  ask<T>(call: ElectrumCall<T>): Promise<T>;
  close(): void;
}

export interface Pinned {
  /** In PEM: what is trusted instead of the authorities that Node knows. */
  readonly pem: string;
  /** In DER: each is known by itself, whatever name the server is reached by. */
  readonly certificates: readonly Uint8Array[];
}

export interface ElectrumWireOptions {
  readonly url: string;
  readonly pinned?: Pinned;
  /** For an answer, with whatever has to be done before it can be asked for. */
  readonly timeoutMs?: number;
  /** After a connection that failed: the first pause, doubled each time. */
  readonly retry?: { readonly firstMs: number; readonly mostMs: number };
}

interface Waiting {
  readonly most: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Connection {
  send(method: string, params: readonly unknown[], waiting: Waiting): void;
  fail(error: Error): void;
}

/** The time that a question has: what happens at its end. */
interface Late {
  isOver: boolean;
  atEnd: (error: SourceError) => void;
}

/** It was lost, and may never have seen what it was asked. */
class Lost extends SourceError {}

/** Of what was asked, and of what nobody asked for since the last question. */
const mostWaiting = 1_000;
const mostUnasked = 1_000;
const hungUp = "it can't be reached: it hung up";
const versions = ["1.4", "1.6"];
const version = z.tuple([z.string(), z.string().regex(/^1\.\d/)]);

const codeOf = (error: unknown): string => {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" && /^[A-Z0-9_]{1,50}$/.test(code) ? ` (${code})` : "";
};

const dial = ({ secure: isSecure, host, port }: ElectrumAddress, pinned: Pinned | undefined): Socket => {
  if (!isSecure) return plain({ host, port });
  return secure({
    ...{ host, port, minVersion: "TLSv1.2" as const },
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(pinned === undefined ? {} : { ca: pinned.pem, allowPartialTrustChain: true }),
    checkServerIdentity: (_, certificate: PeerCertificate) =>
      pinned?.certificates.some((one) => equal(one, certificate.raw)) === true
        ? undefined
        : checkServerIdentity(host, certificate),
  });
};

export const openElectrumWire = (options: ElectrumWireOptions): ElectrumWire => {
  const { url, pinned, timeoutMs = 30_000, retry = { firstMs: 250, mostMs: 15_000 } } = options;
  const address = parseElectrumUrl(url);
  if (address === undefined)
    throw new RangeError("an Electrum server's address is tcp://host:port or ssl://host:port");
  const closing = new AbortController();
  let current: Promise<Connection> | undefined;
  let isOpen = false;
  let failures = 0;

  /** What is lost is opened anew by whoever asks next. */
  const connectionOver = (socket: Socket, forget: () => void): Connection => {
    const waiting = new Map<number, Waiting>();
    let next = 0;
    let unasked = 0;
    let isOver = false;

    const fail = (error: Error): void => {
      if (isOver) return;
      isOver = true;
      forget();
      socket.destroy();
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    };

    const answered = (line: Exclude<ElectrumLine, { is: "notification" }>, length: number): void => {
      const one = waiting.get(line.id);
      if (one === undefined) throw new SourceError("it answers what it was not asked");
      if (length > one.most) throw new SourceError(`it answers with more than ${one.most} bytes`);
      waiting.delete(line.id);
      if (waiting.size === 0) socket.unref();
      if (line.is === "error") one.reject(new ElectrumError(line.code, line.message));
      else one.resolve(line.value);
    };

    const read = lines({
      most: () => Math.max(mostSmall, ...[...waiting.values()].map(({ most }) => most)),
      line: (bytes) => {
        const line = parseElectrumLine(new TextDecoder().decode(bytes));
        if (line.is !== "notification") answered(line, bytes.length);
        else if (++unasked > mostUnasked) throw new SourceError("it tells what nobody asked for, and no end");
      },
    });

    socket.on("data", (bytes: Buffer) => {
      if (isOver) return;
      try {
        read(bytes);
      } catch (error) {
        fail(error instanceof Error ? error : new SourceError("it failed"));
      }
    });
    socket.on("error", (error) => fail(new Lost(`it can't be reached${codeOf(error)}`)));
    socket.on("close", () => fail(new Lost(hungUp)));

    return {
      fail,
      send: (method, params, one) => {
        if (isOver || waiting.size >= mostWaiting) {
          one.reject(isOver ? new Lost(hungUp) : new SourceError("too much is asked of it"));
          return;
        }
        unasked = 0;
        const id = next++;
        waiting.set(id, one);
        socket.ref();
        socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
      },
    };
  };

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        reject(new SourceError("it was closed"));
      };
      const timer = setTimeout(() => {
        closing.signal.removeEventListener("abort", stop);
        resolve();
      }, ms);
      closing.signal.addEventListener("abort", stop, { once: true });
    });

  const open = async (forget: () => void): Promise<Connection> => {
    if (failures > 0) await pause(Math.min(retry.firstMs * 2 ** (failures - 1), retry.mostMs));
    const socket = dial(address, pinned);
    // Questions are short, and many are under way: none waits for the other side's acknowledgement.
    socket.setNoDelay(true);
    const connection = connectionOver(socket, forget);
    const stop = (): void => connection.fail(new SourceError("it was closed"));
    closing.signal.addEventListener("abort", stop, { once: true });
    socket.once("close", () => closing.signal.removeEventListener("abort", stop));
    const late = setTimeout(
      () => connection.fail(new SourceError(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      const said = await new Promise((resolve, reject) =>
        connection.send("server.version", ["countersign", versions], { most: mostSmall, resolve, reject }),
      );
      if (!version.safeParse(said).success) {
        const error = new SourceError("it speaks no version of the protocol that we do");
        connection.fail(error);
        throw error;
      }
      failures = 0;
      isOpen = true;
      return connection;
    } catch (error) {
      failures++;
      if (!(error instanceof ElectrumError)) throw error;
      const refused = new SourceError("it speaks no version of the protocol that we do");
      connection.fail(refused);
      throw refused;
    } finally {
      clearTimeout(late);
    }
  };

  const connected = (): Promise<Connection> => {
    if (current !== undefined) return current;
    const forget = (): void => {
      if (current !== opening) return;
      current = undefined;
      isOpen = false;
    };
    const opening: Promise<Connection> = open(forget);
    current = opening;
    opening.catch(forget);
    return opening;
  };

  const once = ({ method, params, most = mostSmall }: ElectrumCall<unknown>, late: Late): Promise<unknown> =>
    new Promise((resolve, reject) => {
      late.atEnd = reject;
      connected().then((connection) => {
        if (late.isOver) return;
        // What comes after its time would be an answer that nobody waits for.
        late.atEnd = connection.fail;
        connection.send(method, params, { most, resolve, reject });
      }, reject);
    });

  return {
    at: printAuthority(address),
    ask: async <T>(call: ElectrumCall<T>): Promise<T> => {
      if (closing.signal.aborted) throw new SourceError("it was closed");
      const late: Late = { isOver: false, atEnd: () => {} };
      const timer = setTimeout(() => {
        late.isOver = true;
        late.atEnd(new SourceError(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      const wasKept = isOpen;
      let value: unknown;
      try {
        value = await once(call, late).catch((error: unknown) => {
          // One that was kept may be gone without a word.
          if (wasKept && error instanceof Lost) return once(call, late);
          throw error;
        });
      } finally {
        clearTimeout(timer);
      }
      const parsed = call.result.safeParse(value);
      if (!parsed.success) throw new SourceError(`it answers ${call.method} with another shape`);
      return parsed.data;
    },
    close: () => closing.abort(),
  };
};
