/**
 * The life of one channel as its host remembers it: plain data that survives a crash of the host, and from which
 * the requests that come next follow again.
 */

import type { Basepoints } from "../../protocol/bolt/channel.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import {
  type ChannelId,
  feerate,
  msat,
  type NodeId,
  type Point,
  type Preimage,
  type Script,
  sat,
} from "../../protocol/units.ts";
import {
  add,
  ask,
  fundingOf,
  htlcOf,
  keysendOf,
  type Opened,
  plainTerms,
  preimageOf,
  remove,
  start,
  update,
  withFeerate,
} from "../scripted/channel.ts";
import type { Balances } from "../scripted/content.ts";
import { contentOf } from "../scripted/content.ts";
import { commitmentOf, type Peer } from "../scripted/peer.ts";
import { type Random, random } from "../scripted/random.ts";
import { curve } from "../scripted/road.ts";

export interface Journey {
  readonly label: string;
  readonly stage: "new" | "setup" | "update" | "closing" | "broadcast" | "done";
  readonly terms: Terms;
  readonly channel?: ChannelId;
  readonly basepoints?: Basepoints;
  readonly closingScript?: Script;
  /** The holder's points, by number. */
  readonly points: Readonly<Record<string, Point>>;
  /** The number that the present update leads to. */
  readonly number: bigint;
  readonly balances: Balances;
  /** What the present update wants, and the preimages that it brings. */
  readonly wanted: Balances;
  readonly preimages: readonly Preimage[];
  /** Which of the update's batches comes next. */
  readonly step: number;
  readonly signFirst: boolean;
  /** Contents asked for at this number so far. */
  readonly tries: number;
  readonly rounds: number;
  readonly htlcCount: number;
}

export const begin = (label: string): Journey => {
  const dice = random(label);
  const opener = dice.pick(["holder", "counterparty"] as const);
  const terms = plainTerms({
    type: dice.pick(["anchors", "static_remotekey"] as const),
    opener,
    push: msat(300_000_000n),
  });
  const balances = start(terms);
  return {
    label,
    stage: "new",
    terms,
    points: {},
    number: 0n,
    balances,
    wanted: balances,
    preimages: [],
    step: 0,
    signFirst: true,
    tries: 1,
    rounds: 0,
    htlcCount: 0,
  };
};

const reserve = 50_000_000n;

/** Another state that BOLT 2 allows to follow. */
const propose = (journey: Journey, dice: Random): Pick<Journey, "wanted" | "preimages" | "htlcCount"> => {
  let wanted = journey.balances;
  let { htlcCount } = journey;
  const preimages: Preimage[] = [];
  for (let change = dice.int(3); change >= 0; change--) {
    const [oldest] = wanted.htlcs;
    const settled = oldest !== undefined && journey.balances.htlcs.includes(oldest);
    switch (dice.int(4)) {
      case 0:
      case 1: {
        const by = dice.pick(["holder", "counterparty"] as const);
        const amount = BigInt(dice.pick([1_000, 300_000, 2_000_000, 10_000_000])) + BigInt(dice.int(999));
        if (wanted[by] > reserve + amount && wanted.htlcs.length < 8)
          wanted = add(wanted, htlcOf(by, amount, `${journey.label}/${htlcCount++}`));
        break;
      }
      case 2:
        if (settled) {
          const how = fateOf(oldest);
          wanted = remove(wanted, oldest, how);
          if (how === "fulfil") preimages.push(preimageFor(journey, oldest));
        }
        break;
      default:
        wanted = withFeerate(wanted, feerate(dice.pick([253, 1_000, 2_500, 5_000])));
    }
  }
  return { wanted, preimages, htlcCount };
};

/** Its own: what was claimed with a preimage in one content does not fail in another. */
const fateOf = ({ hash }: Htlc): "fulfil" | "fail" => (((hash[0] as number) & 1) === 0 ? "fulfil" : "fail");

