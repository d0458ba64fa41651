/** The signer's end: requests to a device, each answered once or ended with a reason, over sessions that come and go. */

import type { Carrier, Frame } from "../frame.ts";
import { Malformed } from "../malformed.ts";
import type { Transport, Unplugged } from "../transport.ts";
import type { KeyPair } from "../x25519.ts";
import { admittedOf } from "./admitted.ts";
import { type Approach, approach } from "./approach.ts";
import { LinkError } from "./failure.ts";
import { type Complaint, type Hello, usualMessage } from "./hello.ts";
import { line } from "./line.ts";
import { assembler, type PartPiece, type Piece, piecesOf, type Whole } from "./piece.ts";
import { type LinkPorts, type LinkTimes, usualTimes } from "./ports.ts";
import { openedSession, type Session } from "./session.ts";

export interface AskOptions {
  /** Gives up: the device is told, the promise rejects with the signal's reason. That nothing happened it does not say. */
  readonly signal?: AbortSignal;
  /** The device says what it waits for, as often as it likes. */
  readonly onWaiting?: (waits: "work" | "person") => void;
}

export interface Link {
  /**
   * The order of calls is the order in which the device begins. It may begin one several times, after a cable was bad, so
   * that only what can be repeated may be asked for. Rejects with `LinkError`.
   */
  ask(request: Uint8Array, options?: AskOptions): Promise<Uint8Array>;
  /** Bytes of the longest request that the device takes; undefined before it has said so. */
  longest(): number | undefined;
  /** Resolves when nothing can be asked any more. */
  readonly closed: Promise<LinkError>;
  close(): Promise<void>;
}

export interface LinkOptions {
  readonly transport: Transport;
  readonly carrier: Carrier;
  readonly identity: KeyPair;
  /** The static key that pairing found out. */
  readonly device: Uint8Array;
  readonly ports: LinkPorts;
  readonly times?: Partial<LinkTimes>;
  readonly capabilities?: number;
  readonly maxMessage?: number;
  /** For the log: why a session was given up. No secret is among these words. */
  readonly onTrouble?: (sentence: string) => void;
}

interface Entry {
  readonly id: number;
  readonly request: Uint8Array;
  readonly onWaiting: AskOptions["onWaiting"];
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  sends: number;
  sentIn: Session | undefined;
  /** The session in which the device said that a person is asked. */
  shownIn: Session | undefined;
  stopPatience: (() => void) | undefined;
}

type State =
  | { readonly is: "idle" | "pausing" }
  | { readonly is: "approaching"; readonly approach: Approach }
  | {
      readonly is: "live";
      readonly session: Session;
      readonly hello: Hello;
      readonly whole: (piece: PartPiece) => Whole | undefined;
    }
  | { readonly is: "over"; readonly error: LinkError };

/** What ends a link and not a session alone: another try would hear the same. */
const final: Partial<Record<Complaint, string>> = {
  unpaired: "the device does not know this signer's key: pair them again",
  version: "device and signer have no version of the link in common",
};

/** Handshakes in a row that did not come out. Damaged frames are dropped before, so it is no accident of the cable's. */
const mostMisfits = 3;

