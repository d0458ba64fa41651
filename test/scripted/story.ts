/**
 * A small scenario told in words, for cases that are data: what happened to a channel so far, and one request with
 * something changed. Words: `first` (both sign commitment 0), `add SIDE MSAT LABEL [EXPIRY]`, `fulfil LABEL`, `fail LABEL`,
 * `feerate N`, `sign`, `validate`, `revoke`, `revocation` (one request of the next number), `next` (it is complete),
 * `update` (all of these), `close`, `broadcast`, `restart`, and those of `payment-story.ts`.
 */

import { encodeTx, type Tx } from "../../protocol/bitcoin/tx.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Network, Side, Terms, Tier } from "../../protocol/operations/fields.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { commitmentNumber, feerate, msat, type Point, type Sat, sat, script } from "../../protocol/units.ts";
import type { Policy } from "../../signer/core/policy.ts";
import { askConnect, type ChainStory, chainStory, fund, tellChain, timeOf, upcoming } from "./chain-story.ts";
import { add, fundingOf, htlcOf, plainTerms, preimageOf, remove, start, update } from "./channel.ts";
import { closeOf, closingOf } from "./close.ts";
import { type MistakeName, mistaken } from "./mistakes.ts";
import { announcementOf, askAnnouncement, askInvoice, invoiceOf } from "./node.ts";
import { type Purse, proposalOf, purse, type Sheet, tellPayment } from "./payment-story.ts";
import { commitmentOf, peer } from "./peer.ts";
import { curve, type Rig, rig } from "./road.ts";
import { fundingIn, type SpendWords, spendOf } from "./story-spend.ts";

export const asks = {
  hello: "hello",
  new: "new",
  check: "check",
  setup: "setup",
  points: "points",
  sign: "signCounterpartyCommitment",
  validate: "validateHolderCommitment",
  revoke: "revokeHolderCommitment",
  revocation: "validateCounterpartyRevocation",
  broadcast: "signHolderCommitment",
  close: "signClosing",
  ecdh: "ecdh",
  message: "signMessage",
  root: "signBolt12",
  invoice: "signInvoice",
  announcement: "signGossip",
  splice: "signSplice",
  spend: "spend",
  address: "walletAddress",
  forget: "forget",
  connect: "chainConnect",
  propose: "proposePayment",
} as const satisfies Record<string, Name>;
export type Ask = keyof typeof asks;

/** How a host's own transaction differs from the true one. */
export interface Transaction {
  readonly version?: number;
  readonly locktime?: string;
  readonly sequence?: string;
  readonly inputs?: number;
  readonly index?: number;
  readonly drop?: number;
  readonly repeat?: number;
  readonly swap?: boolean;
  readonly add?: { readonly value: number; readonly script: string };
  readonly value?: { readonly output: number; readonly value: number };
  /** Built with one key, delay or script mistaken. */
  readonly mistake?: MistakeName;
}

export type Changes = Readonly<Record<string, unknown>>;

export interface Scenario {
  readonly tier?: Tier;
  readonly policy?: Partial<Policy>;
  readonly terms?: Changes;
  /** Only an id was given out; nothing is set up. */
  readonly unopened?: boolean;
  /** The signer follows a chain: see `chain-story.ts` for what is told of it. */
  readonly chain?: boolean;
  /** The host does not propose what it pays. */
  readonly unproposed?: boolean;
  /** Of `propose`: see `payment-story.ts`. */
  readonly pays?: string;
  readonly story?: readonly string[];
  readonly ask: Ask;
  readonly with?: Changes;
  /** Of `spend`: what it takes and pays; `with` changes the request that follows. */
  readonly spend?: SpendWords;
  /** The transaction that the channel is set up for, where it is not the one of `spend`. */
  readonly funds?: SpendWords;
}

const bob = peer("bob", curve);

const relative = (was: bigint, said: unknown): bigint =>
  typeof said === "string" && /^[+-]/.test(said) ? was + BigInt(said) : BigInt(said as number | string);

