/** Red-team 2 and 11: value that leaves beside HTLCs, fees that are none, and trust in a funding that is had again and again. */

import { describe, expect, test } from "vitest";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { Basepoints } from "../../protocol/operations/fields.ts";
import type { Name, Reply } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import {
  type ChannelId,
  commitmentNumber,
  feerate,
  msat,
  type Outpoint,
  sat,
  type Txid,
} from "../../protocol/units.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import { unpackChannel } from "../../signer/core/records.ts";
import type { Live } from "../../signer/core/state.ts";
import { type Block, type MadeTx, published, spending } from "../scripted/chain.ts";
import { add, htlcOf, plainTerms, preimageOf, remove, start } from "../scripted/channel.ts";
import { peerScript } from "../scripted/close.ts";
import { type Balances, contentOf } from "../scripted/content.ts";
import {
  connect,
  type Fed,
  type FedChannel,
  feed,
  mineOn,
  nextOf,
  openOn,
  pass,
  step,
  tipOf,
} from "../scripted/fed.ts";
import {
  adds,
  type Change,
  type Heist,
  half,
  plan,
  propose,
  settles,
  stolen,
  update,
} from "../scripted/heist.ts";
import { keysend } from "../scripted/payments.ts";
import { commitmentOf, peer } from "../scripted/peer.ts";
import { curve, rig } from "../scripted/road.ts";
import { evenTerms, scene } from "../scripted/scene.ts";
import { type Coin, foreignCoin, spending as spends, toWallet, walletCoin } from "../scripted/spends.ts";
import { honestPassed } from "../scripted/tally.ts";

const passes = async (outcome: Promise<Outcome<Name>>): Promise<void> => {
  expect(await outcome).toMatchObject({ is: "reply" });
  honestPassed();
};
const refuses = async (outcome: Promise<Outcome<Name>>, rule: string): Promise<void> => {
  expect(await outcome).toMatchObject({ is: "refusal", refusal: { rule } });
};

describe("a host that shows no preimages and lists no trimmed HTLCs", () => {
  const value = 30_000_000n;
  const out = (label: string, amount = value) => htlcOf("holder", amount, label);

  /** Nothing may be hidden or be out for others, unless it is said. */
  const blind = async (labels: readonly string[], policy: Partial<Policy> = {}): Promise<Heist> => {
    const none = { maxTrimmed: msat(0n), maxTrimmedPerDay: msat(0n), maxForwardExposure: msat(0n) };
    const signer = await rig({ proposes: false, tier: "commitments", policy: { ...none, ...policy } });
    const heist = await plan(signer, 1, true);
    for (const label of labels) {
      await propose(heist, out(label));
      await passes(update(heist, 0, adds(out(label))));
    }
    return heist;
  };
  const gives =
    (amount: bigint, to = amount): Change =>
    (now) => ({
      ...now,
      holder: msat(now.holder - amount),
      counterparty: msat(now.counterparty + to),
    });
  const both =
    (...changes: readonly Change[]): Change =>
    (now) =>
      changes.reduce((balances, change) => change(balances), now);
  const safe = (heist: Heist): void => {
    expect(stolen(heist)).toBeLessThanOrEqual(0n);
    expect(heist.rig.faults).toEqual([]);
  };

  test.each([
    ["as much as is on its way", value, "forward-exposure"],
    ["less", 20_000_000n, "forward-exposure"],
    ["more", 2n * value - 1_000_000n, "routing-deltas-only-htlc"],
  ])("gives nothing away beside an HTLC that stays: %s", async (_, amount, rule) => {
    const heist = await blind(["h1"]);
    for (const owner of ["counterparty", "holder"] as const)
      await refuses(half(heist, 0, owner, gives(amount)), rule);
    safe(heist);
  });

  test("hides nothing behind one", async () => {
    const heist = await blind(["h1"]);
    for (const owner of ["counterparty", "holder"] as const)
      await refuses(half(heist, 0, owner, gives(10_000_000n, 0n)), "trimmed-budget");
    safe(heist);
  });

  test("that has many on their way is told apart no worse", async () => {
    const labels = Array.from({ length: 9 }, (_, at) => `h${at}`);
    const heist = await blind(labels);
    await refuses(update(heist, 0, gives(value)), "forward-exposure");
    await passes(update(heist, 0, settles(out("h3"), "fulfil")));
    await passes(update(heist, 0, settles(out("h4"), "fail")));
    safe(heist);
  });

  test.each([
    ["to the other side", 20_000_000n],
    ["to nobody that is seen", 0n],
  ])("gives back what failed whole, and not a part of it %s", async (_, to) => {
    const heist = await blind(["h1", "h2"]);
    const part = both(settles(out("h1"), "fail"), settles(out("h2"), "fail"), gives(20_000_000n, to));
    for (const owner of ["counterparty", "holder"] as const)
      await refuses(half(heist, 0, owner, part), "trimmed-budget");
    await passes(update(heist, 0, both(settles(out("h1"), "fail"), settles(out("h2"), "fail"))));
    safe(heist);
  });

  test("may settle one and add one like it at once, where that much may be out", async () => {
    const heist = await blind(["h1"], { maxForwardExposure: msat(value) });
    await passes(update(heist, 0, both(settles(out("h1"), "fulfil"), adds(out("h1")))));
    await refuses(update(heist, 0, both(settles(out("h1"), "fulfil"), adds(out("h1")))), "forward-exposure");
    expect(stolen(heist)).toBeLessThanOrEqual(value);
    expect(heist.rig.faults).toEqual([]);
  });
});

