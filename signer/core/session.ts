/**
 * The one road of one node: decoded request -> prepare -> checks -> decide -> commit -> sign -> reply.
 * Decisions follow the order in which requests came; building, verifying, fsync and signing run beside each other.
 */

import { equal, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import {
  type AnyRequest,
  contentHash,
  type Name,
  operations,
  type Request,
} from "../../protocol/operations/index.ts";
import type { Outcome, Fault as Told } from "../../protocol/outcome.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import { commit } from "./commit.ts";
import { Fault } from "./fault.ts";
import type { Asked, Group, Journal, Key, Keyring, Store, Verify, Version, Write } from "./ports.ts";
import { packChannel, packNode, unpackChannel, unpackNode } from "./records.ts";
import { refuse } from "./rule.ts";
import { textOf } from "./rules/table.ts";
import { type ChannelState, type NodeState, stub } from "./state.ts";
import {
  type Change,
  type Decision,
  type Known,
  liveOf,
  type Needs,
  type Settings,
  type Step,
} from "./step.ts";
import { steps } from "./steps/index.ts";

export interface Road {
  readonly settings: Settings;
  readonly store: Store;
  readonly keyring: Keyring;
  readonly journal: Journal;
  readonly verify: Verify;
  /** Hears of every fault, in more words than the host may see. */
  readonly report: (error: unknown) => void;
}

export interface Session {
  readonly node: NodeId;
  respond(request: AnyRequest, host: string): Promise<Outcome<Name>>;
  /** Set once something broke: nothing is signed from then on. */
  fault(): Told | undefined;
  /** How many channels were set up. */
  channels(): number;
}

export const nodeKey = (node: NodeId): Key => `${toHex(node)}/node`;
export const channelKey = (node: NodeId, id: ChannelId): Key => `${toHex(node)}/channel/${id}`;

/** A host with a numbering of its own names the channel that it wants. */
const channelIn = (body: Request<Name>): ChannelId | undefined => {
  if ("channel" in body) return body.channel;
  return "wanted" in body && isKnown(body.wanted) ? body.wanted : undefined;
};

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
  report,
}: Road): Promise<Session> => {
  const { node } = keyring;
  const versions = new Map<Key, Version>();
  const channels = new Map<ChannelId, ChannelState>();
  let nodeState: NodeState = { nextChannel: 0n as ChannelId };
  let broken: Told | undefined;
  /** Resolves when the request before has been decided. */
  let turn: Promise<void> = Promise.resolve();

  for (const [key, { version, bytes }] of await store.load(node)) {
    versions.set(key, version);
    const [, kind, id] = key.split("/");
    if (kind === "node") nodeState = unpackNode(bytes);
    else if (kind === "channel" && id !== undefined)
      channels.set(BigInt(id) as ChannelId, unpackChannel(bytes));
    else throw new Fault("store", `a record of an unknown kind: ${key}`);
  }

  const channelOf = (id: ChannelId | undefined): ChannelState | undefined =>
    id === undefined ? undefined : (channels.get(id) ?? (id < nodeState.nextChannel ? stub : undefined));

  const ask = async (needs: Needs | undefined): Promise<Known> => {
    if (needs === undefined) return { points: [] };
    const { channel, basepoints, closingScript, points = [] } = needs;
    return {
      points: points.length === 0 ? [] : await keyring.points(channel, points),
      ...(basepoints ? { basepoints: await keyring.basepoints(channel) } : {}),
      ...(closingScript ? { closingScript: await keyring.closingScript(channel) } : {}),
    };
  };

  const begin = async (
    step: Step<Name, unknown>,
    body: Request<Name>,
    id: ChannelId | undefined,
  ): Promise<Work> => {
    const known = await ask(step.needs?.(body));
    const ready = step.prepare(body, liveOf(channelOf(id)), known, settings);
    const outcomes = ready === undefined || ready.checks.length === 0 ? [] : await verify(ready.checks);
    if (outcomes.length !== (ready?.checks.length ?? 0))
      throw new Fault("internal", "a verification was asked for and not answered");
    return { known, prepared: ready?.built, outcomes };
  };

  const write = (key: Key, bytes: Uint8Array): Write => {
    const was = versions.get(key) ?? 0;
    versions.set(key, was + 1);
    return { key, was, bytes };
  };

  /** Later requests are judged on this at once; it leaves the process only when it is on disk. */
  const apply = ({ node: nextNode, channel }: Change, id: ChannelId | undefined): readonly Write[] => {
    const writes: Write[] = [];
    if (nextNode !== undefined) {
      nodeState = nextNode;
      writes.push(write(nodeKey(node), packNode(nextNode)));
    }
    if (channel !== undefined && id !== undefined) {
      channels.set(id, channel);
      writes.push(write(channelKey(node, id), packChannel(channel)));
    }
    return writes;
  };

  const decide = (name: Name, body: Request<Name>, hash: Uint8Array, id: ChannelId | undefined, work: Work) =>
    (steps[name] as Step<Name, unknown>).decide({
      body,
      hash,
      settings,
      view: { node: nodeState, channel: channelOf(id) },
      ...work,
    });

  /** From the decision on: `release` lets the next request be decided before this one is on disk. */
  const carryOut = async (
    decision: Decision<Name>,
    asked: Asked,
    id: ChannelId | undefined,
    release: () => void,
  ): Promise<Outcome<Name>> => {
    const groupOf = (change: Change): Group => ({
      epoch: store.epoch,
      writes: apply(change, id),
      audit: journal.decided(asked),
    });
    switch (decision.is) {
      case "refused":
        journal.refused(asked, decision.refusal.rule);
        return { is: "refusal", refusal: decision.refusal };
      case "told":
        release();
        return { is: "reply", reply: decision.reply(await ask(decision.needs)) };
      case "kept": {
        const durable = commit(store, groupOf(decision.change), undefined);
        release();
        await durable;
        return { is: "reply", reply: decision.reply(await ask(decision.needs)) };
      }
      case "signed": {
        const durable = commit(store, groupOf(decision.change), decision.job);
        release();
        const signed = await keyring.sign(await durable);
        return { is: "reply", reply: decision.reply(await ask(decision.needs), signed) };
      }
    }
  };

  const take = async (
    { name, body }: AnyRequest,
    host: string,
    before: Promise<void>,
    release: () => void,
  ): Promise<Outcome<Name>> => {
    try {
      const id = channelIn(body);
      const step = steps[name] as Step<Name, unknown>;
      // What is built follows from the setup alone, so a channel that is set up need not wait to build.
      const early = liveOf(channelOf(id)) === undefined ? undefined : begin(step, body, id);
      early?.catch(() => {});
      // Nothing above can fail, so that nobody's turn comes before it is this one's.
      await before;
      const hash = contentHash(name, step.essence?.(body) ?? body);
      const work = await (early ?? begin(step, body, id));
      if (broken !== undefined) return { is: "fault", fault: broken };
      const decision = decide(name, body, hash, id, work);
      const operation = operations[name].number;
      return await carryOut(
        decision,
        { host, node, operation, channel: id ?? unknown, content: hash },
        id,
        release,
      );
    } finally {
      release();
    }
  };

  const told = (error: unknown): Told => {
    if (error instanceof Fault) return { code: error.code, sentence: error.message };
    return { code: "internal", sentence: "the signer has a defect: see its log" };
  };

  return {
    node,
    respond: async (request, host) => {
      if (broken !== undefined) return { is: "fault", fault: broken };
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
        report(error);
        broken ??= told(error);
        return { is: "fault", fault: broken };
      }
    },
    fault: () => broken,
    channels: () => channels.size,
  };
};
