/** A signer that follows an embedded chain by itself, in this process: its log, its chain, and a channel on it. */

import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { observe } from "../../chain/observe.ts";
import type { Observer } from "../../chain/observer.ts";
import type { ChainSource } from "../../chain/source.ts";
import { equal } from "../../protocol/bytes.ts";
import type { Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { type OwnChain, openOwnChain } from "../../signer/chain/own.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { Line, Log } from "../../signer/log.ts";
import { ask, type Call } from "./channel.ts";
import { type Rig, type RigOptions, rig } from "./road.ts";

export interface Alone {
  readonly rig: Rig;
  readonly chain: EmbeddedChain;
  readonly own: OwnChain;
  readonly observer: Observer;
  readonly lines: readonly Line[];
  /** As a host, whose requests pass the chain's gate. */
  outcome<N extends Name>(name: N, body: Omit<Request<N>, "node">, asker?: string): Promise<Outcome<N>>;
  reply<N extends Name>(name: N, body: Omit<Request<N>, "node">): Promise<Reply<N>>;
  readonly call: Call;
  /** Until the session has the chain's tip, and nothing waits to be published. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface AloneOptions extends Omit<RigOptions, "chain"> {
  readonly embedded?: EmbeddedChain;
  /** Between the signer and the chain. */
  readonly through?: (source: ChainSource) => ChainSource;
  readonly patienceMs?: number;
  readonly over?: Rig;
}

export const alone = async (options: AloneOptions = {}): Promise<Alone> => {
  const { embedded, through = (source) => source, patienceMs = 2_000, over, ...rest } = options;
  const chain = embedded ?? openChain();
  if (embedded === undefined) chain.mine(110);
  const road =
    over ??
    (await rig({
      ...{ time: () => Math.floor(Date.now() / 1000), ...rest },
      chain: { own: true },
    }));
  const { session } = road;
  const lines: Line[] = [];
  const log: Log = { write: (line) => void lines.push(line), close: () => {} };
  const source = through(chain.source);
  const observer = observe({ source, everyMs: 20, retry: { firstMs: 20, mostMs: 50 } });
  const own = openOwnChain({
    ...{ source, observer, log, retryMs: 30, patienceMs },
    nodes: [{ session, maxFeerate: { ...defaultPolicy("regtest"), ...rest.policy }.maxSweepFeerate }],
  });
  const outcome: Alone["outcome"] = async (name, body, asker = "host") =>
    (await own.respond(session, ask(name, { node: session.node, ...body } as never), asker)) as never;
  const reply: Alone["reply"] = async (name, body) => {
    const result = await outcome(name, body);
    if (result.is === "reply") return result.reply as never;
    throw new Error(`${name}: ${JSON.stringify(result)} ${road.faults.map(String).join()}`);
  };
  const made: Alone = {
    ...{ rig: road, chain, own, observer, lines, outcome, reply },
    call: (name, body) => reply(name, body as never),
    settled: async () => {
      for (let i = 0; i < 500; i++) {
        await observer.look();
        const { hash } = await reply("chainTip", {});
        if (equal(hash, chain.tip().hash) && own.isIdle()) return;
        await new Promise((done) => setTimeout(done, 10));
      }
      throw new Error(`never settled: ${own.trouble()} ${JSON.stringify(lines.slice(-3), jsonable)}`);
    },
    stop: () => own.close(),
  };
  return made;
};

const jsonable = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}` : value);
