import { describe, expect, test } from "vitest";
import { buildSimpleClose, type CloseVariant } from "../../protocol/bolt/simple-close.ts";
import { isKnown, type Maybe } from "../../protocol/codec.ts";
import type { Reply, Request } from "../../protocol/operations/index.ts";
import { msat, type Signature, sat } from "../../protocol/units.ts";
import { peerScript } from "../scripted/close.ts";
import { curve, rig } from "../scripted/road.ts";
import { evenTerms, type Scene, scene } from "../scripted/scene.ts";

type Ask = Request<"signSimpleClosing">;

const asked = ({ opened, start }: Scene, changes: Partial<Ask> = {}): Ask => ({
  node: opened.node,
  channel: opened.channel,
  funding: opened.shared.funding,
  closer: "holder",
  holder: start.holder,
  holderScript: opened.closingScript,
  counterparty: start.counterparty,
  counterpartyScript: peerScript,
  fee: sat(500n),
  locktime: 0,
  ...changes,
});

const opened = async (options: Parameters<typeof scene>[0] = {}): Promise<Scene> => {
  const on = await scene(options);
  await on.advance(0n, on.start);
  return on;
};

const fields: readonly (readonly [CloseVariant, keyof Reply<"signSimpleClosing">])[] = [
  ["closer_output_only", "closerOutputOnly"],
  ["closee_output_only", "closeeOutputOnly"],
  ["closer_and_closee_outputs", "closerAndCloseeOutputs"],
];

/** The forms that were signed, each held against a transaction that is put together here. */
const signed = async (on: Scene, ask: Ask): Promise<readonly CloseVariant[]> => {
  const reply = await on.signer.call("signSimpleClosing", ask);
  const { holder, counterparty, funding, terms } = on.opened.shared;
  const ours = { balance: ask.holder, script: ask.holderScript };
  const theirs = { balance: ask.counterparty, script: ask.counterpartyScript };
  return fields.flatMap(([variant, name]) => {
    const signature: Maybe<Signature> = reply[name];
    if (!isKnown(signature)) return [];
    const close = buildSimpleClose(
      {
        fundingOutpoint: funding,
        fundingValue: terms.value,
        fundingKeys: [counterparty.funding, holder.funding],
        closer: ask.closer === "holder" ? ours : theirs,
        closee: ask.closer === "holder" ? theirs : ours,
        fee: ask.fee,
        locktime: ask.locktime,
      },
      variant,
    );
    if (close === undefined) throw new Error("no such close");
    expect(curve.verify({ digest: close.digest, signature, key: holder.funding })).toBe(true);
    return [variant];
  });
};

const rich = { push: msat(200_000_000n) };
const poor = { push: msat(700_000_000n) };

describe("a simple close", () => {
  test("in every form that pays us", async () => {
    const on = await opened({ terms: evenTerms(rich) });
    expect(await signed(on, asked(on))).toEqual(["closer_output_only", "closer_and_closee_outputs"]);
    expect(await signed(on, asked(on, { fee: sat(900n), locktime: 700_000 }))).toHaveLength(2);
  });

  test("and in none that leaves us out", async () => {
    const on = await opened({ terms: evenTerms(poor) });
    expect(await signed(on, asked(on))).toEqual(["closer_and_closee_outputs"]);
    expect(await signed(on, asked(on, { closer: "counterparty" }))).toEqual(["closer_and_closee_outputs"]);
  });

  test("where they propose, for all of our balance and nothing less", async () => {
    const on = await opened({ terms: evenTerms(rich) });
    const closer = "counterparty" as const;
    expect(await signed(on, asked(on, { closer }))).toEqual([
      "closee_output_only",
      "closer_and_closee_outputs",
    ]);
    const less = msat(on.start.holder - 2_000n);
    const refusal = await on.signer.refusal("signSimpleClosing", asked(on, { closer, holder: less }));
    expect(refusal.rule).toBe("mutual-value-matches-commitment");
    expect(await signed(on, asked(on, { closer, fee: sat(100_000n) }))).toHaveLength(2);
  });

  test("of a balance that is a lie, a fee without measure, or another's script is refused", async () => {
    const on = await opened({ terms: evenTerms(rich) });
    const rule = async (changes: Partial<Ask>) =>
      (await on.signer.refusal("signSimpleClosing", asked(on, changes))).rule;
    expect(await rule({ holder: msat(on.start.holder - 2_000n) })).toBe("mutual-value-matches-commitment");
    expect(await rule({ holder: msat(1_000_000n), counterparty: msat(1_000n) })).toBe(
      "mutual-value-matches-commitment",
    );
    expect(await rule({ holderScript: peerScript, counterpartyScript: on.opened.closingScript })).toBe(
      "mutual-destination-allowlisted",
    );
    expect(await rule({ fee: sat(200_000n) })).toBe("mutual-fee-range");
    expect(await rule({ fee: sat(900_000n) })).toBe("mutual-other");
    // More than there is: only what can be is signed, and it is for us.
    const more = asked(on, { holder: msat(999_000_000n) });
    expect(await signed(on, more)).toEqual(["closer_output_only"]);
    expect(await rule({ funding: { ...on.opened.shared.funding, index: 7 } })).toBe("mutual-other");
    expect(on.signer.faults).toEqual([]);
  });

  test("is of a channel that is known, and what it ends stays ended when a secret comes late", async () => {
    const on = await opened({ label: "late" });
    const nobody = asked(on, { channel: 77n as Ask["channel"] });
    expect((await on.signer.refusal("signSimpleClosing", nobody)).rule).toBe("channel-known");
    const { sign, validate, revoke, revocation } = await on.at(1n, on.start);
    if (revoke === undefined || revocation === undefined) throw new Error("nothing to revoke");
    await on.signer.call("signCounterpartyCommitment", sign);
    await on.signer.call("validateHolderCommitment", validate);
    await on.signer.call("revokeHolderCommitment", revoke);
    await on.signer.call("signSimpleClosing", asked(on));
    await on.signer.call("validateCounterpartyRevocation", revocation);
    const next = await on.at(2n, on.start);
    expect((await on.signer.refusal("signCounterpartyCommitment", next.sign)).rule).toBe(
      "commitment-not-closed",
    );
  });

  test("ends the channel, and its fee is charged once", async () => {
    const signer = await rig({ policy: { maxFeesPerDay: sat(999n) } });
    const on = await opened({ signer, terms: evenTerms(rich) });
    for (const fee of [300n, 500n, 999n])
      await on.signer.call("signSimpleClosing", asked(on, { fee: sat(fee) }));
    const { sign } = await on.at(1n, on.start);
    expect((await signer.refusal("signCounterpartyCommitment", sign)).rule).toBe("commitment-not-closed");
    const other = await scene({ signer, label: "another" });
    expect(other.opened.channel).not.toBe(on.opened.channel);
    await on.signer.call("signSimpleClosing", asked(on, { fee: sat(1_000n) }));
    await expect(scene({ signer, label: "a third" })).rejects.toThrow(/fee-exposure/);
  });
});
