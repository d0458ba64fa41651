import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chains } from "../../protocol/bitcoin/chains.ts";
import {
  bitsOf,
  blockHash,
  type ChainView,
  connect,
  decodeHeader,
  encodeHeader,
  genesisView,
  type Header,
  medianTimePast,
  targetOf,
  workOf,
} from "../../protocol/bitcoin/header.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { height } from "../../protocol/units.ts";
import { anyHash, mined, publicChains, readable } from "./bitcoin-blocks.ts";

const networks = Object.keys(chains) as Network[];
const header = (text: string): Header => decodeHeader(fromHex(text));
const first = publicChains.first.map(header);

const connected = (network: Network, view: ChainView, header: Header): ChainView => {
  const result = connect(network, view, header);
  if (result.is !== "connected") throw new Error(JSON.stringify(result));
  return result.view;
};

describe("a header", () => {
  test.each(networks)("the genesis block of %s hashes to its name", (network) => {
    expect(blockHash(decodeHeader(chains[network].genesis))).toEqual(chains[network].genesisHash);
  });

  test("the first on the public chain have the hashes that are known", () => {
    expect(readable(blockHash(first[1] as Header))).toBe(
      "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
    );
    expect(readable(blockHash(first[2] as Header))).toBe(
      "000000006a625f06636b8bb6ac7b960a8d03705d1ace08b1a19da3fdcc99ddbd",
    );
  });

  test("is read and written alike, and nothing else is one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 80, maxLength: 80 }), (bytes) => {
        expect(encodeHeader(decodeHeader(bytes))).toEqual(bytes);
      }),
    );
    expect(decodeHeader(new Uint8Array(80).fill(0xff)).version).toBe(-1);
    for (const length of [0, 79, 81]) expect(() => decodeHeader(new Uint8Array(length))).toThrow(Malformed);
  });
});

describe("compact targets", () => {
  test.each([
    [0x0000_0000, undefined, undefined],
    [0x0012_3456, undefined, undefined],
    [0x0100_3456, undefined, undefined],
    [0x0112_3456, 0x12n, 0x0112_0000],
    [0x0180_0000, undefined, undefined],
    [0x01fe_dcba, undefined, undefined],
    [0x0212_3456, 0x1234n, 0x0212_3400],
    [0x0312_3456, 0x12_3456n, 0x0312_3456],
    [0x0412_3456, 0x1234_5600n, 0x0412_3456],
    [0x0492_3456, undefined, undefined],
    [0x0500_9234, 0x9234_0000n, 0x0500_9234],
    [0x2012_3456, 0x12_3456n << 232n, 0x2012_3456],
    [0x2100_ffff, 0xffffn << 240n, 0x2100_ffff],
    [0x2101_0000, undefined, undefined],
    [0x2200_00ff, 0xffn << 248n, 0x2100_ff00],
    [0x2200_0100, undefined, undefined],
    [0x2300_0001, undefined, undefined],
    [0xff12_3456, undefined, undefined],
  ])("%s", (bits, target, again) => {
    expect(targetOf(bits)).toBe(target);
    if (target !== undefined) expect(bitsOf(target)).toBe(again);
  });

  test("round down to three digits and never to a negative number", () => {
    expect(bitsOf(0x80n)).toBe(0x0200_8000);
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (1n << 256n) - 1n }), (target) => {
        const rounded = targetOf(bitsOf(target)) as bigint;
        expect(rounded).toBeLessThanOrEqual(target);
        expect(target - rounded).toBeLessThan(target / 0x7fffn + 1n);
        expect(bitsOf(rounded)).toBe(bitsOf(target));
      }),
    );
  });

  test("the easiest of each chain is the genesis block's", () => {
    for (const network of networks) {
      expect(bitsOf(chains[network].powLimit)).toBe(decodeHeader(chains[network].genesis).bits);
    }
  });

  test("the work of the first target", () => {
    expect(workOf(targetOf(0x1d00_ffff) as bigint)).toBe(0x1_0001_0001n);
  });
});

