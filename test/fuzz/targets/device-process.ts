/** What a person or a script writes for a device in software, and what a signer keeps of its devices. */

import { wordlist } from "@scure/bip39/wordlists/english.js";
import * as fc from "fast-check";
import { buttons } from "../../../firmware-sim/screen.ts";
import { parseStep, printStep, type Step } from "../../../firmware-sim/script.ts";
import { parsePaired, printPaired } from "../../../signer/device/pairing.ts";
import { SetupError } from "../../../signer/setup-error.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled, utf8 } from "./seeds.ts";

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const phrase = fc.constantFrom("Ready", "Word 3 of 24", "WIPE EVERYTHING", "a b7");

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    is: fc.constant("press" as const),
    button: fc.constantFrom(...buttons),
    times: fc.integer({ min: 1, max: 1000 }),
  }),
  fc.record({ is: fc.constantFrom("expect" as const, "passphrase" as const), text: phrase }),
  fc.record({ is: fc.constant("sleep" as const), ms: fc.nat({ max: 600_000 }) }),
  fc.record({ is: fc.constant("person" as const), on: fc.boolean() }),
  fc.record({
    is: fc.constantFrom("pin" as const, "new-pin" as const, "code" as const),
    text: fc.constantFrom("123456", "000000"),
  }),
  fc.record({
    is: fc.constant("words" as const),
    words: fc.array(fc.constantFrom(...wordlist), { minLength: 24, maxLength: 24 }),
  }),
  fc.record({
    is: fc.constant("consent" as const),
    to: fc.oneof(fc.constantFrom("all" as const, "nothing" as const), fc.record({ showing: phrase })),
  }),
  fc.record({ is: fc.constant("cut" as const), after: fc.nat({ max: 1_000_000 }) }),
  fc.constant({ is: "quit" } as const),
);

const paired = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("device", "a", "B-2", "x_y.z", "0", "9".repeat(32)),
    address: fc.constantFrom(
      "unix:/run/d.sock",
      "serial:/dev/ttyACM0@9600",
      "hid:1209:0001",
      "usb:1209:0001:S",
    ),
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    pairedAt: fc.nat(),
  }),
  { maxLength: 5, selector: ({ name }) => name },
);

export const deviceProcessTargets: readonly Target[] = [
  {
    name: "device-step",
    covers: ["firmware-sim/script.ts parseStep"],
    seeds: (seed, count) => sampled(step, seed, count).map((one) => utf8(printStep(one))),
    decode: (bytes) => {
      const value = parseStep(textOf(bytes));
      return { value, encode: () => utf8(value === undefined ? "" : printStep(value)) };
    },
    rejects: isMalformed,
    exact: false,
    kindOf: (value) => (value === undefined ? "nothing" : (value as Step).is),
  },
  {
    name: "paired-devices",
    covers: ["signer/device/pairing.ts parsePaired"],
    seeds: (seed, count) => sampled(paired, seed, count).map((all) => utf8(printPaired(all))),
    decode: (bytes) => {
      const value = parsePaired(textOf(bytes));
      return { value, encode: () => utf8(printPaired(value)) };
    },
    rejects: (error): error is Error => error instanceof SetupError,
    exact: false,
    reasonOf: ({ message }) => message.replace(/devices\.\d+/, "devices.n"),
  },
];
