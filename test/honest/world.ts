/** What an honest node lives on: one signer, a clock, peers, and a count of everything that it was told. */

import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Tier } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import type { NodeId } from "../../protocol/units.ts";
import type { Policy } from "../../signer/core/policy.ts";
import { ask } from "../scripted/channel.ts";
import { type Random, random } from "../scripted/random.ts";
import { plainTime, type Rig, rig } from "../scripted/road.ts";
import type { Link } from "./link.ts";

/** What no honest node should ever be told; it ends the run. */
export class Refused extends Error {
  readonly request: AnyRequest;
  readonly outcome: Outcome<Name>;

  constructor(request: AnyRequest, outcome: Outcome<Name>, faults: readonly unknown[]) {
    super(`${request.name}: ${shown(outcome)} ${faults.map(String).join()}`);
    this.request = request;
    this.outcome = outcome;
  }
}

export const shown = (value: unknown): string =>
  JSON.stringify(value, (_, one) => {
    if (typeof one === "bigint") return `${one}`;
    return one instanceof Uint8Array ? toHex(one) : one;
  });

/** Refused as things are, and asked again later. */
export type Told<N extends Name> =
  | { readonly is: "reply"; readonly reply: Reply<N> }
  | { readonly is: "later"; readonly refusal: Refusal };

export interface Counts {
  requests: number;
  temporary: number;
  htlcs: number;
  settled: number;
  reconnections: number;
  restarts: number;
  forgotten: number;
}

export const noCounts = (): Counts => ({
  ...{ requests: 0, temporary: 0, htlcs: 0, settled: 0, reconnections: 0, restarts: 0, forgotten: 0 },
});

export interface World {
  readonly tier: Tier;
  readonly random: Random;
  readonly counts: Counts;
  readonly node: NodeId;
  readonly links: Link[];
  /** Names nothing twice. */
  label(what: string): string;
  now(): number;
  wait(seconds: number): void;
  /** By another signer than the world's own. */
  putOn<N extends Name>(signer: Rig, name: N, body: Request<N>): Promise<Told<N>>;
  /** Refused for good or broken: throws. */
  put<N extends Name>(name: N, body: Request<N>): Promise<Told<N>>;
  /** Where even a refusal for now would be wrong. */
  must<N extends Name>(name: N, body: Request<N>): Promise<Reply<N>>;
  restart(): Promise<void>;
  /** How often each rule asked to wait. */
  readonly later: Map<string, number>;
  /** The last refusal that asks to wait. */
  heard: Refusal | undefined;
}

export interface WorldOptions {
  readonly seed: string;
  readonly tier: Tier;
  readonly policy?: Partial<Policy>;
}

/** A host of a lesser tier can't tell these (its requests have no such fields to fill). */
const asTold = <N extends Name>(tier: Tier, body: Request<N>): Request<N> =>
  tier !== "full" && "htlcs" in body ? { ...body, trimmed: unknown, preimages: unknown } : body;

export const openWorld = async ({ seed, tier, policy = {} }: WorldOptions): Promise<World> => {
  const dice = random(seed);
  let time = plainTime;
  let signer: Rig = await rig({ tier, policy, proposes: false, time: () => time });
  let labels = 0;
  const counts = noCounts();
  const later = new Map<string, number>();

  const putOn = async <N extends Name>(on: Rig, name: N, said: Request<N>): Promise<Told<N>> => {
    const body = asTold(tier, said);
    counts.requests += 1;

    const outcome = await on.outcome(name, body);

    if (outcome.is === "reply") return outcome;
    if (outcome.is === "refusal" && !outcome.refusal.final) {
      counts.temporary += 1;
      const { rule } = outcome.refusal;
      later.set(rule, (later.get(rule) ?? 0) + 1);
      world.heard = outcome.refusal;
      return { is: "later", refusal: outcome.refusal };
    }
    throw new Refused(ask(name, body), outcome as Outcome<Name>, on.faults);
  };

  const put = <N extends Name>(name: N, body: Request<N>): Promise<Told<N>> => putOn(signer, name, body);

  const world: World = {
    heard: undefined,
    tier,
    random: dice,
    counts,
    node: signer.keyring.node,
    links: [],
    label: (what) => `${seed} ${what} ${labels++}`,
    now: () => time,
    wait: (seconds) => {
      time += seconds;
    },
    putOn,
    put,
    must: async (name, body) => {
      const told = await put(name, body);
      if (told.is === "reply") return told.reply;
      throw new Refused(ask(name, body), told as unknown as Outcome<Name>, []);
    },
    restart: async () => {
      counts.restarts += 1;
      signer = await signer.restart();
    },
    later,
  };
  return world;
};