const bytesLike = (was: Uint8Array, said: string): Uint8Array => {
  if (said === "zeros") return new Uint8Array(was.length);
  if (said.endsWith(" bytes")) return new Uint8Array(Number.parseInt(said, 10));
  if (said === "flipped") return was.map((byte, at) => (at === was.length - 1 ? byte ^ 1 : byte));
  return fromHex(said);
};

/** A value of JSON, in the type of what it replaces. */
const like = (was: unknown, said: unknown): unknown => {
  if (said === unknown || Array.isArray(said)) return said;
  if (typeof was === "bigint") return relative(was, said);
  if (typeof was === "number") return Number(relative(BigInt(was), said));
  if (was instanceof Uint8Array) return bytesLike(was, said as string);
  if (was === unknown && typeof said === "number") return BigInt(said);
  return said;
};

const changed = <T>(value: T, changes: Changes): T => {
  let out = value;
  for (const [path, said] of Object.entries(changes)) {
    const [head = "", ...rest] = path.split(".");
    const was = (out as Record<string, unknown>)[head];
    const next = rest.length === 0 ? like(was, said) : changed(was, { [rest.join(".")]: said });
    out = (Array.isArray(out) ? out.with(Number(head), next) : { ...out, [head]: next }) as T;
  }
  return out;
};

const altered = (tx: Tx, how: Transaction): Tx => {
  const [input] = tx.inputs;
  if (input === undefined) throw new RangeError("no input");
  const outputs = tx.outputs.flatMap((output, at) => {
    if (at === how.drop) return [];
    if (at === how.repeat) return [output, output];
    return at === how.value?.output ? [{ ...output, value: BigInt(how.value.value) as Sat }] : [output];
  });
  if (how.add !== undefined)
    outputs.push({ value: BigInt(how.add.value) as Sat, script: script(fromHex(how.add.script)) });
  const spent = {
    ...input,
    sequence: Number(relative(BigInt(input.sequence), how.sequence ?? "+0")),
    outpoint: { ...input.outpoint, index: how.index ?? input.outpoint.index },
  };
  return {
    version: how.version ?? tx.version,
    inputs: Array.from({ length: how.inputs ?? 1 }, () => spent),
    outputs: how.swap === true ? outputs.toReversed() : outputs,
    locktime: Number(relative(BigInt(tx.locktime), how.locktime ?? "+0")),
  };
};

interface Stage extends Sheet {
  rig: Rig;
  readonly terms: Terms;
  readonly purse: Purse;
  readonly pays: string | undefined;
  readonly chain: ChainStory | undefined;
  spend: SpendWords | undefined;
}

const stage = async (scenario: Scenario): Promise<Stage> => {
  const { tier = "full", policy = {}, unopened = false } = scenario;
  const terms = changed(plainTerms(), scenario.terms ?? {});
  const chain = scenario.chain === true ? chainStory() : undefined;
  const money = purse();
  const followed = chain === undefined ? { time: () => money.now } : { chain: {}, time: () => timeOf(chain) };
  const signer = await rig({ tier, policy, proposes: scenario.unproposed !== true, ...followed });
  const { node } = signer.session;
  const { channel, basepoints, points, closingScript } = await signer.call("new", { node, wanted: unknown });
  const usual = chain === undefined ? fundingOf("story") : fund(chain, terms, [basepoints, bob.basepoints]);
  const plain = { terms, holder: basepoints, counterparty: bob.basepoints, funding: usual };
  const before = { node, channel, shared: plain, closingScript, points };
  const funding = (await fundingIn(signer, before, scenario.funds ?? scenario.spend)) ?? usual;
  const opened = { ...before, shared: { ...plain, funding } };
  if (!unopened)
    await signer.call("setup", { node, channel, peer: bob.id, terms, counterparty: bob.basepoints, funding });
  return {
    rig: signer,
    terms,
    opened,
    number: 0n,
    balances: start(terms),
    preimages: [],
    labels: new Map(),
    validated: undefined,
    purse: money,
    pays: scenario.pays,
    spend: scenario.spend,
    chain,
  };
};

const pointOf = async ({ rig: signer, opened: { node, channel } }: Stage, n: bigint): Promise<Point> => {
  const { points } = await signer.call("points", { node, channel, numbers: [commitmentNumber(n)] });
  return points[0] as Point;
};