describe("on the public chain", () => {
  const view = first
    .slice(1)
    .reduce((view, header) => connected("bitcoin", view, header), genesisView("bitcoin"));

  test("the first headers connect and add up", () => {
    expect(view).toMatchObject({
      height: 6,
      work: 7n * 0x1_0001_0001n,
      times: first.map(({ time }) => time),
    });
    expect(view.hash).toEqual(blockHash(first[6] as Header));
  });

  describe.each(publicChains.retargets)("the retarget at $height", (figures) => {
    const [start, last, next] = [figures.periodStart, figures.last, figures.next].map(header) as [
      Header,
      Header,
      Header,
    ];
    const viewWith = (periodStart: number): ChainView => ({
      height: height(figures.height - 1),
      hash: blockHash(last),
      work: 0n,
      bits: last.bits,
      times: [last.time],
      periodStart,
      ruledBits: last.bits,
    });

    test("is what the network made it", () => {
      expect(next.bits.toString(16)).toBe(figures.bits);
      const after = connected("bitcoin", viewWith(start.time), next);
      expect(after).toMatchObject({ bits: next.bits, periodStart: next.time, ruledBits: next.bits });
    });

    test("differs with one interval more or less", () => {
      for (const off of [-600, 600]) {
        const result = connect("bitcoin", viewWith(start.time + off), next);
        expect(result).toMatchObject({ is: "broken", rule: "bits", found: figures.bits });
      }
    });

    test("changes by four at most", () => {
      const bitsAfter = (took: number): string => {
        const result = connect("bitcoin", viewWith(last.time - took), { ...next, bits: 1 });
        return result.is === "broken" ? result.expected : "";
      };
      const [quarter, four] = [bitsAfter(302_400), bitsAfter(4_838_400)];
      const target = targetOf(last.bits) as bigint;
      expect(quarter).toBe(bitsOf(target / 4n).toString(16));
      const eased = target * 4n > chains.bitcoin.powLimit ? chains.bitcoin.powLimit : target * 4n;
      expect(four).toBe(bitsOf(eased).toString(16));
      for (const took of [-1_000_000, 0, 302_399]) expect(bitsAfter(took)).toBe(quarter);
      expect(bitsAfter(302_400 + 10_000)).not.toBe(quarter);
      for (const took of [4_838_401, 100_000_000]) expect(bitsAfter(took)).toBe(four);
    });
  });

  test("old versions end at their heights", () => {
    const [, next] = first as [Header, Header];
    const at = (n: number) => ({ ...genesisView("bitcoin"), height: height(n - 1) });
    expect(connect("bitcoin", at(227_930), next).is).toBe("connected");
    expect(connect("bitcoin", at(227_931), next)).toMatchObject({ rule: "version", expected: "at least 2" });
    expect(connect("bitcoin", at(363_725), next)).toMatchObject({ rule: "version", expected: "at least 3" });
    expect(connect("bitcoin", at(388_381), next)).toMatchObject({ rule: "version", expected: "at least 4" });
  });
});

describe("testnet's pauses", () => {
  const [, easy, prompt] = first as [Header, Header, Header];
  const ruled = 0x1c0f_ffff;
  const view: ChainView = { ...genesisView("bitcoin"), bits: ruled, ruledBits: ruled };

  test("a header after twenty minutes may be easy, and the next has the last ruled target again", () => {
    const after = connected("testnet", view, easy);
    expect(after).toMatchObject({ bits: 0x1d00_ffff, ruledBits: ruled });
    expect(connect("testnet", after, prompt)).toMatchObject({ rule: "bits", expected: "1c0fffff" });
    expect(connect("bitcoin", view, easy)).toMatchObject({ rule: "bits", expected: "1c0fffff" });
  });

  test("twenty minutes are not enough, one second more is", () => {
    const last = view.times.at(-1) as number;
    expect(connect("testnet", view, { ...easy, time: last + 1200 })).toMatchObject({ rule: "bits" });
    expect(connect("testnet", view, { ...easy, time: last + 1201 })).toMatchObject({ rule: "work" });
  });

  test("an easy header that begins a period rules it", () => {
    const [{ periodStart, last, next }] = publicChains.retargets as [(typeof publicChains.retargets)[0]];
    const before: ChainView = {
      ...{ height: height(2015), hash: blockHash(header(last)), work: 0n, bits: header(last).bits },
      ...{ times: [header(last).time], periodStart: header(periodStart).time, ruledBits: ruled },
    };
    expect(connected("testnet", before, header(next)).ruledBits).toBe(header(next).bits);
  });
});

describe("regtest", () => {
  const nextTo = (view: ChainView, change: Partial<Header> = {}): Header => ({
    ...{ version: 4, previous: view.hash, merkleRoot: new Uint8Array(32) },
    ...{ time: (view.times.at(-1) as number) + 1, bits: 0x207f_ffff, nonce: 0, ...change },
  });

  test("never retargets; times go by the median of eleven", () => {
    let view: ChainView = { ...genesisView("regtest"), height: height(2000) };
    for (let i = 0; i < 40; i++) {
      view = connected("regtest", view, mined(nextTo(view)));
      expect(view.times.length).toBe(Math.min(11, i + 2));
    }
    expect(view.periodStart).toBe((view.times.at(-1) as number) - 24);
    const sorted = [...view.times].sort((a, b) => a - b);
    expect(medianTimePast(view)).toBe(sorted[5]);
    const early = mined(nextTo(view, { time: sorted[5] as number }));
    expect(connect("regtest", view, early)).toMatchObject({ rule: "time" });
    expect(connect("regtest", view, mined(nextTo(view, { time: (sorted[5] as number) + 1 }))).is).toBe(
      "connected",
    );
  });

  test("any change breaks a header, and says which rule", () => {
    const view = genesisView("regtest");
    const good = mined(nextTo(view));
    expect(connect("regtest", view, good).is).toBe("connected");
    fc.assert(
      fc.property(anyHash, fc.nat({ max: 0xffff_ffff }), (hash, bits) => {
        expect(connect("regtest", view, { ...good, previous: hash })).toMatchObject({ rule: "previous" });
        if (bits !== good.bits)
          expect(connect("regtest", view, { ...good, bits })).toMatchObject({ rule: "bits" });
        const changed = { ...good, merkleRoot: hash };
        const isLucky = BigInt(`0x${readable(blockHash(changed))}`) <= chains.regtest.powLimit;
        const result = connect("regtest", view, changed);
        expect(result.is === "broken" ? result.rule : "connected").toBe(isLucky ? "connected" : "work");
      }),
    );
    const old = mined(nextTo(view, { version: 3 }));
    expect(connect("regtest", view, old)).toMatchObject({ rule: "version" });
    expect(connect("regtest", view, mined(nextTo(view, { version: -1 })))).toMatchObject({ rule: "version" });
    expect(toHex(encodeHeader(good)).length).toBe(160);
  });
});
