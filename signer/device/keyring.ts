/**
 * Keys on a device. What they are for is judged there again; what anybody may know is remembered here. The cable may be
 * pulled at any time: who waits goes on waiting for a while, and is then told that the device is away.
 */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { CoreAnswer, CoreRequest } from "../../protocol/device/core.ts";
import type { ConsentBy, Verdict } from "../../protocol/device/limits.ts";
import { type AskOptions, type Link, LinkError } from "../../protocol/link.ts";
import {
  type AnyRequest,
  type Name,
  packRequest,
  type Reply,
  type Request,
  unpackReply,
} from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import { LinkUnavailable } from "../../protocol/wire/links/trouble.ts";
import { Fault } from "../core/fault.ts";
import { channelIn } from "../core/places.ts";
import type { Durable, Job, Keyring, Second, Signed } from "../core/ports.ts";
import { type DeviceAdmin, deviceAdmin } from "./admin.ts";
import { type Absence, absenceOf, keysAway } from "./away.ts";
import { openConsulting, unexpected } from "./consulting.ts";
import { publicFacts, type Told } from "./facts.ts";
import { doubtOf, isHeard, questionOf, vouching } from "./questions.ts";
import type { Shelf } from "./shelf.ts";
import { stepping } from "./stepping.ts";
import { askCore, DeviceBroken, type Kept, NotOpen, visit } from "./visit.ts";

export interface DeviceTimes {
  /** How long a request waits for a device that is away. */
  readonly patienceMs: number;
  /** Between two looks for it. */
  readonly retryMs: number;
  /** How long a request waits for a person; later the same request finds what they said. */
  readonly personMs: number;
  /** How long a time is shown to a person; later it is another one. */
  readonly freshMs: number;
}

export const usualDeviceTimes: DeviceTimes = {
  patienceMs: 20_000,
  retryMs: 1_000,
  personMs: 60_000,
  freshMs: 60_000,
};

export interface DeviceKeyringOptions extends Kept {
  readonly node: NodeId;
  /** Opens cable and link; the device may be elsewhere each time. */
  readonly connect: () => Promise<Link>;
  readonly shelf: Shelf;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Commits of the signer's store. */
  readonly witness: () => number;
  /** Of each change; `what` is for the log, and says nothing of keys. */
  readonly onState: (state: Absence | "open", what: string) => void;
  readonly report: (error: unknown) => void;
  readonly times?: Partial<DeviceTimes>;
}

export type Verdicts = (approval: Uint8Array, verdict: Verdict, by: string) => Promise<Outcome<Name>>;

export interface DeviceKeyring extends Keyring {
  readonly second: Second;
  state(): Absence | "open";
  readonly admin: DeviceAdmin;
  /** A question was answered for the device, which is told when this signer has it; `by` says how, for the log. */
  onVerdict(listener: Verdicts): void;
  close(): Promise<void>;
}

const pause = (ms: number): Promise<void> =>
  new Promise((done) => {
    setTimeout(done, ms).unref();
  });

/** A device that lies breaks nobody but its own node: what follows counts on a signature for each input of ours. */
const fits = (asked: AnyRequest, reply: Reply<Name>): boolean => {
  if (asked.name !== "spend") return true;
  const { signatures } = reply as Reply<"spend">;
  const { inputs } = asked.body;
  return (
    signatures.length === inputs.length &&
    inputs.every(({ kind }, at) => kind === "foreign" || isKnown(signatures[at] ?? "unknown"))
  );
};

