import { setImmediate as turnOfLoop } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { encodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import type { ChannelId } from "../../protocol/units.ts";
import { commitmentNumber, feerate } from "../../protocol/units.ts";
import type { Store } from "../../signer/core/ports.ts";
import type { Live } from "../../signer/core/state.ts";
import { steps } from "../../signer/core/steps/index.ts";
import { fundingOf, open, plainTerms, start, update } from "../scripted/channel.ts";
import { commitmentOf, peer } from "../scripted/peer.ts";
import { curve, type Rig, rig } from "../scripted/road.ts";
import { type Changes, play } from "../scripted/story.ts";

const bob = peer("bob", curve);

/** Closed until it is opened; what comes before waits. */
const gate = () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};

const askForNew = ({ session, outcome }: Rig) => outcome("new", { node: session.node, wanted: unknown });

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await turnOfLoop();
};

describe("a request that was decided does not hold up the next one", () => {
  test("while its state is on its way to the disk", async () => {
    const disk = gate();
    let commits = 0;
    const commit =
      (store: Store): Store["commit"] =>
      async (group) => {
        commits += 1;
        await disk.opened;
        return store.commit(group);
      };
    const signer = await rig({ wrap: (store) => ({ ...store, commit: commit(store) }) });
    const asked = [askForNew(signer), askForNew(signer), askForNew(signer)];
    await settled();
    expect(commits).toBe(3);
    disk.open();
    const channels = (await Promise.all(asked)).map((one) => one.is === "reply" && one.reply.channel);
    expect(channels).toEqual([0n, 1n, 2n]);
  });

  test("while the keyring makes its signature, or what anybody may know", async () => {
    const keys = gate();
    let slow = false;
    const wait = async (): Promise<void> => {
      if (slow) await keys.opened;
    };
    let decided = 0;
    const signer = await rig({
      wrap: (store) => ({
        ...store,
        commit: async (group) => {
          decided += 1;
          return store.commit(group);
        },
      }),
      watch: (keyring) => ({
        ...keyring,
        points: async (channel, numbers) => wait().then(() => keyring.points(channel, numbers)),
        sign: async (job) => wait().then(() => keyring.sign(job)),
      }),
    });
    const { session } = signer;
    const terms = plainTerms();
    const opened = await open(signer.call, session.node, bob, terms, "slow");
    const [point] = opened.points;
    if (point === undefined) throw new RangeError("no point");
    const { sign } = update(opened, bob, point, 0n, start(terms));

    slow = true;
    decided = 0;
    const told = signer.outcome("points", { ...opened, numbers: [commitmentNumber(5n)] });
    const signed = signer.outcome("signCounterpartyCommitment", sign);
    const last = askForNew(signer);
    await settled();
    expect(decided).toBe(2);
    keys.open();
    for (const outcome of await Promise.all([told, signed, last])) expect(outcome.is).toBe("reply");
  });
});

test("a refusal is in the audit log with the next decision that is kept", async () => {
  const records: number[] = [];
  const signer = await rig({
    wrap: (store) => ({
      ...store,
      commit: async (group) => {
        records.push(group.audit.length);
        return store.commit(group);
      },
    }),
  });
  const { node } = signer.session;
  await askForNew(signer);
  await signer.refusal("points", { node, channel: 7n as ChannelId, numbers: [commitmentNumber(0n)] });
  await askForNew(signer);
  expect(records).toEqual([1, 2]);
});

test("a channel that was given out may be set up later, and one that never was, or is forgotten, not", async () => {
  const signer = await rig();
  const { node } = signer.session;
  const ask = async (channel: bigint) =>
    (await signer.refusal("revokeHolderCommitment", {
      ...{ node, channel: channel as ChannelId, number: commitmentNumber(0n) },
    })) as { readonly rule: string; readonly final: boolean };
  await askForNew(signer);
  expect(await ask(0n)).toMatchObject({ rule: "channel-known", final: false });
  expect(await ask(1n)).toMatchObject({ rule: "channel-known", final: true });
  await signer.call("forget", { node, channel: 0n as ChannelId });
  expect(await ask(0n)).toMatchObject({ rule: "channel-known", final: true });
});

