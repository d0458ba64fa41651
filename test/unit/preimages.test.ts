/** A preimage that was shown is kept for as long as something received may have to be claimed with it, and no longer. */

import { describe, expect, test } from "vitest";
import { encodeTx } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Reply, Request } from "../../protocol/operations/index.ts";
import type { SpendInput } from "../../protocol/operations/spend.ts";
import { commitmentNumber, feerate, type Preimage, preimage, sat } from "../../protocol/units.ts";
import { unpackPayment } from "../../signer/core/node-records.ts";
import { keeping, preimagesIn, shownBy } from "../../signer/core/payments/preimages.ts";
import type { Group, Store } from "../../signer/core/ports.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { add, htlcOf, plainTerms, preimageOf, remove } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import {
  type Fed,
  type FedChannel,
  feed,
  mineOn,
  nextOf,
  openOn,
  pass,
  step,
  unmine,
} from "../scripted/fed.ts";
import type { RigOptions } from "../scripted/road.ts";
import { bob, carol } from "../scripted/scene.ts";
import { type Published, publishedBy } from "./chain-channel.ts";
import {
  agreed,
  into,
  issuedUntil,
  keyOf,
  openOf,
  out,
  paymentOf,
  paymentsOf,
  viewOf,
} from "./payments.kit.ts";

const tea = shownBy([preimageOf("tea")]);

describe("a preimage that is shown is kept", () => {
  const keptIn = (
    channels: Parameters<typeof viewOf>[0],
    shown = tea,
    next?: Parameters<typeof keeping>[2],
  ) =>
    [...(keeping(viewOf(channels), shown, next).payments ?? [])].map(([hash, payment]) => [
      hash,
      payment?.preimage,
    ]);
  const kept = [[keyOf(), preimageOf("tea")]];

  test("where any live commitment of any channel has received something under its hash", () => {
    const [incoming, outgoing] = [agreed({ htlcs: [into(5n)] }), agreed({ htlcs: [out(5n)] })];
    expect(keptIn([outgoing, incoming])).toEqual(kept);
    expect(keptIn([openOf([{}, { htlcs: [into(5n)] }], [{}])])).toEqual(kept);
    expect(keptIn([openOf([{}], [{ htlcs: [into(5n)] }, {}])])).toEqual(kept);
    // One without an output in this commitment may have one in the next.
    expect(keptIn([agreed({ trimmed: [into(5n)] })])).toEqual(kept);
    expect(keptIn([agreed({})], tea, incoming)).toEqual(kept);
  });

  test("and nowhere else: not for what we offered, nor for what nobody did", () => {
    expect(keptIn([agreed({ htlcs: [out(5n), into(5n, "milk")] })])).toEqual([]);
    expect(keptIn([agreed({ htlcs: [into(5n, "milk")] })], tea, agreed({ htlcs: [out(5n)] }))).toEqual([]);
    expect(keptIn([], tea, undefined)).toEqual([]);
    // The ledger may speak of it for what is settled already.
    const settled = agreed({ settled: [{ hash: out(1n).hash, in: 5n, out: 0n }] });
    expect(keptIn([settled])).toEqual([]);
    expect(keeping(viewOf([settled]), tea)).toEqual({});
  });

  test("once, with what else is known of the hash", () => {
    const channels = [agreed({ htlcs: [into(5n)] })];
    const issued = paymentOf({ issued: issuedUntil(9), settledIn: 3n });
    const change = keeping(viewOf(channels, { payments: paymentsOf(issued) }), tea).payments;
    expect(change?.get(keyOf())).toEqual({ ...issued, preimage: preimageOf("tea") });
    const payments = paymentsOf(paymentOf({ preimage: preimageOf("tea") }));
    expect(keeping(viewOf(channels, { payments }), tea)).toEqual({});
    expect(preimagesIn(viewOf(channels, { payments }))(out(1n).hash)).toEqual(preimageOf("tea"));
    expect(preimagesIn(viewOf(channels))(out(1n).hash)).toBeUndefined();
    expect(keptIn([{ phase: "stub" }, agreed({ htlcs: [into(1n)] })])).toEqual(kept);
  });

  test("however many are shown, for no more hashes than were received", () => {
    const labels = Array.from({ length: 966 }, (_, i) => `${i}`);
    const channels = [agreed({ htlcs: labels.slice(0, 40).map((label) => into(5n, label)) })];
    expect(keptIn(channels, shownBy(labels.map(preimageOf))).length).toBe(40);
  });
});

const received = htlcOf("counterparty", 60_010_000n, "hash", 300);
const offered = htlcOf("holder", 60_000_000n, "hash", 200);
const proof = preimageOf("hash");

