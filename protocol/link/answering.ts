/** The device's end: sessions that come and go, the requests of the one in use, and pairing. */

import { broadcast, type Carrier, type Frame } from "../frame.ts";
import { Malformed } from "../malformed.ts";
import type { Transport, Unplugged } from "../transport.ts";
import type { KeyPair } from "../x25519.ts";
import { type Admitted, admission } from "./admission.ts";
import { type Compare, comparison } from "./comparison.ts";
import { type Complaint, errorFrame, usualMessage } from "./hello.ts";
import { line } from "./line.ts";
import type { Piece } from "./piece.ts";
import { type LinkPorts, type LinkTimes, usualTimes } from "./ports.ts";
import { type Answer, requests } from "./requests.ts";
import type { Opened } from "./session.ts";

export interface AnswerOptions {
  readonly transport: Transport;
  readonly carrier: Carrier;
  readonly identity: KeyPair;
  /** Static keys of the signers that it was paired with. */
  readonly signers: () => readonly Uint8Array[];
  readonly answer: Answer;
  /** Without it nobody can be paired. */
  readonly pairing?: {
    /** Whether a person opened it just now. */
    isOpen(): boolean;
    readonly compare: Compare;
    /** To be durable when it resolves; the same key may come again. */
    store(signer: Uint8Array): Promise<void>;
  };
  readonly ports: LinkPorts;
  readonly times?: Partial<LinkTimes>;
  readonly capabilities?: number;
  readonly maxMessage?: number;
  readonly inFlight?: number;
  /** Defects of this side, for its log. */
  readonly onFault: (error: unknown) => void;
}

export interface Answering {
  readonly closed: Promise<Unplugged>;
  close(): Promise<void>;
}

/** What the session in use does with pieces. */
export interface Role {
  /** Malformed where a piece has no business here. */
  receive(piece: Piece): void;
  stop(): void;
}

export const answerLink = (options: AnswerOptions): Answering => {
  const { transport, carrier, identity, signers, pairing, ports, answer, onFault } = options;
  const { maxMessage = usualMessage, inFlight = 4, capabilities = 0 } = options;
  const times: LinkTimes = { ...usualTimes, ...options.times };
  let live: { readonly admitted: Admitted; readonly role: Role } | undefined;
  /** Told once, so that a stream of frames is not answered by another. */
  let lastStranger: number | undefined;

  const drop = (): void => {
    live?.role.stop();
    live?.admitted.session.wipe();
    live = undefined;
  };

  const complain = (complaint: Complaint, channel: number): void =>
    wire.now(() => errorFrame(complaint, channel));

  const send = (admitted: Admitted, piece: () => Piece | undefined) => (): Frame | undefined => {
    if (live?.admitted !== admitted) return undefined;
    const next = piece();
    if (next === undefined) return undefined;
    if (!admitted.session.isSpent) return admitted.session.seal(next);
    const { channel } = admitted.session;
    drop();
    return errorFrame("session", channel);
  };

  const roleOf = (admitted: Admitted): Role => {
    const common = {
      ports,
      times,
      onFault,
      now: (piece: () => Piece | undefined) => wire.now(send(admitted, piece)),
    };
    if (admitted.purpose === "session")
      return requests({
        ...common,
        answer,
        later: (pieces) => wire.later(send(admitted, pieces)),
        maxRequest: maxMessage,
        maxAnswer: admitted.maxMessage,
        inFlight,
      });
    return comparison({
      ...common,
      hash: admitted.hash,
      compare: async (code, signal) => (pairing === undefined ? false : pairing.compare(code, signal)),
      paired: async () => pairing?.store(admitted.signer),
    });
  };

  const opened = ({ admitted, role }: NonNullable<typeof live>, what: Opened): void => {
    if (what.is === "repeated") return;
    let isBad = what.is !== "piece";
    if (what.is === "piece") {
      if (what.piece.kind === "close") {
        drop();
        return;
      }
      try {
        role.receive(what.piece);
        return;
      } catch (error) {
        if (!(error instanceof Malformed)) onFault(error);
        isBad = true;
      }
    }
    if (!isBad) return;
    drop();
    complain("session", admitted.session.channel);
  };

  const data = (frame: Frame): void => {
    if (live?.admitted.session.channel === frame.channel) {
      opened(live, live.admitted.session.open(frame));
      return;
    }
    const next = admissions.admitted(frame.channel);
    if (next === undefined) {
      if (lastStranger === frame.channel) return;
      lastStranger = frame.channel;
      complain("channel", frame.channel);
      return;
    }
    const first = next.session.open(frame);
    if (first.is === "repeated") return;
    if (first.is !== "piece") {
      admissions.wipe();
      complain("session", frame.channel);
      return;
    }
    // Only now is it certain that the other side is there, and no recording of it.
    admissions.release();
    drop();
    live = { admitted: next, role: roleOf(next) };
    opened(live, first);
  };

  const wire = line({
    transport,
    carrier,
    ports,
    times,
    onFrame: (frame) => {
      switch (frame.type) {
        case "init":
          return admissions.init(frame);
        case "handshake":
          return admissions.handshake(frame);
        case "data":
          if (frame.channel !== broadcast) data(frame);
          return;
        case "hello":
        case "error":
          return;
      }
    },
    onEnd: () => {
      admissions.wipe();
      drop();
    },
  });

  const admissions = admission({
    identity,
    signers,
    isPairing: () => pairing?.isOpen() === true,
    ports,
    capabilities,
    maxMessage,
    inFlight,
    send: (frame) => wire.now(() => frame),
  });

  return { closed: transport.closed, close: () => transport.close() };
};