test("the id that comes next was not given out yet", async () => {
  const signer = await rig();
  const { node } = signer.session;
  const ask = (channel: bigint) =>
    signer.outcome("points", { node, channel: channel as ChannelId, numbers: [commitmentNumber(0n)] });
  await askForNew(signer);
  expect(await ask(0n)).toMatchObject({ is: "reply" });
  expect(await ask(1n)).toMatchObject({ is: "refusal", refusal: { rule: "channel-known" } });
});

test("a record of a kind that this signer does not know is a fault, and not read as another", async () => {
  const first = await rig();
  await askForNew(first);
  const { node } = first.session;
  const opening = rig({
    disk: first.disk,
    wrap: (store) => ({
      ...store,
      load: async (of) => {
        const records = await store.load(of);
        const [record] = records.values();
        if (record === undefined) throw new RangeError("nothing was stored");
        return new Map([...records, [`${toHex(node)}/vault/0`, record]]);
      },
    }),
  });
  await expect(opening).rejects.toMatchObject({ name: "Fault", code: "store" });
});

describe("what a host brings beside a commitment", () => {
  const begun = async () => {
    const signer = await rig();
    const { session, call } = signer;
    const terms = plainTerms();
    const opened = await open(call, session.node, bob, terms, "beside");
    const [zero, one] = opened.points;
    if (zero === undefined || one === undefined) throw new RangeError("no points");
    const at = (n: bigint) => update(opened, bob, n === 0n ? zero : one, n, start(terms));
    await call("signCounterpartyCommitment", at(0n).sign);
    await call("validateHolderCommitment", at(0n).validate);
    const built = (said: Request<"validateHolderCommitment">, n = 1n) =>
      commitmentOf(curve, opened.shared, "holder", n === 0n ? zero : one, { ...said, trimmed: [] }).commitment
        .tx;
    return { signer, at, built };
  };

  test("the counterparty may revoke before it signs: ours follows from ours", async () => {
    const { signer, at } = await begun();
    const { sign, revocation, validate } = at(1n);
    await signer.call("signCounterpartyCommitment", sign);
    if (revocation === undefined) throw new RangeError("nothing to revoke");
    await signer.call("validateCounterpartyRevocation", revocation);
    expect(await signer.outcome("validateHolderCommitment", validate)).toMatchObject({ is: "reply" });
  });

  test("another transaction than the rebuilt one is refused by what differs, also when it is asked again", async () => {
    const { signer, at, built } = await begun();
    const { validate } = at(1n);
    const expected = encodeTx({ ...built(validate), version: 3 });
    for (const told of [unknown, encodeTx(built(validate))]) {
      expect(await signer.outcome("validateHolderCommitment", { ...validate, expected })).toMatchObject({
        is: "refusal",
        refusal: { rule: "commitment-version" },
      });
      await signer.call("validateHolderCommitment", { ...validate, expected: told } as typeof validate);
    }
  });

  test("a transaction that spends another output of the same number is no transaction of this channel", async () => {
    const { signer, at, built } = await begun();
    const { validate } = at(1n);
    const tx = built(validate);
    const inputs = tx.inputs.map((input) => ({
      ...input,
      outpoint: { ...input.outpoint, txid: fundingOf("another").txid },
    }));
    const expected = encodeTx({ ...tx, inputs });
    expect(await signer.refusal("validateHolderCommitment", { ...validate, expected })).toMatchObject({
      rule: "commitment-input-match-funding",
    });
  });

  test("a force close names the funding that it spends, and another is refused", async () => {
    const { signer, at, built } = await begun();
    const { validate } = at(0n);
    const signed = txidOf(built(validate, 0n));
    const { node, channel, funding, number } = validate;
    const ask = (of: typeof funding) =>
      signer.outcome("signHolderCommitment", { node, channel, funding: of, number, txid: signed });
    for (const of of [
      { ...funding, txid: fundingOf("another").txid },
      { ...funding, index: funding.index + 1 },
    ])
      expect(await ask(of)).toMatchObject({ is: "refusal", refusal: { rule: "commitment-other" } });
    expect(await ask(funding)).toMatchObject({ is: "reply" });
  });

  test("the content last revoked is answered again with the same bytes, and no other of its number", async () => {
    const { signer, at } = await begun();
    const first = at(0n);
    const { sign, validate, revoke, revocation } = at(1n);
    if (revoke === undefined || revocation === undefined) throw new RangeError("nothing to revoke");
    const before = await signer.call("signCounterpartyCommitment", first.sign);
    await signer.call("signCounterpartyCommitment", sign);
    await signer.call("validateHolderCommitment", validate);
    await signer.call("revokeHolderCommitment", revoke);
    await signer.call("validateCounterpartyRevocation", revocation);
    // The replies may have been lost just before the other side's message came.
    expect(await signer.call("signCounterpartyCommitment", first.sign)).toEqual(before);
    expect(await signer.outcome("validateHolderCommitment", first.validate)).toMatchObject({ is: "reply" });
    const cheaper = { feerate: feerate(253) };
    expect(await signer.outcome("signCounterpartyCommitment", { ...first.sign, ...cheaper })).toMatchObject({
      is: "refusal",
    });
    expect(await signer.outcome("validateHolderCommitment", { ...first.validate, ...cheaper })).toMatchObject(
      {
        is: "refusal",
      },
    );
  });

  test("what a tier must tell it must tell again, and what was signed is signed no second time without it", async () => {
    const { signer, at } = await begun();
    const { sign } = at(0n);
    const untold = { ...sign, preimages: unknown } as typeof sign;
    expect(await signer.outcome("signCounterpartyCommitment", untold)).toMatchObject({
      is: "refusal",
      refusal: { rule: "node-tier" },
    });
    expect(signer.faults).toEqual([]);
    expect(await signer.outcome("signCounterpartyCommitment", sign)).toMatchObject({ is: "reply" });
  });
});

