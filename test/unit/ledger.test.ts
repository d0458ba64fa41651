import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { type ChannelId, feerate } from "../../protocol/units.ts";
import { liveIn, speaksOf } from "../../signer/core/payments/flow.ts";
import { openLedger } from "../../signer/core/payments/ledger.ts";
import { lineOf, settledBy, variantsOf } from "../../signer/core/payments/lines.ts";
import { square } from "../../signer/core/payments/square.ts";
import type {
  ChannelState,
  CounterpartyVariant,
  HolderVariant,
  Live,
  Settled,
  Variant,
} from "../../signer/core/state.ts";
import { channelStates } from "../frozen/records.ts";
import { htlcOf } from "../scripted/channel.ts";
import { steady } from "../steady.ts";
import { idOf, keyOf, openOf, out, settled as settledOf } from "./payments.kit.ts";

const labels = ["a", "b", "c", "d"];
const hashOf = (label: string) => htlcOf("holder", 1n, label).hash;
const keys = labels.map((label) => toHex(hashOf(label)));

const open = channelStates["open"] as ChannelState & { readonly phase: "open" };
const [template] = open.counterparty.variants as readonly [CounterpartyVariant];
const [holderTemplate] = open.holder.variants as readonly [HolderVariant];

const htlcs: fc.Arbitrary<readonly Htlc[]> = fc.array(
  fc
    .tuple(
      fc.constantFrom("holder" as const, "counterparty" as const),
      fc.nat({ max: 9 }),
      fc.constantFrom(...labels),
    )
    .map(([side, n, label]) => htlcOf(side, BigInt(n + 1) * 1_000n, label)),
  { maxLength: 4 },
);
const settled: fc.Arbitrary<readonly Settled[]> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...labels), fc.nat({ max: 5 }), fc.nat({ max: 5 })), {
    maxLength: 3,
    selector: ([label]) => label,
  })
  .map((all) =>
    all
      .filter(([, a, b]) => a + b > 0)
      .map(([label, a, b]) => ({ hash: hashOf(label), in: BigInt(a) * 1_000n, out: BigInt(b) * 1_000n })),
  );
const parts = fc.record({ htlcs, trimmed: htlcs, settled });
const live = fc
  .tuple(
    fc.array(parts, { minLength: 1, maxLength: 4 }),
    fc.array(parts, { minLength: 1, maxLength: 4 }),
    fc.boolean(),
  )
  .map(([ours, theirs, shares]): ChannelState => {
    const first = ours[0] as (typeof ours)[number];
    const counterparty = theirs.map((one, at) => ({ ...template, ...(shares && at === 0 ? first : one) }));
    return {
      ...open,
      holder: { ...open.holder, variants: ours.map((one) => ({ ...holderTemplate, ...one })) },
      counterparty: { ...open.counterparty, variants: counterparty },
    };
  });
const state: fc.Arbitrary<ChannelState> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<ChannelState>({ phase: "stub" }) },
  { weight: 6, arbitrary: live },
);

const speakers = (channels: ReadonlyMap<ChannelId, ChannelState>, key: string): ReadonlySet<ChannelId> =>
  new Set(
    [...channels].flatMap(([id, channel]) => {
      const one = liveIn(channel);
      return one !== undefined && speaksOf(one, key) ? [id] : [];
    }),
  );

/** Any function of what is stored; this one is none that the ledger could know. */
const weigh = (channels: ReadonlyMap<ChannelId, ChannelState>, key: string): bigint => {
  let sum = 0n;
  for (const [id, channel] of channels) {
    const one = liveIn(channel);
    for (const variant of one === undefined ? [] : variantsOf(one))
      sum += (id + 1n) * (lineOf(variant, key).offered + 7n * (settledBy(variant).get(key)?.in ?? 0n));
  }
  return sum;
};