/** The request of this name that is honest now. */
const honest = async (on: Stage, ask: Ask, network: Network): Promise<Request<Name>> => {
  const { opened, terms, number, balances } = on;
  const { node, channel, shared, closingScript } = opened;
  const { funding } = shared;
  switch (ask) {
    case "hello":
      return { node, version: 1, network, software: "a host" };
    case "new":
      return { node, wanted: unknown };
    case "check":
      return { node, channel, peer: bob.id, terms };
    case "setup":
      return { node, channel, peer: bob.id, terms, counterparty: bob.basepoints, funding };
    case "points":
      return { node, channel, numbers: [commitmentNumber(0n)] };
    case "forget":
      return { node, channel };
    case "connect":
      if (on.chain === undefined) throw new RangeError("no chain is followed");
      return askConnect(node, upcoming(on.chain));
    case "propose":
      return proposalOf(on, on.pays ?? "keysend a 30000000 0");
    case "ecdh":
      return { node, point: bob.id };
    case "message":
      return { node, message: new TextEncoder().encode("hello") };
    case "root":
      return { node, message: "invoice", stream: unknown, root: new Uint8Array(32), tweak: unknown };
    case "invoice":
      return askInvoice(node, invoiceOf());
    case "announcement":
      return askAnnouncement(opened, announcementOf(opened, bob));
    case "splice": {
      const [before, added] = [sat(600_000n), sat(100_000n)];
      const costs = { leaving: sat(20_000n), fee: sat(500n), after: sat(679_500n) };
      return { node, channel, funding: fundingOf("splice"), value: sat(1_080_000n), before, added, ...costs };
    }
    case "close":
      return closeOf({ ...opened, closingScript }, balances, 500n) as Request<"signClosing">;
    case "address":
      return { node, place: { account: 0, branch: 0, index: 0 } };
    case "spend":
      return spendOf(on, bob, on.spend ?? { take: [], pay: [] });
    case "broadcast": {
      const content = on.validated;
      if (content === undefined) throw new RangeError("nothing was validated");
      const point = await pointOf(on, content.number);
      const { txid } = commitmentOf(curve, shared, "holder", point, content).commitment;
      return { node, channel, funding, number: content.number, txid };
    }
    case "sign":
    case "validate":
    case "revoke":
    case "revocation": {
      const told = update(opened, bob, await pointOf(on, number), number, balances, on.preimages)[ask];
      if (told === undefined) throw new RangeError(`commitment ${number} has no ${ask}`);
      return told;
    }
  }
};

/** The transaction that an honest host would bring with the request. */
const transaction = async (on: Stage, ask: Ask, body: Request<Name>, mistake?: MistakeName): Promise<Tx> => {
  if (ask === "close") return closingOf(on.opened, body as Request<"signClosing">).tx;
  const said = body as Request<"signCounterpartyCommitment">;
  const owner: Side = ask === "sign" ? "counterparty" : "holder";
  const point = owner === "counterparty" ? said.point : await pointOf(on, said.number);
  if (mistake !== undefined) return mistaken(on.opened.shared, owner, point, said as never, mistake);
  return commitmentOf(curve, on.opened.shared, owner, point, said as never).commitment.tx;
};

const take = async (on: Stage, ask: Ask, changes: Changes): Promise<Outcome<Name>> => {
  const { expected, htlcs, trimmed, ...others } = changes;
  const plain = await honest(on, ask, "regtest");
  let body = changed(plain, others);
  for (const [name, said] of Object.entries({ htlcs, trimmed })) {
    if (said === undefined) continue;
    const value = Array.isArray(said) ? said.map((label) => htlc(on, label)) : said;
    body = { ...body, [name]: value } as Request<Name>;
  }
  if (typeof expected === "string") body = { ...body, expected: fromHex(expected) } as Request<Name>;
  else if (expected !== undefined)
    body = {
      ...body,
      expected: encodeTx(
        altered(
          await transaction(on, ask, plain, (expected as Transaction).mistake),
          expected as Transaction,
        ),
      ),
    } as Request<Name>;
  return on.rig.outcome(asks[ask], body as never);
};

