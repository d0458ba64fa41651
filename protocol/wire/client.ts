/** A host's connection to the signer by gRPC. It does not come back by itself: who holds it opens another. */

import { connect as dial, isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { decodeFailure, decodeReplyBody, encodeRequestBody } from "../operations/envelope.ts";
import type { Name, Request } from "../operations/index.ts";
import { maxHostMessage, maxSignerMessage } from "../operations/shapes.ts";
import type { Outcome } from "../outcome.ts";
import type { Address, Credentials, UnixAddress } from "./address.ts";
import { exchange, orGivenUp } from "./asking.ts";
import type { Role } from "./caller.ts";
import { type CallOptions, type Connection, Disconnected, type Why } from "./connection.ts";
import { defaultLimits } from "./limits.ts";
import { asBuffer, asBytes, conversePath, pathOf, trailers } from "./service.ts";

export type ConnectOptions = {
  /** To be let in, certificates and all. */
  readonly timeoutMs?: number;
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** What this side is; its certificate has to say the same. A host, where nothing is given. */
  readonly role?: Role;
} & ({ readonly address: Address; readonly credentials: Credentials } | { readonly address: UnixAddress });

const target = (address: Address): string => {
  if ("path" in address) return `unix:${address.path}`;
  const { host, port } = address;
  switch (isIP(host)) {
    case 4:
      return `ipv4:${host}:${port}`;
    case 6:
      return `ipv6:[${host}]:${port}`;
    default:
      return `dns:${host}:${port}`;
  }
};

/** A signer's certificate names `localhost`; on a socket no other name leads to it. */
const nameOf = (address: Address): string => ("path" in address ? "localhost" : address.host);

const channelCredentials = (address: Address, { ca, certificate, key }: Credentials) =>
  grpc.credentials.createFromSecureContext(
    key.use((bytes) =>
      createSecureContext({ ca, cert: certificate, key: Buffer.from(bytes), minVersion: "TLSv1.3" }),
    ),
    // The address that was asked for, whatever name the handshake gives.
    { checkServerIdentity: (_, peer) => checkServerIdentity(nameOf(address), peer) },
  );

const openClient = (options: ConnectOptions): grpc.Client => {
  const credentials =
    "credentials" in options
      ? channelCredentials(options.address, options.credentials)
      : grpc.credentials.createInsecure();
  return new grpc.Client(target(options.address), credentials, {
    "grpc.max_receive_message_length": maxSignerMessage,
    "grpc.max_send_message_length": maxHostMessage,
    "grpc.keepalive_time_ms": options.keepaliveMs ?? defaultLimits.keepaliveMs,
    "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs ?? defaultLimits.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
    // A connection of its own, to exactly this address, with nothing sent twice behind our back.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // An IP address is no server name (RFC 6066 section 3), and neither is a path.
    ...("path" in options.address || isIP(options.address.host) !== 0
      ? { "grpc.ssl_target_name_override": "localhost" }
      : {}),
  });
};

const why = (code: grpc.status): Why => {
  if (code === grpc.status.PERMISSION_DENIED || code === grpc.status.UNAUTHENTICATED) return "denied";
  return code === grpc.status.INVALID_ARGUMENT ? "malformed" : "lost";
};

const disconnected = ({ code, details }: grpc.StatusObject | grpc.ServiceError): Disconnected =>
  new Disconnected(why(code), `${grpc.status[code]}: ${details}`);

const failureOf = (error: grpc.ServiceError): Outcome<Name> => {
  for (const is of ["refusal", "malformed", "fault"] as const) {
    const [trailer] = error.metadata?.get(trailers[is]) ?? [];
    if (trailer === undefined) continue;
    try {
      return decodeFailure(is, Buffer.from(trailer));
    } catch (wrong) {
      throw new Disconnected("protocol", `the signer sent no ${is}: ${(wrong as Error).message}`);
    }
  }
  throw disconnected(error);
};

interface UnaryCall<N extends Name> {
  readonly outcome: Promise<Outcome<N>>;
  cancel(): void;
}

const unaryCall = <N extends Name>(client: grpc.Client, name: N, body: Request<N>): UnaryCall<N> => {
  const answered = Promise.withResolvers<Buffer>();
  const call = client.makeUnaryRequest<Buffer, Buffer>(
    pathOf(name),
    asBytes,
    asBytes,
    asBuffer(encodeRequestBody(name, body)),
    (error, bytes) => {
      if (error !== null) answered.reject(error);
      else answered.resolve(bytes ?? Buffer.alloc(0));
    },
  );
  const read = (bytes: Buffer): Outcome<N> => {
    try {
      return { is: "reply", reply: decodeReplyBody(name, bytes) };
    } catch (error) {
      throw new Disconnected("protocol", `the signer sent what is no answer: ${(error as Error).message}`);
    }
  };
  return {
    outcome: answered.promise.then(read, (error) => failureOf(error as grpc.ServiceError) as Outcome<N>),
    cancel: () => call.cancel(),
  };
};

/**
 * Whether anybody listens. A gRPC channel whose first attempt fails makes another one later, though it was closed
 * meanwhile, and keeps what it then gets: after a long absence of the signer its host would be at the door hundreds
 * of times.
 */
const knock = ({ address, timeoutMs = admission }: ConnectOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = dial("path" in address ? { path: address.path } : address);
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new Disconnected("lost", `no signer answers at ${spoken(address)}: ${reason}`));
    };
    socket.setTimeout(timeoutMs, () => fail(`nothing within ${timeoutMs} ms`));
    socket.once("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
  });

const admission = 10_000;

const spoken = (address: Address): string =>
  "path" in address ? address.path : `${address.host} port ${address.port}`;

/** Resolves when the signer has let this host in. */
export const connect = async (options: ConnectOptions): Promise<Connection> => {
  await knock(options);
  const client = openClient(options);
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(
    conversePath(options.role ?? "host"),
    asBytes,
    asBytes,
  );
  const host = exchange({
    send: (bytes) => {
      stream.write(asBuffer(bytes));
    },
    drop: () => {
      stream.cancel();
      client.close();
    },
  });
  stream.on("data", (bytes: Buffer) => host.receive(bytes));
  stream.on("status", (status: grpc.StatusObject) => host.lose(disconnected(status)));
  // The status says the same; without a listener the process would end.
  stream.on("error", () => undefined);

  const timeoutMs = options.timeoutMs ?? admission;
  const admitted = new Promise<void>((resolve, reject) => {
    stream.on("metadata", () => resolve());
    void host.closed.then(reject);
  });
  try {
    await orGivenUp(admitted, "the connection", { timeoutMs });
  } catch (error) {
    host.lose(new Disconnected("closed", "not let in"));
    throw error instanceof Disconnected
      ? error
      : new Disconnected("lost", `the signer did not answer within ${timeoutMs} ms`);
  }

  return {
    call: host.call,
    unary: async (name, body, given: CallOptions = {}) => {
      given.signal?.throwIfAborted();
      const { outcome, cancel } = unaryCall(client, name, body);
      return orGivenUp(outcome, name, given).finally(cancel);
    },
    closed: host.closed,
    close: async () => host.lose(new Disconnected("closed", "closed by this side")),
  };
};
