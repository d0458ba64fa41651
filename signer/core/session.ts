/**
 * The one road of one node: decoded request -> prepare -> checks -> decide -> commit -> sign -> reply.
 * Decisions follow the order in which requests came; building, verifying, fsync and signing run beside each other.
 */

import { equal, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import {
  type AnyRequest,
  contentHash,
  type Name,
  operations,
  type Request,
  unpackRequest,
} from "../../protocol/operations/index.ts";
import type { Outcome, Fault as Told } from "../../protocol/outcome.ts";
import type { ChannelId, CommitmentNumber, NodeId } from "../../protocol/units.ts";
import { allowing } from "./allowlist.ts";
import { openBook } from "./chain/book.ts";
import { endsIn } from "./chain/ends.ts";
import { latestOf, outlookOf } from "./chain/outlook.ts";
import { openPurse } from "./chain/purse.ts";
import { commit } from "./commit.ts";
import { type Explained, explained, malformedBecause, refusedBecause } from "./explain.ts";
import { Fault, toldOf } from "./fault.ts";
import { knownOf } from "./known.ts";
import {
  packAllowlist,
  packApproval,
  packNode,
  packOutpoint,
  packPayment,
  unpackAllowlist,
  unpackApproval,
  unpackNode,
  unpackOutpoint,
  unpackPayment,
} from "./node-records.ts";
import type { OutpointState } from "./outpoints.ts";
import { openLedger } from "./payments/ledger.ts";
import {
  allowlistKey,
  approvalKey,
  channelIn,
  channelKey,
  nodeKey,
  outpointKey,
  paymentKey,
} from "./places.ts";
import type { Asked, Group, Key, Version, Write } from "./ports.ts";
import { KeysAway } from "./ports.ts";
import { packChannel, unpackChannel } from "./records.ts";
import type { Road, Session } from "./road.ts";
import { refuse, witnessed } from "./rule.ts";
import { textOf } from "./rules/table.ts";
import { askedOf, judgedTwice, signaturesIn, twiceOf } from "./second.ts";
import {
  type Allowlist,
  type Approval,
  type ChannelState,
  freshNode,
  type NodeState,
  noAllowlist,
  type Payment,
  stub,
} from "./state.ts";
import {
  type Change,
  type Changes,
  type Decision,
  type Known,
  liveOf,
  type Needs,
  type Step,
  type View,
} from "./step.ts";
import { type Decided, steps } from "./steps/index.ts";
import { decidedIn } from "./time.ts";

export type { Road, Session } from "./road.ts";

interface Work {
  readonly known: Known;
  readonly prepared: unknown;
  readonly outcomes: readonly boolean[];
}

export const openSession = async ({
  settings,
  store,
  keyring,
  journal,
  verify,
  now,
  report,
}: Road): Promise<Session> => {
  const { node } = keyring;
  const versions = new Map<Key, Version>();
  const channels = new Map<ChannelId, ChannelState>();
  const payments = new Map<string, Payment>();
  const approvals = new Map<string, Approval>();
  const outpoints = new Map<string, OutpointState>();
  const ledger = openLedger();
  const book = openBook(settings);
  const purse = openPurse();
  const refusedHolder = new Map<ChannelId, CommitmentNumber>();
  let nodeState: NodeState = freshNode;
  let allowlist: Allowlist = noAllowlist;
  let broken: Told | undefined;
  /** Resolves when the request before has been decided. */
  let turn: Promise<void> = Promise.resolve();
  /** Resolves when all that was decided so far is on disk: the store commits in order. */
  let settled: Promise<unknown> = Promise.resolve();

  for (const [key, { version, bytes }] of await store.load(node)) {
    versions.set(key, version);
    const [, kind, id] = key.split("/");
    if (kind === "node") nodeState = unpackNode(bytes);
    else if (kind === "allowlist") allowlist = unpackAllowlist(bytes);
    else if (kind === "channel" && id !== undefined)
      channels.set(BigInt(id) as ChannelId, unpackChannel(bytes));
    else if (kind === "payment" && id !== undefined) payments.set(id, unpackPayment(bytes));
    else if (kind === "approval" && id !== undefined) approvals.set(id, unpackApproval(bytes));
    else if (kind === "outpoint" && id !== undefined) outpoints.set(id, unpackOutpoint(bytes));
    else if (kind === "coin" && id !== undefined) purse.load(id, bytes);
    else if (!book.load(kind, id, bytes)) throw new Fault("store", `a record of an unknown kind: ${key}`);
  }

  for (const [id, channel] of channels) ledger.update(id, undefined, channel);

  const channelOf = (id: ChannelId | undefined): ChannelState | undefined =>
    id === undefined ? undefined : (channels.get(id) ?? (id < nodeState.nextChannel ? stub : undefined));

  /** With what an administrator allowed. */
  let effective = allowing(settings, allowlist);

  const ask = (needs: Needs | undefined): Promise<Known> => knownOf(keyring, needs);

  const begin = async (
    step: Step<Name, unknown>,
    body: Request<Name>,
    id: ChannelId | undefined,
    rules?: Set<string>,
  ): Promise<Work> => {
    // Only what has waited for its turn surveys.
    if (step.survey !== undefined && book.chain.view !== undefined)
      await purse.reach(keyring, { channels, node: nodeState, policy: settings.policy });
    const surveyed = step.survey?.(body, viewOf(id), effective);
    if (surveyed !== undefined)
      return { known: await ask(surveyed.needs), prepared: surveyed.built, outcomes: [] };
    const known = await ask(step.needs?.(body, channels));
    const prepare = () => step.prepare(body, liveOf(channelOf(id)), known, effective);
    const ready = rules === undefined ? prepare() : witnessed(rules, prepare);
    const outcomes = ready === undefined || ready.checks.length === 0 ? [] : await verify(ready.checks);
    if (outcomes.length !== (ready?.checks.length ?? 0))
      throw new Fault("internal", "a verification was asked for and not answered");
    return { known, prepared: ready?.built, outcomes };
  };

  const write = (key: Key, bytes: Uint8Array | undefined): Write => {
    const was = versions.get(key) ?? 0;
    if (bytes === undefined) versions.delete(key);
    else versions.set(key, was + 1);
    return { key, was, bytes };
  };

  /** What was never written need not be forgotten. */
  const keep = <T>(
    into: Map<string, T>,
    changes: Changes<T> | undefined,
    keyOf: (node: NodeId, id: string) => Key,
    pack: (value: T) => Uint8Array,
  ): readonly Write[] =>
    [...(changes ?? [])].flatMap(([id, value]) => {
      if (value !== undefined) into.set(id, value);
      else if (!into.delete(id)) return [];
      return [write(keyOf(node, id), value === undefined ? undefined : pack(value))];
    });

  /** Later requests are judged on this at once; it leaves the process only when it is on disk. */
  const apply = (change: Change, id: ChannelId | undefined): readonly Write[] => {
    const { node: nextNode, channel } = change;
    const writes: Write[] = [
      ...keep(payments, change.payments, paymentKey, packPayment),
      ...keep(approvals, change.approvals, approvalKey, packApproval),
      ...keep(outpoints, change.outpoints, outpointKey, packOutpoint),
    ];
    for (const hash of change.payments?.keys() ?? []) ledger.touch(hash);
    if (nextNode !== undefined) {
      nodeState = nextNode;
      writes.push(write(nodeKey(node), packNode(nextNode)));
    }
    if (change.allowlist !== undefined) {
      allowlist = change.allowlist;
      effective = allowing(settings, allowlist);
      writes.push(write(allowlistKey(node), packAllowlist(allowlist)));
    }
    if (channel !== undefined && id !== undefined) {
      ledger.update(id, channels.get(id), channel);
      channels.set(id, channel);
      writes.push(write(channelKey(node, id), packChannel(channel)));
    }
    for (const [place, bytes] of [...book.apply(change), ...purse.apply(change)])
      writes.push(write(`${toHex(node)}/${place}`, bytes));
    book.touch({ change, channels, ledger });
    return writes;
  };

  const viewOf = (id: ChannelId | undefined): View => {
    const { chain } = book;
    const time = latestOf({ clock: now(), node: nodeState, chain });
    const common = { channels, payments, ledger, chain, now: time };
    return {
      ...common,
      node: nodeState,
      channel: channelOf(id),
      approvals,
      outpoints,
      allowlist,
      purse,
      refusedHolder: id === undefined ? undefined : refusedHolder.get(id),
      outlook: outlookOf(common, effective),
    };
  };

  const decide = (name: Name, body: Request<Name>, hash: Uint8Array, id: ChannelId | undefined, work: Work) =>
    decidedIn(steps[name as Decided] as Step<Name, unknown>, {
      body,
      hash,
      settings: effective,
      view: viewOf(id),
      ...work,
    });

  /** From the decision on: `release` lets the next request be decided before this one is on disk. */
  const carryOut = async (
    decision: Decision<Name>,
    asked: Asked,
    request: AnyRequest,
    release: () => void,
  ): Promise<Outcome<Name>> => {
    const id = channelIn(request.body);
    const second = judgedTwice.has(request.name) ? keyring.second : undefined;
    const groupOf = (change: Change, detail?: string): Group => ({
      epoch: store.epoch,
      writes: apply(change, id),
      audit: journal.decided(detail === undefined ? asked : { ...asked, detail }),
    });
    const twice = second === undefined ? undefined : twiceOf(decision, request);
    if (second !== undefined && twice !== undefined) {
      const isNew = request.name === "new" && decision.is === "kept";
      const shown = askedOf(request, isNew ? decision.reply(await ask(decision.needs)) : undefined);
      // Durable here before it is shown there.
      const durable = commit(store, groupOf(twice.change), shown);
      settled = durable;
      release();
      const outcome = twice.outcome(await second.judge(await durable));
      if (outcome.is === "refusal") journal.refused(asked, outcome.refusal.rule);
      return outcome;
    }
    switch (decision.is) {
      case "refused":
        journal.refused(asked, decision.refusal.rule);
        return { is: "refusal", refusal: decision.refusal };
      case "asked": {
        journal.refused(asked, decision.refusal.rule);
        const durable = commit(store, groupOf(decision.change), undefined);
        settled = durable;
        release();
        await durable;
        return { is: "refusal", refusal: decision.refusal };
      }
      case "told": {
        if (decision.upload !== undefined) book.keep(decision.upload);
        // Said of what earlier requests changed: told before it is on disk, a crash could take it back.
        const before = settled;
        release();
        // Whoever asks what is wrong hears of a fault, and does not share it.
        await (asked.operation === operations.status.number ? before.catch(() => {}) : before);
        return { is: "reply", reply: decision.reply(await ask(decision.needs)) };
      }
      case "kept": {
        const durable = commit(store, groupOf(decision.change, decision.detail), undefined);
        settled = durable;
        release();
        await durable;
        return { is: "reply", reply: decision.reply(await ask(decision.needs)) };
      }
      case "signed": {
        const { job, asked: shown } = decision;
        if (keyring.second !== undefined && shown !== undefined) {
          const durable = commit(store, groupOf(decision.change), shown);
          settled = durable;
          release();
          const found = signaturesIn(await keyring.second.judgeAll(await durable));
          if ("other" in found) return found.other;
          return { is: "reply", reply: decision.reply(await ask(decision.needs), found) };
        }
        const durable = commit(store, groupOf(decision.change), job);
        settled = durable;
        release();
        const signed = await keyring.sign(await durable);
        return { is: "reply", reply: decision.reply(await ask(decision.needs), signed) };
      }
    }
  };

  /** The road of a host's request, as far as the decision: nothing of it is kept. */
  const explain = async (packed: Uint8Array): Promise<Explained> => {
    const rules = new Set<string>();
    try {
      const { name, body } = unpackRequest(packed);
      if (operations[name].role !== "host") throw new Malformed("operation", `no host asks for ${name}`);
      if (!equal(body.node, node))
        return refusedBecause(refuse(textOf("node-known"), { node: body.node }), ["node-known"]);
      const id = channelIn(body);
      const step = steps[name as Decided] as Step<Name, unknown>;
      const hash = contentHash(name, step.essence?.(body) ?? body);
      const work = await begin(step, body, id, rules);
      const decision = witnessed(rules, () => decide(name, body, hash, id, work));
      return explained(name, decision, [...rules]);
    } catch (error) {
      if (error instanceof Malformed) return malformedBecause(error, [...rules]);
      throw error;
    }
  };

  const take = async (
    { name, body }: AnyRequest,
    host: string,
    before: Promise<void>,
    release: () => void,
  ): Promise<Outcome<Name>> => {
    try {
      if (name === "explain") {
        await before;
        return broken === undefined
          ? { is: "reply", reply: await explain(body.request) }
          : { is: "fault", fault: broken };
      }
      const id = channelIn(body);
      const step = steps[name as Decided] as Step<Name, unknown>;
      // What is built follows from the setup alone, so a channel that is set up need not wait to build.
      const isEarly = step.survey === undefined && liveOf(channelOf(id)) !== undefined;
      const early = isEarly ? begin(step, body, id) : undefined;
      early?.catch(() => {});
      // Nothing above can fail, so that nobody's turn comes before it is this one's.
      await before;
      const hash = contentHash(name, step.essence?.(body) ?? body);
      const work = await (early ?? begin(step, body, id));
      if (broken !== undefined && name !== "status") return { is: "fault", fault: broken };
      const decision = decide(name, body, hash, id, work);
      if (
        name === "validateHolderCommitment" &&
        id !== undefined &&
        decision.is === "refused" &&
        work.outcomes.length > 0 &&
        work.outcomes.every((one) => one)
      )
        refusedHolder.set(id, body.number);
      const operation = operations[name].number;
      return await carryOut(
        decision,
        { host, node, operation, channel: id ?? unknown, content: hash },
        { name, body } as AnyRequest,
        release,
      );
    } finally {
      release();
    }
  };

  return {
    node,
    respond: async (request, host) => {
      // A person who looks what is wrong gets an answer.
      if (broken !== undefined && request.name !== "status") return { is: "fault", fault: broken };
      if (!equal(request.body.node, node))
        return { is: "refusal", refusal: refuse(textOf("node-known"), { node: request.body.node }) };
      const before = turn;
      const { promise, resolve } = Promise.withResolvers<void>();
      turn = promise;
      try {
        return await take(request, host, before, resolve);
      } catch (error) {
        if (error instanceof Malformed)
          return { is: "malformed", malformed: { path: error.path, reason: error.reason } };
        if (error instanceof KeysAway) return { is: "refusal", refusal: error.refusal };
        report(error);
        broken ??= toldOf(error);
        return { is: "fault", fault: broken };
      }
    },
    fault: () => broken,
    channels: () => channels.size,
    isForgotten: (id) => channels.get(id)?.phase === "forgotten",
    ends: () => endsIn({ channels, payments, ledger, chain: book.chain, purse }),
  };
};
