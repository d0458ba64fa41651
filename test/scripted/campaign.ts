/**
 * One long conversation of a host that is honest and hostile by turns, with every operation that signs. Always the same,
 * so that what one path answers can be held against what another does.
 */

import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import {
  commitmentNumber,
  feerate,
  msat,
  type NodeId,
  type Point,
  type RevocationSecret,
  sat,
  txid,
} from "../../protocol/units.ts";
import type { Keyring } from "../../signer/core/ports.ts";
import { add, htlcOf, keysendOf, type Opened, open, remove, start, update, withFeerate } from "./channel.ts";
import { closeOf, peerScript } from "./close.ts";
import type { Balances } from "./content.ts";
import {
  announcementOf,
  askAnnouncement,
  askInvoice,
  askSelf,
  askUpdate,
  invoiceOf,
  selfOf,
  updateOf,
} from "./node.ts";
import { commitmentOf } from "./peer.ts";
import { curve } from "./road.ts";
import { bob, carol, evenTerms } from "./scene.ts";
import { spending, toFunding, toOther, toWallet, walletCoin } from "./spends.ts";

export type Asking = <N extends Name>(name: N, body: Request<N>) => Promise<Outcome<N>>;

export interface Said {
  readonly what: string;
  readonly name: Name;
  /** What a signer that keeps its rules does. */
  readonly expected: "passes" | "refused";
  readonly outcome: Outcome<Name>;
}

export interface Campaign {
  readonly node: NodeId;
  readonly keyring: Keyring;
  readonly ask: Asking;
}

export const campaign = async ({ node, keyring, ask }: Campaign): Promise<readonly Said[]> => {
  const said: Said[] = [];
  const tell = async <N extends Name>(
    expected: Said["expected"],
    what: string,
    name: N,
    body: Request<N>,
  ): Promise<Outcome<N>> => {
    const outcome = await ask(name, body);
    said.push({ what, name, expected, outcome: outcome as Outcome<Name> });
    return outcome;
  };
  const passes = async <N extends Name>(name: N, body: Request<N>, what = "honest"): Promise<Reply<N>> => {
    const outcome = await tell("passes", what, name, body);
    if (outcome.is !== "reply") throw new Error(`${name}, ${what}: ${JSON.stringify(outcome)}`);
    return outcome.reply;
  };
  const refused = <N extends Name>(what: string, name: N, body: Request<N>): Promise<unknown> =>
    tell("refused", what, name, body);

  await nodeKey({ node, passes, refused });
  const first = await open(passes, node, bob, evenTerms(), "campaign");
  await channelLife(first, { node, passes, refused });
  const second = await open(passes, node, carol, evenTerms({ type: "static_remotekey" }), "second");
  await closeLife(second, { node, passes, refused });
  await wallet(first, { node, passes, refused, keyring });
  return said;
};

