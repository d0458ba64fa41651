/** Red-team 1: what is passed for gossip, an invoice or a text, and is really something else. */

import { beforeAll, describe, expect, test } from "vitest";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import { type Bodies, encodeGossip, type GossipName } from "../../protocol/bolt/gossip/index.ts";
import { unsignedWords } from "../../protocol/bolt/invoice/invoice.ts";
import { toWords } from "../../protocol/bolt/invoice/words.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { concat } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber } from "../../protocol/units.ts";
import type { Job, Keyring } from "../../signer/core/ports.ts";
import { closeOf, closingOf } from "../scripted/close.ts";
import { contentOf } from "../scripted/content.ts";
import {
  announcementOf,
  askAnnouncement,
  askInvoice,
  askSelf,
  askUpdate,
  invoiceOf,
  selfOf,
  updateOf,
} from "../scripted/node.ts";
import { commitmentOf } from "../scripted/peer.ts";
import { curve, rig } from "../scripted/road.ts";
import { bob, carol, type Scene, scene } from "../scripted/scene.ts";

/** All that any keyring was asked to sign. */
const jobs: Job[] = [];
const watch = (keyring: Keyring): Keyring => ({
  ...keyring,
  sign: (job) => {
    jobs.push(job);
    return keyring.sign(job);
  },
});

let on: Scene;
beforeAll(async () => {
  on = await scene({ signer: await rig({ watch }) });
  await on.advance(0n, on.start);
});

const gossip = (message: Uint8Array, kind: Request<"signGossip">["kind"]): Request<"signGossip"> => ({
  ...{ node: on.opened.node, kind, message },
  channel: kind === "nodeAnnouncement" ? unknown : on.opened.channel,
});
const kinds = ["channelAnnouncement", "nodeAnnouncement", "channelUpdate"] as const;

const refused = async (ask: Request<"signGossip">): Promise<void> => {
  const before = jobs.length;
  const refusal = await on.signer.refusal("signGossip", ask);
  expect(refusal).toMatchObject({ rule: "gossip-parsed", kind: "core", final: true });
  expect(jobs.slice(before)).toEqual([]);
};

/** BIP 143, put together here: its double hash is what spends the funding output. */
interface Parts {
  readonly version?: Uint8Array;
  readonly prevouts?: Uint8Array;
  readonly sequences?: Uint8Array;
  readonly txid?: Uint8Array;
}

const little = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => Number((value >> BigInt(8 * at)) & 0xffn));

const stolen = () => {
  const { tx } = closingOf(on.opened, closeOf(on.opened, on.start, 500n) as Request<"signClosing">);
  const { shared } = on.opened;
  const code = fundingScript(shared.holder.funding, shared.counterparty.funding);
  return { tx, code, value: shared.terms.value };
};

const preimageOf = (parts: Parts = {}): Uint8Array => {
  const { tx, code, value } = stolen();
  const [input] = tx.inputs;
  if (input === undefined) throw new RangeError("no input");
  const { txid, index } = input.outpoint;
  const outputs = tx.outputs.map((one) =>
    concat(little(one.value, 8), Uint8Array.of(one.script.length), one.script),
  );
  return concat(
    parts.version ?? little(BigInt(tx.version), 4),
    parts.prevouts ?? doubleSha256(concat(txid, little(BigInt(index), 4))),
    parts.sequences ?? doubleSha256(little(BigInt(input.sequence), 4)),
    parts.txid ?? txid,
    little(BigInt(index), 4),
    Uint8Array.of(code.length),
    code,
    little(value, 8),
    little(BigInt(input.sequence), 4),
    doubleSha256(concat(...outputs)),
    little(BigInt(tx.locktime), 4),
    little(1n, 4),
  );
};

