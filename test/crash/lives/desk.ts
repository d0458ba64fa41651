/** Everything that a node asks beside its channels, again and again: its key, its wallet, its administrator. */

import { chains } from "../../../protocol/bitcoin/chains.ts";
import { requestKind } from "../../../protocol/bolt/offer/fields.ts";
import { toHex } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import { packRequest } from "../../../protocol/operations/index.ts";
import { commitmentNumber, type Script, sat } from "../../../protocol/units.ts";
import { fundingOf, htlcOf, keysendOf } from "../../scripted/channel.ts";
import {
  announcementOf,
  askAnnouncement,
  askSelf,
  askUpdate,
  selfOf,
  updateOf,
} from "../../scripted/node.ts";
import { issueOf } from "../../scripted/payments.ts";
import { random } from "../../scripted/random.ts";
import {
  type Coin,
  foreignCoin,
  placeAt,
  spending,
  toOther,
  toWallet,
  walletCoin,
  withSaid,
} from "../../scripted/spends.ts";
import { request as offeredRequest } from "../../unit/bolt12-messages.ts";
import { type Held, heldAfter, heldMoves, heldOf, openedOf, termsOf } from "../held.ts";
import { either, type Life, type Move, move, reborn, theft, type World } from "../life.ts";
import { unattendedOnchain, unwelcome } from "../policy.ts";

export interface Desk {
  readonly held: Held;
  readonly person: World["person"];
  readonly round: number;
  /** Of the withdrawal of this life. */
  readonly approval?: Uint8Array;
}

/** Places share what they ask, so that any two answers can be compared, over all kills. */
const pool = (of: number | string): string => `pool ${random(`${of}`).int(6)}`;
const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const scriptOf = (label: string): Script =>
  Uint8Array.from([0, 20, ...sha256(text(label)).slice(0, 20)]) as Script;

const keyed = ({ node, peer }: World, { held, round }: Desk): readonly Move[] => {
  const label = pool(round);
  const channel = held.channel as NonNullable<Held["channel"]>;
  const number = commitmentNumber(BigInt(random(label).int(1_000)));
  const stream = requestKind.encode({
    ...offeredRequest,
    fields: {
      ...offeredRequest.fields,
      ...{ offerChains: [chains.regtest.genesisHash], invreqChain: chains.regtest.genesisHash },
      invreqPayerId: node,
    },
  });
  return [
    move("ecdh", { node, point: peer.point(number) }),
    move("signMessage", { node, message: text(label) }),
    move("deriveSecret", { node, label: text(label) }),
    move("inboundPaymentKey", { node }),
    move("identity", { node }),
    move("randomBytes", { node, count: 16 }),
    move("signInvoice", issueOf(node, label, 5_000n, 400_000_000n)),
    move("signBolt12", { node, message: "invoiceRequest", stream, root: unknown, tweak: unknown }),
    move("hello", { node, version: 1, network: "regtest", software: "crash" }),
    move("points", { node, channel, numbers: [number] }),
    move("checkFutureSecret", { node, channel, number, secret: peer.secret(number) }),
    move("checkPayment", keysendOf(node, htlcOf("holder", 1_000n, `${label} check`))),
  ];
};

const gossiped = (world: World, { held, round }: Desk): readonly Move[] => {
  const opened = openedOf(world, held);
  const { node, peer } = world;
  const timestamp = 1_700_000_000 + random(pool(round)).int(10_000);
  return [
    move("signGossip", askSelf(node, { ...selfOf(node), timestamp })),
    move("signGossip", askUpdate(opened, { ...updateOf(node, peer), timestamp })),
    move("signGossip", askAnnouncement(opened, announcementOf(opened, peer))),
    theft("signSplice", {
      ...{ node, channel: opened.channel, funding: fundingOf("splice"), value: sat(900_000n) },
      ...{ before: sat(500_000n), added: sat(0n), leaving: sat(0n), fee: sat(0n), after: sat(500_000n) },
    }),
  ];
};

const unproven = (coin: Coin, value: bigint): Coin => ({ ...withSaid(coin, { value: sat(value) }), value });

/** What was once said of an output holds for good: also when only the thief asks after a kill. */
const wallet = async (world: World, { held }: Desk, isLater = false): Promise<readonly Move[]> => {
  const { node } = world;
  const label = pool(held.label);
  const coin = (name: string, value: bigint, proven = false) =>
    walletCoin(world, value, { label: `${label} ${name}`, proven });
  const pay = (value: bigint) => toWallet(world, value, placeAt(1));
  const two = [await coin("a", 300_000n), await coin("b", 200_000n)];
  const other = [unproven(two[0] as Coin, 290_000n), two[1] as Coin];
  const theirs = foreignCoin(100_000n, { label, proven: true });
  const mine = await coin("theirs", 90_000n, true);
  const called: Coin = {
    said: { ...theirs.said, outpoint: mine.said.outpoint, prevTx: unknown },
    value: 90_000n,
  };
  const spend = (coins: readonly Coin[], pays: Parameters<typeof spending>[2]) =>
    spending(node, coins, pays).body;
  const honest = [
    move("walletAddress", { node, place: placeAt(random(label).int(20)) }),
    move("spend", spend(two, [await pay(497_000n)])),
    move("spend", spend([await coin("c", 400_000n, true)], [toOther(100_000n), await pay(298_000n)])),
    move("spend", spend([await coin("d", 50_000n, true), called], [await pay(137_000n)])),
  ];
  if (!isLater) return honest;
  return [
    theft("spend", spend(other, [await pay(487_000n)])),
    theft("spend", spend([mine], [await pay(88_000n)])),
    ...honest,
  ];
};

