/**
 * Funding transactions that are agreed on and not signed yet: the signer pays into a channel only once the peer has signed our
 * first commitment. LDK gets the outpoint alone, and says when that is so (BOLT 2, "The `funding_signed` Message").
 */

import { deserialize, serialize } from "node:v8";
import { type Tx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { sat, script, type Txid } from "../../protocol/units.ts";
import { type Coin, walletInput } from "./coins.ts";
import type { Jobs } from "./jobs.ts";
import type { SpendInput, Wallet } from "./keys/keys.ts";
import type { Outgoing } from "./outgoing.ts";
import { bytesOf, type NodeStore } from "./store.ts";
import type { Turns } from "./turn.ts";

interface Draft {
  readonly inputs: readonly SpendInput[];
  readonly outputs: readonly { readonly script: Uint8Array; readonly value: bigint }[];
}

export interface Fundings {
  /** In a turn. The id is that of the signed transaction: its inputs are segregated witness. */
  draft(coins: readonly Coin[], outputs: Draft["outputs"]): Txid;
  drop(txid: Uint8Array): void;
  /** Those that may not be signed yet. */
  unsigned(): readonly Uint8Array[];
  /** In a turn: it may be signed and shown now. */
  safe(txid: Uint8Array): void;
  /** Signs all that may be, again where it did not work before. */
  resume(): void;
}

export interface FundingsParts {
  readonly store: Pick<NodeStore, "database">;
  readonly turns: Turns;
  readonly jobs: Jobs;
  readonly wallet: Pick<Wallet, "spend">;
  readonly outgoing: Pick<Outgoing, "send">;
}

const sequence = 0xffff_fffd;

const txidFor = (coins: readonly Coin[], outputs: Draft["outputs"]): Txid => {
  const tx: Tx = {
    version: 2,
    locktime: 0,
    inputs: coins.map(({ outpoint }) => ({ outpoint, sequence })),
    outputs: outputs.map((output) => ({ value: sat(output.value), script: script(output.script) })),
  };
  return txidOf(tx);
};

export const openFundings = ({
  store: { database },
  turns,
  jobs,
  wallet,
  outgoing,
}: FundingsParts): Fundings => {
  database.exec(
    "CREATE TABLE IF NOT EXISTS funding (txid TEXT PRIMARY KEY NOT NULL, draft BLOB NOT NULL, safe INTEGER NOT NULL) STRICT",
  );
  const add = database.prepare("INSERT OR REPLACE INTO funding VALUES (?, ?, 0)");
  const remove = database.prepare("DELETE FROM funding WHERE txid = ?");
  const mark = database.prepare("UPDATE funding SET safe = 1 WHERE txid = ?");
  const due = database.prepare("SELECT txid FROM funding WHERE safe = 1");
  const waiting = database.prepare("SELECT txid FROM funding WHERE safe = 0");
  const one = database.prepare("SELECT draft FROM funding WHERE txid = ?");

  const sign = async (id: string): Promise<void> => {
    const row = one.get(id);
    if (row === undefined) return;
    const { inputs, outputs } = deserialize(bytesOf(row["draft"])) as Draft;
    const bytes = await wallet.spend({ inputs, outputs, locktime: 0, version: 2 });
    await turns.take(() => {
      remove.run(id);
      outgoing.send([bytes]);
    });
  };

  const resume = (): void => {
    for (const row of due.all()) {
      const id = String(row["txid"]);
      jobs.start(`sign the funding ${id}`, () => sign(id));
    }
  };

  return {
    draft: (coins, outputs) => {
      const txid = txidFor(coins, outputs);
      const draft: Draft = { inputs: coins.map((coin) => walletInput(coin, sequence)), outputs };
      add.run(toHex(txid), serialize(draft));
      return txid;
    },
    unsigned: () => waiting.all().map((row) => fromHex(String(row["txid"]))),
    drop: (txid) => void remove.run(toHex(txid)),
    safe: (txid) => {
      mark.run(toHex(txid));
      turns.afterwards(resume);
    },
    resume,
  };
};
