import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { packCoin, unpackCoin } from "../../signer/core/chain/coins.ts";
import { packOnchain, packView, unpackOnchain, unpackView } from "../../signer/core/chain/records.ts";
import { coinStates, onchainStates, viewStates } from "../frozen/chain.ts";
import { readable } from "../frozen/example.ts";

type Named = Readonly<Record<string, { readonly state: unknown; readonly bytes: string }>>;
const frozen = JSON.parse(
  readFileSync(new URL("../frozen/chain-v1.json", import.meta.url), "utf8"),
) as Readonly<Record<"views" | "onchain" | "coins", Named>>;

/** As JSON has it: what is undefined is left out. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(readable(value)));

const kinds = [
  ["views", viewStates, packView, unpackView],
  ["onchain", onchainStates, packOnchain, unpackOnchain],
  ["coins", coinStates, packCoin, unpackCoin],
] as const;

describe.each(kinds)("records of the %s", (kind, states, pack, unpack) => {
  test("are all frozen", () => {
    expect(Object.keys(frozen[kind])).toEqual(Object.keys(states));
  });

  test.each(Object.entries(frozen[kind]))("%s: the bytes of version 1 stay", (name, { state, bytes }) => {
    expect(toHex((pack as (value: unknown) => Uint8Array)((states as Record<string, unknown>)[name]))).toBe(
      bytes,
    );
    expect(asJson(unpack(fromHex(bytes)))).toEqual(state);
    expect(() => unpack(fromHex(`02${bytes.slice(2)}`))).toThrow(Malformed);
    expect(() => unpack(fromHex(bytes.slice(0, -2)))).toThrow(Malformed);
    expect(() => unpack(fromHex(`${bytes}00`))).toThrow(Malformed);
  });
});
