import { describe, expect, test } from "vitest";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { SpendOutput } from "../../protocol/operations/spend.ts";
import { type ChannelId, type Script, sat } from "../../protocol/units.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { WalletKey } from "../../signer/core/ports.ts";
import type { Input } from "../../signer/core/spend/inputs.ts";
import { isWithinGap, type OutputContext, paidOf } from "../../signer/core/spend/outputs.ts";
import type { Live } from "../../signer/core/state.ts";
import { start } from "../scripted/channel.ts";
import { placeAt, strangersScript } from "../scripted/spends.ts";
import { bob, testChannel } from "./chain-channel.ts";

const id = 7n as ChannelId;
const channel = testChannel();
const closing = strangersScript(0x61);
const plain = channel.live({ holder: [[0n, start(channel.terms)]] });
const live: Live = { ...plain, setup: { ...plain.setup, closingScript: closing } };
const { funding } = live.setup;
const mine = strangersScript(0x51);
const stranger = strangersScript(0x52);
const fundingOutput = p2wsh(
  fundingScript(channel.shared.holder.funding, channel.shared.counterparty.funding),
);

const contextOf = (changes: Partial<OutputContext> = {}): OutputContext => ({
  txid: funding.txid,
  policy: {
    ...defaultPolicy("regtest"),
    walletGap: 20,
    allowlist: [strangersScript(0x53), strangersScript(0x54)],
  },
  nextWallet: 5,
  live: (of) => (of === id ? live : undefined),
  wallet: () => ({ form: "p2wpkh", point: bob.id, script: mine }) satisfies WalletKey,
  ...changes,
});

interface Asked {
  readonly value?: bigint;
  readonly script?: Script;
  readonly said: Partial<SpendOutput> & Pick<SpendOutput, "kind">;
  readonly index?: number;
  readonly inputs?: readonly Input[];
}

const read = (
  { value = 900n, script = mine, said, index = 1, inputs = [] }: Asked,
  changes?: Partial<OutputContext>,
) =>
  paidOf(
    { value: sat(value), script },
    { place: unknown, channel: unknown, ...said },
    index,
    inputs,
    contextOf(changes),
  );

const no = (...asked: Parameters<typeof read>): string => {
  const paid = read(...asked);
  return "sentence" in paid ? paid.rule : `taken as ${paid.is}`;
};
const factsOf = (...asked: Parameters<typeof read>): Readonly<Record<string, string>> => {
  const paid = read(...asked);
  return "sentence" in paid ? Object.fromEntries(paid.facts.map(({ name, value }) => [name, value])) : {};
};

test("an output of a kind that needs a place or a channel has to name it", () => {
  const path = (said: Asked["said"]): string => {
    try {
      return no({ said });
    } catch (error) {
      return error instanceof Malformed ? error.path : String(error);
    }
  };
  expect(path({ kind: "wallet" })).toBe("outputs[1].place");
  expect(path({ kind: "closing" })).toBe("outputs[1].channel");
  expect(path({ kind: "funding" })).toBe("outputs[1].channel");
});

describe("an output of our wallet", () => {
  const wallet = (index: number) => ({ kind: "wallet", place: placeAt(index, 1, 2) }) as const;

  test("pays the script of its place", () => {
    expect(read({ said: wallet(3) })).toEqual({ is: "ours", value: 900n, place: placeAt(3, 1, 2) });
    expect(no({ said: wallet(3), script: stranger })).toBe("onchain-wallet-path-predictable");
  });

  test("is of a place that the wallet has, within a gap of those that were used", () => {
    expect(no({ said: wallet(24) })).toBe("taken as ours");
    expect(factsOf({ said: wallet(25) })).toEqual({
      output: "1",
      account: "2",
      branch: "1",
      index: "25",
      used: "5",
    });
    expect(no({ said: wallet(3) }, { wallet: () => undefined })).toBe("onchain-wallet-path-predictable");
    const gap = { policy: { ...defaultPolicy("regtest"), walletGap: 20 }, nextWallet: 5 };
    expect([23, 24, 25].map((index) => isWithinGap(placeAt(index), gap))).toEqual([true, true, false]);
  });
});

describe("an output of a channel's closing script", () => {
  const said = { kind: "closing", channel: id } as const;

  test("pays that script and no other", () => {
    expect(read({ said, script: closing })).toEqual({ is: "ours", value: 900n, place: undefined });
    expect(no({ said, script: stranger })).toBe("onchain-wallet-path-predictable");
    expect(no({ said, script: mine })).toBe("onchain-wallet-path-predictable");
  });

  test("is of a channel that is set up", () => {
    expect(no({ said: { ...said, channel: 8n as ChannelId }, script: closing })).toBe("channel-known");
  });
});

describe("an output that funds a channel", () => {
  const said = { kind: "funding", channel: id } as const;
  const asked: Asked = { said, script: fundingOutput, value: 1_000_000n, index: funding.index };

  test("is the channel's, of which our contribution is ours", () => {
    expect(read(asked)).toEqual({ is: "funding", value: 1_000_000n, channel: id, share: 1_000_000n });
    const terms = { ...live.setup.terms, contribution: sat(300_000n) };
    const dual: Live = { ...live, setup: { ...live.setup, terms } };
    expect(read(asked, { live: () => dual })).toMatchObject({ share: 300_000n });
  });

  test("has its script, value, transaction and place in it", () => {
    expect(no({ ...asked, script: stranger })).toBe("onchain-output-scriptpubkey");
    for (const [changed, context] of [
      [{ value: 999_999n }, {}],
      [{ value: 1_000_001n }, {}],
      [{ index: funding.index + 1 }, {}],
      [{}, { txid: new Uint8Array(32) as typeof funding.txid }],
    ] as const)
      expect(no({ ...asked, ...changed }, context)).toBe("onchain-output-match-commitment");
    expect(Object.keys(factsOf({ ...asked, value: 5n }))).toEqual([
      ...["output", "channel", "value", "expected", "txid", "funding", "fundingOutput"],
    ]);
  });

  test("waits for our first commitment to be countersigned", () => {
    const empty = { ...live, holder: { ...live.holder, variants: [] } };
    expect(no(asked, { live: () => empty })).toBe("onchain-initial-commitment-countersigned");
    expect(no(asked, { live: () => undefined })).toBe("channel-known");
  });
});

describe("any other output", () => {
  test("is a stranger's, unless the allowlist has its script", () => {
    expect(read({ said: { kind: "other" }, script: stranger })).toEqual({
      ...{ is: "other", value: 900n, script: stranger, allowed: false },
    });
    expect(read({ said: { kind: "other" }, script: strangersScript(0x54) })).toMatchObject({ allowed: true });
  });

  test("is ours where the counterparty's signature binds it to our HTLC, at the same index", () => {
    const input = (changes: object) =>
      ({ from: "channel", plan: { countersigned: {} }, ...changes }) as never;
    const at = (inputs: readonly Input[]) => no({ said: { kind: "other" }, script: stranger, inputs });
    expect(at([input({}), input({})])).toBe("taken as ours");
    expect(at([input({})])).toBe("taken as other");
    expect(at([input({}), input({ plan: {} })])).toBe("taken as other");
    expect(at([input({}), input({ from: "wallet" })])).toBe("taken as other");
  });
});
