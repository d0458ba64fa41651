import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FlashSim, FlashStep } from "../../firmware-sim/flash.ts";
import { openJournal } from "../../firmware-sim/journal.ts";
import {
  type ChannelNumbers,
  decodePage,
  encodePage,
  mostContent,
  openPages,
  type Pages,
  rootOf,
  type Taken,
} from "../../firmware-sim/pages.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, commitmentNumber } from "../../protocol/units.ts";
import { random } from "../fuzz/random.ts";
import { steady } from "../steady.ts";
import { freshFlash } from "./firmware.kit.ts";

const key = new Secret(new Uint8Array(32).fill(5));
const [one, two] = [channelId(1n), channelId(2n)];
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

const at = (n: number, more: Partial<ChannelNumbers> = {}): ChannelNumbers => ({
  holder: commitmentNumber(BigInt(n)),
  counterparty: commitmentNumber(BigInt(n)),
  revealed: commitmentNumber(BigInt(n)),
  revoked: commitmentNumber(BigInt(n)),
  broadcast: unknown,
  ...more,
});

const on = (flash: FlashSim): Pages => openPages({ journal: openJournal(flash), key });

const taken = (pages: Pages, channel: typeof one, page: Uint8Array | undefined): Taken => {
  const got = pages.take(channel, page);
  if (got.is !== "page") throw new Error(got.why);
  return got;
};

const stepped = (pages: Pages, channel: typeof one, page: Uint8Array | undefined, n: number): Uint8Array => {
  const kept = pages.keep(taken(pages, channel, page), at(n), text(`content ${n}`));
  if (kept.is !== "kept") throw new Error(kept.why);
  return kept.page;
};

/** Pages 1 to `count` of one channel. */
const history = (pages: Pages, count: number, channel = one): readonly Uint8Array[] => {
  const all: Uint8Array[] = [];
  for (let n = 1; n <= count; n++) all.push(stepped(pages, channel, all.at(-1), n));
  return all;
};

describe("a page", () => {
  test("is given back as it was sealed, and says nothing of what is in it", () => {
    const pages = on(freshFlash(1));
    const [first] = history(pages, 1);
    const got = taken(pages, one, first);
    expect(got).toMatchObject({ version: 1n, isRepeat: false, content: text("content 1"), numbers: at(1) });
    expect(Buffer.from(first ?? []).includes("content")).toBe(false);
  });

  test("that was followed by others is refused as a rollback; the one before the last may be a lost answer", () => {
    const pages = on(freshFlash(2));
    const all = history(pages, 5);
    expect(all.map((page) => pages.take(one, page))).toMatchObject([
      { is: "refused", why: "page-rollback" },
      { is: "refused", why: "page-rollback" },
      { is: "refused", why: "page-rollback" },
      { is: "page", version: 4n, isRepeat: true, content: text("content 4") },
      { is: "page", version: 5n, isRepeat: false },
    ]);
    expect(pages.take(one, undefined)).toEqual({ is: "refused", why: "page-missing" });
  });

  test("whose answer was lost is made again to the byte, without a step; another outcome is refused", () => {
    const flash = freshFlash(3);
    const pages = on(flash);
    const all = history(pages, 3);
    const again = taken(pages, one, all[1]);
    const steps = flash.steps;
    expect(pages.keep(again, at(3), text("content 3"))).toMatchObject({ is: "kept", page: all[2] });
    expect(flash.steps).toBe(steps);
    expect(pages.keep(again, at(3), text("content 3'"))).toEqual({ is: "refused", why: "page-differs" });
    expect(pages.keep(again, at(4), text("content 3"))).toEqual({ is: "refused", why: "page-differs" });
    expect(flash.steps).toBe(steps);
    // Also the very first.
    const begun = on(freshFlash(4));
    const first = stepped(begun, one, undefined, 1);
    const empty = taken(begun, one, undefined);
    expect(empty).toMatchObject({ version: 0n, isRepeat: true, content: undefined });
    expect(begun.keep(empty, at(1), text("content 1"))).toMatchObject({ is: "kept", page: first });
    expect(begun.keep(empty, at(1), text("other"))).toEqual({ is: "refused", why: "page-differs" });
  });

  test("of another channel, another device, or nobody is refused by name", () => {
    const pages = on(freshFlash(5));
    const [mine = new Uint8Array()] = history(pages, 1);
    const [theirs] = history(pages, 1, two);
    expect(pages.take(one, theirs)).toEqual({ is: "refused", why: "page-other-channel" });
    expect(pages.take(channelId(3n), mine)).toEqual({ is: "refused", why: "page-other-channel" });
    const stranger = openPages({
      journal: openJournal(freshFlash(6)),
      key: new Secret(new Uint8Array(32).fill(6)),
    });
    expect(stranger.take(one, mine)).toEqual({ is: "refused", why: "page-forged" });
    expect(on(freshFlash(6)).take(one, mine)).toEqual({ is: "refused", why: "page-unknown" });
    steady(
      fc.property(fc.nat(mine.length - 1), fc.integer({ min: 1, max: 255 }), (place, by) => {
        const damaged = mine.with(place, (mine[place] ?? 0) ^ by);
        let why = "malformed";
        try {
          const got = pages.take(one, damaged);
          why = got.is === "refused" ? got.why : got.is;
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
        }
        expect(["malformed", "page-forged"]).toContain(why);
      }),
      { numRuns: 200 },
    );
  });

  test("that is newer than what the device remembers says that its flash was put back", () => {
    const flash = freshFlash(7);
    const pages = on(flash);
    const [first] = history(pages, 1);
    const old = flash.fork({ int: random(1).int });
    const second = stepped(pages, one, first, 2);
    expect(on(old).take(one, second)).toEqual({ is: "refused", why: "page-ahead" });
    // From there the old flash leads elsewhere: its page of the same version is another one, and not taken here.
    const forked = on(old);
    const other = forked.keep(taken(forked, one, first), at(2), text("elsewhere"));
    if (other.is !== "kept") throw new Error(other.why);
    expect(pages.take(one, other.page)).toEqual({ is: "refused", why: "page-forged" });
    // Under one key, two contents of one version: a nonce that served both would give them away.
    expect(decodePage(other.page).nonce).not.toEqual(decodePage(second).nonce);
  });

  test("takes no step back", () => {
    const pages = on(freshFlash(8));
    const first = pages.keep(taken(pages, one, undefined), at(5), text("a"));
    if (first.is !== "kept") throw new Error(first.why);
    const from = taken(pages, one, first.page);
    for (const name of ["holder", "counterparty", "revealed", "revoked"] as const)
      expect(pages.keep(from, at(5, { [name]: commitmentNumber(4n) }), text("b"))).toEqual({
        is: "refused",
        why: "numbers-back",
      });
    const published = pages.keep(from, at(5, { broadcast: commitmentNumber(5n) }), text("b"));
    if (published.is !== "kept") throw new Error(published.why);
    const last = taken(pages, one, published.page);
    // Signed for the chain: no further secret, and nobody forgets it.
    expect(pages.keep(last, at(5), text("c"))).toEqual({ is: "refused", why: "numbers-back" });
    expect(pages.keep(last, at(6, { broadcast: commitmentNumber(5n) }), text("c"))).toEqual({
      is: "refused",
      why: "numbers-back",
    });
    expect(() => pages.keep(from, at(6), text("c"))).toThrow("another step");
  });

  test("has bounds", () => {
    const pages = on(freshFlash(9));
    const from = taken(pages, one, undefined);
    expect(() => pages.keep(from, at(1), new Uint8Array(mostContent + 1))).toThrow(RangeError);
    const kept = pages.keep(from, at(1), new Uint8Array(mostContent));
    expect(kept.is === "kept" && encodePage(decodePage(kept.page))).toEqual(kept.is === "kept" && kept.page);
    expect(() => decodePage(new Uint8Array(44))).toThrow(Malformed);
    expect(() => decodePage(new Uint8Array(mostContent + 46).fill(1))).toThrow("longer");
  });
});