describe("a BIP 143 preimage of the funding output", () => {
  test("is what these tests build", () => {
    const { tx, code: scriptCode, value } = stolen();
    const digest = inputDigest({ tx, index: 0, scriptCode, value, type: sighash.all });
    expect(doubleSha256(preimageOf())).toEqual(digest);
  });

  test.each(kinds)("is no %s", async (kind) => {
    await refused(gossip(preimageOf(), kind));
  });

  test("of a commitment is none either", async () => {
    const content = contentOf(on.terms, "counterparty", commitmentNumber(1n), on.start);
    const point = bob.point(commitmentNumber(1n));
    const { commitment } = commitmentOf(curve, on.opened.shared, "counterparty", point, content);
    const [input] = commitment.tx.inputs;
    if (input === undefined) throw new RangeError("no input");
    const message = preimageOf({ sequences: doubleSha256(little(BigInt(input.sequence), 4)) });
    for (const kind of kinds) await refused(gossip(message, kind));
  });

  test("with a version that would be the length of no features is none: its hashes are no chain's", async () => {
    const versions = Array.from({ length: 55 }, (_, length) => Uint8Array.of(0, length, 0, 0));
    for (const version of versions) await refused(gossip(preimageOf({ version }), "channelAnnouncement"));
    const anyoneCanPay = { prevouts: new Uint8Array(32), sequences: new Uint8Array(32) };
    for (const version of versions)
      await refused(gossip(preimageOf({ version, ...anyoneCanPay }), "channelAnnouncement"));
  });

  test("is none even if somebody found a transaction whose hash is the chain's: its keys are not the channel's", async () => {
    const { genesisHash } = chains.regtest;
    const features = 34;
    const version = Uint8Array.of(0, features, 0, 0);
    await refused(gossip(preimageOf({ version, sequences: genesisHash }), "channelAnnouncement"));
    await refused(
      gossip(preimageOf({ version: genesisHash.slice(0, 4), prevouts: genesisHash }), "channelUpdate"),
    );
  });
});

describe("true gossip", () => {
  const bodies = (): { readonly [N in GossipName]: Uint8Array } => ({
    channel_announcement: encodeGossip("channel_announcement", announcementOf(on.opened, bob)),
    node_announcement: encodeGossip("node_announcement", selfOf(on.opened.node)),
    channel_update: encodeGossip("channel_update", updateOf(on.opened.node, bob)),
  });
  const named = {
    channel_announcement: "channelAnnouncement",
    node_announcement: "nodeAnnouncement",
    channel_update: "channelUpdate",
  } as const;

  test.each(Object.keys(named) as GossipName[])("%s: cut off or longer it is refused", async (name) => {
    const whole = bodies()[name];
    for (let length = 0; length < whole.length; length++)
      await refused(gossip(whole.subarray(0, length), named[name]));
    for (const more of [1, 2, 64, 60_000])
      await refused(gossip(concat(whole, new Uint8Array(more)), named[name]));
    await on.signer.call("signGossip", gossip(whole, named[name]));
  });

  test.each(Object.keys(named) as GossipName[])("%s is not taken for another kind", async (name) => {
    for (const kind of kinds.filter((one) => one !== named[name]))
      await refused(gossip(bodies()[name], kind));
  });

  test("no bit of what names the channel may differ in its announcement", async () => {
    const whole = bodies().channel_announcement;
    // Behind the features, and without the short channel id, which no signer without a chain can know.
    const fixed = Array.from({ length: whole.length }, (_, at) => at).filter(
      (at) => at >= 2 && (at < 34 || at >= 42),
    );
    for (const at of fixed)
      await refused(gossip(whole.with(at, (whole[at] as number) ^ 1), "channelAnnouncement"));
  });

  const others: readonly Network[] = ["bitcoin", "testnet", "signet"];

  test.each(others)("of %s is refused on regtest", async (chain) => {
    await refused(askAnnouncement(on.opened, { ...announcementOf(on.opened, bob), chain }));
    await refused(askUpdate(on.opened, { ...updateOf(on.opened.node, bob), chain }));
  });

  test("of other nodes or other funding keys is refused", async () => {
    const ours = announcementOf(on.opened, bob);
    const { nodeId1, nodeId2, bitcoinKey1, bitcoinKey2 } = ours;
    const changes: readonly Partial<Bodies["channel_announcement"]>[] = [
      { nodeId1: nodeId2, nodeId2: nodeId1 },
      { bitcoinKey1: bitcoinKey2, bitcoinKey2: bitcoinKey1 },
      { nodeId1: carol.id },
      { nodeId2: carol.id },
      { bitcoinKey1: carol.basepoints.funding },
      { bitcoinKey2: carol.basepoints.funding },
      { nodeId1: nodeId2 },
      { bitcoinKey1: bitcoinKey2 },
    ];
    for (const change of changes) await refused(askAnnouncement(on.opened, { ...ours, ...change }));
    await refused(askSelf(on.opened.node, selfOf(bob.id)));
    const update = updateOf(on.opened.node, bob);
    await refused(askUpdate(on.opened, { ...update, channelFlags: update.channelFlags ^ 1 }));
  });

  test("of one channel is not signed with the keys of another", async () => {
    const second = await scene({ signer: on.signer, peer: carol, label: "second" });
    const { channel } = second.opened;
    await refused({ ...askAnnouncement(on.opened, announcementOf(on.opened, bob)), channel });
    await refused({
      ...askAnnouncement(second.opened, announcementOf(second.opened, carol)),
      channel: on.opened.channel,
    });
    await on.signer.call("signGossip", askAnnouncement(second.opened, announcementOf(second.opened, carol)));
  });

  test("of a channel that was not set up is refused", async () => {
    const { node } = on.opened;
    const { channel, basepoints } = await on.signer.call("new", { node, wanted: unknown });
    const shared = { ...on.opened.shared, holder: basepoints };
    const body = announcementOf({ node, shared }, bob);
    const refusal = await on.signer.refusal("signGossip", askAnnouncement({ node, channel, shared }, body));
    expect(refusal.rule).toBe("channel-known");
  });

  test("with bytes or flags that have no meaning is refused", async () => {
    const tail = Uint8Array.of(0);
    await refused(askAnnouncement(on.opened, { ...announcementOf(on.opened, bob), tail }));
    const update = updateOf(on.opened.node, bob);
    await refused(askUpdate(on.opened, { ...update, tail }));
    await refused(askUpdate(on.opened, { ...update, messageFlags: 5 }));
    await refused(askUpdate(on.opened, { ...update, channelFlags: update.channelFlags | 4 }));
    const self = selfOf(on.opened.node);
    await refused(askSelf(on.opened.node, { ...self, tail }));
    const rest = Uint8Array.of(9, 1, 2, 3);
    await refused(askSelf(on.opened.node, { ...self, addresses: { ...self.addresses, rest } }));
  });
});