const must = async (on: Stage, ask: Ask): Promise<void> => {
  const outcome = await take(on, ask, {});
  if (outcome.is !== "reply") throw new Error(`the story stops at ${ask}: ${JSON.stringify(outcome)}`);
  if (ask === "validate") {
    const said = (await honest(on, "validate", "regtest")) as Request<"validateHolderCommitment">;
    on.validated = { ...said, trimmed: said.trimmed === unknown ? [] : said.trimmed };
  }
};

const htlc = (on: Stage, label: string): Htlc => {
  const found = on.labels.get(label);
  if (found === undefined) throw new RangeError(`no HTLC is called ${label}`);
  return found;
};

/** False for words that are not of the chain. */
const tellBlocks = async (on: Stage, words: readonly string[]): Promise<boolean> => {
  const { chain, opened, number, balances } = on;
  if (chain === undefined) return false;
  const blocks = await tellChain(
    chain,
    {
      ...{ shared: opened.shared, number, balances },
      pointOf: async (owner, n) =>
        owner === "holder" ? await pointOf(on, n) : bob.point(commitmentNumber(n)),
    },
    words,
  );
  for (const block of blocks ?? []) await on.rig.call("chainConnect", askConnect(opened.node, block));
  return blocks !== undefined;
};

const tell = async (on: Stage, words: string): Promise<void> => {
  if (words.startsWith("spend ")) {
    const { spend } = on;
    on.spend = JSON.parse(words.slice(6)) as SpendWords;
    await must(on, "spend");
    on.spend = spend;
    return;
  }
  const [word = "", ...rest] = words.split(" ");
  const [one = "", two = "", three = "", four] = rest;
  if ((await tellBlocks(on, [word, ...rest])) || (await tellPayment(on, words))) return;
  switch (word) {
    case "first":
      await must(on, "sign");
      await must(on, "validate");
      on.number = 1n;
      return;
    case "add": {
      const added = htlcOf(one as Side, BigInt(two), three, four === undefined ? undefined : Number(four));
      on.labels.set(three, added);
      on.balances = add(on.balances, added);
      return;
    }
    case "fulfil":
      on.preimages.push(preimageOf(one));
      on.balances = remove(on.balances, htlc(on, one), "fulfil");
      return;
    case "fail":
      on.balances = remove(on.balances, htlc(on, one), "fail");
      return;
    case "feerate":
      on.balances = { ...on.balances, feerate: feerate(Number(one)) };
      return;
    case "next":
      on.number += 1n;
      on.preimages = [];
      return;
    case "update":
      for (const step of ["sign", "validate", "revoke", "revocation"] as const) await must(on, step);
      await tell(on, "next");
      return;
    case "another": {
      // A second channel, that is not set up: what is asked from now on is about it.
      const { node } = on.opened;
      const { channel, basepoints, points, closingScript } = await on.rig.call("new", {
        node,
        wanted: unknown,
      });
      const shared = { ...on.opened.shared, holder: basepoints, funding: fundingOf("another") };
      on.opened = { node, channel, shared, closingScript, points };
      return;
    }
    case "cheat": {
      // Well signed by the other side, and a thousand satoshi of ours in its balance.
      const { holder, counterparty } = on.balances;
      const moved = { holder: msat(holder - 1_000_000n), counterparty: msat(counterparty + 1_000_000n) };
      const point = await pointOf(on, on.number);
      const { validate } = update(on.opened, bob, point, on.number, { ...on.balances, ...moved });
      await on.rig.refusal("validateHolderCommitment", validate);
      return;
    }
    case "restart":
      on.rig = await on.rig.restart();
      return;
    default:
      if (!(word in asks)) throw new RangeError(`no such word: ${words}`);
      await must(on, word as Ask);
  }
};

export interface Ending {
  readonly outcome: Outcome<Name>;
  readonly faults: readonly unknown[];
}

export const play = async (scenario: Scenario): Promise<Ending> => {
  const on = await stage(scenario);
  for (const words of scenario.story ?? []) await tell(on, words);
  const outcome = await take(on, scenario.ask, scenario.with ?? {});
  return { outcome, faults: on.rig.faults };
};
