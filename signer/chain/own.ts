/** A chain source of the signer's own: it feeds every node's session, publishes for it, and tells a person how it goes. */

import { openFeeder } from "../../chain/feeder.ts";
import type { Observer } from "../../chain/observer.ts";
import { type ChainSource, type Published, SourceError } from "../../chain/source.ts";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { chainOperations } from "../../protocol/operations/chain.ts";
import type { AnyRequest, Name, Reply } from "../../protocol/operations/index.ts";
import { clip, type Outcome } from "../../protocol/outcome.ts";
import type { Feerate } from "../../protocol/units.ts";
import type { Session } from "../core/session.ts";
import type { Log } from "../log.ts";
import { asking } from "./asking.ts";
import { type HeldTx, heldOf, packagesOf } from "./held.ts";
import { openPublisher, type Publisher } from "./publisher.ts";

export interface OwnSource {
  readonly source: ChainSource;
  readonly observer: Observer;
  readonly log: Log;
  readonly retryMs?: number;
  readonly patienceMs?: number;
}

export interface ChainNode {
  readonly session: Session;
  /** Of its policy. */
  readonly maxFeerate: Feerate;
}

export interface OwnChainParts extends OwnSource {
  readonly nodes: readonly ChainNode[];
}

export interface OwnChain {
  /** What hosts and people ask; the feeders have a road of their own. */
  respond(session: Session, request: AnyRequest, asker: string): Promise<Outcome<Name>>;
  trouble(): string | undefined;
  /** Looks now whether something is to be published. */
  wake(): void;
  /** Nothing is being published, or waits for its turn. */
  isIdle(): boolean;
  close(): Promise<void>;
}

/** What a host shows, and what it only asks: an operation that is forgotten here does not compile. */
const chainOps: Readonly<Record<keyof typeof chainOperations, "shows" | "asks">> = {
  chainConnect: "shows",
  chainPart: "shows",
  chainHeaders: "shows",
  chainProof: "shows",
  chainDisconnect: "shows",
  chainTip: "asks",
  chainWatches: "asks",
  chainFeed: "asks",
  heartbeat: "asks",
};
const feeds = (name: Name): boolean => (chainOps as Partial<Record<Name, string>>)[name] === "shows";

const told = (error: unknown): string => (error instanceof SourceError ? error.message : "the source failed");

const unheard: Published = { is: "refused", reason: "" };

const shown = ({ txid }: HeldTx, result: Published): Reply<"broadcast">["results"][number] => ({
  txid,
  is: result.is,
  reason: result.is === "refused" ? clip(result.reason, 256) : "",
});

