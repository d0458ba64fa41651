/** The signer on gRPC: the stream, and one unary method for each operation. */

import * as grpc from "@grpc/grpc-js";
import { encodeFailure } from "../operations/envelope.ts";
import { type Name, names, operations } from "../operations/index.ts";
import { maxHostMessage, maxSignerMessage } from "../operations/shapes.ts";
import type { Address } from "./address.ts";
import {
  type Answered,
  type Answering,
  answerOne,
  type Conversation,
  conversation,
  type Ending,
  type Respond,
} from "./answering.ts";
import { type Caller, callerKey, callerOfCertificate, type Role } from "./caller.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { type ListenOptions, listen } from "./listener.ts";
import { asBuffer, asBytes, conversePath, pathOf, trailers } from "./service.ts";

type WithoutLimits<T> = T extends unknown ? Omit<T, "limits"> : never;

/** With `credentials`, or a Unix socket with the `caller` that everyone on it is. */
export type ServeOptions = WithoutLimits<ListenOptions> & {
  readonly respond: Respond;
  /** Whom this address serves; others are denied. */
  readonly roles?: readonly Role[];
  readonly limits?: Partial<Limits>;
  /** Defects of the signer, for its log. What peers do wrong is not among them. */
  readonly onFault: (error: unknown) => void;
};

export interface Served {
  /** With the port that was bound, where 0 was asked for. */
  readonly address: Address;
  /** Reads no more, lets answers leave until the deadline, then drops what is left. */
  close(deadlineMs?: number): Promise<void>;
}

interface Status {
  readonly code: grpc.status;
  readonly details: string;
  readonly metadata?: grpc.Metadata;
}

const denied: Status = {
  code: grpc.status.PERMISSION_DENIED,
  details: "this certificate may not ask for that",
};
const closing: Status = { code: grpc.status.UNAVAILABLE, details: "the signer is closing" };
const tooMany: Status = { code: grpc.status.RESOURCE_EXHAUSTED, details: "too many streams of this caller" };

const endings: Readonly<Record<Exclude<Ending, "done">, Status>> = {
  malformed: { code: grpc.status.INVALID_ARGUMENT, details: "a request was malformed" },
  denied,
  closing,
};

const codes = {
  refusal: grpc.status.FAILED_PRECONDITION,
  malformed: grpc.status.INVALID_ARGUMENT,
  fault: grpc.status.UNAVAILABLE,
} as const;

/** The trailer has the words; the status is for those who look no further. */
const failed = (outcome: Exclude<Answered, { is: "reply" | "denied" }>): Status => {
  const metadata = new grpc.Metadata();
  metadata.set(trailers[outcome.is], asBuffer(encodeFailure(outcome)));
  return { code: codes[outcome.is], details: outcome.is, metadata };
};

const grpcServer = (limits: Limits): grpc.Server =>
  new grpc.Server({
    "grpc.max_receive_message_length": maxHostMessage,
    "grpc.max_send_message_length": maxSignerMessage,
    "grpc.max_concurrent_streams": limits.streams,
    "grpc.max_connection_idle_ms": limits.idleMs,
    "grpc.keepalive_time_ms": limits.keepaliveMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
  });

type Stream = grpc.ServerDuplexStream<Buffer, Buffer>;
type Call = grpc.ServerUnaryCall<Buffer, Buffer>;

export const serve = async (options: ServeOptions): Promise<Served> => {
  const { respond, onFault, roles = ["host"] } = options;
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const server = grpcServer(limits);
  const conversations = new Set<Conversation>();
  const perCaller = new Map<string, number>();
  let isClosing = false;

  /** `role`: whose service is called. */
  const callerOf = (call: Stream | Call, role: Role): Caller | undefined => {
    const caller =
      "caller" in options ? options.caller : callerOfCertificate(call.getAuthContext().sslPeerCertificate);
    return caller?.role === role && roles.includes(role) ? caller : undefined;
  };

  const end = (call: Stream, status: Status): void => {
    call.emit("error", status);
  };

  const converse = (call: Stream, caller: Caller): void => {
    const key = callerKey(caller);
    const count = perCaller.get(key) ?? 0;
    if (count >= limits.conversations) {
      end(call, tooMany);
      return;
    }
    perCaller.set(key, count + 1);
    const talk = conversation({
      caller,
      respond,
      onFault,
      limits,
      line: {
        send: (bytes, sent) => {
          call.write(asBuffer(bytes), () => sent());
        },
        pause: () => {
          call.pause();
        },
        resume: () => {
          call.resume();
        },
        end: (ending) => {
          if (ending === "done") call.end();
          else end(call, endings[ending]);
        },
      },
    });
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      talk.lost();
      conversations.delete(talk);
      const others = (perCaller.get(key) ?? 1) - 1;
      if (others > 0) perCaller.set(key, others);
      else perCaller.delete(key);
    };
    conversations.add(talk);
    call.on("data", (bytes: Buffer) => talk.receive(bytes));
    call.on("end", () => talk.finish("done"));
    call.on("cancelled", over);
    call.on("close", over);
    // Tells the host that it has been let in.
    call.sendMetadata(new grpc.Metadata());
  };

  for (const role of ["host", "admin"] as const) {
    server.register<Buffer, Buffer>(
      conversePath(role),
      (call: Stream) => {
        const caller = callerOf(call, role);
        if (isClosing) end(call, closing);
        else if (caller === undefined) end(call, denied);
        else converse(call, caller);
      },
      asBytes,
      asBytes,
      "bidi",
    );
  }

  const answer = async (answering: Answering, name: Name, call: Call): Promise<Status | Buffer> => {
    const answered = await answerOne(answering, name, call.request);
    switch (answered.is) {
      case "reply":
        return asBuffer(answered.bytes);
      case "denied":
        return denied;
      case "refusal":
      case "malformed":
      case "fault":
        return failed(answered);
    }
  };

  for (const name of names) {
    server.register<Buffer, Buffer>(
      pathOf(name),
      (call: Call, callback: grpc.sendUnaryData<Buffer>) => {
        const caller = callerOf(call, operations[name].role);
        if (isClosing) return callback(closing);
        if (caller === undefined) return callback(denied);
        answer({ caller, respond, onFault }, name, call).then(
          (answered) => {
            if (Buffer.isBuffer(answered)) callback(null, answered);
            else callback(answered);
          },
          (error: unknown) => {
            onFault(error);
            callback({ code: grpc.status.INTERNAL, details: "the signer failed" });
          },
        );
      },
      asBytes,
      asBytes,
      "unary",
    );
  }

  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = await listen({ ...options, limits }, (socket) => injector.injectConnection(socket));

  return {
    address: listener.address,
    close: async (deadlineMs = 5_000) => {
      isClosing = true;
      listener.stop();
      for (const talk of conversations) talk.finish("closing");
      // Says GOAWAY: what is open goes on, what is new does not begin.
      injector.drain(deadlineMs);
      const deadline = setTimeout(() => listener.drop(), deadlineMs);
      await listener.emptied;
      clearTimeout(deadline);
      injector.destroy();
      server.forceShutdown();
    },
  };
};
