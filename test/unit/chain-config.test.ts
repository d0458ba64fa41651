import { describe, expect, test } from "vitest";
import { ZodError } from "zod";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { defaultChallenge } from "../../protocol/bitcoin/signet.ts";
import { toHex } from "../../protocol/bytes.ts";
import { height } from "../../protocol/units.ts";
import { chainOf, chainTable } from "../../signer/chain-config.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import { genesis, mineEmpty } from "../scripted/chain.ts";

const far = mineEmpty(genesis, 1).map(({ raw }) => toHex(raw.subarray(0, 80)))[0] as string;

describe("the [chain] table", () => {
  test("follows the host's blocks, but on a regtest", () => {
    for (const network of ["bitcoin", "testnet"] as const) expect(chainOf(network)).toEqual({});
    expect(chainOf("signet")).toEqual({ challenge: defaultChallenge });
    expect(chainOf("regtest")).toBeUndefined();
    expect(chainOf("regtest", { source: "host" })).toEqual({});
    expect(chainOf("bitcoin", { source: "none" })).toBeUndefined();
    expect(chainOf("bitcoin", { source: "proofs" })).toEqual({ inPart: true });
  });

  test("begins where it says", () => {
    const header = toHex(chains.bitcoin.genesis);
    expect(chainOf("bitcoin", { height: 0, header })).toMatchObject({ checkpoint: { height: 0 } });
    const settings = chainOf("regtest", { source: "host", height: 2016, header: far });
    expect(startAt("regtest", settings?.checkpoint).blocks[0]?.at.height).toBe(height(2016));
    expect(chainOf("signet", { challenge: "51" })).toEqual({ challenge: Uint8Array.of(0x51) });
  });

  test.each([
    ["a height alone", "bitcoin", { height: 2016 }],
    ["a header alone", "bitcoin", { header: far }],
    ["a header without that work", "bitcoin", { height: 2016, header: far }],
    ["another first block", "regtest", { height: 0, header: far }],
    ["a challenge where there is none", "bitcoin", { challenge: "51" }],
  ] as const)("is refused with %s", (_, network, table) => {
    expect(() => chainOf(network, table)).toThrow(ZodError);
  });

  test.each([
    { height: 2015 },
    { header: "00" },
    { source: "electrum" },
    { challenge: "5" },
    { checkpoint: 1 },
  ])("is refused as %o", (table) => {
    expect(chainTable.safeParse(table).success).toBe(false);
  });
});
