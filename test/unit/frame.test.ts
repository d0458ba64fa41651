import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, equal, toHex } from "../../protocol/bytes.ts";
import { reportLength } from "../../protocol/carrier/hid.ts";
import { carriers } from "../../protocol/carrier/index.ts";
import { decodeCobs, encodeCobs } from "../../protocol/carrier/serial.ts";
import {
  broadcast,
  type Carrier,
  decodeFrame,
  encodeFrame,
  type Frame,
  maxFrame,
  maxPayload,
  type Received,
} from "../../protocol/frame.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { steady, workOf } from "../steady.ts";
import { anyFrame } from "./frame-arbitrary.ts";

const frame: Frame = { channel: 0x01020304, type: "data", sequence: 7, payload: Uint8Array.of(0, 0xff, 0) };

const framesOf = (received: readonly Received[]): readonly Frame[] =>
  received.flatMap((one) => (one.is === "frame" ? [one.frame] : []));
const damageOf = (received: readonly Received[]): readonly string[] =>
  received.flatMap((one) => (one.is === "damage" ? [one.damage] : []));

describe("a frame", () => {
  test("byte for byte", () => {
    expect(toHex(encodeFrame(frame))).toBe("010203048400000007000305f000ff0064bf6f95");
  });

  test("there and back", () => {
    steady(
      fc.property(anyFrame(), (one) => {
        expect(decodeFrame(encodeFrame(one))).toEqual(one);
      }),
      { numRuns: 200 },
    );
  });

  test("one byte more than fits is the sender's mistake", () => {
    expect(() => encodeFrame({ ...frame, payload: new Uint8Array(maxPayload + 1) })).toThrow(RangeError);
    expect(encodeFrame({ ...frame, payload: new Uint8Array(maxPayload) })).toHaveLength(maxFrame);
  });

  test("a bit changed anywhere makes it none", () => {
    const bytes = encodeFrame(frame);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => decodeFrame(damaged)).toThrow(Malformed);
    }
  });
});

