/** From block to block: what the chain does to one channel, and takes back. */

import type { WatchedTx } from "../../../protocol/bitcoin/block.ts";
import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import type { TxOutput, Witness } from "../../../protocol/bitcoin/tx.ts";
import { outputsIn, rangeOfTx, witnessIn } from "../../../protocol/bitcoin/tx-range.ts";
import type { Watches } from "../../../protocol/bitcoin/watch.ts";
import { fundingScript } from "../../../protocol/bolt/scripts.ts";
import { equal } from "../../../protocol/bytes.ts";
import { hash160 } from "../../../protocol/hash.ts";
import {
  type CommitmentNumber,
  type Height,
  type Outpoint,
  preimage,
  type Script,
} from "../../../protocol/units.ts";
import type { Live, Setup } from "../state.ts";
import { type CloseTerms, closeBy } from "./closing.ts";
import type { Moved } from "./connect.ts";
import { depthAt, irrevocable } from "./depths.ts";
import type { SeenBlock } from "./evidence.ts";
import { type Close, type Onchain, type Output, type Role, standingOf, type Way } from "./onchain.ts";

const same = (a: Outpoint, b: Outpoint): boolean => a.index === b.index && equal(a.txid, b.txid);

/** As if no block above `fork` had ever been. */
export const revert = (onchain: Onchain, fork: Height): Onchain => {
  const { funding, close } = onchain;
  return {
    funding: funding.is !== "unseen" && funding.height > fork ? { is: "unseen" } : funding,
    close:
      close === undefined || close.height > fork
        ? undefined
        : {
            ...close,
            outputs: close.outputs
              .filter(({ height }) => height <= fork)
              .map((output) =>
                output.spent !== undefined && output.spent.height > fork
                  ? { ...output, spent: undefined }
                  : output,
              ),
          },
  };
};

/** As script takes it (Bitcoin Core, CastToBool). */
const isTrue = (item: Uint8Array | undefined): boolean =>
  item?.some((byte, i) => byte !== 0 && !(i === item.length - 1 && byte === 0x80)) ?? false;

/** BOLT 3: each script looks at the item before it, and takes whatever is no key and no preimage for a timeout. */
const wayOf = (role: Role, witness: Witness): Way => {
  const [item, script] = [witness.at(-2), witness.at(-1)];
  switch (role.is) {
    case "remote":
      return { is: "plain" };
    case "delayed":
    case "second":
      return isTrue(item) ? { is: "revocation" } : { is: "plain" };
    case "htlc":
    case "unlisted":
      if (item === undefined || script === undefined) return { is: "plain" };
      // `OP_DUP OP_HASH160 <RIPEMD160(SHA256(revocationpubkey))>` begins both HTLC scripts.
      if (equal(hash160(item), script.subarray(3, 23))) return { is: "revocation" };
      return item.length === 32 ? { is: "preimage", preimage: preimage(item) } : { is: "timeout" };
  }
};

interface Spending {
  readonly tx: WatchedTx;
  readonly height: Height;
  readonly outputs: readonly TxOutput[];
}

/** Both sides' signatures bind an HTLC transaction's input to the output of the same index (SIGHASH_SINGLE). */
const secondOf = ({ delayed }: Close, { role, outpoint }: Output, input: number, spending: Spending) => {
  const output = spending.outputs[input];
  const isHtlc = role.is === "htlc" || role.is === "unlisted";
  if (!isHtlc || output === undefined || delayed.length === 0 || !equal(output.script, delayed)) return [];
  const { txid } = spending.tx;
  const second: Output = {
    outpoint: { txid, index: input },
    value: output.value,
    role: { is: "second", of: outpoint.index },
    height: spending.height,
    spent: undefined,
  };
  return [second];
};