interface Route {
  readonly fed: Fed;
  readonly incoming: FedChannel;
  readonly outgoing: FedChannel;
}

/** Bob pays carol over us, and she has not claimed it yet. */
const route = async (options: RigOptions = {}): Promise<Route> => {
  const fed = await feed({ proposes: false, ...options });
  await pass(fed, 1);
  const theirs = plainTerms({ opener: "counterparty", value: sat(2_000_000n) });
  const incoming = await openOn(fed, bob, theirs, "incoming");
  const outgoing = await openOn(fed, carol, plainTerms(), "outgoing");
  await mineOn(fed, [incoming.funding, outgoing.funding]);
  await step(fed, incoming, add(incoming.balances, received));
  await step(fed, outgoing, add(outgoing.balances, offered));
  return { fed, incoming, outgoing };
};

/** As they are on disk. */
const onDisk = async (
  { rig }: Fed,
  { hash }: Pick<Htlc, "hash"> = received,
): Promise<Preimage | undefined> => {
  const key = `/payment/${toHex(hash)}`;
  const found = [...(await rig.store.load(rig.session.node))].find(([at]) => at.endsWith(key))?.[1].bytes;
  const known = found === undefined ? unknown : unpackPayment(found).preimage;
  return isKnown(known) ? known : undefined;
};

const exiting = ({ node, channel }: FedChannel, preimages: readonly Preimage[] = []): Request<"exit"> => ({
  node,
  channel,
  feerate: feerate(1_000),
  confirmed: unknown,
  preimages,
});

const theirs = ({ shared, peer, number: next, balances }: FedChannel): Published => {
  const number = commitmentNumber(next - 1n);
  return publishedBy(
    shared,
    "counterparty",
    peer.point(number),
    contentOf(shared.terms, "counterparty", number, balances),
  );
};

/** How many of these transactions show it. */
const showing = (transactions: readonly { readonly tx: Uint8Array }[]): number =>
  transactions.filter(({ tx }) => toHex(tx).includes(toHex(proof))).length;

/** How many HTLCs are left for want of one. */
const lacking = ({ left }: Reply<"exit">): number =>
  left.filter((one) => one.endsWith("received, and no preimage of it is known")).length;

const paid = ({ outgoing }: Route) => remove(outgoing.balances, offered, "fulfil");

