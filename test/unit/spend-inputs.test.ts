import { describe, expect, test } from "vitest";
import { encodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import type { ChannelClaim } from "../../protocol/bolt/claim.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { SpendInput } from "../../protocol/operations/spend.ts";
import {
  type CommitmentNumber,
  commitmentNumber,
  height,
  msat,
  type Outpoint,
  type Sat,
  type Script,
  sat,
} from "../../protocol/units.ts";
import type { WalletKey } from "../../signer/core/ports.ts";
import { claimsOf } from "../../signer/core/spend/channel.ts";
import { type Input, type InputContext, inputOf, partyOf, spentBy } from "../../signer/core/spend/inputs.ts";
import type { Live } from "../../signer/core/state.ts";
import { unwatched } from "../../signer/core/step.ts";
import { spending } from "../scripted/chain.ts";
import { add, htlcOf, fundingOf as labelled, preimageOf, start } from "../scripted/channel.ts";
import { placeAt, strangersScript } from "../scripted/spends.ts";
import { alice, bob, curve, type Published, testChannel } from "./chain-channel.ts";

const id = 7n as Exclude<SpendInput["channel"], "unknown">;
const channel = testChannel();
const offered = htlcOf("holder", 50_000_000n, "offered", 600);
const received = htlcOf("counterparty", 60_000_000n, "received", 610);
const now = [offered, received].reduce(add, start(channel.terms));
const later = add(now, htlcOf("holder", 9_000_000n, "more", 620));
const n = commitmentNumber;

/** Commitments 3 and 4 of ours are signed for broadcast, 5 is not; of theirs 3 is live, and those below are revoked. */
const liveOf = (of = channel): Live => {
  const live = of.live({
    revoked: 3n,
    holder: [
      [3n, now],
      [4n, later],
      [5n, later],
    ],
    counterparty: [[3n, now]],
  });
  return { ...live, holder: { ...live.holder, broadcast: [n(3n), n(4n)] } };
};
const live = liveOf();
const pointOf = (number: CommitmentNumber) => alice.point(number);
const claims = claimsOf(id, live, curve, pointOf);
const scriptOf = (claim: ChannelClaim): Script => claims.plan(claim).output;

const contextOf = (changes: Partial<InputContext> = {}): InputContext => ({
  ...{ curve, outlook: unwatched, point: (_, number) => pointOf(number), wallet: () => undefined },
  coin: () => undefined,
  claims: (of) => (of === id ? claims : undefined),
  ...changes,
});

const silent = {
  channel: unknown,
  number: unknown,
  point: unknown,
  htlc: unknown,
  preimage: unknown,
  value: unknown,
  script: unknown,
  prevTx: unknown,
  place: unknown,
} as const;

const read = (
  said: Partial<SpendInput> & Pick<SpendInput, "kind" | "outpoint">,
  changes?: Partial<InputContext>,
) => inputOf({ ...silent, channel: id, ...said }, 2, contextOf(changes));

const good = (...asked: Parameters<typeof read>): Exclude<Input, { from: "foreign" }> => {
  const input = read(...asked);
  if ("sentence" in input || input.from === "foreign") throw new Error(JSON.stringify(input, String));
  return input;
};

/** The rule, and the facts beside the input's index. */
const no = (...asked: Parameters<typeof read>): string => {
  const input = read(...asked);
  if (!("sentence" in input)) return "taken";
  expect(input.facts[0]).toEqual({ name: "input", value: "2" });
  return [input.rule, ...input.facts.slice(1).map(({ name, value }) => `${name} ${value}`)].join(", ");
};

const malformed = (...asked: Parameters<typeof read>): string => {
  try {
    return JSON.stringify(read(...asked), String);
  } catch (error) {
    return error instanceof Malformed ? `${error.path}: ${error.reason}` : String(error);
  }
};

const outputIn = ({ commitment, outpoint }: Published, script: Script): Outpoint =>
  outpoint(commitment.tx.outputs.findIndex((output) => equal(output.script, script)));

const ours = channel.publish("holder", 3n, now);
const theirs = channel.publish("counterparty", 3n, now);
const revoked = bob.secret(n(1n));

/** A transaction of which nobody here knows anything, with these outputs. */
const unseen = (...outputs: readonly (readonly [bigint, Script])[]) => {
  const { tx } = spending([labelled("before")], {
    outputs: outputs.map(([value, script]) => ({ value: sat(value), script })),
  });
  return { prevTx: encodeTx(tx), outpoint: { txid: txidOf(tx), index: 0 } };
};

const delayed = { kind: "delayed", number: n(3n) } as const;
const toLocal = scriptOf({ kind: "delayed", point: pointOf(n(3n)) });

describe("what an input is worth", () => {
  const chainSays = (value: bigint | undefined) => ({
    outlook: { ...unwatched, valueAt: () => value as Sat | undefined },
  });

  test("is known where our own state has the commitment, whatever the chain or the host says", () => {
    const outpoint = outputIn(ours, toLocal);
    const { value } = ours.commitment.tx.outputs[outpoint.index] ?? {};
    expect(good({ ...delayed, outpoint }, chainSays(5n))).toMatchObject({ value, proof: "known" });
    expect(no({ ...delayed, outpoint, value: sat(5n) })).toBe(
      `onchain-input-value-proven, said 5, value ${value}`,
    );
  });

  test("is known where the chain has it, shown by the previous transaction, and else only said", () => {
    const shown = unseen([9_000n, toLocal]);
    const bare = { ...delayed, outpoint: labelled("somewhere") };
    expect(good({ ...bare, ...shown })).toMatchObject({ value: 9_000n, proof: "shown" });
    expect(good({ ...bare, ...shown }, chainSays(9_000n))).toMatchObject({ value: 9_000n, proof: "known" });
    expect(good(bare, chainSays(8_000n))).toMatchObject({ value: 8_000n, proof: "known" });
    expect(good({ ...bare, value: sat(7_000n) })).toMatchObject({ value: 7_000n, proof: "said" });
    expect(no({ ...bare, value: sat(7_000n) }, chainSays(8_000n))).toContain("said 7000, value 8000");
    expect(malformed(bare)).toBe("inputs[2].value: needed for an input of this kind");
  });

  test("is fixed of an anchor: nobody needs to say it, and nobody can say another", () => {
    const anchor = { kind: "anchor", outpoint: labelled("somewhere") } as const;
    expect(good(anchor)).toMatchObject({ value: 330n, proof: "known" });
    expect(good(anchor, chainSays(330n))).toMatchObject({ value: 330n, proof: "known" });
    expect(no({ ...anchor, value: sat(331n) })).toContain("said 331, value 330");
    expect(no({ ...anchor, ...unseen([331n, scriptOf({ kind: "anchor" })]) })).toBe(
      "onchain-input-value-proven, value 331, htlc 330",
    );
  });

  test("is of a revoked HTLC what it was said to carry, and the previous transaction must agree", () => {
    const claim = { kind: "justiceHtlc", number: n(1n), htlc: received } as const;
    const script = scriptOf({
      ...{ kind: "justiceHtlc", revealed: revoked, htlc: partyOf(received, "counterparty") },
    });
    expect(good({ ...claim, outpoint: labelled("somewhere") })).toMatchObject({
      value: 60_000n,
      proof: "said",
    });
    expect(good({ ...claim, ...unseen([60_000n, script]) })).toMatchObject({
      value: 60_000n,
      proof: "shown",
    });
    expect(no({ ...claim, ...unseen([60_001n, script]) })).toBe(
      "onchain-input-value-proven, value 60001, htlc 60000",
    );
  });

  test("is no more than the channel's", () => {
    const worth = (value: bigint) => ({ ...delayed, ...unseen([value, toLocal]) });
    expect(good(worth(1_000_000n)).value).toBe(1_000_000n);
    expect(no(worth(1_000_001n))).toBe("sweep-other, value 1000001, channelValue 1000000");
  });
});

describe("the previous transaction", () => {
  test("must be a transaction, the one that is spent, and have the output", () => {
    const { prevTx, outpoint } = unseen([9_000n, toLocal]);
    expect(malformed({ ...delayed, prevTx, outpoint: { ...outpoint, index: 1 } })).toBe(
      "inputs[2].prevTx: it has no output 1",
    );
    expect(malformed({ ...delayed, prevTx, outpoint: labelled("another") })).toBe(
      "inputs[2].prevTx: not the transaction that is spent",
    );
    expect(malformed({ ...delayed, prevTx: prevTx.subarray(1), outpoint })).toContain("inputs[2].prevTx");
  });

  test("shows the script, which must be the one that follows from the claim", () => {
    const stranger = strangersScript(9);
    const shown = unseen([9_000n, stranger]);
    expect(no({ ...delayed, ...shown })).toBe(
      `sweep-other, script ${toHex(stranger)}, expected ${toHex(toLocal)}`,
    );
  });
});

describe("an output of our own commitment", () => {
  const outpoint = labelled("second stage");
  const asked = (said: Partial<SpendInput>) =>
    ({ kind: "delayed", outpoint, value: sat(1n), ...said }) as const;

  test("is named by a number or a point, of one that was signed for broadcast", () => {
    for (const number of [3n, 4n].map(n)) {
      const script = scriptOf({ kind: "delayed", point: pointOf(number) });
      expect(good(asked({ number })).plan.output).toEqual(script);
      expect(good(asked({ point: pointOf(number) })).plan.output).toEqual(script);
    }
    expect(no(asked({ number: n(5n) }))).toBe("sweep-other, number 5, notSignedForBroadcast true");
    const point = pointOf(n(5n));
    expect(no(asked({ point }))).toBe(`sweep-other, point ${toHex(point)}, notSignedForBroadcast true`);
    expect(malformed(asked({}))).toBe("inputs[2].number: needed for an input of this kind");
  });

  test("is nobody's where the keyring told no points", () => {
    const point = () => undefined;
    expect(no(asked({ point: pointOf(n(3n)) }), { point })).toContain("notSignedForBroadcast");
    expect(() => read(asked({ number: n(3n) }), { point })).toThrow("a point was not asked for");
  });

  test("is an HTLC only in the commitment that is named", () => {
    const htlc = { kind: "holderHtlc", outpoint: ours.outpoint(ours.at(offered).index) } as const;
    expect(good({ ...htlc, number: n(3n) })).toMatchObject({ htlc: offered, value: 50_000n, proof: "known" });
    expect(no({ ...htlc, number: n(4n) })).toContain("htlc-other, number 4, notAnHtlcOfIt");
    expect(no({ ...htlc, number: n(5n) })).toBe("htlc-other, number 5, notSignedForBroadcast true");
    const balance = outputIn(ours, toLocal);
    expect(no({ ...htlc, outpoint: balance, number: n(3n) })).toContain(`notAnHtlcOfIt ${balance.index}`);
    const elsewhere = theirs.outpoint(theirs.at(offered).index);
    expect(no({ ...htlc, outpoint: elsewhere, number: n(3n) })).toContain("htlc-other");
  });
});

describe("an HTLC of the counterparty's commitment", () => {
  const at = (htlc: Htlc) =>
    ({ kind: "counterpartyHtlc", outpoint: theirs.outpoint(theirs.at(htlc).index) }) as const;

  test("is one that our state has in it", () => {
    expect(good(at(received))).toMatchObject({ htlc: received, value: 60_000n, proof: "known" });
    const balance = outputIn(theirs, scriptOf({ kind: "toRemote" }));
    expect(no({ ...at(received), outpoint: balance })).toBe(
      `sweep-other, notAnHtlcOfALiveCommitment ${balance.index}`,
    );
    const own = ours.outpoint(ours.at(received).index);
    expect(no({ ...at(received), outpoint: own })).toContain("notAnHtlcOfALiveCommitment");
  });

  test.each([
    ["side", { offeredBy: "holder" }],
    ["amount", { amount: msat(60_000_001n) }],
    ["expiry", { expiry: height(611) }],
    ["hash", { hash: offered.hash }],
  ] as const)("is no other than the host says: not its %s", (_, change) => {
    const htlc = received;
    expect(good({ ...at(received), htlc })).toMatchObject({ htlc: received });
    expect(no({ ...at(received), htlc: { ...htlc, ...change } })).toBe(
      "sweep-other, htlc another than in the commitment",
    );
  });

  test("is opened by its own preimage alone", () => {
    expect(good({ ...at(received), preimage: preimageOf("received") })).toMatchObject({ htlc: received });
    expect(no({ ...at(received), preimage: preimageOf("offered") })).toBe(
      "sweep-other, preimage of another hash",
    );
    const own = {
      kind: "holderHtlc",
      outpoint: ours.outpoint(ours.at(received).index),
      number: n(3n),
    } as const;
    expect(no({ ...own, preimage: preimageOf("offered") })).toBe("htlc-other, preimage of another hash");
    const none = { kind: "toRemote", outpoint: labelled("x"), value: sat(1n) } as const;
    expect(good({ ...none, preimage: preimageOf("offered") })).toMatchObject({ htlc: undefined });
    expect(good({ ...none, htlc: offered })).toMatchObject({ htlc: undefined });
  });
});

describe("a breach", () => {
  test.each(["justiceToLocal", "justiceSecondLevel", "justiceHtlc"] as const)(
    "is punished as a %s",
    (kind) => {
      const asked = { kind, outpoint: labelled("x"), htlc: offered, value: sat(50_000n) } as const;
      expect(good({ ...asked, number: n(2n) }).plan.key).toEqual({
        base: "revocation",
        revealed: bob.secret(n(2n)),
      });
      // The counterparty has not revoked it: nothing lets us.
      expect(no({ ...asked, number: n(3n) })).toBe("sweep-other, number 3, notRevoked true");
      expect(no({ ...asked, number: n(4n) })).toBe("sweep-other, number 4, notRevoked true");
    },
  );

  test("is found in the commitment that waits as long as we demand", () => {
    const breach = channel.publish("counterparty", 1n, now);
    const outpoint = outputIn(breach, scriptOf({ kind: "justiceToLocal", revealed: revoked }));
    const prevTx = encodeTx(breach.commitment.tx);
    const { value } = breach.commitment.tx.outputs[outpoint.index] ?? {};
    expect(good({ kind: "justiceToLocal", number: n(1n), outpoint, prevTx })).toMatchObject({
      ...{ value, proof: "shown" },
    });
  });

  test("of an HTLC has to be told which", () => {
    const asked = { kind: "justiceHtlc", outpoint: labelled("x"), number: n(1n) } as const;
    expect(malformed(asked)).toBe("inputs[2].htlc: needed for an input of this kind");
  });

  test("waits for the number under which the secret was revealed, and looks at no secret beyond", () => {
    // The entries of BOLT 3 may open a number that the state does not count as revoked.
    const { secrets } = channel.live({ revoked: 4n }).counterparty;
    const ahead: Live = { ...live, counterparty: { ...live.counterparty, secrets } };
    const of = claimsOf(id, ahead, curve, pointOf);
    expect(of.revealed(n(2n))).toEqual(bob.secret(n(2n)));
    expect(of.revealed(n(3n))).toBeUndefined();
  });
});

describe("a channel", () => {
  test("without anchors has none to be spent", () => {
    const plain = testChannel({ type: "static_remotekey" });
    const of = claimsOf(id, liveOf(plain), curve, pointOf);
    const anchor = { kind: "anchor", outpoint: labelled("x") } as const;
    expect(no(anchor, { claims: () => of })).toBe("sweep-other, anchors false");
  });

  test("has to be named, and set up", () => {
    const asked = { kind: "toRemote", outpoint: labelled("x"), value: sat(1n) } as const;
    expect(malformed({ ...asked, channel: unknown })).toContain("inputs[2].channel");
    expect(no({ ...asked, channel: 8n as typeof id })).toBe("channel-known, channel 8");
  });
});

describe("a wallet input", () => {
  const place = placeAt(4, 1, 2);
  const script = strangersScript(0x21);
  const key = (form: WalletKey["form"]): WalletKey => ({ form, point: bob.id, script });
  const asked = { kind: "wallet", outpoint: labelled("coin"), place, value: sat(70n) } as const;
  const of = (form: WalletKey["form"]) => ({ wallet: () => key(form) });

  test("is of a place that the wallet has", () => {
    expect(no(asked)).toBe("onchain-wallet-path-predictable, account 2, branch 1, index 4");
    expect(malformed({ ...asked, place: unknown })).toContain("inputs[2].place");
    expect(malformed({ ...asked, value: unknown }, of("p2wpkh"))).toContain("inputs[2].value");
  });

  test("is spent by the form of its place: behind a script hash it is paid to that script", () => {
    const plain = good(asked, of("p2wpkh"));
    const nested = good(asked, of("p2sh-p2wpkh"));
    expect([plain, nested].map((one) => one.from === "wallet" && one.nested)).toEqual([false, true]);
    expect(nested.plan).toEqual({ ...plain.plan, output: script });
    expect(plain.plan.output).not.toEqual(script);
    expect(good(asked, of("p2tr")).plan.stack).toBe("p2tr");
  });

  test("is worth what its previous transaction shows, and is of our script", () => {
    const { plan } = good(asked, of("p2wpkh"));
    expect(good(asked, of("p2wpkh"))).toMatchObject({ value: 70n, proof: "said" });
    const shown = { ...asked, ...unseen([80n, plan.output]), value: unknown } as const;
    expect(good(shown, of("p2wpkh"))).toMatchObject({ value: 80n, proof: "shown" });
    expect(no({ ...shown, value: sat(81n) }, of("p2wpkh"))).toContain("said 81, value 80");
    expect(no({ ...asked, ...unseen([70n, script]) }, of("p2wpkh"))).toContain(
      "onchain-input-value-proven, script",
    );
    expect(good({ ...asked, ...unseen([70n, script]) }, of("p2sh-p2wpkh")).proof).toBe("shown");
  });
});

describe("somebody else's input", () => {
  const script = strangersScript(0x31);
  const asked = { kind: "foreign", outpoint: labelled("theirs"), channel: unknown } as const;

  test("is what the host says of it, unless the previous transaction shows it", () => {
    const told = { value: sat(5n), script };
    expect(read({ ...asked, ...told })).toMatchObject({ spent: told, proof: "said" });
    for (const half of [{ value: sat(5n) }, { script }, {}])
      expect(read({ ...asked, ...half })).toMatchObject({ spent: undefined, proof: "said" });
    const shown = unseen([6n, strangersScript(0x32)]);
    const spent = { value: 6n, script: strangersScript(0x32) };
    expect(read({ ...asked, ...shown })).toMatchObject({ spent, proof: "shown" });
    expect(read({ ...asked, ...shown, script, value: sat(6n) })).toMatchObject({ spent, proof: "shown" });
    expect(no({ ...asked, ...shown, ...told })).toBe("onchain-input-value-proven, said 5, value 6");
  });

  test("counts in a taproot digest with all that is known of it, as ours do", () => {
    const told = { value: sat(5n), script };
    const foreign = read({ ...asked, ...told });
    if ("sentence" in foreign) throw new Error("refused");
    expect(spentBy(foreign)).toEqual(told);
    const input = good({ ...delayed, outpoint: outputIn(ours, toLocal) });
    expect(spentBy(input)).toEqual({ value: input.value, script: toLocal });
  });
});
