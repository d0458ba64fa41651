/** A child that pays for our commitment too, through our anchor (BOLT 3, "to_local_anchor and to_remote_anchor Output"). */

import type { Tx } from "../../../protocol/bitcoin/tx.ts";
import { commitmentWeight, feeOf } from "../../../protocol/bolt/weight.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type { Txid } from "../../../protocol/units.ts";
import type { Coin } from "../chain/coins.ts";
import type { Charge } from "../outpoints.ts";
import type { Pocket } from "./coins.ts";
import { type Draft, type Home, timeOf } from "./homeward.ts";
import { agreedTo, neededFor, pay, promised, type Unpaid } from "./paying.ts";

export interface Parent {
  readonly txid: Txid;
  readonly tx: Tx;
  readonly htlcs: number;
  /** What its outputs leave of the funding. */
  readonly fee: bigint;
}

export interface Bump {
  readonly drafts: readonly Draft[];
  readonly left: readonly string[];
  readonly coins: ReadonlyMap<string, Coin>;
  readonly charges: readonly Charge[];
}

const onlyLeft = (left: string): Bump => ({ drafts: [], left: [left], coins: new Map(), charges: [] });

/** Replaceable, as a wallet's inputs are. */
const sequence = 0xffff_fffd;

/** Of a commitment that no block has yet. */
export const bumpOf = (parent: Parent, pocket: Pocket | undefined, home: Home): Bump | Refusal => {
  const { claims, feerate, live } = home;
  const plan = claims.plan({ kind: "anchor" });
  const index = parent.tx.outputs.findIndex(({ script }) => equal(script, plan.output));
  const value = parent.tx.outputs[index]?.value;
  // Whoever has neither a balance nor an HTLC in it has no anchor, and nothing to lose by its delay.
  if (value === undefined) return { drafts: [], left: [], coins: new Map(), charges: [] };
  const weight = commitmentWeight("anchors", parent.htlcs);
  const isCheap = parent.fee < feeOf(weight, feerate);
  if (!isCheap || pocket === undefined)
    return onlyLeft("our anchor: spend it where the commitment needs a higher fee to confirm");
  const outpoint = { txid: parent.txid, index };
  const unpaid: Unpaid = {
    claims: [{ outpoint, sequence, value, plan, said: { kind: "anchor" }, shown: {} }],
    outputs: [],
    locktime: 0,
    parent: { weight, fee: parent.fee },
  };
  const paid = pay(unpaid, pocket.of([outpoint]), pocket, home);
  if (paid === undefined) {
    const { coin } = neededFor(unpaid, home);
    const to = toHex(live.setup.closingScript);
    return onlyLeft(
      `our anchor: the commitment pays less than this feerate, and no coin of ours is left for a child; ${coin} sat at script ${to} would do`,
    );
  }
  pocket.take(paid.coins);
  const agreed = agreedTo(unpaid, paid, home);
  if ("sentence" in agreed) return agreed;
  const draft: Draft = {
    what: `pays for our commitment through its anchor, ${paid.fee} sat of our wallet's`,
    ...{
      tx: paid.tx,
      after: parent.txid,
      inputs: agreed.inputs,
      asked: agreed.asked,
      ...timeOf(paid.tx, undefined),
    },
  };
  const coins = promised(paid.coins, [outpoint], pocket.tip);
  return { drafts: [draft], left: [], coins, charges: [agreed.charge] };
};