export const openDeviceKeyring = (options: DeviceKeyringOptions): DeviceKeyring => {
  const { name, node, connect, shelf, now, witness, onState, report } = options;
  const times: DeviceTimes = { ...usualDeviceTimes, ...options.times };
  let link: Link | undefined;
  /** The same, and from its beginning on: a person may take their time to unlock. */
  let visited: Link | undefined;
  let state: Absence | "open" = "unplugged";
  let because = "";
  let closed = false;
  let waiting = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  let turn: Promise<unknown> = Promise.resolve();
  let verdicts: Verdicts = async () => ({ is: "reply", reply: {} }) as Outcome<Name>;

  const enter = (next: Absence | "open", what = ""): void => {
    if (state === next && because === what) return;
    state = next;
    because = what;
    if (next === "open") waiting.resolve();
    onState(next, what);
  };

  const leave = (why: Absence, what: string): void => {
    if (state === "open") waiting = Promise.withResolvers();
    enter(why, what);
  };

  const ready = async (until: number): Promise<Link> => {
    for (;;) {
      if (closed) throw keysAway(name, "closed", "");
      if (state === "open" && link !== undefined) return link;
      const left = until - performance.now();
      if (left <= 0) throw keysAway(name, state === "open" ? "opening" : state, because);
      await Promise.race([waiting.promise, pause(Math.min(left, 1_000))]);
    }
  };

  /** A fault of the device's is none of this signer's: whoever starts it again can go on. */
  const broken = async (what: string): Promise<Error> => {
    leave("broken", what);
    await link?.close();
    return keysAway(name, "broken", what);
  };

  /** Asked again over another cable where this one was pulled: whatever is asked may be repeated. */
  const request = async (
    body: () => CoreRequest | Promise<CoreRequest>,
    patienceMs = times.patienceMs,
    options?: AskOptions,
  ): Promise<CoreAnswer> => {
    const until = performance.now() + patienceMs;
    for (;;) {
      const over = await ready(until);
      try {
        const answer = await askCore(over, await body(), options);
        if (answer.is !== "refused" || answer.why !== "order") return answer;
        leave("opening", "it was started again");
        await over.close();
      } catch (error) {
        if (error instanceof DeviceBroken) throw await broken(error.message);
        if (error instanceof NotOpen) leave(error.why, error.message);
        else if (error instanceof LinkError) leave("unplugged", error.message);
        else throw error;
        await over.close();
      }
    }
  };

  const judgeNow = async (asked: AnyRequest): Promise<Outcome<Name>> => {
    const packed = packRequest(asked.name, asked.body as never);
    const step = { now: BigInt(now()), witness: BigInt(witness()), request: packed };
    // Each time over an open device, with which the step before is settled.
    const ask = async (): Promise<CoreRequest> => {
      await shelf.pend(step);
      return { is: "judge", step: shelf.step(), ...step };
    };
    for (;;) {
      const answer = await request(ask);
      if ("pages" in answer) await shelf.keep(answer);
      switch (answer.is) {
        // The answer before was lost on the way: what it brought came now, and the question is still open.
        case "pages":
          continue;
        case "reply": {
          const { name: what, body } = unpackReply(answer.reply);
          if (what !== asked.name || !fits(asked, body)) throw unexpected();
          facts.learn(asked, body);
          return { is: "reply", reply: body };
        }
        case "refusal":
          return { is: "refusal", refusal: answer.refusal };
        case "malformed":
          return { is: "malformed", malformed: answer.malformed };
        case "fault":
          throw await broken(answer.fault.sentence);
        case "refused": {
          const why = answer.why === "clock" ? "clock" : "records";
          leave(why, answer.why);
          await link?.close();
          throw keysAway(name, why, answer.why);
        }
        case "opened":
        case "done":
        case "begun":
        case "verdict":
        case "basepoints":
        case "points":
        case "script":
        case "walletKey":
        case "identity":
        case "bytes":
        case "point":
        case "limits":
        case "questions":
        case "channels":
          throw unexpected();
      }
    }
  };

  /** A step of the device follows from the one before. */
  const inTurn = <T>(action: () => Promise<T>): Promise<T> => {
    const mine = turn.then(action);
    turn = mine.catch(() => {});
    return mine;
  };

  const stepped = stepping({ shelf, request, inTurn });

  /** Channels whose last request waits for a person: what follows in them waits too, and nothing else does. */
  const held = new Map<ChannelId, Promise<Outcome<Name>>>();

  const afterPerson = async (asked: AnyRequest, first: Outcome<Name>, id: string): Promise<Outcome<Name>> => {
    const isAnswered = await Promise.race([
      consulted(id).then(() => true),
      pause(times.personMs).then(() => false),
    ]);
    return isAnswered ? inTurn(() => judgeNow(asked)) : first;
  };

  const judge = async (asked: AnyRequest): Promise<Outcome<Name>> => {
    const channel = channelIn(asked.body);
    for (;;) {
      // All that is needed is done in its turn, so that whoever comes next finds the channel held.
      const { answer } = await inTurn(async () => {
        if (channel !== undefined && held.has(channel)) return { answer: undefined };
        const first = await judgeNow(asked);
        const id = questionOf(first) ?? doubtOf(first);
        if (id === undefined) return { answer: first };
        const late = afterPerson(asked, first, id);
        if (channel !== undefined) {
          held.set(channel, late);
          late.catch(() => {}).finally(() => held.delete(channel));
        }
        return { answer: late };
      });
      if (answer !== undefined) return answer;
      await held.get(channel as ChannelId)?.catch(() => {});
    }
  };

  /** Both records are told of it: the device's, and this signer's. */
  const decided = async (approval: Uint8Array, verdict: Verdict, how: ConsentBy): Promise<boolean> => {
    const by = how === "person" ? `device ${name}` : `device ${name}, ${how}`;
    const told: AnyRequest = {
      name: "decideApproval",
      body: { node, id: approval, verdict, by } as Request<"decideApproval">,
    };
    // This signer's record first: a yes that only the device has is never said here again. Where it can't be kept now,
    // it stays open there, and is given again when the host asks.
    const own = await verdicts(approval, verdict, by);
    if (verdict === "approve" && !isHeard(own)) {
      wake(toHex(approval));
      return false;
    }
    const outcome = await inTurn(() => judgeNow(told));
    // What is in no record of a device was about a channel.
    wake(outcome.is === "reply" ? toHex(approval) : vouching);
    return true;
  };

  const { consulted, wake } = openConsulting({
    ...{ node, request, stepped, decided, report },
    propose: (body) => inTurn(() => judgeNow({ name: "proposePayment", body })),
    pause: () => pause(times.retryMs),
    isClosed: () => closed,
  });

  const run = async (): Promise<void> => {
    while (!closed) {
      let opened: Link | undefined;
      try {
        opened = await connect();
        visited = opened;
        if (closed) break;
        // Somebody may be asked for a PIN; what was wrong with it before is so until it is found otherwise.
        if (state === "open" || state === "unplugged") enter("opening");
        await visit(opened, { kept: options, shelf, witness, now, freshMs: times.freshMs });
        link = opened;
        enter("open");
        const ended = await opened.closed;
        // Who closed it for another reason has said it.
        if (state === "open" && !closed) leave("unplugged", ended.message);
      } catch (error) {
        if (error instanceof NotOpen) {
          enter(error.why, error.message);
          await Promise.race([stopped.promise, pause(error.waitMs)]);
        } else if (error instanceof LinkError || error instanceof LinkUnavailable)
          enter(absenceOf(error), error.message);
        else if (error instanceof DeviceBroken) enter("broken", error.message);
        else report(error);
      } finally {
        link = undefined;
        visited = undefined;
        await opened?.close();
      }
      if (!closed) await pause(times.retryMs);
    }
  };

  const told: Told = async (body, is) => {
    const answer = await request(() => body);
    if (answer.is !== is) throw unexpected();
    return answer as never;
  };

  const facts = publicFacts(told);
  const running = run();

  return {
    node,
    second: {
      judge,
      judgeAll: async (asked) => {
        const outcomes: Outcome<Name>[] = [];
        for (const one of asked) {
          const outcome = await judge(one);
          outcomes.push(outcome);
          if (outcome.is !== "reply") break;
        }
        return outcomes;
      },
    },
    state: () => state,
    admin: deviceAdmin({
      ...{ name, node, shelf, request, inTurn, decided },
      judge: (asked) => inTurn(() => judgeNow(asked)),
      state: () => ({ is: state, because }),
    }),
    onVerdict: (listener) => {
      verdicts = listener;
    },
    basepoints: facts.basepoints,
    points: facts.points,
    closingScript: facts.closingScript,
    walletKey: facts.walletKey,
    identity: facts.identity,
    payerKey: facts.payerKey,
    ecdh: async (point) => (await told({ is: "ecdh", point }, "bytes")).bytes,
    random: async (count) => (await told({ is: "random", count }, "bytes")).bytes,
    sign: async <J extends Job>(job: Durable<J>): Promise<Signed[J["kind"]]> => {
      throw new Fault("keyring", `a device signs no bare job: ${job.kind}`);
    },
    close: async () => {
      closed = true;
      waiting.resolve();
      stopped.resolve();
      await visited?.close();
      await running;
    },
  };
};