describe.each(["signCounterpartyCommitment", "validateHolderCommitment"] as const)(
  "shown with %s",
  (name) => {
    const show = async (on: Route, preimages: readonly Preimage[], balances = paid(on)) => {
      const all = await nextOf(on.fed, on.outgoing, balances, preimages);
      const body = name === "signCounterpartyCommitment" ? all.sign : all.validate;
      return on.fed.rig.outcome(name, body as never);
    };

    test("it is on disk with the commitment that it paid for, in one write, and in no audit record", async () => {
      const groups: Group[] = [];
      const wrap = (store: Store): Store => ({
        ...store,
        commit: (group) => {
          groups.push(group);
          return store.commit(group);
        },
      });
      const on = await route({ wrap });
      expect(await onDisk(on.fed)).toBeUndefined();
      // Without one a commitment writes what it always did.
      const places = () =>
        groups.map(({ writes }) => writes.map(({ key }) => key.split("/").slice(1).join("/")));
      groups.length = 0;
      const bare = await nextOf(on.fed, on.incoming, on.incoming.balances);
      await on.fed.rig.call(
        name,
        (name === "signCounterpartyCommitment" ? bare.sign : bare.validate) as never,
      );
      expect(places()).toEqual([[`channel/${on.incoming.channel}`]]);
      groups.length = 0;
      expect(await show(on, [proof])).toMatchObject({ is: "reply" });
      expect(places()).toEqual([[`payment/${toHex(received.hash)}`, `channel/${on.outgoing.channel}`]]);
      expect(await onDisk(on.fed)).toEqual(proof);
      for (const bytes of groups.flatMap(({ audit }) => audit))
        expect(toHex(bytes)).not.toContain(toHex(proof));
      // The same again is the same answer, and no write.
      groups.length = 0;
      expect(await show(on, [proof])).toMatchObject({ is: "reply" });
      expect(groups.map(({ writes }) => writes)).toEqual([[]]);
    });

    test.each(["before-commit", "after-commit"] as const)(
      "killed %s, both are there or neither",
      async (when) => {
        const disk = memoryDisk();
        let armed = false;
        const open = disk.open.bind(disk);
        const on = await route({
          disk: {
            open: () =>
              open({
                at: (point) => {
                  if (armed && point === when) throw new Error("killed");
                },
              }),
          },
        });
        armed = true;
        const all = await nextOf(on.fed, on.outgoing, paid(on), [proof]);
        const body = name === "signCounterpartyCommitment" ? all.sign : all.validate;
        expect(await on.fed.rig.session.respond({ name, body } as never, "host")).toMatchObject({
          is: "fault",
        });
        armed = false;
        const after = await feed({ disk, proposes: false });
        expect(await onDisk(after)).toEqual(when === "after-commit" ? proof : undefined);
        const home = await after.rig.call("exit", exiting(on.incoming));
        expect(showing(home.transactions)).toBe(when === "after-commit" ? 1 : 0);
      },
    );

    test("it claims what was received, for whoever asks after a restart", async () => {
      const on = await route();
      const { incoming, fed } = on;
      const blind = await fed.rig.call("exit", exiting(incoming));
      expect([showing(blind.transactions), lacking(blind)]).toEqual([0, 1]);
      expect(await show(on, [proof])).toMatchObject({ is: "reply" });
      const rig = await fed.rig.restart();
      const home = await rig.call("exit", exiting(incoming));
      expect([showing(home.transactions), lacking(home)]).toEqual([1, 0]);
    });

    test("it is not kept where the commitment is refused, or where the host says unknown", async () => {
      const on = await route();
      const wrong = remove(on.outgoing.balances, offered, "fail");
      const stolen = { ...wrong, holder: (wrong.holder - 70_000_000n) as never };
      expect((await show(on, [proof], stolen)).is).toBe("refusal");
      expect(await onDisk(on.fed)).toBeUndefined();
      const lesser = await route({ tier: "commitments" });
      const all = await nextOf(lesser.fed, lesser.outgoing, paid(lesser));
      const body = name === "signCounterpartyCommitment" ? all.sign : all.validate;
      const told = await lesser.fed.rig.outcome(name, { ...body, preimages: unknown } as never);
      expect(told.is).toBe("reply");
      expect(await lesser.fed.rig.outcome(name, { ...body, preimages: unknown } as never)).toEqual(told);
      expect(await onDisk(lesser.fed)).toBeUndefined();
    });

    test("it may come with a repetition: a host that learns one early need not wait for the next commitment", async () => {
      const on = await route();
      const { incoming, fed } = on;
      incoming.number -= 1n;
      const all = await nextOf(fed, incoming, incoming.balances, [proof]);
      const before = await nextOf(fed, incoming, incoming.balances);
      const ask = (which: typeof all) =>
        fed.rig.call(name, (name === "signCounterpartyCommitment" ? which.sign : which.validate) as never);
      const answer = await ask(before);
      expect(await onDisk(fed)).toBeUndefined();
      expect(await ask(all)).toEqual(answer);
      expect(await onDisk(fed)).toEqual(proof);
    });
  },
);

test("it is forgotten when no commitment of any channel has the HTLC any more", async () => {
  const on = await route();
  const { fed, incoming, outgoing } = on;
  await step(fed, outgoing, paid(on), [proof]);
  expect(await onDisk(fed)).toEqual(proof);
  const all = await nextOf(fed, incoming, remove(incoming.balances, received, "fulfil"), [proof]);
  await fed.rig.call("signCounterpartyCommitment", all.sign);
  await fed.rig.call("validateHolderCommitment", all.validate);
  await fed.rig.call("revokeHolderCommitment", all.revoke as never);
  // The counterparty may still publish the one that it has.
  expect(await onDisk(fed)).toEqual(proof);
  await fed.rig.call("validateCounterpartyRevocation", all.revocation as never);
  expect(await onDisk(fed)).toBeUndefined();
  const records = [...(await fed.rig.store.load(fed.rig.session.node)).keys()];
  expect(records.filter((key) => key.includes("/payment/"))).toEqual([]);
});

test("what the chain shows of one channel is kept for the other, reorganised away too, and raises the alarm", async () => {
  const on = await route();
  const { fed, incoming, outgoing } = on;
  const close = theirs(outgoing);
  await mineOn(fed, [close.tx]);
  expect(await onDisk(fed)).toBeUndefined();
  await mineOn(fed, [close.second(offered, proof)]);
  expect(await onDisk(fed)).toEqual(proof);
  await unmine(fed, 2);
  await pass(fed, 3);
  const rig = await fed.rig.restart();
  const home = await rig.call("exit", exiting(incoming));
  expect([showing(home.transactions), lacking(home)]).toEqual([1, 0]);
  const heart = async () =>
    (await rig.call("heartbeat", { node: rig.session.node })).alarms.flatMap(({ kind, channel }) =>
      channel === incoming.channel ? [kind] : [],
    );
  fed.rig = rig;
  await pass(fed, 300 - 10 - fed.blocks.length);
  expect(await heart()).toEqual([]);
  await pass(fed, 3);
  expect(await heart()).toEqual(["htlcDeadline"]);
});

