/** What every source promises, whatever stands behind it. */

import { afterEach, describe, expect, test } from "vitest";
import { anyones, type EmbeddedChain } from "../../chain/embedded/chain.ts";
import { observe } from "../../chain/observe.ts";
import type { Follower } from "../../chain/observer.ts";
import { type ChainSource, SourceError, type Tip } from "../../chain/source.ts";
import { scanBlock } from "../../protocol/bitcoin/block.ts";
import { blockHash, decodeHeader } from "../../protocol/bitcoin/header.ts";
import { toHex } from "../../protocol/bytes.ts";
import { feerate, height, script } from "../../protocol/units.ts";
import { first, made, output, shore, subsidy } from "../unit/chain-embedded.kit.ts";

export interface Opened {
  readonly source: ChainSource;
  close(): Promise<void>;
}

export const chainSourceContract = (name: string, open: (chain: EmbeddedChain) => Promise<Opened>): void => {
  describe(name, () => {
    const closing: Opened[] = [];
    afterEach(async () => {
      for (const one of closing.splice(0)) {
        await one.source.close();
        await one.close();
      }
    });
    const opened = async () => {
      const { chain, funds, clock } = shore(4);
      const one = await open(chain);
      closing.push(one);
      return { chain, funds, clock, source: one.source };
    };

    test("shows its tip, and each block of its best chain", async () => {
      const { chain, source } = await opened();
      const tip = await source.tip();
      expect(tip).toEqual(chain.tip());
      let previous = new Uint8Array(32);
      for (const at of [0, 1, 2]) {
        const hash = await source.hashAt(height(at));
        if (hash === undefined) throw new Error(`nothing at ${at}`);
        const header = await source.header(hash);
        expect(decodeHeader(header).previous).toEqual(previous);
        expect(blockHash(decodeHeader(header))).toEqual(hash);
        const block = await source.block(hash);
        expect(block.subarray(0, 80)).toEqual(header);
        scanBlock(block, { outpoints: [], scripts: [] });
        previous = new Uint8Array(hash);
      }
      expect(await source.hashAt(tip.height)).toEqual(tip.hash);
      expect(await source.hashAt(height(tip.height + 1))).toBeUndefined();
    });

    test("keeps what a reorganisation took away", async () => {
      const { chain, source } = await opened();
      const gone = await source.tip();
      const [header, block] = [await source.header(gone.hash), await source.block(gone.hash)];
      chain.reorganise(1, 2);
      expect(await source.hashAt(gone.height)).not.toEqual(gone.hash);
      expect(await source.header(gone.hash)).toEqual(header);
      expect(await source.block(gone.hash)).toEqual(block);
      expect(await source.tip()).toEqual(chain.tip());
    });

    test("says that there is no such block", async () => {
      const { source } = await opened();
      await expect(source.header(new Uint8Array(32).fill(7))).rejects.toThrow(SourceError);
      await expect(source.block(new Uint8Array(32).fill(7))).rejects.toThrow(SourceError);
    });

    test("shows a block as large as they come", async () => {
      const { chain, funds, source } = await opened();
      const filler = output(0n, script(anyones.with(0, 0x6a)));
      for (const fund of funds) {
        const outputs = [subsidy - 100_000n, ...new Array(2000).fill(filler)];
        expect(chain.publish([made({ inputs: [fund], outputs }).raw])).toEqual({ is: "accepted" });
      }
      const [large] = chain.mine(1);
      expect(large?.raw.length).toBeGreaterThan(300_000);
      expect(toHex(await source.block(large?.hash ?? new Uint8Array()))).toBe(
        toHex(large?.raw ?? new Uint8Array()),
      );
    });

    test("knows of fees, or knows nothing", async () => {
      const { chain, source } = await opened();
      expect(await source.feerate(6)).toBeUndefined();
      chain.suggest(feerate(2750));
      expect(await source.feerate(6)).toBe(2750);
      expect(await source.feerate(1)).toBe(2750);
    });

    test("publishes one, and knows it ever after", async () => {
      const { chain, funds, source } = await opened();
      const tx = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
      expect(await source.publish([tx.raw])).toEqual({ is: "accepted" });
      expect(chain.pool().map(({ id }) => id)).toEqual([toHex(tx.txid)]);
      expect(await source.publish([tx.raw])).toEqual({ is: "known" });
      chain.mine(1);
      expect(await source.publish([tx.raw])).toEqual({ is: "known" });
      chain.publish([made({ inputs: tx.outputs, outputs: [subsidy - 2000n] }).raw]);
      chain.mine(1);
      expect(await source.publish([tx.raw])).toEqual({ is: "known" });
    });

    test("publishes a parent that pays nothing with the child that pays for it", async () => {
      const { chain, funds, source } = await opened();
      const parent = made({ inputs: [first(funds)], outputs: [subsidy - 240n, 240n], version: 3 });
      const child = made({ inputs: parent.outputs, outputs: [subsidy - 1000n], version: 3 });
      expect(await source.publish([parent.raw])).toEqual({
        is: "refused",
        reason: expect.stringContaining("min relay fee not met"),
      });
      const both = [parent.raw, child.raw];
      expect(await source.publish(both)).toEqual({ is: "accepted" });
      expect(await source.publish(both)).toEqual({ is: "known" });
      const grandchild = made({ inputs: child.outputs, outputs: [subsidy - 2000n] });
      expect(await source.publish([...both, grandchild.raw])).toEqual({ is: "accepted" });
      chain.mine(1);
      expect(await source.publish([...both, grandchild.raw])).toEqual({ is: "known" });
      expect(chain.blockAt(chain.tip().height)?.entries).toHaveLength(4);
    });

    test("publishes what is new beside what is in a block", async () => {
      const { chain, funds, source } = await opened();
      const parent = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
      chain.publish([parent.raw]);
      chain.mine(1);
      const child = made({ inputs: parent.outputs, outputs: [subsidy - 2000n] });
      expect(await source.publish([parent.raw, child.raw])).toEqual({ is: "accepted" });
      expect(chain.pool()).toHaveLength(1);
    });

    test("says why it takes none", async () => {
      const { chain, funds, source } = await opened();
      const [a, b] = [first(funds), first(funds.slice(1))];
      const late = made({ inputs: [a], outputs: [subsidy - 1000n], locktime: 400_000_000 });
      const greedy = made({ inputs: [b], outputs: [subsidy + 1n] });
      const nowhere = made({ inputs: greedy.outputs, outputs: [1n] });
      const refused = (reason: string) => ({ is: "refused", reason: expect.stringContaining(reason) });
      expect(await source.publish([late.raw])).toEqual(refused("non-final"));
      expect(await source.publish([greedy.raw])).toEqual(refused("bad-txns-in-belowout"));
      expect(await source.publish([nowhere.raw])).toEqual(refused("bad-txns-inputs-missingorspent"));
      expect(await source.publish([greedy.raw, nowhere.raw])).toEqual(refused("bad-txns-in-belowout"));
      expect(await source.publish([Uint8Array.of(1, 2)])).toEqual(refused("TX decode failed"));
      expect(chain.pool()).toEqual([]);
    });

    test("leads a follower through a reorganisation", async () => {
      const { chain, source } = await opened();
      let at: Tip = { height: height(95), hash: chain.blockAt(95)?.hash ?? new Uint8Array() };
      const told: number[] = [];
      const follower: Follower = {
        at: () => at,
        connected: async (block) => {
          told.push(block.height);
          at = { height: block.height, hash: block.hash };
        },
        disconnected: async (block) => {
          told.push(-block.height);
          at = { height: height(block.height - 1), hash: decodeHeader(block.header).previous };
        },
      };
      const observer = observe({ source, everyMs: 1_000_000 });
      const following = observer.follow(follower);
      expect(await following.caughtUp()).toEqual(chain.tip());
      chain.reorganise(2, 3);
      expect(await following.caughtUp()).toEqual(chain.tip());
      await observer.close();
      expect(told).toEqual([96, 97, 98, 99, 100, 101, 102, 103, -103, -102, 102, 103, 104]);
    });

    test("has a name, and answers nothing once it is closed", async () => {
      const { source } = await opened();
      expect(source.name).toMatch(/^[ -~]{5,60}$/);
      await source.close();
      await source.close();
    });
  });
};