describe("HTLCs that have an output in one side's commitment alone", () => {
  test("leave nothing behind in a channel whose host can't list them, however many", async () => {
    const even = evenTerms();
    const terms = { ...even, holder: { ...even.holder, dustLimit: sat(546n) } };
    const small = (at: number) => htlcOf("holder", 500_000n, `small ${at}`);
    const signer = await rig({ proposes: false, tier: "commitments" });
    const on = await scene({ signer, terms });
    let number = 0n;
    const go = async (balances: Balances): Promise<void> => {
      const { sign, validate, revoke, revocation } = await on.at(number++, balances);
      const blind = { trimmed: unknown, preimages: unknown } as const;
      await signer.call("signCounterpartyCommitment", { ...sign, ...blind });
      await signer.call("validateHolderCommitment", { ...validate, ...blind });
      if (revoke !== undefined) await signer.call("revokeHolderCommitment", revoke);
      if (revocation !== undefined) await signer.call("validateCounterpartyRevocation", revocation);
    };
    let balances = on.start;
    await go(balances);
    for (const at of [0, 1, 2]) {
      const htlc = small(at);
      await signer.call("proposePayment", keysend(on.opened.node, htlc));
      balances = add(balances, htlc);
      await go(balances);
      balances = remove(balances, htlc, "fulfil");
      await go(balances);
    }
    const { holder, counterparty } = unpackChannel((await on.record()) as Uint8Array) as Live;
    for (const { settled } of [...holder.variants, ...counterparty.variants]) expect(settled).toEqual([]);
  });
});

describe("the fee of a simple close that we propose", () => {
  const fee = 40_000n;
  const forms = async (over: bigint): Promise<readonly string[]> => {
    const on = await scene({ terms: evenTerms({ push: msat(200_000_000n) }) });
    await on.advance(0n, on.start);
    const { node, channel, shared, closingScript } = on.opened;
    const reply: Reply<"signSimpleClosing"> = await on.signer.call("signSimpleClosing", {
      ...{ node, channel, funding: shared.funding, closer: "holder", fee: sat(fee), locktime: 0 },
      ...{ holder: on.start.holder, holderScript: closingScript },
      ...{ counterparty: msat(on.start.counterparty + over), counterpartyScript: peerScript },
    });
    return Object.entries(reply).flatMap(([name, signature]) => (isKnown(signature) ? [name] : []));
  };

  test("is the miners', and not the other side's", async () => {
    for (const over of [fee * 1_000n, 2_000n]) expect(await forms(over)).toEqual(["closerOutputOnly"]);
  });

  test("leaves each side what is its own, up to a satoshi of rounding", async () => {
    for (const over of [0n, 1_000n])
      expect(await forms(over)).toEqual(["closerOutputOnly", "closerAndCloseeOutputs"]);
  });
});

