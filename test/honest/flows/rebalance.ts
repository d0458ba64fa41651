/** A circular payment: out over one channel, in over another, to an invoice of our own. */

import { unknown } from "../../../protocol/codec.ts";
import { msat } from "../../../protocol/units.ts";
import {
  channelTiers,
  type Flow,
  isOver,
  isThere,
  offerSomewhere,
  rest,
  someAmount,
  until,
} from "../flow.ts";
import { approved, withdrawn } from "./pay.ts";
import { issue } from "./receive.ts";

export const rebalance: Flow = {
  name: "rebalance",
  tiers: channelTiers,
  play: async function* (world) {
    const amount = someAmount(world);
    const { hash, preimage } = await issue(world, amount);
    const feeLimit = 100_000n;
    const amounts = { amount: msat(0n), feeLimit: msat(feeLimit) };
    const none = { invoice: "", source: "", payee: unknown } as const;
    const proposal = { node: world.node, kind: "rebalance" as const, hash, ...amounts, ...none };
    yield* approved(world, { proposal, hash, preimage, amount: 0n, feeLimit });
    const fee = BigInt(world.random.int(Number(feeLimit) + 1));
    const out = offerSomewhere(world, "holder", { hash, amount: amount + fee, expiry: 701_200 });
    if (out === undefined) {
      yield* withdrawn(world, { hash });
      return;
    }
    yield* until(() => isThere(out) || isOver(out));
    const back = isOver(out)
      ? undefined
      : offerSomewhere(world, "counterparty", { hash, amount, expiry: 701_000 + world.random.int(100) });
    if (back !== undefined) {
      yield* until(() => isThere(back) || isOver(back));
      yield* rest(world, 6);
      if (isThere(back)) back.settle(world.random.int(3) === 0 ? "fail" : "fulfil", preimage);
      yield* until(() => isOver(back) || back.fate() === "fulfil");
    }
    if (!isOver(out)) out.settle(back?.fate() === "fulfil" ? "fulfil" : "fail", preimage);
    yield* until(() => isOver(out) && (back === undefined || isOver(back)));
    if (back?.fate() !== "fulfil") yield* withdrawn(world, { hash });
  },
};