interface Teller {
  readonly node: NodeId;
  readonly passes: <N extends Name>(name: N, body: Request<N>, what?: string) => Promise<Reply<N>>;
  readonly refused: <N extends Name>(what: string, name: N, body: Request<N>) => Promise<unknown>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const nodeKey = async ({ node, passes, refused }: Teller): Promise<void> => {
  await passes("hello", { node, version: 1, network: "regtest", software: "campaign" });
  await refused("another chain", "hello", { node, version: 1, network: "bitcoin", software: "" });
  await passes("identity", { node });
  await passes("ecdh", { node, point: bob.id });
  await passes("deriveSecret", { node, label: bytes("campaign") });
  await passes("inboundPaymentKey", { node });
  await passes("signMessage", { node, message: bytes("hello") });
  await passes("signInvoice", askInvoice(node, invoiceOf()));
  await refused("of another chain", "signInvoice", askInvoice(node, invoiceOf({ network: "bitcoin" })));
  const root = {
    node,
    message: "invoice",
    stream: unknown,
    root: new Uint8Array(32),
    tweak: unknown,
  } as const;
  await refused("a bare root", "signBolt12", root);
  await passes("signGossip", askSelf(node, selfOf(node)));
  await refused("another node's", "signGossip", askSelf(node, selfOf(bob.id)));
};

const pointOf = async (channel: Opened, n: bigint, { passes }: Teller): Promise<Point> => {
  const numbers = [commitmentNumber(n)];
  const { points } = await passes("points", { node: channel.node, channel: channel.channel, numbers });
  return points[0] as Point;
};

const move = (balances: Balances, value: bigint): Balances => ({
  ...balances,
  holder: msat(balances.holder - value),
  counterparty: msat(balances.counterparty + value),
});

/** The four requests, with what must not pass before, between and after them. */
const step = async (
  channel: Opened,
  peer: typeof bob,
  n: bigint,
  balances: Balances,
  teller: Teller,
): Promise<void> => {
  const { passes, refused } = teller;
  const point = await pointOf(channel, n, teller);
  const honest = update(channel, peer, point, n, balances);
  const theft = update(channel, peer, point, n, move(balances, 100_000_000n));
  const early = update(channel, peer, point, n + 2n, balances);
  if (honest.revoke !== undefined)
    await refused("before the next is validated", "revokeHolderCommitment", honest.revoke);
  await refused("our balance moved away", "signCounterpartyCommitment", theft.sign);
  await refused("our balance moved away", "validateHolderCommitment", theft.validate);
  await refused("two numbers ahead", "signCounterpartyCommitment", early.sign);
  await passes("signCounterpartyCommitment", honest.sign);
  if (n > 0n) {
    const dearer = update(channel, peer, point, n, withFeerate(balances, feerate(2_000)));
    await passes("signCounterpartyCommitment", dearer.sign, "a variant with another fee");
    await passes("validateHolderCommitment", dearer.validate, "a variant with another fee");
    await refused("a variant that steals", "signCounterpartyCommitment", theft.sign);
    await refused("a variant that steals", "validateHolderCommitment", theft.validate);
    await passes("signCounterpartyCommitment", honest.sign, "sent again, after its variant");
  }
  const unsigned = { ...honest.validate, signature: theft.validate.signature };
  await refused("a signature of something else", "validateHolderCommitment", unsigned);
  await passes("validateHolderCommitment", honest.validate);
  if (honest.revoke === undefined || honest.revocation === undefined) return;
  await passes("revokeHolderCommitment", honest.revoke);
  const wrong = { ...honest.revocation, secret: new Uint8Array(32).fill(9) as RevocationSecret };
  await refused("a secret of something else", "validateCounterpartyRevocation", wrong);
  await passes("validateCounterpartyRevocation", honest.revocation);
};

const broadcast = (
  channel: Opened,
  point: Point,
  n: bigint,
  balances: Balances,
): Request<"signHolderCommitment"> => {
  const { node, channel: id, shared } = channel;
  const { validate } = update(channel, bob, point, n, balances);
  const { commitment } = commitmentOf(curve, shared, "holder", point, { ...validate, trimmed: [] });
  return {
    ...{ node, channel: id, funding: shared.funding },
    number: commitmentNumber(n),
    txid: commitment.txid,
  };
};

const channelLife = async (channel: Opened, teller: Teller): Promise<void> => {
  const { node, passes, refused } = teller;
  const { shared } = channel;
  const setup = { node, channel: channel.channel, peer: bob.id, terms: shared.terms } as const;
  const rest = { counterparty: bob.basepoints, funding: shared.funding };
  await passes("setup", { ...setup, ...rest }, "sent again");
  const larger = { ...shared.terms, value: sat(2_000_000n) };
  await refused("other terms", "setup", { ...setup, ...rest, terms: larger });
  await passes("check", setup);
  await passes("signGossip", askAnnouncement(channel, announcementOf(channel, bob)));
  await passes("signGossip", askUpdate(channel, updateOf(node, bob)));
  const foreign = announcementOf(channel, carol);
  await refused("another peer's", "signGossip", askAnnouncement(channel, foreign));

  const plain = start(shared.terms);
  const paid = htlcOf("holder", 50_000_000n, "campaign paid");
  const held = add(plain, paid);
  const both = add(held, htlcOf("counterparty", 20_000_000n, "campaign received"));
  await step(channel, bob, 0n, plain, teller);
  const unproposed = update(channel, bob, await pointOf(channel, 1n, teller), 1n, held);
  await refused("a payment that nobody approved", "signCounterpartyCommitment", unproposed.sign);
  await passes("proposePayment", keysendOf(node, paid));
  await step(channel, bob, 1n, held, teller);
  await step(channel, bob, 2n, both, teller);
  await step(channel, bob, 3n, remove(both, paid, "fail"), teller);

  await refused(
    "what is revoked",
    "signHolderCommitment",
    broadcast(channel, await pointOf(channel, 1n, teller), 1n, held),
  );
  const present = remove(both, paid, "fail");
  await passes("signHolderCommitment", broadcast(channel, await pointOf(channel, 3n, teller), 3n, present));
  const next = update(channel, bob, await pointOf(channel, 4n, teller), 4n, present);
  const { channel: id } = channel;
  await passes("validateHolderCommitment", next.validate);
  await refused("a broadcast one", "revokeHolderCommitment", {
    node,
    channel: id,
    number: commitmentNumber(3n),
  });
  const to = (n: bigint) => ({ number: commitmentNumber(n), secret: bob.secret(commitmentNumber(n)) });
  await passes("checkFutureSecret", { node, channel: id, ...to(1n) });
  const splice = { before: sat(600_000n), added: sat(100_000n), leaving: sat(20_000n) };
  const after = { fee: sat(500n), after: sat(679_500n), value: sat(1_080_000n) };
  await refused("not there", "signSplice", {
    node,
    channel: id,
    funding: shared.funding,
    ...splice,
    ...after,
  });
};

const closeLife = async (channel: Opened, teller: Teller): Promise<void> => {
  const { passes, refused } = teller;
  const plain = start(channel.shared.terms);
  await step(channel, carol, 0n, plain, teller);
  const close = closeOf(channel, plain, 400n);
  if (close === undefined) throw new RangeError("no close");
  const [toHolder, toCounterparty] = [sat(close.toHolder - 50_000n), sat(close.toCounterparty + 50_000n)];
  await refused("our balance to the other side", "signClosing", { ...close, toHolder, toCounterparty });
  await refused("our balance to the miners", "signClosing", { ...close, toHolder: sat(1_000n) });
  await refused("not to us", "signClosing", { ...close, holderScript: peerScript });
  await passes("signClosing", close);
  await passes("signClosing", closeOf(channel, plain, 500n) ?? close, "another round");
  const simple = {
    ...{ node: channel.node, channel: channel.channel, funding: channel.shared.funding },
    closer: "holder",
    ...{ holder: plain.holder, holderScript: channel.closingScript },
    ...{ counterparty: plain.counterparty, counterpartyScript: peerScript, fee: sat(400n), locktime: 0 },
  } as const;
  await passes("signSimpleClosing", simple);
  await refused("not to us", "signSimpleClosing", { ...simple, holderScript: peerScript });
};

const wallet = async (
  { shared }: Opened,
  { node, passes, refused, keyring }: Teller & Pick<Campaign, "keyring">,
): Promise<void> => {
  await passes("walletAddress", { node, place: { account: 0, branch: 0, index: 0 } });
  const of = { keyring } as Parameters<typeof walletCoin>[0];
  const coin = await walletCoin(of, 3_000_000n, { label: "campaign" });
  await passes("spend", spending(node, [coin], [await toWallet(of, 2_990_000n)]).body);
  await refused("to somebody", "spend", spending(node, [coin], [toOther(2_990_000n)]).body);
  const elsewhere = p2wsh(fundingScript(shared.holder.funding, carol.basepoints.funding));
  const funding = toFunding(2_990_000n, elsewhere, 0n as Opened["channel"]);
  await refused("no channel's funding", "spend", spending(node, [coin], [funding]).body);
  const unproven = await walletCoin(of, 300_000n, { label: "campaign", proven: false });
  const lie = {
    ...unproven,
    said: {
      ...unproven.said,
      value: sat(200_000n),
      outpoint: { txid: txid(new Uint8Array(32).fill(3)), index: 0 },
    },
  };
  await refused("dear beyond all limits", "spend", spending(node, [lie], [await toWallet(of, 1_000n)]).body);
};