describe("a funding in the air", () => {
  const thief = peer("thief", curve);
  const trusted = 1_000_000_000n;
  const amount = 900_000_000n;
  const theirs = plainTerms({ opener: "counterparty", value: sat(1_000_000n) });

  interface Gang {
    readonly fed: Fed;
    /** Nearly all of each is ours, and they are deep. */
    readonly ours: readonly FedChannel[];
    /** A transaction of the thief's that funds no channel, in a block of its own. */
    readonly decoy: MadeTx;
    readonly block: Block;
  }

  const gang = async (): Promise<Gang> => {
    const mainnet = { ...defaultPolicy("bitcoin"), maxForwardExposure: msat(trusted) };
    const policy = { ...mainnet, maxZeroConfExposure: msat(trusted) };
    const fed = await feed({ proposes: false, policy });
    await pass(fed, 1);
    const outputs = Array.from({ length: 4 }, () => ({ value: sat(1_000n), script: peerScript }));
    const decoy = spending([{ txid: new Uint8Array(32).fill(9) as Txid, index: 0 }], { outputs });
    const ours: FedChannel[] = [];
    for (let i = 0; i < 3; i++)
      ours.push(await openOn(fed, thief, { ...theirs, push: msat(980_000_000n) }, `ours ${i}`));
    await mineOn(fed, [decoy, ...ours.map(({ funding }) => funding)]);
    const block = tipOf(fed);
    await pass(fed, 100);
    return { fed, ours, decoy, block };
  };

  /** Said to be funded by an output of the decoy, which the signer was shown long ago. */
  const inTheAir = async ({ fed, decoy }: Gang, index: number, wanted?: ChannelId): Promise<FedChannel> => {
    const { node } = fed.rig.session;
    const reply = await fed.rig.call("new", { node, wanted: wanted ?? unknown });
    const { channel, points, closingScript } = reply;
    const funding = { txid: txidOf(decoy.tx), index };
    const shared = {
      terms: theirs,
      holder: reply.basepoints as Basepoints,
      counterparty: thief.basepoints,
      funding,
    };
    const common = { node, channel, peer: thief.id, terms: theirs, counterparty: thief.basepoints };
    await fed.rig.call("setup", { ...common, funding });
    const opened = { node, channel, shared, closingScript, points, peer: thief, funding: decoy };
    const air: FedChannel = { ...opened, number: 0n, balances: start(theirs) };
    await step(fed, air, air.balances);
    return air;
  };

  /** Taken in there and passed on at ours, and both are claimed; the rule that refuses it, or what left us. */
  const passOn = async (
    fed: Fed,
    air: FedChannel,
    ours: FedChannel,
    label: string,
  ): Promise<string | bigint> => {
    const proof = [preimageOf(label)];
    const received = htlcOf("counterparty", amount, label, 400);
    const offered = htlcOf("holder", amount, label, 200);
    await step(fed, air, add(air.balances, received));
    const { sign } = await nextOf(fed, ours, add(ours.balances, offered));
    const outcome = await fed.rig.outcome("signCounterpartyCommitment", sign);
    if (outcome.is !== "reply") return outcome.is === "refusal" ? outcome.refusal.rule : outcome.is;
    const before = ours.balances.holder;
    await step(fed, ours, add(ours.balances, offered));
    await step(fed, air, remove(air.balances, received, "fulfil"), proof);
    await step(fed, ours, remove(ours.balances, offered, "fulfil"), proof);
    honestPassed();
    return before - ours.balances.holder;
  };

  const nth = ({ ours }: Gang, at: number): FedChannel => ours[at] as FedChannel;

  test("is trusted once, though ids that were given out before are set up after it", async () => {
    const heist = await gang();
    const { fed } = heist;
    const { node } = fed.rig.session;
    const first = (await fed.rig.call("new", { node, wanted: unknown })).channel;
    const second = (await fed.rig.call("new", { node, wanted: unknown })).channel;
    const late = await inTheAir(heist, 0);
    expect(await passOn(fed, late, nth(heist, 0), "h0")).toBe(amount);
    for (const [at, id] of [second, first].entries()) {
      const air = await inTheAir(heist, at + 1, id);
      const rule = await passOn(fed, air, nth(heist, at + 1), `h${at + 1}`);
      expect(rule).toBe("commitment-htlc-received-spends-active-utxo");
    }
    expect(fed.rig.faults).toEqual([]);
  });

  test("keeps its trust beside a younger one that has received nothing", async () => {
    const heist = await gang();
    const air = await inTheAir(heist, 0);
    await inTheAir(heist, 1);
    expect(await passOn(heist.fed, air, nth(heist, 0), "h0")).toBe(amount);
  });

  test("that proves false costs what was trusted to it, when it is forgotten", async () => {
    const heist = await gang();
    const { fed, block } = heist;
    const { node } = fed.rig.session;
    for (let at = 0; at < 3; at++) {
      const air = await inTheAir(heist, at);
      const got = await passOn(fed, air, nth(heist, at), `h${at}`);
      expect(got).toBe(at === 0 ? amount : "forward-exposure");
      await connect(fed, block);
      await fed.rig.call("forget", { node, channel: air.channel });
      fed.rig = await fed.rig.restart();
    }
    expect(fed.rig.faults).toEqual([]);
  });
});

