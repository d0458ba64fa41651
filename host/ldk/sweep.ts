/** What closed channels left to us, brought home: LDK says when an output can be spent, the keys spend it to the wallet. */

import {
  Option_CVec_u8ZZ_Some,
  Result_SpendableOutputDescriptorDecodeErrorZ_OK,
  SpendableOutputDescriptor,
  SpendableOutputDescriptor_DelayedPaymentOutput,
  SpendableOutputDescriptor_StaticOutput,
  SpendableOutputDescriptor_StaticPaymentOutput,
} from "lightningdevkit";
import type { ScannedBlock } from "../../protocol/bitcoin/block.ts";
import { type Outpoint, txid } from "../../protocol/units.ts";
import { type Coins, dust, feeFor, outpointOf, outputWeight, textOf } from "./coins.ts";
import type { Fees } from "./fees.ts";
import type { Jobs } from "./jobs.ts";
import type { SpendInput, Wallet } from "./keys/keys.ts";
import type { Outgoing } from "./outgoing.ts";
import { bytesOf, type NodeStore } from "./store.ts";
import type { Turns } from "./turn.ts";

export interface Sweeps {
  /** In a turn. */
  add(descriptors: readonly SpendableOutputDescriptor[]): void;
  connected(block: ScannedBlock, height: number): void;
  disconnected(height: number): void;
  watched(): readonly Outpoint[];
  /** Sends what can be sent and was not, or not lately. */
  kick(): void;
  balance(): bigint;
}

export interface SweepsParts {
  readonly store: Pick<NodeStore, "database">;
  readonly turns: Turns;
  readonly jobs: Jobs;
  readonly coins: Coins;
  readonly wallet: Pick<Wallet, "spend">;
  readonly fees: Fees;
  readonly outgoing: Outgoing;
  readonly height: () => number;
}

/** Blocks after which a sweep that no block took is made anew, at what is then the feerate. */
const patience = 6;

interface Output {
  readonly outpoint: Outpoint;
  readonly value: bigint;
  readonly weight: number;
  readonly sequence: number;
}

const place = (outpoint: { get_txid(): Uint8Array; get_index(): number }): Outpoint => ({
  txid: txid(outpoint.get_txid()),
  index: outpoint.get_index(),
});

const outputOf = (descriptor: SpendableOutputDescriptor): Output | undefined => {
  if (descriptor instanceof SpendableOutputDescriptor_StaticOutput) {
    const { outpoint, output } = descriptor;
    return { outpoint: place(outpoint), value: output.value, weight: 4 * 41 + 109, sequence: 0xffff_fffd };
  }
  if (descriptor instanceof SpendableOutputDescriptor_DelayedPaymentOutput) {
    const it = descriptor.delayed_payment_output;
    // BOLT 3, "to_local Output": a signature, an empty element, a script of at most 83 bytes.
    return {
      outpoint: place(it.get_outpoint()),
      value: it.get_output().value,
      weight: 4 * 41 + 162,
      sequence: it.get_to_self_delay(),
    };
  }
  if (descriptor instanceof SpendableOutputDescriptor_StaticPaymentOutput) {
    const it = descriptor.static_payment_output;
    // BOLT 3, "to_remote Output": with anchors it is a script, and one block old.
    const hasScript = it.witness_script() instanceof Option_CVec_u8ZZ_Some;
    return {
      outpoint: place(it.get_outpoint()),
      value: it.get_output().value,
      weight: 4 * 41 + Number(it.max_witness_length()) + 2,
      sequence: hasScript ? 1 : 0xffff_fffd,
    };
  }
  return undefined;
};

interface Row extends Output {
  readonly descriptor: Uint8Array;
}

export const openSweeps = (parts: SweepsParts): Sweeps => {
  const { turns, jobs, coins, wallet, fees, outgoing, height } = parts;
  const { database } = parts.store;
  const insert = database.prepare("INSERT OR IGNORE INTO sweep VALUES (?, ?, ?, ?, ?, NULL, NULL)");
  const open = database.prepare("SELECT * FROM sweep WHERE spent_height IS NULL ORDER BY outpoint");
  const due = database.prepare(
    "SELECT * FROM sweep WHERE spent_height IS NULL AND (tried IS NULL OR tried <= ?) ORDER BY outpoint",
  );
  const tried = database.prepare("UPDATE sweep SET tried = ? WHERE outpoint = ?");
  const spent = database.prepare("UPDATE sweep SET spent_height = ? WHERE outpoint = ?");
  const unspent = database.prepare("UPDATE sweep SET spent_height = NULL WHERE spent_height = ?");

  const rowOf = (row: Record<string, unknown>): Row => ({
    outpoint: outpointOf(String(row["outpoint"])),
    value: BigInt(row["value"] as number),
    weight: Number(row["weight"]),
    sequence: Number(row["sequence"]),
    descriptor: bytesOf(row["descriptor"]),
  });

  const inputOf = ({ descriptor, sequence }: Row): SpendInput => {
    const read = SpendableOutputDescriptor.constructor_read(descriptor);
    if (!(read instanceof Result_SpendableOutputDescriptorDecodeErrorZ_OK))
      throw new Error("a stored output can't be read");
    return { kind: "descriptor", descriptor: read.res, sequence };
  };

  const sweep = async (rows: readonly Row[], script: Uint8Array): Promise<void> => {
    const value = rows.reduce((total, row) => total + row.value, 0n);
    const weight = 4 * 10 + 2 + outputWeight(script) + rows.reduce((total, row) => total + row.weight, 0);
    const paid = value - feeFor(weight, fees.feerate("normal"));
    // Not worth its fee today.
    if (paid < dust) return;
    const bytes = await wallet.spend({
      inputs: rows.map(inputOf),
      outputs: [{ script, value: paid }],
      locktime: 0,
      version: 2,
    });
    await turns.take(() => {
      outgoing.send([bytes]);
      for (const { outpoint } of rows) tried.run(height(), textOf(outpoint));
    });
  };

  const run = async (): Promise<void> => {
    const rows = due.all(height() - patience).map(rowOf);
    if (rows.length === 0) return;
    const script = await coins.address();
    try {
      await sweep(rows, script);
    } catch (error) {
      if (rows.length === 1) throw error;
      // One of them may be what is refused; it must not hold up the others.
      for (const row of rows) await sweep([row], script).catch(() => undefined);
    }
  };

  return {
    add: (descriptors) => {
      for (const descriptor of descriptors) {
        // An output to an address of the wallet is a coin already.
        if (
          descriptor instanceof SpendableOutputDescriptor_StaticOutput &&
          coins.knows(descriptor.output.script_pubkey)
        )
          continue;
        const output = outputOf(descriptor);
        if (output === undefined) continue;
        const { outpoint, value, weight, sequence } = output;
        insert.run(textOf(outpoint), descriptor.write(), value, weight, sequence);
      }
    },
    connected: (block, at) => {
      for (const tx of block.found) for (const { outpoint } of tx.spends) spent.run(at, textOf(outpoint));
    },
    disconnected: (at) => void unspent.run(at),
    watched: () => open.all().map((row) => outpointOf(String(row["outpoint"]))),
    kick: () => jobs.start("sweep", run),
    balance: () => open.all().reduce((total, row) => total + BigInt(row["value"] as number), 0n),
  };
};