test("a host's own ids end at 2^62, far from where there is no next one", async () => {
  const signer = await rig();
  const { node } = signer.session;
  const wanting = (wanted: bigint) => signer.outcome("new", { node, wanted: wanted as ChannelId });
  expect(await wanting(1n << 62n)).toMatchObject({ is: "malformed" });
  expect(await wanting((1n << 62n) - 1n)).toMatchObject({ is: "reply" });
  expect(await askForNew(signer)).toMatchObject({ is: "reply", reply: { channel: 1n << 62n } });
});

test("a revocation brings the next two points, or those that there still are below 2^48", () => {
  // A secret that was released already: it may always be repeated, whatever else there is.
  const after = (n: bigint) => {
    const live = { setup: {}, holder: { revealed: n + 1n } } as unknown as Live;
    const channel = { phase: "open", ...live };
    const decision = steps.revokeHolderCommitment.decide({
      body: { node: bob.id, channel: 0n as ChannelId, number: commitmentNumber(n) },
      view: { channel },
      settings: { policy: {} },
    } as unknown as Parameters<typeof steps.revokeHolderCommitment.decide>[0]);
    return decision.is === "signed" && (decision.needs as { readonly points?: unknown }).points;
  };
  const last = (1n << 48n) - 1n;
  expect(after(5n)).toEqual([7n, 8n]);
  expect(after(last - 3n)).toEqual([last - 1n, last]);
  expect(after(last - 2n)).toEqual([last]);
  expect(after(last - 1n)).toEqual([]);
});

describe("what differs in the host's own transaction is named", () => {
  const script = "0014".padEnd(44, "5");
  const refusedBy = async (type: string, expected: Changes) => {
    const { outcome } = await play({ terms: { type }, story: ["first"], ask: "sign", with: { expected } });
    return outcome.is === "refusal" ? outcome.refusal.rule : outcome.is;
  };

  test.each([
    ["static_remotekey", { add: { value: 330, script } }, "commitment-anchors-not-when-off"],
    ["static_remotekey", { add: { value: 331, script } }, "commitment-no-unrecognized-outputs"],
    ["anchors", { add: { value: 330, script } }, "commitment-no-unrecognized-outputs"],
    // Another value of an output that there is.
    ["static_remotekey", { value: { output: 0, value: 330 } }, "commitment-other"],
  ] as const)("%s, %j: %s", async (type, expected, rule) => {
    expect(await refusedBy(type, expected)).toBe(rule);
  });
});