const spend = (close: Close, tx: WatchedTx, height: Height): Close => {
  const concerned = tx.spends.flatMap(({ outpoint, input }) =>
    close.outputs.filter((output) => same(output.outpoint, outpoint)).map((output) => ({ output, input })),
  );
  if (concerned.length === 0) return close;
  const range = rangeOfTx(tx.raw);
  const spending = { tx, height, outputs: outputsIn(tx.raw, range) };
  const inputs = new Map(concerned.map(({ output, input }) => [output, input]));
  const outputs = close.outputs.map((output) => {
    const input = inputs.get(output);
    if (input === undefined) return output;
    const way = wayOf(output.role, witnessIn(tx.raw, range, input));
    return { ...output, spent: { txid: tx.txid, height, way } };
  });
  const seconds = concerned
    .flatMap(({ output, input }) => secondOf(close, output, input, spending))
    // It may be known from an earlier look at this block, and what spent it too.
    .filter((second) => !close.outputs.some((known) => same(known.outpoint, second.outpoint)));
  return { ...close, outputs: [...outputs, ...seconds] };
};

const fundingScriptOf = ({ holder, counterparty }: Setup): Script =>
  p2wsh(fundingScript(holder.funding, counterparty.funding));

const see = (onchain: Onchain, tx: WatchedTx, height: Height, terms: CloseTerms): Onchain => {
  const { setup } = terms.live;
  const created = tx.creations.find(({ outpoint }) => same(outpoint, setup.funding));
  if (created !== undefined) {
    const { value, script } = created.output;
    const fits = value === setup.terms.value && equal(script, fundingScriptOf(setup));
    return { ...onchain, funding: { is: fits ? "confirmed" : "false", height } };
  }
  const { close, funding } = onchain;
  if (funding.is !== "false" && spendsFunding(tx, setup)) {
    const isKnown = close !== undefined && equal(close.txid, tx.txid);
    return isKnown ? onchain : { ...onchain, close: closeBy(tx, height, terms) };
  }
  return close === undefined ? onchain : { ...onchain, close: spend(close, tx, height) };
};

const spendsFunding = ({ spends }: WatchedTx, { funding }: Setup): boolean =>
  spends.some(({ outpoint }) => same(outpoint, funding));

/** Numbers of our own commitments that these blocks have, whose points only the keyring knows; mostly none. */
export const pointsWanted = (
  { setup, holder }: Live,
  seen: readonly SeenBlock[],
): readonly CommitmentNumber[] =>
  seen
    .flatMap(({ found }) => found)
    .filter((tx) => spendsFunding(tx, setup))
    .flatMap(({ txid }) => holder.variants.filter((variant) => equal(variant.txid, txid)))
    .map(({ number }) => number);

/** The same blocks again change nothing. */
export const follow = (
  onchain: Onchain,
  { fork, seen }: Pick<Moved, "fork" | "seen">,
  terms: CloseTerms,
): Onchain => {
  let now = revert(onchain, fork);
  for (const { height, found } of seen) for (const tx of found) now = see(now, tx, height, terms);
  return now;
};

/** Nothing that may still happen matters: every output of ours is resolved, irrevocably. */
export const isSettled = ({ close }: Onchain, live: Live, tip: Height): boolean => {
  if (close === undefined) return false;
  const isFinal = (since: Height): boolean => depthAt(since, tip) >= irrevocable;
  const standing = standingOf(close, live).is;
  const matters = ({ role }: Output): boolean => {
    switch (role.is) {
      case "remote":
        // Resolved by itself (BOLT 5), but its key is the channel's: who forgot that one could not sign for it.
        return standing !== "holder";
      case "htlc":
      case "unlisted":
        return true;
      case "delayed":
      case "second":
        return standing !== "counterparty";
    }
  };
  return (
    isFinal(close.height) &&
    close.outputs.every(
      (output) => !matters(output) || (output.spent !== undefined && isFinal(output.spent.height)),
    )
  );
};

/** What a source has to look for. Spent outputs stay among it until nothing can bring them back. */
export const watchesOf = (onchain: Onchain, live: Live, tip: Height): Watches => {
  if (isSettled(onchain, live, tip)) return { outpoints: [], scripts: [] };
  const outputs = onchain.close?.outputs ?? [];
  return { outpoints: [live.setup.funding, ...outputs.map(({ outpoint }) => outpoint)], scripts: [] };
};