test("what a person brings to one exit is kept for every channel, also where nothing is left to take", async () => {
  const on = await route();
  const { fed, incoming, outgoing } = on;
  await mineOn(fed, [theirs(outgoing).tx]);
  const home = await fed.rig.call("exit", exiting(outgoing, [preimageOf("another")]));
  expect(home.transactions.length).toBeGreaterThan(0);
  expect(await onDisk(fed)).toBeUndefined();
  await fed.rig.call("exit", exiting(outgoing, [proof]));
  expect(await onDisk(fed)).toEqual(proof);
  expect(showing((await fed.rig.call("exit", exiting(incoming))).transactions)).toBe(1);

  const open = await route();
  await open.fed.rig.call("exit", exiting(open.incoming, [proof]));
  expect(await onDisk(open.fed)).toEqual(proof);
  expect(showing((await open.fed.rig.call("exit", exiting(open.incoming))).transactions)).toBe(1);

  const other = await route();
  const ended = theirs(other.outgoing);
  await mineOn(other.fed, [ended.tx]);
  const outputs = ended.commitment.tx.outputs.map((_, index) => ended.punish(ended.outpoint(index)));
  await mineOn(other.fed, outputs);
  const done = await other.fed.rig.call("exit", exiting(other.outgoing));
  expect([done.transactions, await onDisk(other.fed)]).toEqual([[], undefined]);
  expect(await other.fed.rig.call("exit", exiting(other.outgoing, [proof]))).toEqual(done);
  expect(await onDisk(other.fed)).toEqual(proof);
});

test("what a host claims with on the chain is kept: the signer can go on where it stops", async () => {
  const { fed, incoming } = await route();
  const { node, channel, closingScript } = incoming;
  const close = theirs(incoming);
  await mineOn(fed, [close.tx]);
  const outpoint = close.outpoint(close.at(received).index);
  const tx = encodeTx({
    ...{ version: 2, locktime: 0, inputs: [{ outpoint, sequence: 1 }] },
    outputs: [{ value: sat(59_000n), script: closingScript }],
  });
  const silent = { number: unknown, point: unknown, htlc: unknown, value: unknown } as const;
  const input = { ...silent, script: unknown, prevTx: unknown, place: unknown, outpoint, channel } as const;
  const claiming = (with_: SpendInput["preimage"]): Request<"spend"> => ({
    ...{ node, tx, inputs: [{ ...input, kind: "counterpartyHtlc", preimage: with_ }] },
    outputs: [{ kind: "closing", place: unknown, channel }],
  });
  const blind = await fed.rig.call("spend", claiming(unknown));
  expect(await onDisk(fed)).toBeUndefined();
  await fed.rig.refusal("spend", claiming(preimageOf("another")));
  expect(await onDisk(fed)).toBeUndefined();
  expect(await fed.rig.call("spend", claiming(proof))).toEqual(blind);
  expect(await onDisk(fed)).toEqual(proof);
  const home = await fed.rig.call("exit", exiting(incoming));
  expect([showing(home.transactions), lacking(home)]).toEqual([1, 0]);
});

test("a host shows one as soon as it has it: kept where something was received, once, and answered alike", async () => {
  const on = await route();
  const { fed, incoming } = on;
  const { node } = incoming;
  const show = (...preimages: readonly Preimage[]) => fed.rig.call("showPreimages", { node, preimages });
  expect(await show()).toEqual({});
  expect(await show(preimageOf("another"))).toEqual({});
  expect(await onDisk(fed)).toBeUndefined();
  expect(await show(preimageOf("another"), proof)).toEqual({});
  expect(await onDisk(fed)).toEqual(proof);
  expect(await show(proof)).toEqual({});
  const rig = await fed.rig.restart();
  const home = await rig.call("exit", exiting(incoming));
  expect([showing(home.transactions), lacking(home)]).toEqual([1, 0]);
});

test("a wrong one is kept for nothing", async () => {
  const on = await route();
  const wrong = preimage(new Uint8Array(32).fill(9));
  await step(on.fed, on.outgoing, on.outgoing.balances, [wrong]);
  expect(await onDisk(on.fed)).toBeUndefined();
  expect(await onDisk(on.fed, { hash: sha256(wrong) as Htlc["hash"] })).toBeUndefined();
});
