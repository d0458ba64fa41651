/**
 * The time that a signer tells, held against the device's own ticks: without a clock of its own a device can't know the
 * time, and still it knows how much of it has passed. So no day can be pretended: each that is skipped a person agrees to.
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

export interface DeviceTime {
  /** Whether it can be that late, as far as the device can know. Nothing is known before the first `begin` of all. */
  fits(now: bigint): boolean;
  readonly latest: bigint | undefined;
  /** From here on the device counts; in flash, with whatever else is to be, when it returns. */
  begin(now: bigint, others?: Changes): void;
  /** Since it was unlocked. */
  readonly isCounting: boolean;
}

/** From an unlocking on: for how long the device had no power before, nobody knows. */
export const openTime = (journal: Journal, tick: () => number): DeviceTime => {
  let counted: { readonly from: bigint; readonly tick: number } | undefined;

  const latest = (): bigint | undefined => {
    if (counted !== undefined) {
      const passed = BigInt(Math.ceil((tick() - counted.tick) / 1_000));
      return counted.from + passed + passed / drift + timeSlack;
    }
    const bytes = journal.get(timeAt);
    return bytes === undefined ? undefined : decodeDeviceTime(bytes) + timeSlack;
  };

  return {
    fits: (now) => {
      const most = latest();
      return most !== undefined && now <= most;
    },
    get latest() {
      return latest();
    },
    begin: (now, others = new Map()) => {
      journal.commit(new Map([...others, [timeAt, encodeDeviceTime(now)]]));
      counted = { from: now, tick: tick() };
    },
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

export const timeFacts = (now: bigint, latest?: bigint): readonly Fact[] => [
  timeFact("Now", now),
  ...(latest === undefined ? [] : [timeFact("Not after, it thought", latest)]),
];
