/** exit and justice: every transaction that they finish is run as Bitcoin Core would run it. */

import { describe, expect, test } from "vitest";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { decodeTx, type Tx, type TxOutput, txidOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { Reply, Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, feerate, sat, txid } from "../../protocol/units.ts";
import type { MadeTx } from "../scripted/chain.ts";
import { add, htlcOf, preimageOf, remove } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import { type Fed, type FedChannel, feed, mineOn, openOn, pass, step } from "../scripted/fed.ts";
import { bob, evenTerms, type Scene, scene } from "../scripted/scene.ts";
import { strangersScript } from "../scripted/spends.ts";
import { verdict } from "./bolt-spend-interpreter.ts";
import { type Published, publishedBy } from "./chain-channel.ts";

const types = ["anchors", "static_remotekey"] as const;
type Home = Reply<"justice"> & Partial<Reply<"exit">>;

const offered = htlcOf("holder", 50_000_000n, "out", 500);
const received = htlcOf("counterparty", 60_000_999n, "in", 600);

interface Finished {
  readonly what: string;
  readonly from: number;
  readonly wait: number;
  readonly tx: Tx;
  readonly made: MadeTx;
}

const finishedOf = (what: string, id: Uint8Array, bytes: Uint8Array, from = 0, wait = 0): Finished => {
  const { tx, witnesses } = decodeTx(bytes);
  expect(toHex(id)).toBe(toHex(txidOf(tx)));
  return { what, from, wait, tx, made: { tx, witnesses } };
};

/** The commitment first, where it is there. */
const finishedIn = ({ commitment = unknown, transactions }: Home): readonly Finished[] => [
  ...(isKnown(commitment)
    ? [finishedOf(`commitment ${commitment.number}`, commitment.txid, commitment.tx)]
    : []),
  ...transactions.map(({ what, tx: bytes, txid: id, after, from, wait }) => {
    const finished = finishedOf(what, id, bytes, from, wait);
    expect(finished.tx.inputs.map(({ outpoint }) => toHex(outpoint.txid))).toEqual([toHex(after)]);
    return finished;
  }),
];

/** Of what each spends: in one of the others, or in `before`. */
const judged = (home: Home, before: readonly Tx[]): readonly Finished[] => {
  const all = finishedIn(home);
  const known = new Map([...before, ...all.map(({ tx }) => tx)].map((tx) => [toHex(txidOf(tx)), tx]));
  for (const { tx, made, what } of all) {
    const spent = tx.inputs.map(({ outpoint: { txid: id, index } }): TxOutput => {
      const output = known.get(toHex(id))?.outputs[index];
      if (output === undefined) throw new Error(`${what} spends what nobody has`);
      return output;
    });
    for (const [index, witness] of made.witnesses.entries())
      expect([what, verdict({ tx, index, spent, witness })]).toEqual([what, undefined]);
    expect(made.witnesses.length).toBe(tx.inputs.length);
  }
  return all;
};

const fundingOf = ({ opened, terms }: Scene): Tx => {
  const { holder, counterparty, funding } = opened.shared;
  const pays = { value: terms.value, script: p2wsh(fundingScript(holder.funding, counterparty.funding)) };
  // Its id is a made-up one: only the output matters.
  return { version: 2, inputs: [], outputs: [pays, pays], locktime: funding.index };
};

const judgedOf = (on: Scene, home: Home): readonly Finished[] => {
  const { shared } = on.opened;
  const [output] = fundingOf(on).outputs;
  const [first, ...others] = finishedIn(home);
  if (first === undefined || output === undefined) throw new Error("nothing");
  expect(first.tx.inputs[0]?.outpoint).toEqual(shared.funding);
  const [witness] = first.made.witnesses;
  expect(verdict({ tx: first.tx, index: 0, spent: [output], witness: witness ?? [] })).toBeUndefined();
  const rest = { ...home, commitment: unknown } as const;
  return [first, ...judged(rest, [first.tx])].slice(0, 1 + others.length);
};

const ask = (
  { opened: { node, channel } }: Scene,
  change: Partial<Request<"exit">> = {},
): Request<"exit"> => ({
  ...{ node, channel, feerate: feerate(1_000), confirmed: unknown, preimages: [] },
  ...change,
});

const busy = async (type: (typeof types)[number]): Promise<Scene> => {
  const on = await scene({ terms: evenTerms({ type }), label: `exit ${type}` });
  await on.advance(0n, on.start);
  await on.advance(1n, [offered, received].reduce(add, on.start));
  return on;
};

const named = (all: readonly Finished[], part: string): Finished => {
  const found = all.filter(({ what }) => what.includes(part));
  if (found.length !== 1 || found[0] === undefined)
    throw new Error(`${found.length} with ${part} in ${all.map(({ what }) => what).join("\n")}`);
  return found[0];
};

describe.each(types)("exit of a channel with HTLCs in both directions, %s", (type) => {
  const anchors = type === "anchors";

  test("finishes all that follows from our last commitment", async () => {
    const on = await busy(type);
    const home = await on.signer.call("exit", ask(on, { preimages: [preimageOf("in")] }));
    const all = judgedOf(on, home);
    expect(all.length).toBe(6);
    expect(all.map(({ from, wait }) => [from, wait])).toEqual([
      [0, 0],
      [500, anchors ? 1 : 0],
      [0, anchors ? 1 : 0],
      ...[0, 1, 2].map(() => [0, 144]),
    ]);
    expect(home.left).toEqual(anchors ? [expect.stringContaining("our anchor")] : []);
    expect(home.height).toBe(unknown);
    const timeout = named(all, "takes back");
    expect(timeout.tx.locktime).toBe(500);
    for (const sweep of all.slice(3)) {
      expect(sweep.tx.outputs.map(({ script }) => toHex(script))).toEqual([toHex(on.opened.closingScript)]);
      expect(sweep.tx.inputs.map(({ sequence }) => sequence)).toEqual([144]);
    }
    const [commitment] = all;
    const balance = named(all, "our balance");
    const spent = commitment?.tx.outputs[balance.tx.inputs[0]?.outpoint.index ?? 0]?.value ?? 0n;
    const fee = spent - (balance.tx.outputs[0]?.value ?? 0n);
    expect(fee).toBeGreaterThan(400n);
    expect(fee).toBeLessThan(600n);
  });

  test("is the same whenever it is asked, after a restart too, and is broadcast from then on", async () => {
    const on = await busy(type);
    const body = ask(on, { preimages: [preimageOf("in")] });
    const first = await on.signer.call("exit", body);
    expect(await on.signer.call("exit", body)).toEqual(first);
    const again = on.on(await on.signer.restart());
    expect(await again.signer.call("exit", body)).toEqual(first);
    const balances = [offered, received].reduce(add, on.start);
    const next = await again.at(2n, balances);
    await again.signer.call("signCounterpartyCommitment", next.sign);
    await again.signer.call("validateHolderCommitment", next.validate);
    const refusal = await again.signer.refusal("revokeHolderCommitment", next.revoke as never);
    expect(refusal.rule).toBe("revoke-not-closed");
  });

  test("tells what is left where a preimage is missing", async () => {
    const on = await busy(type);
    const home = await on.signer.call("exit", ask(on));
    expect(judgedOf(on, home).length).toBe(4);
    expect(home.left.some((one) => one.includes("no preimage"))).toBe(true);
    const other = await on.signer.call("exit", ask(on, { preimages: [preimageOf("out")] }));
    expect(other).toEqual(home);
  });

  test("takes the higher of two live numbers, or the one that has confirmed", async () => {
    const on = await busy(type);
    const before = await on.signer.call("exit", ask(on));
    const [published] = finishedIn(before);
    if (published === undefined) throw new Error("nothing");
    const two = await on.at(2n, remove(add(add(on.start, offered), received), offered, "fail"));
    await on.signer.call("signCounterpartyCommitment", two.sign);
    await on.signer.call("validateHolderCommitment", two.validate);
    const higher = await on.signer.call("exit", ask(on));
    expect(judgedOf(on, higher)[0]?.what).toContain("commitment 2");
    expect(judgedOf(on, higher).length).toBe(2);
    const confirmed = await on.signer.call("exit", ask(on, { confirmed: txidOf(published.tx) }));
    expect(confirmed).toEqual(before);
    const foreign = await on.signer.refusal("exit", ask(on, { confirmed: txid(new Uint8Array(32)) }));
    expect(foreign.rule).toBe("commitment-other");
  });

  test("leaves what is worth no more than its fee, and no more than the policy's fee is paid", async () => {
    const on = await scene({ terms: evenTerms({ type }), label: `small ${type}` });
    const small = htlcOf("holder", 1_500_000n, "small", 500);
    await on.advance(0n, on.start);
    await on.advance(1n, add(on.start, small));
    const home = await on.signer.call("exit", ask(on, { feerate: feerate(5_000) }));
    expect(judgedOf(on, home).length).toBe(3);
    expect(home.left.filter((one) => one.includes("no more than its fee")).length).toBe(1);
    // Something would be left, and nobody would relay it.
    const dust = await on.signer.call(
      "exit",
      ask(on, { feerate: feerate(type === "anchors" ? 2_700 : 1_300) }),
    );
    expect(judgedOf(on, dust).length).toBe(3);
    const dear = await on.signer.refusal("exit", ask(on, { feerate: feerate(900_000) }));
    expect(dear.rule).toBe("sweep-fee-range");
  });
});

test("with anchors an HTLC transaction takes an input beside it, and its signatures hold", async () => {
  const on = await busy("anchors");
  const all = judgedOf(on, await on.signer.call("exit", ask(on)));
  const [commitment] = all;
  const { tx, made } = named(all, "takes back");
  const coin: TxOutput = { value: sat(100_000n), script: strangersScript(7) };
  const index = tx.inputs[0]?.outpoint.index ?? 0;
  const output = commitment?.tx.outputs[index];
  if (output === undefined) throw new Error("no output");
  const fed: Tx = {
    ...tx,
    inputs: [...tx.inputs, { outpoint: { txid: txid(new Uint8Array(32).fill(9)), index: 0 }, sequence: 0 }],
    outputs: [...tx.outputs, { ...coin, value: sat(90_000n) }],
  };
  const [witness = []] = made.witnesses;
  expect(verdict({ tx: fed, index: 0, spent: [output, coin], witness })).toBeUndefined();
  const robbed = { ...fed, outputs: [coin, ...tx.outputs] };
  expect(verdict({ tx: robbed, index: 0, spent: [output, coin], witness })).toBeDefined();
});

test("exit waits for its turn: what was asked before it counts", async () => {
  const on = await busy("anchors");
  const balances = [offered, received].reduce(add, on.start);
  const two = await on.at(2n, balances);
  await on.signer.call("signCounterpartyCommitment", two.sign);
  const three = await on.at(3n, balances);
  const [, , home] = await Promise.all([
    on.signer.call("validateHolderCommitment", two.validate),
    on.signer.call("revokeHolderCommitment", two.revoke as never),
    on.signer.call("exit", ask(on)),
  ]);
  expect(judgedOf(on, home)[0]?.what).toContain("commitment 2");
  await on.signer.call("validateHolderCommitment", three.validate);
  expect((await on.signer.refusal("revokeHolderCommitment", three.revoke as never)).rule).toBe(
    "revoke-not-closed",
  );
  expect(on.signer.faults).toEqual([]);
});

test("a channel without a commitment of ours has nothing to end it with", async () => {
  const on = await scene({ label: "empty" });
  expect((await on.signer.refusal("exit", ask(on))).rule).toBe("commitment-other");
  const nobody = ask(on, { channel: 77n as never });
  expect((await on.signer.refusal("exit", nobody)).rule).toBe("channel-known");
  expect((await on.signer.refusal("justice", { ...nobody })).rule).toBe("channel-known");
});

const onChain = async (type: (typeof types)[number]) => {
  const fed = await feed();
  const terms = evenTerms({ type });
  const channel = await openOn(fed, bob, terms, `home ${type}`);
  await mineOn(fed, [channel.funding]);
  await step(fed, channel, [offered, received].reduce(add, channel.balances));
  return { fed, channel };
};

const asking = ({ node, channel }: FedChannel) => ({ node, channel, feerate: feerate(1_000) });
const exiting = (channel: FedChannel): Request<"exit"> => ({
  ...{ ...asking(channel), confirmed: unknown, preimages: [preimageOf("in")] },
});

const theirs = (channel: FedChannel, n: bigint, balances = channel.balances): Published => {
  const number = commitmentNumber(n);
  const content = contentOf(channel.shared.terms, "counterparty", number, balances);
  return publishedBy(channel.shared, "counterparty", channel.peer.point(number), content);
};

const heart = (fed: Fed) => fed.rig.call("heartbeat", { node: fed.rig.session.node });

describe.each(types)("over a regtest chain, %s", (type) => {
  test("exit follows its own transactions until nothing is left", async () => {
    const { fed, channel } = await onChain(type);
    const first = judged(await fed.rig.call("exit", exiting(channel)), [channel.funding.tx]);
    const [commitment] = first;
    if (commitment === undefined) throw new Error("nothing");
    await mineOn(fed, [commitment.made]);
    const published = fed.blocks.length;
    const second = judged(await fed.rig.call("exit", exiting(channel)), [commitment.tx]);
    // The same without the commitment, and with the heights at which they may follow.
    expect(second.map(({ tx }) => tx)).toEqual(first.slice(1).map(({ tx }) => tx));
    const csv = type === "anchors" ? 1 : 0;
    expect(named(second, "claims").from).toBe(Math.max(0, published + csv - 1));
    expect(named(second, "our balance").from).toBe(published + 144 - 1);
    await mineOn(fed, [named(second, "claims").made]);
    const third = judged(await fed.rig.call("exit", exiting(channel)), [
      commitment.tx,
      named(second, "claims").tx,
    ]);
    expect(third.map(({ tx }) => toHex(txidOf(tx))).toSorted()).toEqual(
      second
        .filter(({ what }) => !what.includes("claims"))
        .map(({ tx }) => toHex(txidOf(tx)))
        .toSorted(),
    );
    await pass(fed, 144);
    await mineOn(fed, [named(third, "our balance").made, named(third, "an HTLC transaction paid").made]);
    await pass(fed, 500 - fed.blocks.length);
    await mineOn(fed, [named(third, "takes back").made]);
    const { transactions } = await fed.rig.call("exit", exiting(channel));
    expect(transactions.length).toBe(1);
    await pass(fed, 144);
    await mineOn(fed, [
      judged(await fed.rig.call("exit", exiting(channel)), [named(third, "takes back").tx])[0]
        ?.made as MadeTx,
    ]);
    expect(await fed.rig.call("exit", exiting(channel))).toMatchObject({
      ...{ commitment: unknown, transactions: [] },
    });
    expect(fed.rig.faults).toEqual([]);
  });

  test("exit takes what is ours of the counterparty's commitment, once that ended the channel", async () => {
    const { fed, channel } = await onChain(type);
    const ended = theirs(channel, channel.number - 1n);
    await mineOn(fed, [ended.tx]);
    const blind = await fed.rig.call("exit", { ...exiting(channel), preimages: [] });
    expect([blind.transactions.length, blind.left.length]).toEqual([2, 2]);
    const home = await fed.rig.call("exit", exiting(channel));
    const all = judged(home, [ended.tx.tx]);
    expect(home.commitment).toBe(unknown);
    expect(home.left).toEqual([expect.stringContaining("of the counterparty")]);
    // What was brought once is kept.
    expect(await fed.rig.call("exit", { ...exiting(channel), preimages: [] })).toEqual(home);
    expect(all.length).toBe(3);
    const sixty = named(all, "60000 sat");
    expect([sixty.from <= fed.blocks.length, named(all, "50000 sat").from]).toEqual([true, 500]);
    await pass(fed, 500 - fed.blocks.length);
    await mineOn(
      fed,
      all.map(({ made }) => made),
    );
    const done = await fed.rig.call("exit", exiting(channel));
    expect([done.transactions, done.left.length]).toEqual([[], 1]);
  });

  test("exit leaves a breach to justice", async () => {
    const { fed, channel } = await onChain(type);
    const cheat = theirs(channel, channel.number - 1n);
    await step(fed, channel, channel.balances);
    await mineOn(fed, [cheat.tx]);
    const home = await fed.rig.call("exit", exiting(channel));
    expect([home.transactions, home.left]).toEqual([[], [expect.stringContaining("justice")]]);
  });

  test("justice takes all that the chain shows of a breach", async () => {
    const { fed, channel } = await onChain(type);
    const cheat = theirs(channel, channel.number - 1n);
    const nothing = await fed.rig.call("justice", asking(channel));
    expect([nothing.transactions, nothing.left.length]).toEqual([[], 1]);
    await step(fed, channel, channel.balances);
    await mineOn(fed, [cheat.tx]);
    expect((await heart(fed)).well).toBe(false);
    const home = await fed.rig.call("justice", asking(channel));
    const all = judged(home, [cheat.tx.tx]);
    expect(all.map(({ what }) => what).toSorted()).toEqual([
      "brings an HTLC of the revoked commitment to our wallet",
      "brings an HTLC of the revoked commitment to our wallet",
      "brings our balance in the revoked commitment to our wallet",
      "brings the cheat's balance to our wallet",
    ]);
    expect(all.every(({ wait, from }) => wait === 0 && from <= fed.blocks.length)).toBe(true);
    for (const { tx } of all)
      expect(tx.outputs.map(({ script }) => toHex(script))).toEqual([toHex(channel.closingScript)]);
    expect(await fed.rig.call("justice", asking(channel))).toEqual(home);
    // The cheat is faster with one of them.
    const second = cheat.second(received);
    await mineOn(fed, [second]);
    const later = judged(await fed.rig.call("justice", asking(channel)), [cheat.tx.tx, second.tx]);
    expect(named(later, "what the cheat took").tx.inputs[0]?.outpoint.txid).toEqual(txidOf(second.tx));
    expect(later.length).toBe(4);
    await mineOn(
      fed,
      later.map(({ made }) => made),
    );
    expect((await heart(fed)).well).toBe(true);
    const done = await fed.rig.call("justice", asking(channel));
    expect([done.transactions, done.left]).toEqual([[], ["nothing to punish is left"]]);
  });

  test("justice waits for the second stage of HTLCs that nobody remembers", async () => {
    const { fed, channel } = await onChain(type);
    const balances = channel.balances;
    const cheat = theirs(channel, channel.number - 1n);
    const cleared = remove(remove(balances, offered, "fail"), received, "fail");
    for (let i = 0; i < 3; i++) await step(fed, channel, cleared);
    await mineOn(fed, [cheat.tx]);
    const home = await fed.rig.call("justice", asking(channel));
    expect(judged(home, [cheat.tx.tx]).length).toBe(2);
    expect(home.left.filter((one) => one.includes("nobody here remembers")).length).toBe(2);
    const second = cheat.second(received);
    await mineOn(fed, [second]);
    const later = judged(await fed.rig.call("justice", asking(channel)), [cheat.tx.tx, second.tx]);
    expect(named(later, "what the cheat took").wait).toBe(0);
  });

  test("justice at a fee beyond the policy comes out of what was never ours", async () => {
    const { fed, channel } = await onChain(type);
    const cheat = theirs(channel, channel.number - 1n);
    await step(fed, channel, channel.balances);
    await mineOn(fed, [cheat.tx]);
    const dear = { ...asking(channel), feerate: feerate(900_000) };
    const refusal = await fed.rig.refusal("justice", dear);
    expect(["justice-always-possible", "sweep-fee-range"]).toContain(refusal.rule);
  });
});
