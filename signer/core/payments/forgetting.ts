/** What a channel that is forgotten leaves to the payments that it had a part in. */

import { fromHex } from "../../../protocol/bytes.ts";
import { type ChannelId, paymentHash } from "../../../protocol/units.ts";
import { min } from "../balance.ts";
import type { Policy } from "../policy.ts";
import { freshPayment, type Live, type Payment } from "../state.ts";
import type { Change, View } from "../step.ts";
import { charge } from "../velocity.ts";
import { covers, gainedIn } from "./cover.ts";
import { leastSettledIn, mostOut } from "./flow.ts";
import { linesOf, settledBy, variantsOf } from "./lines.ts";
import { close } from "./square.ts";

/** Where the funding was never there, what came in is void, and what it covered may have gone out. */
const withVoid = (
  { node, chain, now }: View,
  { maxZeroConfExposure }: Policy,
  id: ChannelId,
  before: Live,
) => {
  const isFalse = chain.onchain.get(id)?.funding.is === "false";
  const lost = isFalse ? min(gainedIn(before), maxZeroConfExposure) : 0n;
  if (lost === 0n) return node;
  return { ...node, time: now, windows: { ...node.windows, lost: charge(node.windows.lost, now, lost) } };
};

/** `left` is what remained of it. What is still open in that can't be claimed any more by anybody that we know of. */
export const afterForgetting = ({
  view,
  policy,
  id,
  before,
  left,
}: {
  readonly view: View;
  readonly policy: Policy;
  readonly id: ChannelId;
  readonly before: Live;
  readonly left: Live;
}): Pick<Change, "node" | "payments"> => {
  const counts = covers(id, before, view, policy);
  const hashes = new Set(
    variantsOf(before).flatMap((variant) => [...linesOf(variant).keys(), ...settledBy(variant).keys()]),
  );
  const payments = new Map<string, Payment | undefined>();
  let node = withVoid(view, policy, id, before);
  for (const key of hashes) {
    const [out, settledIn] = [mostOut(left, key), counts ? leastSettledIn(left, key) : 0n];
    const known = view.payments.get(key) ?? freshPayment(paymentHash(fromHex(key)));
    const payment = {
      ...known,
      settledIn: known.settledIn + settledIn,
      settledOut: known.settledOut + out,
    };
    const isLast = [...view.ledger.channelsOf(key)].every((one) => one === id);
    if (!isLast) {
      if (out > 0n || settledIn > 0n) payments.set(key, payment);
      continue;
    }
    if (out === 0n && !view.payments.has(key)) continue;
    const [kept, charged] = close(payment, node, view.now);
    node = charged;
    payments.set(key, kept);
  }
  return { ...(payments.size > 0 ? { payments } : {}), ...(node === view.node ? {} : { node }) };
};