export const openOwnChain = (parts: OwnChainParts): OwnChain => {
  const { source, observer, log } = parts;
  const { retryMs, patienceMs } = parts;
  const pace = {
    ...(retryMs === undefined ? {} : { retryMs }),
    ...(patienceMs === undefined ? {} : { patienceMs }),
  };

  const joined = ({ session, maxFeerate }: ChainNode) => {
    const ask = asking(session);
    const node = toHex(session.node);
    const publisher = openPublisher({
      ...{ node, ask, ends: session.ends, log, maxFeerate, ...pace },
      publish: (transactions) => source.publish(transactions),
      feerate: (blocks) => observer.feerate(blocks),
    });
    const feeder = openFeeder({
      ...{ ask, source, observer },
      ...(retryMs === undefined ? {} : { retry: { firstMs: retryMs, mostMs: retryMs } }),
      ...(patienceMs === undefined ? {} : { patienceMs }),
      told: (event) => {
        if (event.is === "followed")
          log.write({ event: "chain-followed", node, source: source.name, height: event.height });
        else if (event.is === "takenBack")
          log.write({ event: "block-taken-back", node, height: event.height });
      },
      isFresh: () => session.channels() === 0,
      connected: ({ height, block }) => {
        publisher.connected(height, block);
        publisher.wake();
      },
      disconnected: ({ height }) => publisher.disconnected(height),
    });
    // What was known before the last stop is published without waiting for a block.
    publisher.wake();
    return { feeder, publisher };
  };
  type Joined = ReturnType<typeof joined>;
  const nodes = new Map(parts.nodes.map((one) => [toHex(one.session.node), joined(one)]));
  const all = [...nodes.values()];

  /** One node may be out of reach (its device is away) while the source serves the others. */
  const troubleOf = ({ feeder, publisher }: Joined): string | undefined =>
    observer.trouble() ?? feeder.trouble() ?? publisher.trouble();
  const trouble = (): string | undefined => all.map(troubleOf).find((one) => one !== undefined);

  let logged: string | undefined;
  const timer = setInterval(() => {
    const now = trouble();
    if (now === logged) return;
    logged = now;
    if (now === undefined) log.write({ event: "chain-well", source: source.name });
    else log.write({ event: "chain-trouble", source: source.name, reason: now });
  }, 1_000);
  timer.unref();

  /** Whatever a host shows changes nothing: it hears how far the signer is. */
  const instead = async (
    session: Session,
    { name, body: { node } }: AnyRequest,
    asker: string,
  ): Promise<Outcome<Name>> => {
    const outcome = (await session.respond(
      { name: "chainTip", body: { node } },
      asker,
    )) as Outcome<"chainTip">;
    if (outcome.is !== "reply") return outcome;
    const { height, hash } = outcome.reply;
    return { is: "reply", reply: (name === "chainPart" ? {} : { height, hash }) as Reply<"chainConnect"> };
  };

  const broadcast = async (publisher: Publisher, transactions: readonly Uint8Array[]) => {
    const all = transactions.map(heldOf);
    const results = new Map<HeldTx, Published>();
    for (const together of packagesOf(all)) {
      try {
        const published = await publisher.broadcast(together);
        for (const [i, one] of together.entries()) results.set(one, published[i] ?? unheard);
      } catch (error) {
        for (const one of together) results.set(one, { is: "refused", reason: told(error) });
      }
    }
    return { results: all.map((one) => shown(one, results.get(one) ?? unheard)) };
  };

  const respond: OwnChain["respond"] = async (session, request, asker) => {
    const node = nodes.get(toHex(session.node));
    if (feeds(request.name)) return instead(session, request, asker);
    const outcome = await session.respond(request, asker);
    if (outcome.is !== "reply" || node === undefined) return outcome;
    const { publisher } = node;
    const { name, body } = request;
    if (name === "exit") publisher.wake();
    if (name === "broadcast") {
      const reply = await broadcast(publisher, body.transactions);
      publisher.wake();
      return { is: "reply", reply };
    }
    if (name === "chainSource")
      return { is: "reply", reply: described(outcome.reply as Reply<"chainSource">, node) };
    const now = name === "status" ? troubleOf(node) : undefined;
    return now === undefined
      ? outcome
      : { is: "reply", reply: alarmed(outcome.reply as Reply<"status">, now) };
  };

  const described = (reply: Reply<"chainSource">, node: Joined): Reply<"chainSource"> => ({
    ...reply,
    name: clip(source.name, 128),
    trouble: clip(troubleOf(node) ?? "", 256),
    height: observer.tip()?.height ?? unknown,
    unconfirmed: node.publisher.unconfirmed(),
  });

  const alarmed = (reply: Reply<"status">, now: string): Reply<"status"> => {
    const alarm = clip(`The chain source (${source.name}) is of no use now: ${now}`, 512);
    return { ...reply, alarms: [...reply.alarms.slice(0, 63), alarm] };
  };

  return {
    respond,
    trouble,
    wake: () => {
      for (const { publisher } of all) publisher.wake();
    },
    isIdle: () => all.every(({ publisher }) => publisher.isIdle()),
    close: async () => {
      clearInterval(timer);
      await Promise.all(all.map(({ feeder }) => feeder.close()));
      await Promise.all(all.map(({ publisher }) => publisher.close()));
      await observer.close();
      await source.close();
    },
  };
};
