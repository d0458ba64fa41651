/**
 * The time that a signer tells, held against the device's own ticks: without a clock of its own a device can't know the
 * time, and still it knows how much of it has passed. So no day can be pretended, and none that passed be kept for later:
 * each that is skipped a person agrees to.
 */

import { packedFields, u8, unpack } from "../protocol/codec.ts";
import { invalid } from "../protocol/malformed.ts";
import { seconds } from "../protocol/operations/payment.ts";
import type { Changes, Journal, Place } from "./journal.ts";
import type { Fact } from "./screen.ts";

const timeAt: Place = "setting/4";
const timeForm = packedFields({
  format: u8("version of the format", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this firmware`);
    return n;
  }),
  seconds,
});
export const encodeDeviceTime = (at: bigint): Uint8Array => timeForm.encode({ format: 1, seconds: at });
export const decodeDeviceTime = (bytes: Uint8Array): bigint => unpack(timeForm, bytes).seconds;

/** Seconds that two clocks may be apart where nobody lies, and that a device may be off with nobody asked. */
export const timeSlack = 3_600n;
/** A device's oscillator is off by less than one part of these. */
const drift = 50n;

/** What it may be, as far as the device can know. */
interface Span {
  readonly earliest: bigint;
  readonly latest: bigint;
}

export interface DeviceTime {
  /** Nothing fits before the first `agreed` of all. Days that passed can't be had later, and none before it has passed. */
  fits(now: bigint): boolean;
  /** What a person is told beside a time that does not fit. */
  readonly span: Span | undefined;
  /** A person agreed to it: in flash, with whatever else is to be, when it returns, and counted from. */
  agreed(now: bigint, others?: Changes): void;
  /** It fits, and nobody was asked: the next unlocking may again be off from what somebody agreed to, and not from this. */
  begin(now: bigint): void;
  /** Since it was unlocked. */
  readonly isCounting: boolean;
}

/** From an unlocking on: for how long the device had no power before, nobody knows. */
export const openTime = (journal: Journal, tick: () => number): DeviceTime => {
  let counted: { readonly from: bigint; readonly tick: number } | undefined;

  const spanFrom = (from: bigint, passed: bigint): Span => ({
    earliest: from + passed - passed / drift - timeSlack,
    latest: from + passed + passed / drift + timeSlack,
  });

  const span = (): Span | undefined => {
    if (counted !== undefined)
      return spanFrom(counted.from, BigInt(Math.ceil((tick() - counted.tick) / 1_000)));
    const bytes = journal.get(timeAt);
    return bytes === undefined ? undefined : spanFrom(decodeDeviceTime(bytes), 0n);
  };

  const begin = (now: bigint): void => {
    counted = { from: now, tick: tick() };
  };

  return {
    fits: (now) => {
      const may = span();
      return may !== undefined && may.earliest <= now && now <= may.latest;
    },
    get span() {
      return span();
    },
    agreed: (now, others = new Map()) => {
      journal.commit(new Map([...others, [timeAt, encodeDeviceTime(now)]]));
      begin(now);
    },
    begin,
    get isCounting() {
      return counted !== undefined;
    },
  };
};

/** UTC: a device knows no other. */
const timeFact = (label: string, at: bigint): Fact => {
  const word = new Date(Number(at) * 1_000).toISOString().slice(0, 16).replace("T", " ");
  return { label, value: { is: "word", word: `${word} UTC` } };
};

export const timeFacts = (now: bigint, span?: Span): readonly Fact[] => [
  timeFact("Now", now),
  ...(span !== undefined && now < span.earliest ? [timeFact("It thought at least", span.earliest)] : []),
  ...(span !== undefined && now > span.latest ? [timeFact("Not after, it thought", span.latest)] : []),
];
