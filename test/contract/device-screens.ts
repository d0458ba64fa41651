/** Screens as data, as they are drawn, and where each button leads. */

import { shownOf } from "../../firmware-sim/questions.ts";
import {
  type Button,
  buttons,
  type Fact,
  pagesOf,
  press,
  render,
  type Screen,
  type ScreenKind,
} from "../../firmware-sim/screen.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { ListedApproval } from "../../protocol/operations/admin.ts";
import { msat } from "../../protocol/units.ts";
import { filled } from "./link.kit.ts";

type Question = Pick<ListedApproval, "subject" | "amount" | "shown">;

const payee = `02${toHex(filled(0x1a, 32))}`;
const hash = toHex(filled(0x2b, 32));
const payment = (kind: string, to: string, description: string): Question => ({
  subject: "payment",
  amount: msat(1_234_568_500n),
  shown: [
    { name: "kind", value: kind },
    { name: "amount", value: "1234567000 msat" },
    { name: "feeLimit", value: "1500 msat" },
    { name: "payee", value: to },
    { name: "hash", value: hash },
    { name: "description", value: description },
  ],
});

/** As the core asks, and as a host may try to have it asked. */
const questions: Readonly<Record<string, Question>> = {
  "an invoice": payment("invoice", payee, "two coffees"),
  "to anyone, without a word": payment("keysend", "anyone", ""),
  "a memo that would draw an amount": payment(
    "invoice",
    payee,
    "x\nAmount, sat:\n1\n\u202e\u2066lia\u0440\u2069 \\",
  ),
  "a memo without an end": payment("invoice", payee, "all is well. ".repeat(20).slice(0, 256)),
  "a memo like the device's own": payment("invoice", payee, "~ 9 lines not shown> To:"),
  "an opening": {
    subject: "opening",
    amount: msat(5_000_000_000n),
    shown: [
      { name: "peer", value: payee },
      { name: "value", value: "5000000 sat" },
      { name: "weFund", value: "5000000 sat" },
      { name: "push", value: "0 msat" },
      { name: "opener", value: "holder" },
    ],
  },
  "a send to two addresses": {
    subject: "outputs",
    amount: msat(250_141_000n),
    shown: [
      { name: "pays", value: `150000 sat to script 5120${toHex(filled(0x3c, 32))}` },
      { name: "pays", value: `100000 sat to script 0014${toHex(filled(0x4d, 20))}` },
      { name: "leaves", value: "250141 sat with the fee" },
    ],
  },
  "a send to a script that is no address": {
    subject: "outputs",
    amount: msat(1_000_000n),
    shown: [
      { name: "pays", value: "1000 sat to script 6a0401020304" },
      { name: "leaves", value: "1000 sat with the fee" },
    ],
  },
};

const screens: { readonly [K in ScreenKind]: readonly Extract<Screen, { readonly is: K }>[] } = {
  idle: [
    { is: "idle", title: "Locked", hint: "hold: unlock" },
    { is: "idle", title: "Pairing is open", hint: "" },
  ],
  busy: [{ is: "busy", title: "Unlocking" }],
  word: [
    { is: "word", at: 0, of: 24, word: "abandon" },
    { is: "word", at: 23, of: 24, word: "zoo" },
  ],
  pick: [
    { is: "pick", title: "PIN", options: [..."0123456789"], at: 9, entered: { dots: 3 } },
    { is: "pick", title: "Word 2 of 24", options: ["a", "b", "c"], at: 0, entered: { text: "le" } },
  ],
  consent: [],
  pairing: [{ is: "pairing", code: "012345" }],
  notice: [
    {
      is: "notice",
      title: "Not a seed",
      text: "The words do not fit together: one of them is wrong or out of place.",
    },
  ],
};

/** What differs from the screen before. */
const changed = (before: Screen, after: Screen): object =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name as keyof Screen] !== value));

const pressedOn = (screen: Screen): Readonly<Record<Button, unknown>> =>
  Object.fromEntries(
    buttons.map((button) => {
      const { screen: next, act } = press(screen, button);
      return [button, { ...changed(screen, next), ...(act === undefined ? {} : { act }) }];
    }),
  ) as Record<Button, unknown>;

const drawnOf = (screen: Screen) => ({ lines: render(screen), pressed: pressedOn(screen) });

const consentOf = (title: string, facts: readonly Fact[]) =>
  pagesOf(facts).map((_, page) => ({ page, ...drawnOf({ is: "consent", title, facts, page }) }));

export const screenVectors = () => ({
  screens: Object.values(screens)
    .flat()
    .map((screen) => ({ screen, ...drawnOf(screen) })),
  questions: Object.entries(questions).map(([about, question]) => {
    const { title, facts } = shownOf({ ...question, id: filled(0, 32), asked: 0n }, "bitcoin");
    return { about, network: "bitcoin", question, title, facts, pages: consentOf(title, facts) };
  }),
});