describe("the ledger", () => {
  test("says of every hash which channels speak of it, after any changes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2 }), state, fc.boolean()), { maxLength: 25 }),
        (changes) => {
          const ledger = openLedger();
          const channels = new Map<ChannelId, ChannelState>();
          for (const [n, next, asks] of changes) {
            const id = BigInt(n) as ChannelId;
            ledger.update(id, channels.get(id), next);
            channels.set(id, next);
            for (const key of keys) expect(new Set(ledger.channelsOf(key))).toEqual(speakers(channels, key));
            if (!asks) continue;
            const of = (key: string) => weigh(channels, key);
            const whole = keys.reduce(
              (sum, key) => (speakers(channels, key).size > 0 ? sum + of(key) : sum),
              0n,
            );
            expect(ledger.total(of)).toBe(whole);
            // Asked again it asks nobody.
            expect(ledger.total(() => 1_000_000_000n)).toBe(whole);
          }
          const fresh = openLedger();
          for (const [id, channel] of channels) fresh.update(id, undefined, channel);
          for (const key of keys)
            expect(new Set(ledger.channelsOf(key))).toEqual(new Set(fresh.channelsOf(key)));
          expect(ledger.total((key) => weigh(channels, key))).toBe(
            fresh.total((key) => weigh(channels, key)),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("asks anew for a hash that was touched, and for no other", () => {
    const ledger = openLedger();
    const [first] = fc.sample(live, { numRuns: 1, seed: 7 }) as [ChannelState];
    ledger.update(0n as ChannelId, undefined, first);
    const spoken = keys.filter((key) => ledger.channelsOf(key).size > 0);
    expect(spoken.length).toBeGreaterThan(1);
    ledger.total(() => 5n);
    const asked: string[] = [];
    const [touched = ""] = spoken;
    ledger.touch(touched);
    const sum = ledger.total((key) => {
      asked.push(key);
      return 8n;
    });
    expect(asked).toEqual([touched]);
    expect(sum).toBe(5n * BigInt(spoken.length - 1) + 8n);
  });
});

describe("the ledger, as commitments of one channel come and go", () => {
  const id = idOf(0);
  const asking = () => {
    const ledger = openLedger();
    let known: ChannelState | undefined;
    const asked: string[] = [];
    return {
      become: (next: ChannelState) => {
        ledger.update(id, known, next);
        known = next;
      },
      touch: () => ledger.touch(keyOf("tea")),
      speaks: (label: string) => ledger.channelsOf(keyOf(label)).has(id),
      total: (each: bigint) =>
        ledger.total((hash) => {
          asked.push(hash);
          return each;
        }),
      asked: () => asked.splice(0),
    };
  };

  test("forgets a hash with the last one that speaks of it, though two came with the same lists", () => {
    const { become, speaks, total } = asking();
    const said = { htlcs: [out(5n)], settled: [] };
    become(openOf([said], [said]));
    become(openOf([said], []));
    expect([speaks("tea"), total(7n)]).toEqual([true, 7n]);
    become(openOf([], []));
    expect([speaks("tea"), total(7n)]).toEqual([false, 0n]);
  });

  test("notices what only settled, where the HTLCs are the same list, and the other way about", () => {
    const { become, speaks } = asking();
    const [htlcs, paid] = [[out(5n)], [settledOf(0n, 1n, "milk")]];
    become(openOf([{ htlcs, settled: paid }], []));
    become(openOf([{ htlcs, settled: [] }], []));
    expect([speaks("tea"), speaks("milk")]).toEqual([true, false]);
    become(openOf([{ htlcs, settled: paid }], []));
    become(openOf([{ htlcs: [], settled: paid }], []));
    expect([speaks("tea"), speaks("milk")]).toEqual([false, true]);
    become(
      openOf(
        [
          { htlcs, settled: paid },
          { htlcs: [out(1n, "bread")], settled: paid },
        ],
        [],
      ),
    );
    expect(speaks("bread")).toBe(true);
  });

  test("asks anew for what changed, and not for what stayed as it was", () => {
    const { become, total, asked } = asking();
    const first = { htlcs: [out(5n)], settled: [] };
    become(openOf([first], []));
    expect([total(1n), asked()]).toEqual([1n, [keyOf("tea")]]);
    become(openOf([first, { htlcs: [out(5n, "milk")], settled: [] }], []));
    expect([total(1n), asked()]).toEqual([2n, [keyOf("milk")]]);
    become(openOf([first], []));
    expect([total(1n), asked()]).toEqual([1n, []]);
  });

  test("counts a share once, however small and however often it is asked for", () => {
    const { become, total, touch } = asking();
    become(openOf([{ htlcs: [out(5n)] }], []));
    for (const each of [1n, 1n, 0n, 3n]) {
      touch();
      expect(total(each)).toBe(each);
    }
  });
});

describe("square", () => {
  const said = (one: Variant, key: string) => settledBy(one).get(key) ?? { in: 0n, out: 0n };

  test("takes from every live commitment what it counts for the node: nothing is lost, nothing counted twice", () => {
    let counted = 0;
    let ended = 0;
    steady(
      fc.property(live, fc.boolean(), (channel, isBlind) => {
        const before = channel as Live;
        const { live: after, certain } = square(before, isBlind ? "commitments" : "full");
        const old = variantsOf(before);
        const now = variantsOf(after);
        expect(now.length).toBe(old.length);
        for (const key of keys) {
          const one = certain.find(({ hash }) => toHex(hash) === key) ?? { in: 0n, out: 0n };
          const isIdle = old.every((variant) => {
            const { offered, received } = lineOf(variant, key);
            return offered === 0n && received.length === 0;
          });
          const isOver = isBlind && isIdle;
          if (isOver) {
            // As a whole the worst that any of them says, and nothing of it stays.
            const nets = old.map((variant) => said(variant, key).in - said(variant, key).out);
            expect(one.in - one.out).toBe(nets.reduce((least, net) => (net < least ? net : least)));
            for (const variant of now) expect(settledBy(variant).has(key)).toBe(false);
            ended += nets.some((net) => net !== nets[0]) ? 1 : 0;
            continue;
          }
          for (const [at, variant] of old.entries()) {
            const rest = said(now[at] as Variant, key);
            expect({ in: rest.in + one.in, out: rest.out + one.out }).toMatchObject({
              in: said(variant, key).in,
              out: said(variant, key).out,
            });
          }
          // And it leaves nothing behind that all of them say.
          expect(now.some((variant) => said(variant, key).in === 0n)).toBe(true);
          expect(now.some((variant) => said(variant, key).out === 0n)).toBe(true);
        }
        counted += certain.length;
      }),
      { numRuns: 1_000 },
    );
    expect(counted).toBeGreaterThan(20);
    expect(ended).toBeGreaterThan(4);
  });

  test("counts nothing while one side has no commitment yet", () => {
    fc.assert(
      fc.property(live, (channel) => {
        const one = channel as Live;
        const half: Live = { ...one, holder: { ...one.holder, variants: [] } };
        expect(square(half)).toEqual({ live: half, certain: [] });
      }),
    );
  });
});

describe("lines", () => {
  test("are read anew where the trimmed HTLCs are others, though the list is the same", () => {
    const shared = [htlcOf("holder", 5_000n, "a")];
    const bare: Variant = { ...template, feerate: feerate(253), htlcs: shared, trimmed: [], settled: [] };
    const more = { ...bare, trimmed: [htlcOf("holder", 7_000n, "a")] };
    for (let i = 0; i < 2; i++) {
      expect(lineOf(bare, keys[0] ?? "").offered).toBe(5_000n);
      expect(lineOf(more, keys[0] ?? "").offered).toBe(12_000n);
    }
  });

  test("sum what expires from a height on", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 9 }), fc.nat({ max: 5 })), { maxLength: 12 }),
        fc.nat({ max: 7 }),
        (all, from) => {
          const list = all.map(([ours, amount, at]) =>
            htlcOf(ours ? "holder" : "counterparty", BigInt(amount + 1), "a", 700_000 + at),
          );
          const line = lineOf({ ...template, htlcs: list, trimmed: [] }, keys[0] ?? "");
          const sum = (side: string) =>
            list.reduce(
              (total, one) =>
                one.offeredBy === side && one.expiry >= 700_000 + from ? total + one.amount : total,
              0n,
            );
          expect(line.offeredFrom(700_000 + from)).toBe(sum("holder"));
          expect(line.receivedFrom(700_000 + from)).toBe(sum("counterparty"));
          expect(line.offered).toBe(line.offeredFrom(0));
        },
      ),
    );
  });
});