const sentOut = async (world: World, { held }: Desk, which: "first" | "second") => {
  const coin = await walletCoin(world, unattendedOnchain + 100_000n, { label: `${held.label} ${which}` });
  // Whoever is asked at the device says no to the second.
  const more = which === "second" ? unwelcome / 1_000n : 0n;
  const out = toOther(unattendedOnchain + 97_000n + more, scriptOf(held.label));
  return spending(world.node, [coin], [out]).body;
};

/** The person at the device says yes while the host's first request is under way, whose answer comes with the next one. */
const atDevice = async (
  world: World,
  state: Desk,
  first: Request<"spend">,
  at: number,
): Promise<readonly Move[]> => {
  if (at === 0) return [either("spend", first)];
  if (at === 3)
    return [
      move("spend", first),
      theft("spend", await sentOut(world, state, "second"), "onchain-no-unknown-outputs"),
    ];
  return [];
};

/** A withdrawal that a person has to agree to, once. */
const withdrawal = async (world: World, state: Desk, at: number): Promise<readonly Move[]> => {
  const { node } = world;
  const first = await sentOut(world, state, "first");
  if (state.person === "device") return atDevice(world, state, first, at);
  switch (at) {
    case 0:
      return [theft("spend", first, "onchain-no-unknown-outputs")];
    case 1:
      return [
        move("listApprovals", { node, state: "pending" }, ({ approvals, more }) =>
          more > 0 || approvals.some(isFor(state))
            ? undefined
            : `what a person was asked is gone from ${approvals.length} that wait`,
        ),
      ];
    case 2:
      return [
        move("decideApproval", { node, id: state.approval as Uint8Array, verdict: "approve", by: "bea" }),
      ];
    case 3:
      return [
        move("spend", first),
        theft("spend", await sentOut(world, state, "second"), "onchain-no-unknown-outputs"),
      ];
    default:
      // What the thief asked a person for waits no longer.
      return [move("decideApproval", { node, id: state.approval as Uint8Array, verdict: "deny", by: "bea" })];
  }
};

const isFor =
  ({ held }: Desk) =>
  ({ subject, shown }: Reply<"listApprovals">["approvals"][number]): boolean =>
    subject === "outputs" && shown.some(({ value }) => value.includes(toHex(scriptOf(held.label))));

const ruled = (world: World, { held }: Desk): readonly Move[] => {
  const { node } = world;
  const script = scriptOf(`allowed ${held.label}`);
  const none = { addScripts: [], removeScripts: [], addPayees: [], removePayees: [] };
  const has = (there: boolean) => (reply: Reply<"changeAllowlist">) =>
    reply.scripts.some((one) => toHex(one) === toHex(script)) === there
      ? undefined
      : "the allowlist is not as it was acknowledged";
  const request = packRequest("hello", { node, version: 1, network: "regtest", software: "crash" });
  return [
    move("changeAllowlist", { node, ...none, addScripts: [script] }, has(true)),
    move("changeAllowlist", { node, ...none }, has(true)),
    move("changeAllowlist", { node, ...none, removeScripts: [script] }, has(false)),
    move("showPolicy", { node }),
    move("explain", { node, request }),
    move("status", { node }, ({ fault }) => (fault === "" ? undefined : fault)),
  ];
};

const rounds = 14;
const begin = (label: string, person: World["person"]): Desk => ({
  held: heldOf(label, termsOf({ opener: "holder" })),
  ...{ person, round: 0 },
});

export const desk: Life<Desk> = {
  begin,
  moves: (world, state) => {
    if (state.held.stage !== "idle") return heldMoves(world, state.held);
    switch (state.round) {
      case 0:
      case 5:
        return keyed(world, state);
      case 1:
      case 6:
        return gossiped(world, state);
      case 2:
        return wallet(world, state);
      case 7:
        return wallet(world, state, true);
      case 3:
        return withdrawal(world, state, 0);
      case 4:
        return withdrawal(world, state, 1);
      case 8:
        return withdrawal(world, state, 2);
      case 9:
        return withdrawal(world, state, 3);
      case 10:
        return ruled(world, state);
      case 11:
        return withdrawal(world, state, 3);
      case 12:
        return withdrawal(world, state, 1);
      default:
        return withdrawal(world, state, 4);
    }
  },
  after: (state, moves, answers) => {
    if (state.held.stage !== "idle") return { ...state, held: heldAfter(state.held, moves, answers) };
    const listed = moves.findIndex(({ request }) => request.name === "listApprovals");
    const found = (answers[listed] as Reply<"listApprovals"> | undefined)?.approvals.find(isFor(state));
    const next: Desk = { ...state, ...(found === undefined ? {} : { approval: found.id }) };
    return state.round + 1 < rounds
      ? { ...next, round: state.round + 1 }
      : begin(reborn(state.held.label), state.person);
  },
};