const preimageFor = ({ label, htlcCount }: Journey, htlc: Htlc): Preimage => {
  for (let n = 0; n < htlcCount; n++) {
    const { hash } = htlcOf("holder", 1n, `${label}/${n}`);
    if (hash.every((byte, at) => byte === htlc.hash[at])) return preimageOf(`${label}/${n}`);
  }
  throw new Error("an HTLC of no known preimage");
};

const opened = (
  node: NodeId,
  { channel, basepoints, closingScript, terms, label }: Journey,
  peer: Peer,
): Opened => {
  if (channel === undefined || basepoints === undefined || closingScript === undefined)
    throw new Error("not open");
  const shared = { terms, holder: basepoints, counterparty: peer.basepoints, funding: fundingOf(label) };
  return { node, channel, shared, closingScript, points: [] };
};

const pointOf = ({ points }: Journey, number: bigint): Point => {
  const point = points[String(number)];
  if (point === undefined) throw new Error(`no point for ${number}`);
  return point;
};

/** The requests that are sent next, one behind the other without waiting. */
export const batchOf = (node: NodeId, journey: Journey, peer: Peer): readonly AnyRequest[] => {
  const { channel, terms, label, stage } = journey;
  if (stage === "new") return [ask("new", { node, wanted: unknown })];
  if (stage === "done" || channel === undefined) return [];
  if (stage === "setup") {
    const funding = fundingOf(label);
    return [ask("setup", { node, channel, peer: peer.id, terms, counterparty: peer.basepoints, funding })];
  }
  const open = opened(node, journey, peer);
  if (stage === "closing") return [ask("signClosing", closeOf(journey, open))];
  if (stage === "broadcast") {
    const number = (journey.number - 1n) as never;
    const content = contentOf(terms, "holder", number, journey.balances);
    const { commitment } = commitmentOf(
      curve,
      open.shared,
      "holder",
      pointOf(journey, journey.number - 1n),
      content,
    );
    return [
      ask("signHolderCommitment", {
        node,
        channel,
        funding: open.shared.funding,
        number,
        txid: commitment.txid,
      }),
    ];
  }
  const requests = update(
    open,
    peer,
    pointOf(journey, journey.number),
    journey.number,
    journey.wanted,
    journey.preimages,
  );
  const proposals = journey.wanted.htlcs
    .filter((htlc) => htlc.offeredBy === "holder" && !journey.balances.htlcs.includes(htlc))
    .map((htlc) => ask("proposePayment", keysendOf(node, htlc)));
  const sign = [ask("signCounterpartyCommitment", requests.sign)];
  const mine = [ask("validateHolderCommitment", requests.validate)];
  if (requests.revoke !== undefined) mine.push(ask("revokeHolderCommitment", requests.revoke));
  const theirs =
    requests.revocation === undefined ? [] : [ask("validateCounterpartyRevocation", requests.revocation)];
  const batches = journey.signFirst ? [sign, mine, theirs] : [mine, sign, theirs];
  const batch = batches[journey.step] ?? [];
  return journey.step === 0 ? [...proposals, ...batch] : batch;
};

const closeOf = (
  { terms, balances, rounds }: Journey,
  { node, channel, shared, closingScript }: Opened,
): Request<"signClosing"> => {
  const fee = BigInt(500 + 100 * rounds);
  const pays = (side: "holder" | "counterparty") => (terms.opener === side ? fee : 0n);
  const counterpartyScript = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(3)]) as Script;
  return {
    node,
    channel,
    funding: shared.funding,
    toHolder: sat(balances.holder / 1000n - pays("holder")),
    holderScript: closingScript,
    toCounterparty: sat(balances.counterparty / 1000n - pays("counterparty")),
    counterpartyScript,
    expected: unknown,
  };
};

/** The next commitment is validated, and then the secret of one that was signed for broadcast asked for. */
export const theftOf = (node: NodeId, journey: Journey, peer: Peer): readonly AnyRequest[] => {
  const open = opened(node, journey, peer);
  const { validate, revoke } = update(
    open,
    peer,
    pointOf(journey, journey.number),
    journey.number,
    journey.balances,
  );
  return revoke === undefined
    ? []
    : [ask("validateHolderCommitment", validate), ask("revokeHolderCommitment", revoke)];
};

