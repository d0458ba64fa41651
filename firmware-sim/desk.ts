/**
 * Who answers what waits: the person at the buttons, the allowance that they gave, or the approvers whose keys they pinned.
 * A yes is for one question as it was asked at one time, and counts once.
 */

import { equal, toHex } from "../protocol/bytes.ts";
import type { Curve } from "../protocol/curve/curve.ts";
import { type CoreAnswer, type CoreRefusal, type CoreRequest, pagesAtOnce } from "../protocol/device/core.ts";
import {
  approversOf,
  type ConsentBy,
  type DeviceQuestion,
  deviceLimits,
  deviceQuestion,
  limitsFault,
  mostQuestions,
  type Statement,
  type Verdict,
} from "../protocol/device/limits.ts";
import type { Request as About } from "../protocol/link/requests.ts";
import { Malformed } from "../protocol/malformed.ts";
import type { ListedApproval } from "../protocol/operations/admin.ts";
import type { Network } from "../protocol/operations/fields.ts";
import type { Policy } from "../signer/core/policy.ts";
import type { Session } from "../signer/core/session.ts";
import type { Consent } from "./device.ts";
import type { Journal } from "./journal.ts";
import { type Ledger, vouchAt } from "./ledger.ts";
import { heldIn, openEndings } from "./over.ts";
import { chargeAllowance, type LimitsNow, limitsIn } from "./own-limits.ts";
import {
  channelFacts,
  channelQuestion,
  limitsFacts,
  overFacts,
  overQuestion,
  shownOf,
  titles,
} from "./questions.ts";
import { offeredIn, uncertainIn } from "./records.ts";

export interface Open {
  readonly session: Session;
  readonly ledger: Ledger;
}

export interface DeskParts {
  readonly journal: Journal;
  readonly curve: Pick<Curve, "verifySchnorr">;
  readonly consent: Consent;
  readonly network: () => Network;
  /** Of this firmware, before a person changed anything. */
  readonly policy: () => Policy;
  readonly open: () => Open | undefined;
}

type Of<Is extends CoreRequest["is"]> = CoreRequest & { readonly is: Is };

export interface Desk {
  /** Of a record that waits. */
  isApproved(id: Uint8Array, asked: bigint): boolean;
  /** The records have it. */
  forget(id: Uint8Array): void;
  limits(): LimitsNow;
  questions(): Promise<CoreAnswer>;
  consult(request: Of<"consult">, about: About): Promise<CoreAnswer>;
  vouch(about: About): Promise<CoreAnswer | Settling>;
  /** Of a channel, or nobody says so. */
  over(request: Of<"over">, about: About): Promise<CoreAnswer>;
  isOver(channel: bigint): boolean;
  answer(request: Of<"answer">): Promise<CoreAnswer | Settling>;
  /** In its turn, and never between a step and its lost answer: what is judged follows from it. */
  settle(settling: Settling): CoreAnswer;
  /** With other limits nothing that was answered before counts. */
  limitsChanged(): void;
  /** Whether these limits may be set; the mark of those in whose place they were agreed to, or why not. */
  mayChange(request: Of<"setLimits">, about: About): Promise<Uint8Array | CoreAnswer>;
  close(): void;
}

/** Somebody said that it is in the chain. */
export interface Settling {
  readonly is: "settling";
  readonly channel: bigint;
  readonly by: ConsentBy;
}

interface Decided {
  readonly verdict: Verdict;
  readonly by: ConsentBy;
  readonly asked: bigint;
}

const refused = (why: CoreRefusal): CoreAnswer => ({ is: "refused", why });
const said = ({ verdict, by }: Decided): CoreAnswer => ({ is: "verdict", verdict, by });

/** The channel's own number, behind its question. */
interface Waiting {
  readonly question: DeviceQuestion;
  readonly channel?: bigint;
}

