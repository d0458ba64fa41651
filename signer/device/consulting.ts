/**
 * What waits for the person at a device. Questions have its screen one after the other, in the order in which they came;
 * what the device answers without a person, by its allowance or as decided before, waits behind none of them.
 */

import { fromHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { CoreAnswer, CoreRequest } from "../../protocol/device/core.ts";
import type { ConsentBy, Verdict } from "../../protocol/device/limits.ts";
import type { AskOptions } from "../../protocol/link.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { msat, type NodeId, paymentHash } from "../../protocol/units.ts";
import { Fault } from "../core/fault.ts";
import { KeysAway } from "../core/ports.ts";
import { questionOf, type Uncovered, uncoveredIn, vouching } from "./questions.ts";

export interface ConsultingParts {
  readonly node: NodeId;
  readonly request: (
    body: () => CoreRequest | Promise<CoreRequest>,
    patienceMs: number,
    options?: AskOptions,
  ) => Promise<CoreAnswer>;
  readonly stepped: (body: (step: bigint) => CoreRequest, patienceMs: number) => Promise<CoreAnswer>;
  /** In a step of the device. */
  readonly propose: (body: Request<"proposePayment">) => Promise<Outcome<Name>>;
  readonly decided: (approval: Uint8Array, verdict: Verdict, by: ConsentBy) => Promise<unknown>;
  /** Between two looks whether the screen is free. */
  readonly pause: () => Promise<void>;
  readonly isClosed: () => boolean;
  readonly report: (error: unknown) => void;
}

export interface Consulting {
  /** Until it is answered, or is no question any more. */
  consulted(id: string): Promise<void>;
  /** Whoever waits for it goes on. */
  wake(id: string): void;
}

/** A question waits for its person as long as it is one. */
const personPatienceMs = 24 * 3_600_000;

export const unexpected = (): Error =>
  new Fault("keyring", "the device answers something else than what it was asked");

interface Turn {
  /** The place in the row is that of the call. */
  take(): Promise<void>;
  give(): void;
}

/** Of several that wait for one thing; each may give its turn, and take another. */
const turns = (): (() => Turn) => {
  let last = Promise.resolve();
  return () => {
    let mine: { readonly begun: Promise<void>; readonly end: () => void } | undefined;
    return {
      take: () => {
        if (mine === undefined) {
          const { promise, resolve } = Promise.withResolvers<void>();
          mine = { begun: last, end: resolve };
          last = last.then(() => promise);
        }
        return mine.begun;
      },
      give: () => {
        mine?.end();
        mine = undefined;
      },
    };
  };
};

export const openConsulting = (parts: ConsultingParts): Consulting => {
  const { node, request, stepped, propose, decided, pause, isClosed, report } = parts;
  const questions = new Map<string, { readonly done: Promise<void>; readonly wake: () => void }>();
  /** The device knows only its last charge again, so what came of one is told before there can be another. */
  const charge = turns();
  let screen: Promise<unknown> = Promise.resolve();
  let queued = 0;

  const forScreen = (action: () => Promise<void>): Promise<void> => {
    queued++;
    const mine = screen.then(action).finally(() => queued--);
    screen = mine.catch(() => {});
    return mine;
  };

  /**
   * Whether it is settled. It may show on the screen only in its turn: the person may have answered the question before
   * at the moment when this one came, and then it is taken back.
   */
  const consult = async (id: string, isInTurn: boolean): Promise<boolean> => {
    const approval = fromHex(id);
    const turn = charge();
    const takenBack = new AbortController();
    const asking = async (): Promise<CoreRequest> => {
      await turn.take();
      return { is: "consult", approval };
    };
    try {
      await turn.take();
      const answer = await request(asking, personPatienceMs, {
        signal: takenBack.signal,
        onWaiting: (waits) => {
          if (waits !== "person") return;
          if (isInTurn) turn.give();
          else takenBack.abort();
        },
      });
      if (answer.is === "verdict") await decided(approval, answer.verdict, answer.by);
      else if (answer.is !== "refused") throw unexpected();
      // Where it is unknown it was decided meanwhile, or its time is over.
      return answer.is === "verdict" || answer.why === "unknown";
    } catch (error) {
      if (error === takenBack.signal.reason) return false;
      throw error;
    } finally {
      turn.give();
    }
  };

  const onScreen = async (ask: () => Promise<boolean>): Promise<void> => {
    while (!(await ask())) {
      await pause();
      if (isClosed()) return;
    }
  };

  const vouch = async (): Promise<boolean> => {
    const answer = await stepped((step) => ({ is: "vouch", step }), personPatienceMs);
    if (answer.is !== "verdict" && answer.is !== "refused") throw unexpected();
    return answer.is === "verdict" || answer.why === "unknown";
  };

  const settle = async (id: string): Promise<void> => {
    const tried = consult(id, queued === 0);
    // Its place is that of now: whoever comes later stays behind.
    const place = forScreen(async () => {
      if (!(await tried)) await onScreen(() => consult(id, true));
    });
    if (!(await tried)) await place;
  };

  /**
   * What went out came back where the device can't see it: that its cover may go, a person says there as of a payment.
   * It is a question from now on, which approvers may answer before it is on the screen.
   */
  const giveUp = async ({ hash, amount }: Uncovered): Promise<void> => {
    const none = { payee: unknown, invoice: "", source: "", feeLimit: msat(0n) } as const;
    const body = {
      kind: "keysend",
      hash: paymentHash(fromHex(hash)),
      amount: msat(amount),
      ...none,
    } as const;
    const id = questionOf(await propose({ node, ...body }));
    if (id !== undefined) await consulted(id);
  };

  const answered = (id: string): Promise<void> => {
    const uncovered = uncoveredIn(id);
    if (uncovered !== undefined) return giveUp(uncovered);
    return id === vouching ? forScreen(() => onScreen(vouch)) : settle(id);
  };

  const consulted = (id: string): Promise<void> => {
    const known = questions.get(id);
    if (known !== undefined) return known.done;
    const woken = Promise.withResolvers<void>();
    const mine = answered(id)
      .catch((error: unknown) => {
        if (!isClosed() && !(error instanceof KeysAway)) report(error);
      })
      .finally(() => questions.delete(id));
    const done = Promise.race([mine, woken.promise]);
    questions.set(id, { done, wake: woken.resolve });
    return done;
  };

  return { consulted, wake: (id) => questions.get(id)?.wake() };
};