describe("stuffing", () => {
  const run = (from: number, length: number): number[] => Array.from({ length }, (_, i) => from + i);
  // Of the article on the method, and of both sides of a full group.
  test.each([
    [[0], [1, 1]],
    [
      [0, 0],
      [1, 1, 1],
    ],
    [
      [0, 0x11, 0],
      [1, 2, 0x11, 1],
    ],
    [
      [0x11, 0x22, 0, 0x33],
      [3, 0x11, 0x22, 2, 0x33],
    ],
    [
      [0x11, 0, 0, 0],
      [2, 0x11, 1, 1, 1],
    ],
    [run(1, 254), [0xff, ...run(1, 254)]],
    [
      [0, ...run(1, 254)],
      [1, 0xff, ...run(1, 254)],
    ],
    [run(1, 255), [0xff, ...run(1, 254), 2, 0xff]],
    [
      [...run(2, 254), 0],
      [0xff, ...run(2, 254), 1, 1],
    ],
    [[], [1]],
  ])("case %#", (plain, stuffed) => {
    expect([...encodeCobs(Uint8Array.from(plain))]).toEqual(stuffed);
    expect([...decodeCobs(Uint8Array.from(stuffed))]).toEqual(plain);
  });

  test("has no zero, one form, and a byte in 254 more", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 1200 }),
      fc.array(fc.constantFrom(0, 1, 255), { maxLength: 1200, size: "max" }).map((a) => Uint8Array.from(a)),
      fc.nat(1000).map((n) => new Uint8Array(n).fill(9)),
    );
    steady(
      fc.property(bytes, (plain) => {
        const stuffed = encodeCobs(plain);
        expect(stuffed.includes(0)).toBe(false);
        expect(stuffed.length).toBeLessThanOrEqual(plain.length + Math.floor(plain.length / 254) + 1);
        expect(equal(decodeCobs(stuffed), plain)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test.each([[[]], [[2]], [[1, 0]], [[5, 1, 1]], [[0xff, ...run(1, 254), 1]]])("%j is none", (bytes) => {
    expect(() => decodeCobs(Uint8Array.from(bytes))).toThrow(Malformed);
  });
});

/** Cuts bytes where the numbers say; reports stay whole. */
const cut = (carrier: Carrier, bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = (1 + (sizes[i % sizes.length] ?? 0)) * (carrier.name === "hid" ? reportLength : 1);
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
};

const someSizes = fc.array(fc.nat(900), { minLength: 1, maxLength: 8 });

describe.each(Object.values(carriers))("$name", (carrier) => {
  const sent = (frames: readonly Frame[]): Uint8Array =>
    concat(...frames.flatMap((one) => [...carrier.encode(one)]));

  test("frames arrive in pieces of any size", () => {
    steady(
      fc.property(fc.array(anyFrame(), { maxLength: 6 }), someSizes, (frames, sizes) => {
        const deframer = carrier.deframer();
        const received = cut(carrier, sent(frames), sizes).flatMap((piece) => {
          const some = deframer.push(piece);
          // What was given belongs to whoever gave it.
          piece.fill(0xee);
          return some;
        });
        expect(framesOf(received)).toEqual(frames);
        if (carrier.name !== "bulk") expect(damageOf(received)).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });

  test("of damaged ones none is taken for another, and those beside them arrive", () => {
    let lost = 0;
    steady(
      fc.property(
        fc.array(anyFrame(300), { minLength: 3, maxLength: 8 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (frames, which, where, flip) => {
          const at = which % frames.length;
          const pieces = frames.map((one) => concat(...carrier.encode(one)));
          const victim = pieces[at] as Uint8Array;
          victim[where % victim.length] = (victim[where % victim.length] as number) ^ flip;
          const received = framesOf(carrier.deframer().push(concat(...pieces)));
          // A serial line may lose the next one too; a report of a lost frame none but its own.
          const rest = frames.filter((_, i) => i !== at && !(carrier.name === "serial" && i === at + 1));
          for (const one of rest) expect(received).toContainEqual(one);
          for (const one of received) expect(frames).toContainEqual(one);
          if (received.length < frames.length) lost++;
        },
      ),
      { numRuns: 200 },
    );
    expect(lost).toBeGreaterThan(40);
  });

  test("an opening frame is heard behind any beginning of another, and behind noise", () => {
    const opening: Frame = {
      channel: broadcast,
      type: "init",
      sequence: 0,
      payload: new Uint8Array(27).fill(5),
    };
    const long = concat(...carrier.encode({ ...frame, payload: new Uint8Array(maxPayload).fill(0x85) }));
    const unit = carrier.name === "hid" ? reportLength : 1;
    for (let end = unit; end < long.length; end += unit * (carrier.name === "hid" ? 1 : 97)) {
      const deframer = carrier.deframer();
      deframer.push(long.subarray(0, end));
      expect(framesOf(deframer.push(sent([opening])))).toEqual([opening]);
    }
    steady(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (noise) => {
        const deframer = carrier.deframer();
        deframer.push(noise);
        expect(framesOf(deframer.push(sent([opening])))).toEqual([opening]);
      }),
      { numRuns: 100 },
    );
  });

  test("a megabyte of the worst that can be sent holds nothing up", () => {
    const header = encodeFrame({ ...frame, payload: new Uint8Array(maxPayload) }).subarray(0, 13);
    const kinds = [new Uint8Array(13), new Uint8Array(13).fill(0xff), header];
    for (const kind of kinds) {
      const bytes = new Uint8Array(1 << 20);
      for (
        let at = 0;
        at + kind.length <= bytes.length;
        at += carrier.name === "hid" ? reportLength : kind.length
      )
        bytes.set(kind, at);
      const deframer = carrier.deframer();
      let received: readonly Received[] = [];
      // Work, not time; of a few microseconds a byte.
      expect(workOf(() => (received = deframer.push(bytes)))).toBeLessThan(3_000);
      expect(framesOf(received)).toEqual([]);
    }
  });
});

describe("reports", () => {
  const carrier = carriers.hid;
  const reports = carrier.encode({ ...frame, payload: new Uint8Array(200).fill(3) });

  test("are of 64 bytes: the first begins as the frame does, the others count", () => {
    expect(reports.map((report) => report.length)).toEqual([64, 64, 64, 64]);
    expect(reports.map((report) => toHex(report.subarray(0, 5)))).toEqual([
      "0102030484",
      "0102030400",
      "0102030401",
      "0102030402",
    ]);
    expect(carrier.encode({ ...frame, payload: new Uint8Array(maxPayload) })).toHaveLength(70);
  });

  test.each([
    ["left out", [0, 2, 3], ["order", "order"]],
    ["repeated", [0, 1, 1, 2, 3], ["order", "order", "order"]],
    ["swapped", [0, 2, 1, 3], ["order", "order", "order"]],
    ["without its first", [1, 2, 3], ["order", "order", "order"]],
  ])("%s: no frame", (_, order, damage) => {
    const deframer = carrier.deframer();
    const received = order.flatMap((i) => deframer.push(reports[i] as Uint8Array));
    expect(framesOf(received)).toEqual([]);
    expect(damageOf(received)).toEqual(damage);
    expect(framesOf(reports.flatMap((report) => deframer.push(report)))).toHaveLength(1);
  });

  test("of another channel do not disturb", () => {
    const stray = Uint8Array.from(reports[1] as Uint8Array).fill(9, 0, 4);
    const deframer = carrier.deframer();
    const received = [reports[0], stray, ...reports.slice(1)].flatMap((report) =>
      deframer.push(report as Uint8Array),
    );
    expect(framesOf(received)).toHaveLength(1);
    expect(damageOf(received)).toEqual(["order"]);
  });

  test("a piece that is not whole reports is thrown away whole", () => {
    const deframer = carrier.deframer();
    deframer.push(reports[0] as Uint8Array);
    expect(damageOf(deframer.push(new Uint8Array(63)))).toEqual(["report"]);
    expect(framesOf(reports.slice(1).flatMap((report) => deframer.push(report)))).toHaveLength(1);
  });
});

test("a damaged length is not waited for", () => {
  const bytes = encodeFrame(frame);
  const damaged = bytes.slice();
  damaged[9] = 0x0f;
  // What follows is less than the frame that it claims.
  expect(framesOf(carriers.bulk.deframer().push(concat(damaged, bytes)))).toEqual([frame]);
  const [report] = carriers.hid.encode(frame) as [Uint8Array];
  const broken = report.slice();
  broken[9] = 0x0f;
  expect(damageOf(carriers.hid.deframer().push(broken))).toEqual(["header"]);
});
