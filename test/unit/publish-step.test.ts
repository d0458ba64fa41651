/** broadcast, chainSource and chainFeed where the signer reaches nobody by itself. */

import { describe, expect, test } from "vitest";
import { encodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import type { Request } from "../../protocol/operations/index.ts";
import type { ChainSettings } from "../../signer/core/chain/book.ts";
import { broadcast, chainFeed, chainSource, withoutSource } from "../../signer/core/steps/publish.ts";
import { spending } from "../scripted/chain.ts";
import { fundingOf } from "../scripted/channel.ts";
import { settingsOf, turnOf, viewOf } from "./payments.kit.ts";

const turn = <N extends "broadcast" | "chainSource" | "chainFeed">(body: object, chain?: ChainSettings) =>
  turnOf<N, undefined>(body as Request<N>, viewOf([]), {
    settings: settingsOf({}, chain === undefined ? {} : { chain }),
  });

describe("where the blocks come from", () => {
  test.each<[ChainSettings | undefined, string, boolean, boolean]>([
    [undefined, "none", false, false],
    [{}, "host", true, true],
    [{ inPart: true }, "proofs", true, false],
    [{ inPart: false }, "host", true, true],
    [{ own: true }, "own", false, true],
    [{ own: false }, "host", true, true],
  ])("of %o is told, and what a host has to show", (chain, mode, wanted, whole) => {
    const source = chainSource.decide(turn<"chainSource">({}, chain));
    const feed = chainFeed.decide(turn<"chainFeed">({}, chain));
    if (source.is !== "told" || feed.is !== "told") throw new Error("not told");
    expect(source.reply({ points: [] })).toMatchObject({ mode, name: "", trouble: "", unconfirmed: 0 });
    expect(feed.reply({ points: [] })).toEqual({ wanted, whole });
  });
});

describe("what is to be published", () => {
  const made = ["a", "b"].map((label) => spending([fundingOf(label)]).tx);
  const asked = (...transactions: readonly Uint8Array[]) =>
    broadcast.decide(turn<"broadcast">({ transactions }));

  test("is refused one by one by who has no source, and is in the audit log", () => {
    const decision = asked(...made.map(encodeTx));
    if (decision.is !== "kept") throw new Error(decision.is);
    expect([decision.change, decision.detail]).toEqual([{}, "2 transactions"]);
    expect(decision.reply({ points: [] }).results).toEqual(
      made.map((tx) => ({ txid: txidOf(tx), is: "refused", reason: withoutSource })),
    );
  });

  test("is named where it is no transaction", () => {
    const [one] = made.map(encodeTx) as [Uint8Array];
    expect(() => asked(one, one.subarray(1))).toThrow(/^transactions\[1\]/);
  });
});