describe("what is passed for an invoice", () => {
  const refusedWords = async (hrp: string, words: Uint8Array): Promise<void> => {
    const before = jobs.length;
    const refusal = await on.signer.refusal("signInvoice", { node: on.opened.node, hrp, words });
    expect(refusal).toMatchObject({ rule: "invoice-is-ours", final: true });
    expect(jobs.slice(before)).toEqual([]);
  };

  test("a preimage or gossip in its words is none", async () => {
    const self = encodeGossip("node_announcement", selfOf(on.opened.node));
    for (const bytes of [preimageOf(), self]) await refusedWords("lnbcrt", toWords(bytes));
  });

  test("a prefix with more in it than a chain and an amount is none", async () => {
    const words = unsignedWords(invoiceOf());
    const message = "Lightning Signed Message:";
    // An amount of one bitcoin is one.
    for (const hrp of ["", "ln", "lnbcr", "LNBCRT", "lnbcrt1", "lnbcrtx", "lnbcrt01m", "lnbcrt1x", message])
      if (hrp !== "lnbcrt1") await refusedWords(hrp, words);
  });

  test("cut off at any word it is refused, or says less and is no invoice of a writer", async () => {
    const invoice = invoiceOf();
    const words = unsignedWords(invoice);
    for (let length = 0; length < words.length; length++)
      await refusedWords(invoice.hrp, words.subarray(0, length));
    await on.signer.call("signInvoice", askInvoice(on.opened.node, invoice));
  });

  test("words that are none are refused", async () => {
    const { hrp } = invoiceOf();
    const words = unsignedWords(invoiceOf());
    for (const word of [32, 255]) await refusedWords(hrp, words.with(7, word));
  });
});

describe("what is passed for a text", () => {
  test("is signed under the prefix alone, whatever it is", async () => {
    const { node } = on.opened;
    const inner = [
      preimageOf(),
      encodeGossip("node_announcement", selfOf(node)),
      encodeGossip("channel_update", updateOf(node, bob)),
    ];
    const prefix = new TextEncoder().encode("Lightning Signed Message:");
    for (const message of [...inner, ...inner.map((one) => concat(prefix, one))]) {
      const { signature, recoveryId } = await on.signer.call("signMessage", { node, message });
      expect(curve.recover(doubleSha256(concat(prefix, message)), signature, recoveryId)).toEqual(node);
      expect(curve.verify({ digest: doubleSha256(message), signature, key: node })).toBe(false);
    }
  });

  test("is too short to be an announcement behind its prefix, by any reader of the two bytes of its length", async () => {
    const { node } = on.opened;
    const length = (0x4c << 8) | 0x69;
    expect(new TextEncoder().encode("Li")).toEqual(Uint8Array.of(0x4c, 0x69));
    expect(length).toBeGreaterThan(25 + 4_096);
    const outcome = await on.signer.refusal("signMessage", { node, message: new Uint8Array(length) });
    expect(outcome.rule).toBe("message-domain");
  });
});

test("no funding key signed anything but commitments, closes and announcements of its own channel", () => {
  const withFunding = jobs
    .filter((job) => "channel" in job && job.channel !== unknown)
    .map(({ kind }) => kind);
  expect(new Set(withFunding)).toEqual(new Set(["counterpartyCommitment", "gossip"]));
});