export const openDesk = ({ journal, curve, consent, network, policy, open }: DeskParts): Desk => {
  /** Since the device was unlocked, by question. */
  const decided = new Map<string, Decided>();
  /** On the screen at this moment. */
  const shown = new Map<string, AbortController>();
  /** Channels of which somebody said that they are not in the chain. */
  const doubted = new Set<bigint>();
  /** Those that are, and that are not in flash yet. */
  const vouched = new Map<bigint, ConsentBy>();
  const endings = openEndings();
  /** What the person agreed to, and was not set yet. */
  let agreed: { readonly mark: Uint8Array; readonly limits: Uint8Array } | undefined;

  const limits = (): LimitsNow => limitsIn(journal, policy());

  const questionOf = (one: ListedApproval, out: ReadonlySet<string>): DeviceQuestion => {
    const { id, amount, asked, shown: facts } = one;
    const isOut =
      one.subject === "payment" && facts.some(({ name, value }) => name === "hash" && out.has(value));
    return { id, subject: isOut ? "cover" : one.subject, amount, shown: facts, asked };
  };

  const waitingIn = async ({ session, ledger }: Open): Promise<readonly Waiting[]> => {
    const { node } = session;
    const listed = await session.respond(
      { name: "listApprovals", body: { node, state: "pending" } },
      "device",
    );
    if (listed.is !== "reply") return [];
    const { approvals } = listed.reply as { readonly approvals: readonly ListedApproval[] };
    const out = new Set(offeredIn(ledger));
    const waiting = approvals.map((one): Waiting => ({ question: questionOf(one, out) }));
    // What nobody asks any more must not be agreed to when it is asked again.
    const asked = new Map(waiting.map(({ question }) => [toHex(question.id), question.asked]));
    for (const [key, one] of decided)
      if (!shown.has(key) && asked.get(key) !== one.asked) decided.delete(key);
    return waiting;
  };

  const channelsIn = (ledger: Ledger): readonly Waiting[] =>
    [...uncertainIn(ledger)].flatMap(([channel, { setup }]) =>
      doubted.has(channel) || journal.get(vouchAt(channel)) !== undefined
        ? []
        : [{ channel, question: channelQuestion(channel, setup, network()) }],
    );

  const endingsIn = (ledger: Ledger): readonly Waiting[] =>
    [...endings.wanted].flatMap((channel) => {
      const held = heldIn(ledger, channel);
      return held === undefined ? [] : [{ channel, question: overQuestion(channel, held) }];
    });

  /** Undefined where somebody else has the screen. Whoever is quicker answers: the person, or the approvers. */
  const onScreen = async (
    key: string,
    about: About,
    ask: (about: About) => Promise<boolean | undefined>,
  ): Promise<boolean | undefined> => {
    const answered = new AbortController();
    shown.set(key, answered);
    try {
      return await ask({
        signal: AbortSignal.any([about.signal, answered.signal]),
        waitsForPerson: (does) => about.waitsForPerson(does),
      });
    } catch (error) {
      const known = decided.get(key);
      if (!answered.signal.aborted || known === undefined) throw error;
      return known.verdict === "approve";
    } finally {
      if (shown.get(key) === answered) shown.delete(key);
    }
  };

  const consult: Desk["consult"] = async ({ approval }, about) => {
    const opened = open();
    if (opened === undefined) return refused("order");
    const { question } = (await waitingIn(opened)).find((one) => equal(one.question.id, approval)) ?? {};
    // Locked meanwhile: nothing is charged for a yes that nobody hears.
    if (open()?.ledger !== opened.ledger) return refused("order");
    if (question === undefined) return refused("unknown");
    const key = toHex(approval);
    const { asked } = question;
    const answer = (): CoreAnswer | undefined => {
      const known = decided.get(key);
      return known?.asked === asked ? said(known) : undefined;
    };
    // Its answer was lost on the way; nothing was done with it yet.
    const before = answer();
    if (before !== undefined) return before;
    if (chargeAllowance(journal, policy(), question))
      decided.set(key, { verdict: "approve", by: "allowance", asked });
    else {
      const { title, facts } = shownOf(question, network());
      const agreed = await onScreen(key, about, (one) => consent(one, title, facts));
      if (agreed === undefined) return refused("busy");
      if (answer() === undefined)
        decided.set(key, { verdict: agreed ? "approve" : "deny", by: "person", asked });
    }
    const now = answer();
    // Who said no may be asked again by a signer that did not hear it.
    if (now?.is === "verdict" && now.verdict === "deny") decided.delete(key);
    return now ?? refused("unknown");
  };

  /** A chain is nothing that a device sees: that others' money is in a channel, somebody tells it once. */
  const vouch: Desk["vouch"] = async (about) => {
    const now = open();
    if (now === undefined || now.ledger.isBehind) return refused("order");
    let by: ConsentBy | undefined;
    for (const [channel, { setup }] of uncertainIn(now.ledger)) {
      if (doubted.has(channel) || journal.get(vouchAt(channel)) !== undefined) continue;
      const known = vouched.get(channel);
      if (known !== undefined) return { is: "settling", channel, by: known };
      const key = toHex(channelQuestion(channel, setup, network()).id);
      const isThere = await onScreen(key, about, (one) =>
        consent(one, titles.channel, channelFacts(setup, network())),
      );
      if (open()?.ledger !== now.ledger) return refused("order");
      if (isThere === undefined) return refused("busy");
      by = decided.get(key)?.by ?? "person";
      decided.delete(key);
      if (!isThere) doubted.add(channel);
      else {
        vouched.set(channel, by);
        return { is: "settling", channel, by };
      }
    }
    return by === undefined ? refused("unknown") : { is: "verdict", verdict: "deny", by };
  };

  const over: Desk["over"] = async ({ channel }, about) => {
    const now = open();
    if (now === undefined || now.ledger.isBehind) return refused("order");
    const held = heldIn(now.ledger, channel);
    if (held === undefined) return refused("unknown");
    const answered = (): CoreAnswer | undefined => {
      const known = endings.said(channel, held.version);
      return known === undefined ? undefined : { is: "verdict", ...known };
    };
    const before = answered();
    if (before !== undefined) return before;
    endings.want(channel);
    const { id, subject } = overQuestion(channel, held);
    const isOver = await onScreen(toHex(id), about, (one) =>
      consent(one, titles[subject], overFacts(held.live)),
    );
    // What was shown is not how it stands any more.
    if (open()?.ledger !== now.ledger) return refused("order");
    if (heldIn(now.ledger, channel)?.version !== held.version) return refused("unknown");
    if (isOver === undefined) return refused("busy");
    decided.delete(toHex(id));
    if (answered() === undefined)
      endings.say(channel, {
        version: held.version,
        verdict: isOver ? "approve" : "deny",
        by: "person",
      });
    return answered() ?? refused("unknown");
  };

  /** One may say no for all; a yes takes as many as the limits say. */
  const isSigned = (statement: Statement, signatures: Of<"answer">["signatures"]): boolean => {
    const { approvers, needed } = limits().limits;
    const least = statement.is === "answer" && statement.verdict === "deny" ? 1 : needed;
    return least > 0 && approversOf(curve, statement, approvers, signatures) >= least;
  };

  const answer: Desk["answer"] = async ({ approval, verdict, signatures }) => {
    const now = open();
    if (now === undefined || now.ledger.isBehind) return refused("order");
    const waiting = [...(await waitingIn(now)), ...endingsIn(now.ledger), ...channelsIn(now.ledger)];
    if (open()?.ledger !== now.ledger || now.ledger.isBehind) return refused("order");
    const found = waiting.find(({ question }) => equal(question.id, approval));
    if (found === undefined) return refused("unknown");
    const { question, channel } = found;
    const { node } = now.session;
    const statement: Statement = { is: "answer", mark: limits().mark, node, question, verdict };
    if (!isSigned(statement, signatures)) return refused("unsigned");
    const key = toHex(approval);
    const known: Decided = { verdict, by: "approvers", asked: question.asked };
    const screen = shown.get(key);
    // A yes is kept for the record that waits; all else is for whoever shows it at this moment.
    if (screen !== undefined || (channel === undefined && verdict === "approve")) decided.set(key, known);
    const ends =
      question.subject === "over" && channel !== undefined ? heldIn(now.ledger, channel) : undefined;
    if (channel !== undefined && ends !== undefined)
      endings.say(channel, { version: ends.version, verdict, by: "approvers" });
    else if (channel !== undefined && verdict === "deny") doubted.add(channel);
    else if (channel !== undefined) vouched.set(channel, "approvers");
    screen?.abort();
    return channel !== undefined && ends === undefined && verdict === "approve"
      ? { is: "settling", channel, by: "approvers" }
      : said(known);
  };

  const mayChange: Desk["mayChange"] = async ({ limits: next, signatures }, about) => {
    const fault = limitsFault(next);
    if (fault !== undefined) throw new Malformed("limits", fault);
    const now = open();
    if (now === undefined) return refused("order");
    const { mark, limits: before } = limits();
    if (signatures.length > 0)
      return isSigned({ is: "limits", mark, node: now.session.node, limits: next }, signatures)
        ? mark
        : refused("unsigned");
    const packed = deviceLimits.packed.encode(next);
    // Asked of them once, though steps were taken while they read.
    if (agreed !== undefined && equal(agreed.mark, mark) && equal(agreed.limits, packed)) return mark;
    const isAgreed = await consent(about, "Change the limits", limitsFacts(before, next, network()));
    if (isAgreed === undefined) return refused("busy");
    if (!isAgreed) return refused("denied");
    agreed = { mark, limits: packed };
    return mark;
  };

  return {
    isApproved: (id, asked) => {
      const known = decided.get(toHex(id));
      return known?.verdict === "approve" && known.asked === asked;
    },
    forget: (id) => void decided.delete(toHex(id)),
    limits,
    questions: async () => {
      const now = open();
      if (now === undefined) return refused("order");
      const waiting = (await waitingIn(now)).toSorted((a, b) => Number(a.question.asked - b.question.asked));
      // Strangers open channels: theirs come last, and hide nothing.
      const all = [...waiting, ...endingsIn(now.ledger), ...channelsIn(now.ledger)].map(
        ({ question }) => question,
      );
      let room = pagesAtOnce;
      const questions = all.slice(0, mostQuestions).filter((one) => {
        room -= deviceQuestion.packed.encode(one).length;
        return room >= 0;
      });
      return { is: "questions", questions, more: all.length - questions.length };
    },
    consult,
    vouch,
    over,
    isOver: (channel) => {
      const ledger = open()?.ledger;
      if (ledger === undefined) return false;
      // A step that is taken again comes to what is in flash, or to nothing.
      if (ledger.isBehind) return true;
      const held = heldIn(ledger, channel);
      return held !== undefined && endings.said(channel, held.version)?.verdict === "approve";
    },
    answer,
    mayChange,
    settle: ({ channel, by }) => {
      const isSaid = vouched.delete(channel);
      if (journal.get(vouchAt(channel)) === undefined) {
        // Since it was said the limits were changed.
        if (!isSaid) return refused("unknown");
        journal.commit(new Map([[vouchAt(channel), Uint8Array.of(1)]]));
      }
      return { is: "verdict", verdict: "approve", by };
    },
    limitsChanged: () => {
      decided.clear();
      vouched.clear();
      endings.clear();
      agreed = undefined;
    },
    close: () => {
      decided.clear();
      vouched.clear();
      endings.clear();
      agreed = undefined;
    },
  };
};
