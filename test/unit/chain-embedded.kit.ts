/** What tests of an embedded chain share: transactions that need no key, and money to make them of. */

import {
  anyones,
  anyonesWitness,
  type Block,
  type EmbeddedChain,
  openChain,
} from "../../chain/embedded/chain.ts";
import { encodeWitnessTx, type Tx, type TxInput, type TxOutput, txidOf } from "../../protocol/bitcoin/tx.ts";
import { type Outpoint, type Script, sat, type Txid } from "../../protocol/units.ts";

/** A clock that stands still, so that blocks have times one can count on. */
export const start = 1_800_000_000;

export interface Clock {
  readonly now: () => number;
  forward(seconds: number): void;
}

export const clock = (): Clock => {
  let seconds = start;
  return {
    now: () => seconds * 1000,
    forward: (more) => {
      seconds += more;
    },
  };
};

export interface Shore {
  readonly chain: EmbeddedChain;
  readonly clock: Clock;
  /** Of coinbases that are ripe. */
  readonly funds: readonly Outpoint[];
}

export const coinbaseOf = ({ entries: [coinbase] }: Block): Outpoint => {
  if (coinbase === undefined) throw new Error("a block without a coinbase");
  return { txid: coinbase.txid, index: 0 };
};

export const shore = (ripe = 3): Shore => {
  const time = clock();
  const chain = openChain({ now: time.now });
  const blocks = chain.mine(ripe);
  chain.mine(99);
  return { chain, clock: time, funds: blocks.map(coinbaseOf) };
};

export interface Made {
  readonly raw: Uint8Array;
  readonly txid: Txid;
  readonly tx: Tx;
  readonly outputs: readonly Outpoint[];
}

export interface Wanted {
  readonly inputs: readonly (Outpoint | TxInput)[];
  readonly outputs: readonly (bigint | TxOutput)[];
  readonly version?: number;
  readonly locktime?: number;
  readonly witness?: readonly Uint8Array[];
}

/** Of and to what anybody may spend. */
export const made = ({
  inputs,
  outputs,
  version = 2,
  locktime = 0,
  witness = anyonesWitness,
}: Wanted): Made => {
  const tx: Tx = {
    version,
    inputs: inputs.map((input) => ("outpoint" in input ? input : { outpoint: input, sequence: 0xffff_fffd })),
    outputs: outputs.map((output) =>
      typeof output === "bigint" ? { value: sat(output), script: anyones } : output,
    ),
    locktime,
  };
  const txid = txidOf(tx);
  return {
    raw: encodeWitnessTx(
      tx,
      inputs.map(() => witness),
    ),
    txid,
    tx,
    outputs: outputs.map((_, index) => ({ txid, index })),
  };
};

export const subsidy = 5_000_000_000n;

export const output = (value: bigint, script: Script): TxOutput => ({ value: sat(value), script });

export const first = <T>(items: readonly T[]): T => {
  const [item] = items;
  if (item === undefined) throw new Error("none");
  return item;
};