export const openLink = (options: LinkOptions): Link => {
  const { transport, carrier, identity, device, ports, onTrouble } = options;
  const { maxMessage = usualMessage, capabilities = 0 } = options;
  const times: LinkTimes = { ...usualTimes, ...options.times };
  const entries = new Map<number, Entry>();
  const closed = Promise.withResolvers<LinkError>();
  let state: State = { is: "idle" };
  let stopTimer: () => void = () => {};
  let last = 0;
  /**
   * How many are under way at once. One, after a session that ended in trouble, and more with each answer: on a bad cable
   * less is lost, and a request that ends every session itself takes no others along.
   */
  let width = 1;
  let lastTrouble = "";
  let misfits = 0;
  let longest: number | undefined;

  const settle = (entry: Entry): void => {
    entry.stopPatience?.();
    entries.delete(entry.id);
  };
  const fail = (entry: Entry, error: unknown): void => {
    settle(entry);
    entry.reject(error);
  };

  const leave = (): void => {
    stopTimer();
    if (state.is === "approaching") state.approach.wipe();
    if (state.is === "live") state.session.wipe();
  };

  const end = (error: LinkError): void => {
    if (state.is === "over") return;
    leave();
    state = { is: "over", error };
    for (const entry of [...entries.values()]) fail(entry, error);
    closed.resolve(error);
    void transport.close();
  };

  const timer = (ms: number, action: () => void): void => {
    stopTimer();
    stopTimer = ports.after(ms, action);
  };

  /** Nothing is known of what the device did with requests that were not answered: they are sent again. */
  const trouble = (sentence: string): void => {
    leave();
    lastTrouble = sentence;
    width = 1;
    onTrouble?.(sentence);
    state = { is: "pausing" };
    timer(times.pauseMs, () => {
      state = { is: "idle" };
      go();
    });
  };

  /** Either side may be the first that can't read the other; a device with another key says no more than that. */
  const misfit = (sentence: string): void => {
    misfits++;
    if (misfits < mostMisfits) trouble(sentence);
    else
      end(
        new LinkError("wrong-device", "a device answers, and its key is not that of the one that was paired"),
      );
  };

  const hush = (): void => {
    const isOwed = [...entries.values()].some((entry) => entry.sentIn !== undefined);
    if (isOwed) timer(times.silenceMs, () => trouble("the device fell silent"));
    else stopTimer();
  };

  const patient = (entry: Entry): void => {
    entry.stopPatience?.();
    entry.stopPatience = ports.after(times.patienceMs, () => {
      const why = lastTrouble === "" ? "" : `; the last trouble: ${lastTrouble}`;
      cancel(entry);
      fail(entry, new LinkError("silent", `no sign of life within ${times.patienceMs} ms${why}`));
      go();
    });
  };

  const admitted = (): readonly Entry[] =>
    admittedOf([...entries.values()], width, state.is === "live" ? state : undefined);

  const sealed = (session: Session, piece: () => Piece | undefined) => (): Frame | undefined => {
    if (state.is !== "live" || state.session !== session) return undefined;
    const next = piece();
    if (next === undefined) return undefined;
    if (!session.isSpent) return session.seal(next);
    trouble("the session's nonces are used up");
    return undefined;
  };

  const cancel = (entry: Entry): void => {
    if (state.is !== "live" || entry.sentIn !== state.session) return;
    wire.now(sealed(state.session, () => ({ kind: "cancel", id: entry.id })));
  };

  const send = (entry: Entry, session: Session): void => {
    if (entry.sends >= times.sends) {
      const sentence = `${times.sends} sessions ended while this was asked: ${lastTrouble}`;
      fail(entry, new LinkError("given-up", sentence));
      return;
    }
    entry.sends++;
    entry.sentIn = session;
    const pieces = piecesOf("request", entry.id, entry.request);
    wire.later(
      sealed(session, () => {
        if (!entries.has(entry.id)) return undefined;
        patient(entry);
        return pieces();
      }),
    );
  };

  const approachNow = (): void => {
    wire.afresh();
    timer(times.greetMs, () => trouble("the device does not answer"));
    const started = approach({
      identity,
      device,
      ports,
      capabilities,
      maxMessage,
      send: (frame) => wire.now(() => frame),
    });
    state = { is: "approaching", approach: started };
  };

  const go = (): void => {
    if (state.is === "over" || entries.size === 0) return;
    for (const entry of admitted()) if (entry.stopPatience === undefined) patient(entry);
    if (state.is === "idle") approachNow();
    if (state.is !== "live") return;
    const { session, hello } = state;
    const unsent = (): Entry | undefined => admitted().find((entry) => entry.sentIn !== session);
    for (let entry = unsent(); entry !== undefined; entry = unsent()) {
      if (entry.request.length <= hello.maxMessage) send(entry, session);
      else fail(entry, new LinkError("long", `the device takes no more than ${hello.maxMessage} bytes`));
    }
    hush();
  };

  const answered = (piece: Piece, whole: (piece: PartPiece) => Whole | undefined): void => {
    const entry = "id" in piece ? entries.get(piece.id) : undefined;
    switch (piece.kind) {
      case "answer": {
        const done = whole(piece);
        if (entry !== undefined) patient(entry);
        if (done === undefined || entry === undefined) return;
        settle(entry);
        if (state.is === "live") width = Math.min(2 * width, state.hello.inFlight);
        entry.resolve(done.message);
        return;
      }
      case "keepalive":
        if (entry === undefined) return;
        patient(entry);
        entry.shownIn = piece.waits === "person" && state.is === "live" ? state.session : undefined;
        entry.onWaiting?.(piece.waits);
        return;
      case "failed":
        if (entry !== undefined) fail(entry, new LinkError(piece.why, sentences[piece.why]));
        return;
      case "close":
        trouble("the device ended the session");
        return;
      case "request":
      case "cancel":
      case "commit":
      case "challenge":
      case "reveal":
      case "verdict":
      case "comparing":
        throw new Malformed(piece.kind, "nothing that a device says");
    }
  };

  const received = (frame: Frame): void => {
    if (state.is === "approaching") {
      approached(state.approach, frame);
      return;
    }
    if (state.is !== "live" || frame.channel !== state.session.channel) return;
    const { session, whole } = state;
    if (frame.type === "error") {
      trouble("the device has lost the session");
      return;
    }
    if (frame.type !== "data") return;
    const opened = session.open(frame);
    if (opened.is === "repeated") return;
    if (opened.is !== "piece") {
      trouble(`a frame was ${opened.is}`);
      return;
    }
    try {
      answered(opened.piece, whole);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      trouble(`the device sent what is no answer: ${error.message}`);
      return;
    }
    if (state.is === "live" && state.session === session) hush();
    go();
  };

  const approached = (at: Approach, frame: Frame): void => {
    const step = at.receive(frame);
    switch (step.is) {
      case "further":
        return;
      case "failed":
        if (step.by === "keys") misfit(step.reason);
        else trouble(step.reason);
        return;
      case "complaint": {
        const sentence = final[step.complaint];
        if (sentence === undefined) {
          const complains = `the device complains: ${step.complaint}`;
          if (step.complaint === "handshake") misfit(complains);
          else trouble(complains);
          return;
        }
        end(new LinkError(step.complaint === "version" ? "version" : "unpaired", sentence));
        return;
      }
      case "there": {
        const session = openedSession(step.channel, step.split);
        misfits = 0;
        longest = step.hello.maxMessage;
        state = { is: "live", session, hello: step.hello, whole: assembler(maxMessage) };
        stopTimer();
        go();
        return;
      }
    }
  };

  const wire = line({
    transport,
    carrier,
    ports,
    times,
    onFrame: received,
    // A long message on a slow line is no silence.
    onSent: () => {
      if (state.is === "live") hush();
    },
    onEnd: ({ why, message }: Unplugged) => end(new LinkError(why, message)),
  });

  const ask = (request: Uint8Array, { signal, onWaiting }: AskOptions = {}): Promise<Uint8Array> => {
    if (state.is === "over") return Promise.reject(state.error);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const id = ++last;
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      entries.set(id, {
        id,
        request: Uint8Array.from(request),
        onWaiting,
        resolve,
        reject,
        sends: 0,
        sentIn: undefined,
        shownIn: undefined,
        stopPatience: undefined,
      });
    });
    const aborted = (): void => {
      const entry = entries.get(id);
      if (entry === undefined) return;
      cancel(entry);
      fail(entry, signal?.reason);
      go();
    };
    signal?.addEventListener("abort", aborted, { once: true });
    go();
    return answer.finally(() => signal?.removeEventListener("abort", aborted));
  };

  return {
    ask,
    longest: () => longest,
    closed: closed.promise,
    close: async () => {
      if (state.is === "live") {
        const { session } = state;
        // Whether or not it arrives: the device forgets the keys of this session a little earlier.
        wire.now(sealed(session, () => ({ kind: "close" })));
        await new Promise<void>((resolve) => {
          // Asked when what came before has left.
          wire.now(() => {
            resolve();
            return undefined;
          });
          void closed.promise.then(() => resolve());
        });
      }
      end(new LinkError("closed", "closed by this side"));
      await transport.close();
    },
  };
};

const sentences: Readonly<Record<Extract<Piece, { kind: "failed" }>["why"], string>> = {
  cancelled: "the device gave the request up",
  busy: "the device has as many requests as it takes",
  broken: "the device failed on this request; its own log says why",
  long: "the device's answer is longer than this side takes",
};
