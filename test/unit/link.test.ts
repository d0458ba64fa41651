import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equal } from "../../protocol/bytes.ts";
import { maxPayload } from "../../protocol/frame.ts";
import { maxLinkMessage } from "../../protocol/link/hello.ts";
import {
  assembler,
  maxChunk,
  type PartPiece,
  type Piece,
  piecesOf,
  type Whole,
} from "../../protocol/link/piece.ts";
import { requests } from "../../protocol/link/requests.ts";
import { openedSession, rekeyEvery, type Session } from "../../protocol/link/session.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { cipherState } from "../../protocol/noise.ts";
import { maxHostMessage, maxSignerMessage } from "../../protocol/operations/shapes.ts";
import { Secret } from "../../protocol/secret.ts";
import { steady } from "../steady.ts";

const keepalive: Piece = { kind: "keepalive", id: 1, waits: "work" };

const sessions = (
  figures: { limit?: number; every?: number } = {},
): { readonly ours: Session; readonly theirs: Session } => {
  const half = (n: number) => cipherState(new Secret(new Uint8Array(32).fill(n)));
  const rest = { theirs: new Uint8Array(32), hash: new Uint8Array(32) };
  return {
    ours: openedSession(5, { send: half(1), receive: half(2), ...rest }, figures),
    theirs: openedSession(5, { send: half(2), receive: half(1), ...rest }, figures),
  };
};

describe("a session", () => {
  test("opens each frame once, in order, and tells what is wrong with others", () => {
    const { ours, theirs } = sessions();
    const [first, second, third] = [ours.seal(keepalive), ours.seal(keepalive), ours.seal(keepalive)];
    expect(theirs.open(second)).toEqual({ is: "lost" });
    expect(theirs.open(first)).toEqual({ is: "piece", piece: keepalive });
    expect(theirs.open(first)).toEqual({ is: "repeated" });
    const forged = { ...second, payload: second.payload.map((byte) => byte ^ 1) };
    expect(theirs.open(forged)).toEqual({ is: "forged" });
    // Another's sequence on sealed bytes opens nothing.
    expect(theirs.open({ ...third, sequence: 1 })).toEqual({ is: "forged" });
    expect(theirs.open(second)).toEqual({ is: "piece", piece: keepalive });
  });

  test("a sealed piece that is none is malformed", () => {
    const { ours, theirs } = sessions();
    const sealed = cipherState(new Secret(new Uint8Array(32).fill(1))).seal(Uint8Array.of(99));
    expect(theirs.open({ ...ours.seal(keepalive), payload: sealed })).toEqual({ is: "malformed" });
  });

  test("changes its keys on the way, and both sides follow", () => {
    expect(rekeyEvery).toBe(65_536);
    const every = 300;
    const { ours, theirs } = sessions({ every });
    const without = cipherState(new Secret(new Uint8Array(32).fill(1)));
    for (let i = 0; i < every; i++) {
      const frame = ours.seal(keepalive);
      if (theirs.open(frame).is !== "piece") throw new Error(`frame ${i} did not open`);
      without.open(frame.payload);
    }
    const next = ours.seal(keepalive);
    expect(next.sequence).toBe(every);
    expect(() => without.open(next.payload)).toThrow(Malformed);
    expect(theirs.open(next)).toEqual({ is: "piece", piece: keepalive });
  });

  test("ends before its nonces do", () => {
    const { ours, theirs } = sessions({ limit: 2 });
    const frames = [ours.seal(keepalive), ours.seal(keepalive)];
    expect(ours.isSpent).toBe(true);
    expect(() => ours.seal(keepalive)).toThrow(RangeError);
    for (const frame of frames) expect(theirs.open(frame).is).toBe("piece");
    expect(theirs.open({ ...(frames[1] as (typeof frames)[number]), sequence: 2 })).toEqual({ is: "lost" });
  });
});

const partsOf = (id: number, message: Uint8Array): readonly PartPiece[] => {
  const pieces = piecesOf("request", id, message);
  const parts: PartPiece[] = [];
  for (let piece = pieces(); piece !== undefined; piece = pieces())
    if (piece.kind === "request") parts.push(piece);
  return parts;
};

