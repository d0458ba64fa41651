/**
 * What was signed or said about outputs of the chain. A BIP 143 signature commits to the value of its own input alone,
 * so what was once said of another one has to hold for good; and of transactions that share an input only one confirms,
 * so what one of them costs is charged once.
 */

import { equal, toHex } from "../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../protocol/codec.ts";
import type { Place } from "../../protocol/operations/spend.ts";
import type { Outpoint, Sat, Txid } from "../../protocol/units.ts";
import { max } from "./balance.ts";
import type { NodeState } from "./state.ts";
import type { Change, View } from "./step.ts";
import { oldestOf } from "./sweeping.ts";
import { charge as charged } from "./velocity.ts";

export interface OutpointState {
  readonly outpoint: Outpoint;
  /** That was used for a signature without being proven. */
  readonly value: Maybe<Sat>;
  /** Somebody else's, as the host said: never to be signed. */
  readonly foreign: boolean;
  /** Of the transactions that it was signed into and that fund channels. */
  readonly funds: readonly Txid[];
  /** In millisatoshi, charged for transactions that spend it. Beside it all inputs of each count. */
  readonly fees: bigint;
  readonly sent: bigint;
  /** Seconds since 1970 of the last change. */
  readonly at: number;
}

/** More would have to be proven by their previous transactions. */
export const maxOutpoints = 20_000;
export const maxFunds = 8;
/** A host can call thousands somebody else's with a few requests: it leaves room for what our own openings need. */
export const maxForeign = (maxOutpoints / 4) * 3;

/** A transaction that did not confirm in this time is given up; what it was charged counts again if it is not. */
const forgetAfter = 14 * 86_400;
/** With one step, so that no step takes long. */
const swept = 64;

export const keyOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;
export const placeName = ({ account, branch, index }: Place): string => `${account}/${branch}/${index}`;

const fresh = (outpoint: Outpoint): OutpointState => ({
  outpoint,
  value: unknown,
  foreign: false,
  funds: [],
  fees: 0n,
  sent: 0n,
  at: 0,
});

/** What is only a charge can be forgotten: then it is charged again. */
const isCharge = ({ value, foreign, funds }: OutpointState): boolean =>
  !isKnown(value) && !foreign && funds.length === 0;

const aged = ({ outpoints, now }: View): Map<string, OutpointState | undefined> => {
  if (outpoints.size < maxOutpoints / 2) return new Map();
  const over = [...outpoints].flatMap(([key, state]) =>
    isCharge(state) && state.at + forgetAfter < now ? [{ key, since: state.at }] : [],
  );
  return new Map(oldestOf(over, swept).map((key) => [key, undefined]));
};

export const stateOf = ({ outpoints }: Pick<View, "outpoints">, outpoint: Outpoint): OutpointState =>
  outpoints.get(keyOf(outpoint)) ?? fresh(outpoint);

export interface Costs {
  /** In millisatoshi. */
  readonly fees: bigint;
  /** What goes to others. */
  readonly sent: bigint;
}

/** What of `costs` is not charged yet to the inputs of ours that the transaction spends. */
export const dueFor = (
  view: Pick<View, "outpoints">,
  inputs: readonly Outpoint[],
  { fees, sent }: Costs,
): Costs => {
  const states = inputs.map((one) => stateOf(view, one));
  const left = (cost: bigint, of: "fees" | "sent"): bigint =>
    max(0n, cost - states.reduce((sum, state) => sum + state[of], 0n));
  return { fees: left(fees, "fees"), sent: left(sent, "sent") };
};

export interface Signing {
  /** Ours, of which the first bears the charge. */
  readonly inputs: readonly Outpoint[];
  readonly costs: Costs;
  /** Values that are not proven. */
  readonly said: ReadonlyMap<Outpoint, Sat>;
  readonly foreign: readonly Outpoint[];
  /** Where it funds channels. */
  readonly funds?: Txid;
}

type Charged = Required<Pick<Change, "node" | "outpoints">>;
type Changing = Map<string, OutpointState | undefined>;

const alter = (view: View, changes: Changing, outpoint: Outpoint, with_: Partial<OutpointState>): void => {
  const key = keyOf(outpoint);
  const before = changes.get(key) ?? stateOf(view, outpoint);
  changes.set(key, { ...before, ...with_, at: view.now });
};

const roomIn = ({ outpoints }: View, changes: Changing): number =>
  maxOutpoints - outpoints.size - [...changes.keys()].filter((key) => !outpoints.has(key)).length;

/** Where there is no room the charge counts, and is made again when the inputs are signed again. */
const charging = (view: View, inputs: readonly Outpoint[], costs: Costs, changes: Changing): Charged => {
  const { fees, sent } = dueFor(view, inputs, costs);
  const hasRoom = (outpoint: Outpoint): boolean => {
    const key = keyOf(outpoint);
    return changes.has(key) || view.outpoints.has(key) || roomIn(view, changes) > 0;
  };
  const [first] = inputs;
  if (first !== undefined && fees + sent > 0n && hasRoom(first)) {
    const before = stateOf(view, first);
    alter(view, changes, first, { fees: before.fees + fees, sent: before.sent + sent });
  }
  const { windows } = view.node;
  const node: NodeState = {
    ...view.node,
    time: view.now,
    windows: {
      ...windows,
      fees: charged(windows.fees, view.now, fees),
      sent: charged(windows.sent, view.now, sent),
    },
  };
  return { node, outpoints: changes };
};

/** Where nothing is said that must not be forgotten. */
export const afterCosts = (view: View, inputs: readonly Outpoint[], costs: Costs): Charged =>
  charging(view, inputs, costs, aged(view));

export interface Charge {
  /** Of one transaction. */
  readonly inputs: readonly Outpoint[];
  readonly costs: Costs;
}

/** Of several transactions that spend nothing in common. */
export const afterCharges = (view: View, charges: readonly Charge[]): Charged => {
  const changes = aged(view);
  return charges.reduce<Charged>(
    ({ node }, { inputs, costs }) => charging({ ...view, node }, inputs, costs, changes),
    { node: view.node, outpoints: changes },
  );
};

const isCrowded = ({ outpoints }: View, more: number): boolean => {
  if (more === 0 || outpoints.size + more <= maxForeign) return false;
  let count = more;
  for (const { foreign } of outpoints.values()) if (foreign) count++;
  return count > maxForeign;
};

/** Undefined where there is no room for what must not be forgotten. */
export const afterSigning = (
  view: View,
  { inputs, costs, said, foreign, funds }: Signing,
): Charged | undefined => {
  const others = foreign.filter((outpoint) => !stateOf(view, outpoint).foreign);
  if (isCrowded(view, others.length)) return undefined;
  const changes = aged(view);
  for (const [outpoint, value] of said) alter(view, changes, outpoint, { value });
  for (const outpoint of others) alter(view, changes, outpoint, { foreign: true });
  if (funds !== undefined)
    for (const outpoint of inputs) {
      const before = stateOf(view, outpoint).funds;
      if (!before.some((one) => equal(one, funds)))
        alter(view, changes, outpoint, { funds: [...before, funds] });
    }
  return roomIn(view, changes) < 0 ? undefined : charging(view, inputs, costs, changes);
};

/** Of a commitment or a close: what our side of it costs, charged to the output that all of them spend. */
export const afterFee = (
  view: View,
  funding: Outpoint,
  satoshi: bigint,
): Pick<Change, "node" | "outpoints"> => {
  const costs = { fees: satoshi * 1000n, sent: 0n };
  return dueFor(view, [funding], costs).fees === 0n ? {} : afterCosts(view, [funding], costs);
};
