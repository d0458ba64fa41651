/**
 * Where an adapter brings the host's own transaction, it must be the rebuild byte for byte. What differs first has
 * a name, so that whoever wrote the host finds it.
 */

import { decodeTx, encodeTx, type Tx } from "../../../protocol/bitcoin/tx.ts";
import { anchorValue } from "../../../protocol/bolt/channel.ts";
import type { Commitment } from "../../../protocol/bolt/commitment.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { type Facts, refuse } from "../rule.ts";
import type { ContentView } from "./commitment.ts";

const sentences = {
  "commitment-version": "A commitment has version 2.",
  "commitment-locktime": "A commitment's locktime shows the low half of its obscured number.",
  "commitment-input-single": "A commitment has one input.",
  "commitment-input-match-funding": "A commitment spends the channel's funding output.",
  "commitment-sequence": "A commitment's sequence shows the high half of its obscured number.",
  "commitment-anchors-not-when-off": "There are no anchors where the channel's type has none.",
  "commitment-anchor-amount": "An anchor is worth 330 satoshi.",
  "commitment-anchor-to-holder": "The holder's anchor is there exactly when BOLT 3 says.",
  "commitment-singular-to-holder": "No output comes twice.",
  "commitment-no-unrecognized-outputs": "Every output is one that the signer builds itself.",
  "commitment-scripts": "Every output that the signer builds is there.",
  "commitment-outputs-trimmed":
    "Exactly what is under the dust limit, with the fee of its HTLC transaction, has no output.",
  "commitment-other": "The host's commitment is the one that the signer builds, byte for byte.",
} as const;

type Name = keyof typeof sentences;

const difference = (told: Tx, own: Tx, { setup }: ContentView): readonly [Name, Facts] => {
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
  return outputs(told, own, setup.terms.type === "anchors");
};

const outputs = (told: Tx, own: Tx, anchors: boolean): readonly [Name, Facts] => {
  const mine = new Map(own.outputs.map(({ script, value }) => [toHex(script), value]));
  const seen = new Map<string, number>();
  for (const [index, { script, value }] of told.outputs.entries()) {
    const key = toHex(script);
    const expected = mine.get(key);
    seen.set(key, (seen.get(key) ?? 0) + 1);
    if (expected === undefined && value === anchorValue && !anchors)
      return ["commitment-anchors-not-when-off", { index }];
    if (expected === undefined) return ["commitment-no-unrecognized-outputs", { index, script, value }];
    if (anchors && expected === anchorValue && value !== anchorValue)
      return ["commitment-anchor-amount", { index, value }];
  }
  for (const { script, value } of own.outputs) {
    const key = toHex(script);
    const wanted = own.outputs.filter((output) => toHex(output.script) === key).length;
    const found = seen.get(key) ?? 0;
    if (found > wanted) return ["commitment-singular-to-holder", { script, times: found }];
    if (found === 0 && anchors && value === anchorValue) return ["commitment-anchor-to-holder", { script }];
    if (found < wanted) return ["commitment-scripts", { missing: script, value }];
  }
  return ["commitment-other", { outputs: told.outputs.length }];
};

export const compareExpected = (
  expected: Uint8Array,
  { tx }: Commitment,
  view: ContentView,
): Refusal | undefined => {
  if (equal(expected, encodeTx(tx))) return undefined;
  let told: Tx;
  try {
    told = decodeTx(expected).tx;
  } catch (error) {
    throw error instanceof Malformed ? error.within("expected") : error;
  }
  const [name, facts] = difference(told, tx, view);
  return refuse(
    { name, kind: "core", sentence: sentences[name], hint: "The host built another transaction." },
    facts,
  );
};