describe("messages in pieces", () => {
  test("there and back, at every length around a piece's end", () => {
    const length = fc.oneof(
      fc.nat(30_000),
      fc.tuple(fc.nat(4), fc.constantFrom(-1, 0, 1)).map(([n, d]) => Math.max(0, n * maxChunk + d)),
    );
    steady(
      fc.property(length, fc.integer({ min: 1, max: 0xffff_ffff }), (n, id) => {
        const message = new Uint8Array(n).map((_, i) => i * 7);
        const parts = partsOf(id, message);
        expect(parts).toHaveLength(Math.max(1, Math.ceil(n / maxChunk)));
        const add = assembler(30_000);
        const wholes = parts.map(add);
        expect(wholes.slice(0, -1).every((one) => one === undefined)).toBe(true);
        const last = wholes.at(-1) as Whole;
        expect(last.id).toBe(id);
        expect(equal(last.message, message)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  const [first, second, third] = partsOf(7, new Uint8Array(maxChunk * 2 + 5)) as [
    PartPiece,
    PartPiece,
    PartPiece,
  ];
  test.each<readonly [string, readonly PartPiece[]]>([
    ["more than was agreed to", [{ ...first, total: 30_001 }]],
    ["a hole", [first, third]],
    ["an overlap", [first, second, second]],
    ["another id", [first, { ...second, id: 8 }]],
    ["another total", [first, { ...second, total: second.total + 1 }]],
    ["a middle without a beginning", [second]],
    ["an end after the end", [first, second, third, { ...third, offset: third.total }]],
    ["nothing, again and again", [{ ...first, bytes: new Uint8Array(0) }]],
    ["more bytes than it says", [{ ...first, total: 10 }]],
  ])("%s is malformed", (_, parts) => {
    const add = assembler(30_000);
    for (const part of parts.slice(0, -1)) add(part);
    expect(() => add(parts.at(-1) as PartPiece)).toThrow(Malformed);
  });

  test("a new beginning drops what was not finished", () => {
    const add = assembler(30_000);
    add(first);
    expect(add({ ...first, id: 9, total: 2, bytes: Uint8Array.of(1, 2) })).toEqual({
      id: 9,
      message: Uint8Array.of(1, 2),
    });
    expect(() => add(second)).toThrow(Malformed);
  });
});

describe("what a device takes", () => {
  const begin = () => {
    const said: Piece[] = [];
    const say = (piece: () => Piece | undefined): void => {
      const one = piece();
      if (one !== undefined) said.push(one);
    };
    const signals: AbortSignal[] = [];
    const role = requests({
      answer: async (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      },
      now: say,
      later: say,
      ports: { after: () => () => {} },
      times: { keepaliveMs: 1 },
      maxRequest: 100,
      maxAnswer: 100,
      inFlight: 2,
      onFault: () => {},
    });
    const ask = (id: number, bytes = new Uint8Array(1)): void => partsOf(id, bytes).forEach(role.receive);
    return { said, signals, role, ask };
  };

  test("one request too many is told so, and runs nowhere; after a cancel there is room again", () => {
    const { said, signals, role, ask } = begin();
    for (const id of [1, 2, 3]) ask(id);
    expect(said).toEqual([{ kind: "failed", id: 3, why: "busy" }]);
    expect(signals).toHaveLength(2);
    role.receive({ kind: "cancel", id: 1 });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    ask(4);
    expect(said.slice(1)).toEqual([{ kind: "failed", id: 1, why: "cancelled" }]);
    expect(signals).toHaveLength(3);
  });

  test("a signer that does not read its answers is given no more of them", async () => {
    const said: Piece[] = [];
    const waiting: (() => Piece | undefined)[] = [];
    const role = requests({
      answer: async (request) => request,
      now: (piece) => said.push(piece() as Piece),
      later: (pieces) => waiting.push(pieces),
      ports: { after: () => () => {} },
      times: { keepaliveMs: 1 },
      maxRequest: 100,
      maxAnswer: 100,
      inFlight: 2,
      onFault: () => {},
    });
    for (let id = 1; id <= 9; id++) {
      for (const part of partsOf(id, new Uint8Array(9))) role.receive(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(waiting).toHaveLength(2);
    expect(said.map(({ kind }) => kind)).toEqual(Array.from({ length: 7 }, () => "failed"));
    expect(waiting[0]?.()).toMatchObject({ kind: "answer", id: 1, total: 9 });
    for (const part of partsOf(10, new Uint8Array(9))) role.receive(part);
    await new Promise((resolve) => setImmediate(resolve));
    expect(waiting).toHaveLength(3);
  });

  test("an open id once more, a longer message than it said, and what only a device says are malformed", () => {
    const { role, ask } = begin();
    ask(1);
    expect(() => ask(1)).toThrow(Malformed);
    expect(() => ask(2, new Uint8Array(101))).toThrow(Malformed);
    const others: readonly Piece[] = [
      keepalive,
      { kind: "failed", id: 1, why: "busy" },
      { kind: "answer", id: 1, total: 0, offset: 0, bytes: new Uint8Array(0) },
      { kind: "commit", commitment: new Uint8Array(32) },
      { kind: "verdict", isSame: true },
      { kind: "comparing" },
    ];
    for (const piece of others) expect(() => role.receive(piece)).toThrow(Malformed);
  });
});

test("limits fit each other", () => {
  expect(maxHostMessage).toBeLessThanOrEqual(maxLinkMessage);
  expect(maxSignerMessage).toBeLessThanOrEqual(maxLinkMessage);
  const { ours } = sessions();
  const [fullest] = partsOf(1, new Uint8Array(maxChunk)) as [PartPiece];
  expect(ours.seal(fullest).payload).toHaveLength(maxPayload);
});