test("a cut at any write of a step leaves a page that the device goes on from, to the same bytes", () => {
  let cuts = 0;
  let now: { page: Uint8Array | undefined; n: number } = { page: undefined, n: 0 };
  const wanted = new Map<number, Uint8Array>();
  const forks: { readonly flash: FlashSim; readonly page: Uint8Array | undefined; readonly n: number }[] = [];
  const flash: FlashSim = freshFlash(10).fork({
    int: random(10).int,
    onStep: (step: FlashStep) => {
      if (now.n === 0) return;
      const fork = flash.fork({ int: random(cuts++).int });
      fork.tear(step);
      forks.push({ flash: fork, ...now });
    },
  });
  const pages = on(flash);
  for (let n = 1; n <= 40; n++) {
    now = { page: wanted.get(n - 1), n };
    wanted.set(n, stepped(pages, one, now.page, n));
  }
  // The signer never heard the answer: it asks again with the page that it has.
  for (const { flash: fork, page, n } of forks) {
    const after = on(fork);
    expect(stepped(after, one, page, n)).toEqual(wanted.get(n));
    expect(taken(after, one, wanted.get(n)).version).toBe(BigInt(n));
  }
  expect(cuts).toBeGreaterThan(500);
});

describe("the root", () => {
  test("differs with every standing and with the counter", () => {
    const leaf = (n: number): readonly [bigint, Uint8Array] => [BigInt(n), Uint8Array.of(n)];
    const roots = new Set<string>();
    const add = (root: Uint8Array): unknown => roots.add(Buffer.from(root).toString("hex"));
    for (let count = 0; count < 9; count++) {
      const leaves = Array.from({ length: count }, (_, i) => leaf(i));
      add(rootOf(leaves, 7n));
      add(rootOf(leaves, 8n));
      for (let i = 0; i < count; i++) {
        add(rootOf(leaves.with(i, [BigInt(i), Uint8Array.of(99)]), 7n));
        add(rootOf(leaves.with(i, [99n, Uint8Array.of(i)]), 7n));
      }
    }
    expect(roots.size).toBe(9 * 2 + 2 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8));
  });

  test("moves with a step, and is found again at a start", () => {
    const flash = freshFlash(11);
    const pages = on(flash);
    const begun = pages.root();
    history(pages, 3);
    expect(pages.root()).not.toEqual(begun);
    expect(on(flash).root()).toEqual(pages.root());
  });
});