/** A new life for the same place: another channel, as soon as this one has ended. */
const reborn = ({ label }: Journey): Journey => {
  const [place, life = "0"] = label.split("#");
  return begin(`${place}#${Number(life) + 1}`);
};

/** What the host remembers after the replies of one batch. */
export const after = (
  journey: Journey,
  replies: readonly { readonly name: Name; readonly reply: Reply<Name> }[],
): Journey => {
  let next = journey;
  for (const { name, reply } of replies) {
    if (name === "new") {
      const { channel, basepoints, closingScript, points } = reply as Reply<"new">;
      const [zero, one] = points;
      next = {
        ...next,
        channel,
        basepoints,
        closingScript,
        points: { "0": zero as Point, "1": one as Point },
      };
    }
    if (name === "revokeHolderCommitment") {
      const { points } = reply as Reply<"revokeHolderCommitment">;
      const [a, b] = points;
      const n = next.number;
      next = {
        ...next,
        points: { [String(n)]: pointOf(next, n), [String(n + 1n)]: a as Point, [String(n + 2n)]: b as Point },
      };
    }
  }
  return advanced(
    next,
    random(`${journey.label} ${journey.stage} ${journey.number} ${journey.step} ${journey.tries}`),
  );
};

const advanced = (journey: Journey, dice: Random): Journey => {
  switch (journey.stage) {
    case "new":
      return { ...journey, stage: "setup" };
    case "setup":
      return { ...journey, stage: "update" };
    case "closing":
      return journey.rounds < 2 ? { ...journey, rounds: journey.rounds + 1 } : reborn(journey);
    case "broadcast":
      return journey.rounds < 1 ? { ...journey, rounds: journey.rounds + 1 } : { ...journey, stage: "done" };
    case "done":
      return reborn(journey);
    case "update":
      return updated(journey, dice);
  }
};

const updated = (journey: Journey, dice: Random): Journey => {
  // The counterparty was away when its signature came, and comes back with another idea: a variant.
  if (
    journey.signFirst &&
    journey.step === 0 &&
    journey.number > 0n &&
    journey.tries < 4 &&
    dice.int(4) === 0
  )
    return { ...journey, ...propose(journey, dice), tries: journey.tries + 1 };
  const last = journey.number === 0n ? 1 : 2;
  if (journey.step < last) return { ...journey, step: journey.step + 1 };
  const balances = journey.wanted;
  const number = journey.number + 1n;
  const settled: Journey = { ...journey, balances, number, step: 0, tries: 1, signFirst: dice.int(2) === 0 };
  if (number > 8n && dice.int(8) === 0) return { ...settled, stage: "broadcast" };
  if (number > 8n && balances.htlcs.length === 0 && dice.int(2) === 0)
    return { ...settled, stage: "closing" };
  // Towards a close: nothing new, and one HTLC less each time.
  const [oldest] = balances.htlcs;
  if (number > 12n && oldest !== undefined) {
    const how = fateOf(oldest);
    const preimages = how === "fulfil" ? [preimageFor(settled, oldest)] : [];
    return { ...settled, wanted: remove(balances, oldest, how), preimages };
  }
  return { ...settled, ...propose(settled, dice) };
};

/** JSON with bytes and big numbers. */
export const write = (journey: Journey): string =>
  JSON.stringify(journey, (_, value: unknown) => {
    if (typeof value === "bigint") return { $n: String(value) };
    if (value instanceof Uint8Array) return { $b: Buffer.from(value).toString("hex") };
    return value;
  });

export const read = (text: string): Journey =>
  JSON.parse(text, (_, value: { $n?: string; $b?: string } | null) => {
    if (value?.$n !== undefined) return BigInt(value.$n);
    if (value?.$b !== undefined) return Uint8Array.from(Buffer.from(value.$b, "hex"));
    return value;
  }) as Journey;

export const numberIn = ({ body }: AnyRequest): bigint | undefined =>
  "number" in body ? body.number : undefined;
export const channelIn = ({ body }: AnyRequest): bigint | undefined =>
  "channel" in body && isKnown(body.channel) ? body.channel : undefined;
