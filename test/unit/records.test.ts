import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Shape } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import * as f from "../../protocol/operations/fields.ts";
import { sat } from "../../protocol/units.ts";
import { packChannel, packNode, unpackChannel, unpackNode } from "../../signer/core/records.ts";
import type { ChannelState } from "../../signer/core/state.ts";
import { readable } from "../frozen/example.ts";
import { channelStates, nodeState } from "../frozen/records.ts";
import { add, htlcOf } from "../scripted/channel.ts";
import { evenTerms, scene } from "../scripted/scene.ts";
import { arbitraryOf, damaged } from "./arbitrary.ts";

interface Frozen {
  readonly state: unknown;
  readonly bytes: string;
}
const frozen = JSON.parse(readFileSync(new URL("../frozen/records-v1.json", import.meta.url), "utf8")) as {
  readonly node: Frozen;
  readonly channels: Readonly<Record<string, Frozen>>;
};

const any = <T>(field: { readonly shape: Shape }): fc.Arbitrary<T> =>
  arbitraryOf(field.shape) as fc.Arbitrary<T>;
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const past = fc.record({ hashes: fc.array(digest, { maxLength: 8 }) }, { noNullPrototype: true });
const msat = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000_000n });

const variant = {
  hash: digest,
  txid: any(f.txid),
  number: any(f.number),
  feerate: any(f.feerate),
  toHolder: any(f.sat),
  toCounterparty: any(f.sat),
  htlcs: any(f.htlcs),
  trimmed: any(f.commitment.trimmed),
  balance: fc.record({ low: msat, high: msat }, { noNullPrototype: true }),
};
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { noNullPrototype: true });

const live = {
  setup: record({
    content: digest,
    peer: any(f.node),
    terms: any(f.terms),
    holder: any(f.basepoints),
    counterparty: any(f.basepoints),
    funding: any(f.outpoint),
    closingScript: any(f.script),
  }),
  holder: record({
    revealed: any(f.number),
    variants: fc.array(
      record({ ...variant, signature: any(f.signature), htlcSignatures: any(f.signatures) }),
      {
        maxLength: 8,
      },
    ),
    broadcast: fc.array(any(f.number), { maxLength: 2 }),
    past,
  }),
  counterparty: record({
    revoked: any(f.number),
    variants: fc.array(record({ ...variant, point: any(f.point) }), { maxLength: 8 }),
    secrets: fc.array(record({ number: any(f.number), secret: any(f.revocationSecret) }), { maxLength: 49 }),
    past,
  }),
};

const channel = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ phase: "stub" as const }) },
  { weight: 9, arbitrary: record({ phase: fc.constantFrom("open" as const, "closing" as const), ...live }) },
) as unknown as fc.Arbitrary<ChannelState>;

describe("a record", () => {
  test("of any channel comes back as it was", () => {
    fc.assert(
      fc.property(channel, (state) => {
        const bytes = packChannel(state);
        expect(unpackChannel(bytes)).toEqual(state);
        expect(packChannel(unpackChannel(bytes))).toEqual(bytes);
      }),
      { numRuns: 150 },
    );
  });

  test("of any node comes back as it was", () => {
    fc.assert(
      fc.property(any(f.channel), (nextChannel) => {
        const state = { nextChannel } as typeof nodeState;
        expect(unpackNode(packNode(state))).toEqual(state);
      }),
    );
  });

  test("that was damaged is Malformed, or another valid one; never anything else", () => {
    let malformed = 0;
    const tried = (
      unpack: (bytes: Uint8Array) => unknown,
      pack: (state: never) => Uint8Array,
      bytes: Uint8Array,
    ) => {
      try {
        expect(pack(unpack(bytes) as never)).toEqual(bytes);
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        malformed += 1;
      }
    };
    const good = packChannel(channelStates.open as ChannelState);
    fc.assert(
      fc.property(fc.oneof(damaged(good), fc.uint8Array({ maxLength: 400 })), (bytes) => {
        tried(unpackChannel, packChannel as never, bytes);
        tried(unpackNode, packNode as never, bytes);
      }),
      { numRuns: 400 },
    );
    expect(malformed).toBeGreaterThan(200);
  });

  test("of another version says so, and one of two bytes is a stub or nothing", () => {
    for (const [name, { bytes }] of Object.entries(frozen.channels)) {
      const later = fromHex(bytes);
      later[0] = 2;
      expect(() => unpackChannel(later), name).toThrow(/version 2/);
    }
    expect(() => unpackNode(Uint8Array.of(2, ...new Uint8Array(8)))).toThrow(/version 2/);
    expect(() => unpackChannel(Uint8Array.of(1, 2))).toThrow(Malformed);
    const stub = fromHex(frozen.channels.open?.bytes ?? "");
    stub[1] = 1;
    expect(() => unpackChannel(stub)).toThrow(/a stub with state/);
  });

  test("has the bytes that version 1 always had", () => {
    expect(readable(nodeState)).toEqual(frozen.node.state);
    expect(toHex(packNode(nodeState))).toBe(frozen.node.bytes);
    expect(Object.keys(channelStates)).toEqual(Object.keys(frozen.channels));
    for (const [name, state] of Object.entries(channelStates)) {
      expect(readable(state)).toEqual(frozen.channels[name]?.state);
      expect(toHex(packChannel(state))).toBe(frozen.channels[name]?.bytes);
      expect(readable(unpackChannel(fromHex(frozen.channels[name]?.bytes ?? "")))).toEqual(
        frozen.channels[name]?.state,
      );
    }
  });

  test("holds the largest channel that rules let through", async () => {
    const value = sat(900_000_000n);
    const on = await scene({ terms: evenTerms({ value, contribution: value }) });
    let now = on.start;
    await on.advance(0n, now);
    for (const side of ["holder", "counterparty"] as const)
      for (let i = 0; i < 483; i++)
        now = add(now, htlcOf(side, 600_000n + BigInt(i), `${side} ${i}`, 700_000 + i));
    const { sign, validate } = await on.at(1n, now);
    await on.signer.call("signCounterpartyCommitment", sign);
    await on.signer.call("validateHolderCommitment", validate);
    const again = await on.signer.restart();
    expect(await again.call("signCounterpartyCommitment", sign)).toHaveProperty("signature");
    expect(((await on.record()) as Uint8Array).length).toBeGreaterThan(100_000);
  });
});
