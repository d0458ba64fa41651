/**
 * Where an adapter brings the host's own transaction, it must be the rebuild byte for byte. What differs first has
 * a name, so that whoever wrote the host finds it.
 */

import { decodeTx, encodeTx, type Tx } from "../../../protocol/bitcoin/tx.ts";
import { anchorValue } from "../../../protocol/bolt/channel.ts";
import type { Commitment } from "../../../protocol/bolt/commitment.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { within } from "../../../protocol/malformed.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { type Facts, refuse } from "../rule.ts";
import { type Blueprint, mistakeBehind, sideOf } from "./misbuilt.ts";
import { type RuleName, textOf } from "./table.ts";

type Difference = readonly [RuleName, Facts];

const difference = (told: Tx, own: Tx, blueprint: Blueprint): Difference => {
  const [input, ...more] = told.inputs;
  const [ownInput] = own.inputs;
  if (told.version !== own.version) return ["commitment-version", { version: told.version }];
  if (input === undefined || ownInput === undefined || more.length > 0)
    return ["commitment-input-single", { inputs: told.inputs.length }];
  if (!equal(input.outpoint.txid, ownInput.outpoint.txid) || input.outpoint.index !== ownInput.outpoint.index)
    return ["commitment-input-match-funding", { spends: input.outpoint.txid, index: input.outpoint.index }];
  if (input.sequence !== ownInput.sequence)
    return ["commitment-sequence", { sequence: input.sequence, expected: ownInput.sequence }];
  if (told.locktime !== own.locktime)
    return ["commitment-locktime", { locktime: told.locktime, expected: own.locktime }];
  return outputs(told, own, blueprint);
};

/** A host may send ten thousand outputs: each is looked at once. */
const timesOf = (tx: Tx): ((script: Uint8Array) => number) => {
  const counts = new Map<string, number>();
  const times = (script: Uint8Array): number => counts.get(toHex(script)) ?? 0;
  for (const { script } of tx.outputs) counts.set(toHex(script), times(script) + 1);
  return times;
};

const outputs = (told: Tx, own: Tx, blueprint: Blueprint): Difference => {
  const anchors = blueprint.terms.type === "anchors";
  const mine = new Map(own.outputs.map(({ script, value }) => [toHex(script), value]));
  for (const [index, { script, value }] of told.outputs.entries()) {
    const expected = mine.get(toHex(script));
    if (expected === undefined && value === anchorValue && !anchors)
      return ["commitment-anchors-not-when-off", { index }];
    if (expected === undefined)
      return [
        mistakeBehind(blueprint, script) ?? "commitment-no-unrecognized-outputs",
        { index, script, value },
      ];
    if (expected === anchorValue && value !== anchorValue)
      return ["commitment-anchor-amount", { index, value }];
  }
  const times = timesOf(told);
  const timesWanted = timesOf(own);
  for (const { script, value } of own.outputs) {
    const found = times(script);
    const wanted = timesWanted(script);
    if (found === wanted) continue;
    const { side, anchor } = sideOf(blueprint, script);
    if (found > wanted) return [`commitment-singular-to-${side}`, { script, times: found }];
    if (anchor) return [`commitment-anchor-to-${side}`, { script }];
    return ["commitment-scripts", { missing: script, value }];
  }
  return ["commitment-other", { outputs: told.outputs.length }];
};

export const compareExpected = (
  expected: Uint8Array,
  { tx }: Commitment,
  blueprint: Blueprint,
): Refusal | undefined => {
  if (equal(expected, encodeTx(tx))) return undefined;
  const told = within("expected", () => decodeTx(expected).tx);
  const [name, facts] = difference(told, tx, blueprint);
  return refuse(textOf(name), facts);
};
