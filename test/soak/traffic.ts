/** Payments that nobody waits for longer than their deadline: what became of them is asked at the end. */

import { type Random, random } from "../scripted/random.ts";
import { Gone, type Resident } from "./resident.ts";
import type { World } from "./world.ts";

export interface Traffic {
  /** By payment hash, what the payer's node answered. */
  readonly said: ReadonlyMap<string, "paid" | "failed">;
  readonly begun: () => number;
  readonly late: () => number;
  /** How often an answer was this. */
  readonly answers: ReadonlyMap<string, number>;
  /** No more are begun. */
  end(): Promise<void>;
}

export interface TrafficParts {
  readonly world: World;
  readonly seed: string;
  /** At the same time. */
  readonly flows: number;
}

/** Milliseconds. */
const deadline = 15_000;
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Satoshi: below dust, usual, and more than one channel has. */
const amountOf = (dice: Random, isWhole: boolean): bigint => {
  const kind = dice.int(20);
  if (kind < 3) return BigInt(1 + dice.int(350));
  if (kind < 17 || isWhole) return BigInt(1_000 + dice.int(60_000));
  return BigInt(300_000 + dice.int(1_000_000));
};

export const pay = async (
  [payer, payee]: readonly [Resident, Resident],
  { sat, isKeysend }: { readonly sat: bigint; readonly isKeysend: boolean },
  said: Map<string, "paid" | "failed">,
): Promise<void> => {
  const msat = sat * 1_000n;
  if (isKeysend) {
    const { hash } = await payer.ask("keysend", { node: payee.id(), msat });
    said.set(hash, "paid");
    return;
  }
  const { invoice, hash } = await payee.ask("invoice", { msat, description: "soak" });
  try {
    await payer.ask("pay", { invoice });
    said.set(hash, "paid");
  } catch (error) {
    const isOver = (error as Error).message.startsWith("the payment failed");
    if (!(error instanceof Gone) && isOver) said.set(hash, "failed");
    throw error;
  }
};

/** Each of a burst has dice of its own, or their order would be the machine's. */
const forked = (dice: Random, number: number): Random => random(`${dice.int(1 << 30)} ${number}`);

export const openTraffic = ({ world, seed, flows }: TrafficParts): Traffic => {
  const said = new Map<string, "paid" | "failed">();
  const answers = new Map<string, number>();
  const { residents } = world;
  let [begun, late, isOver] = [0, 0, false];

  const one = async (dice: Random): Promise<void> => {
    const payer = dice.pick(residents);
    const payee = dice.pick(residents.filter((other) => other !== payer));
    const isKeysend = dice.int(3) === 0;
    const sat = amountOf(dice, isKeysend);
    const pause = dice.int(200);
    if (!payer.isUp() || !payee.isUp()) return rest(100);
    begun++;
    const paid = pay([payer, payee], { sat, isKeysend }, said).then(
      () => "done",
      (error: Error) => {
        const reason = error.message.replace(/[0-9a-f]{12,}/g, "…");
        answers.set(reason, (answers.get(reason) ?? 0) + 1);
        return "failed";
      },
    );
    const end = await Promise.race([paid, rest(deadline).then(() => "late")]);
    if (end === "late") late++;
    await rest(end === "failed" ? pause + 200 : pause);
  };

  const flow = async (number: number): Promise<void> => {
    const dice = random(`${seed} flow ${number}`);
    while (!isOver) {
      const burst = Array.from({ length: 1 + dice.int(3) }, (_, i) => forked(dice, i));
      await Promise.all(burst.map(one));
    }
  };
  const all = Promise.all(Array.from({ length: flows }, (_, number) => flow(number)));
  return {
    ...{ said, answers },
    begun: () => begun,
    late: () => late,
    end: async () => {
      isOver = true;
      await all;
    },
  };
};