describe("a revoked commitment in which the other side has nothing but HTLCs", () => {
  const thief = peer("thief", curve);
  const terms = plainTerms({ opener: "counterparty", push: msat(600_000_000n), type: "static_remotekey" });
  // All of the thief's, but for the fee and what is too small for an output.
  const all = htlcOf("counterparty", 400_000_000n - 896_000n - 300_000n, "all", 900);

  const channelOn = async (fed: Fed, keys: (holder: Basepoints) => Basepoints) => {
    const { node } = fed.rig.session;
    const { channel, basepoints, points, closingScript } = await fed.rig.call("new", {
      node,
      wanted: unknown,
    });
    const holder = basepoints as Basepoints;
    const counterparty = keys(holder);
    const pays = p2wsh(fundingScript(holder.funding, counterparty.funding));
    const made = spending([{ txid: new Uint8Array(32).fill(3) as Txid, index: 0 }], {
      outputs: [{ value: terms.value, script: pays }],
    });
    const funding = { txid: txidOf(made.tx), index: 0 };
    const setup = { node, channel, peer: thief.id, terms, counterparty, funding };
    const shared = { terms, holder, counterparty, funding };
    const opened = { node, channel, shared, closingScript, points, peer: thief, funding: made };
    const on: FedChannel = { ...opened, number: 0n, balances: start(terms) };
    return { setup, on };
  };

  test("is not hidden by a key of ours in the other side's name", async () => {
    const fed = await feed({ proposes: false });
    const names = ["funding", "revocation", "payment", "delayed", "htlc"] as const;
    for (const name of names)
      for (const own of names) {
        const { setup } = await channelOn(fed, (holder) => ({ ...thief.basepoints, [name]: holder[own] }));
        expect(await fed.rig.outcome("setup", setup)).toMatchObject({
          is: "malformed",
          malformed: { reason: `counterparty.${name} is the holder's key` },
        });
      }
    expect(fed.rig.faults).toEqual([]);
  });

  /** Revoked since, and on the chain: what the host says of its outputs comes before. */
  const breach = async (before: (fed: Fed, outpoints: readonly Outpoint[]) => Promise<void>) => {
    const fed = await feed({ proposes: false });
    await pass(fed, 1);
    const { setup, on } = await channelOn(fed, () => thief.basepoints);
    await fed.rig.call("setup", setup);
    await step(fed, on, on.balances);
    await mineOn(fed, [on.funding]);
    await pass(fed, 6);
    await step(fed, on, add(on.balances, all));
    const content = contentOf(terms, "counterparty", commitmentNumber(1n), on.balances);
    expect(content.toCounterparty).toBe(0n);
    await step(fed, on, remove(on.balances, all, "fulfil"), [preimageOf("all")]);
    const point = thief.point(commitmentNumber(1n));
    const { commitment } = commitmentOf(curve, on.shared, "counterparty", point, content);
    const { tx, txid } = commitment;
    await before(
      fed,
      tx.outputs.map((_, index) => ({ txid, index })),
    );
    await mineOn(fed, [published(tx)]);
    const { node, channel } = on;
    return fed.rig.call("justice", { node, channel, feerate: feerate(1_000) });
  };
  const brought = ["brings our balance in the revoked commitment to our wallet"];

  test("is known for what it is", async () => {
    const { transactions, left } = await breach(async () => {});
    expect(transactions.map(({ what }) => what)).toEqual(brought);
    expect(left).toHaveLength(1);
    honestPassed();
  });

  test("is punished, whosever its outputs were said to be before", async () => {
    const { transactions } = await breach(async (fed, outpoints) => {
      const coin = await walletCoin(fed.rig, 100_000n);
      const theirs = outpoints.map((outpoint): Coin => {
        const { said, value } = foreignCoin(1_000n);
        return { said: { ...said, outpoint }, value };
      });
      const { body } = spends(fed.rig.session.node, [coin, ...theirs], [await toWallet(fed.rig, 99_500n)]);
      expect(await fed.rig.outcome("spend", body)).toMatchObject({ is: "reply" });
    });
    expect(transactions.map(({ what }) => what)).toEqual(brought);
  });
});
