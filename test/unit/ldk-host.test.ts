/** The smaller parts of the LDK host: fees, the chain's port, events for several, addresses. */

import { MessageChannel } from "node:worker_threads";
import { ConfirmationTarget } from "lightningdevkit";
import { beforeAll, describe, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { SourceError } from "../../chain/source.ts";
import { chainOver, serveChain } from "../../host/ldk/chain-port.ts";
import { clamp, openFees } from "../../host/ldk/fees.ts";
import { loadLdk } from "../../host/ldk/library.ts";
import { openStream } from "../../host/ldk/stream.ts";
import { addressOf } from "../../protocol/bitcoin/address.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { type Feerate, feerate, height } from "../../protocol/units.ts";

beforeAll(loadLdk);

describe("fees", () => {
  test("stay inside of what the signer allows and above what is relayed", () => {
    expect(clamp(100, {})).toBe(253);
    expect(clamp(100, { minFeerate: 500 })).toBe(500);
    expect(clamp(9_000, { maxFeerate: 5_000 })).toBe(5_000);
    expect(clamp(9_000, { maxFeerate: 10 })).toBe(253);
  });

  test("are the chain's for the blocks that a purpose has, in LDK's callback", async () => {
    const fees = openFees({ maxFeerate: 20_000 });
    const answers: Record<number, number> = { 2: 12_000, 6: 6_000, 144: 300 };
    await fees.refresh({ feerate: async (blocks) => feerate(answers[blocks] ?? 0) });
    const asked = (target: ConfirmationTarget) => fees.estimator.get_est_sat_per_1000_weight(target);
    expect(asked(ConfirmationTarget.LDKConfirmationTarget_UrgentOnChainSweep)).toBe(12_000);
    expect(asked(ConfirmationTarget.LDKConfirmationTarget_NonAnchorChannelFee)).toBe(6_000);
    expect(asked(ConfirmationTarget.LDKConfirmationTarget_AnchorChannelFee)).toBe(300);
    expect(asked(ConfirmationTarget.LDKConfirmationTarget_MaximumFeeEstimate)).toBe(20_000);
    expect(asked(ConfirmationTarget.LDKConfirmationTarget_MinAllowedAnchorChannelRemoteFee)).toBe(253);
    const silent = { feerate: async (): Promise<Feerate | undefined> => Promise.reject(new Error("gone")) };
    await fees.refresh(silent);
    expect(asked(ConfirmationTarget.LDKConfirmationTarget_UrgentOnChainSweep)).toBe(12_000);
  });
});

describe("a chain's source over a port", () => {
  const linked = () => {
    const chain = openChain();
    chain.mine(3);
    const { port1, port2 } = new MessageChannel();
    serveChain(chain.source, port1);
    return { chain, far: chainOver(port2, chain.source.name) };
  };

  test("says the same", async () => {
    const { chain, far } = linked();
    const tip = await far.tip();
    expect(tip).toEqual(await chain.source.tip());
    expect(await far.header(tip.hash)).toEqual(await chain.source.header(tip.hash));
    expect(Uint8Array.from(await far.block(tip.hash))).toEqual(
      Uint8Array.from(await chain.source.block(tip.hash)),
    );
    expect(await far.hashAt(height(9))).toBeUndefined();
    expect(await far.publish([Uint8Array.of(1)])).toMatchObject({ is: "refused" });
    expect(far.name).toBe(chain.source.name);
    await far.close();
  });

  test("fails as a source does, and after its end", async () => {
    const { far } = linked();
    await expect(far.header(new Uint8Array(32))).rejects.toThrow(SourceError);
    const left = far.tip();
    await far.close();
    await expect(left).rejects.toThrow(SourceError);
    await expect(far.tip()).rejects.toThrow(SourceError);
  });
});

describe("a stream of events", () => {
  test("gives each listener all from when it asked, and ends", async () => {
    const stream = openStream<number>();
    const early = stream.listen();
    stream.push(1);
    const late = stream.listen();
    stream.push(2);
    const gone = stream.listen();
    await gone.return?.();
    stream.push(3);
    stream.end();
    const all = async (of: AsyncIterable<number>) => {
      const list: number[] = [];
      for await (const one of of) list.push(one);
      return list;
    };
    expect(await all(early)).toEqual([1, 2, 3]);
    expect(await all(late)).toEqual([2, 3]);
    expect(await all(gone)).toEqual([]);
    expect(await all(stream.listen())).toEqual([]);
  });
});

test("addresses are those of BIP 173 and BIP 350", () => {
  const program = fromHex("751e76e8199196d454941c45d1b3a323f1433bd6");
  const script = Uint8Array.from([0, 20, ...program]);
  expect(addressOf("bitcoin", script)).toBe("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
  const x = fromHex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
  expect(addressOf("bitcoin", Uint8Array.from([0x51, 32, ...x]))).toBe(
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
  );
});
