/** The judge of scripts: the one file that knows the interpreter's package. */

import bitcore from "bitcore-lib";
import { encodeWitnessTx, type TxOutput } from "../../protocol/bitcoin/tx.ts";
import { equal } from "../../protocol/bytes.ts";
import type { Entry } from "./entry.ts";

const { Interpreter } = bitcore.Script;

/**
 * Bitcoin Core's policy/policy.h, STANDARD_SCRIPT_VERIFY_FLAGS. Without CLEANSTACK, which the package gets wrong for a
 * witness program; of those it asks for a clean stack in any case, as consensus does. SIGPUSHONLY is IsStandardTx's.
 */
const flags = (
  [
    "SCRIPT_VERIFY_P2SH",
    "SCRIPT_VERIFY_STRICTENC",
    "SCRIPT_VERIFY_DERSIG",
    "SCRIPT_VERIFY_LOW_S",
    "SCRIPT_VERIFY_NULLDUMMY",
    "SCRIPT_VERIFY_SIGPUSHONLY",
    "SCRIPT_VERIFY_MINIMALDATA",
    "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_NOPS",
    "SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY",
    "SCRIPT_VERIFY_CHECKSEQUENCEVERIFY",
    "SCRIPT_VERIFY_WITNESS",
    "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM",
    "SCRIPT_VERIFY_MINIMALIF",
    "SCRIPT_VERIFY_NULLFAIL",
    "SCRIPT_VERIFY_WITNESS_PUBKEYTYPE",
    "SCRIPT_VERIFY_CONST_SCRIPTCODE",
    "SCRIPT_VERIFY_TAPROOT",
    "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION",
    "SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS",
    "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE",
  ] as const
).reduce((sum, flag) => sum | Interpreter[flag], 0);

/** Anybody's to spend, with nothing (Bitcoin Core, policy: PAYTOANCHOR); the package takes it for a future program. */
const payToAnchor = Uint8Array.of(0x51, 0x02, 0x4e, 0x73);

const empty = new Uint8Array(0);

const inputFault = (
  { tx, witnesses }: Entry,
  spent: readonly TxOutput[],
  index: number,
  judged: InstanceType<typeof bitcore.Transaction>,
): string | undefined => {
  const [input, output] = [tx.inputs[index], spent[index]];
  if (input === undefined || output === undefined) return "no such input";
  const witness = witnesses[index] ?? [];
  const scriptSig = input.scriptSig ?? empty;
  if (equal(output.script, payToAnchor))
    return witness.length + scriptSig.length === 0 ? undefined : "an anchor is spent with nothing";
  const interpreter = new Interpreter();
  const holds = interpreter.verify(
    bitcore.Script.fromBuffer(Buffer.from(scriptSig)),
    bitcore.Script.fromBuffer(Buffer.from(output.script)),
    judged,
    index,
    flags,
    witness.map((item) => Buffer.from(item)),
    Number(output.value),
  );
  return holds ? undefined : interpreter.errstr || "SCRIPT_ERR_UNKNOWN_ERROR";
};

/** Why an input may not spend what it spends; `spent` has one output for each. */
export const scriptFault = (entry: Entry, spent: readonly TxOutput[]): string | undefined => {
  try {
    const judged = new bitcore.Transaction().fromBuffer(
      Buffer.from(encodeWitnessTx(entry.tx, entry.witnesses)),
    );
    // A taproot digest commits to all of them (BIP 341).
    for (const [i, { value, script }] of spent.entries()) {
      const input = judged.inputs[i];
      if (input !== undefined)
        input.output = new bitcore.Transaction.Output({
          satoshis: Number(value),
          script: Buffer.from(script),
        });
    }
    for (const index of entry.tx.inputs.keys()) {
      const fault = inputFault(entry, spent, index, judged);
      if (fault !== undefined) return `input ${index}: ${fault}`;
    }
    return undefined;
  } catch {
    // The package throws at what it can't read.
    return "SCRIPT_ERR_UNKNOWN_ERROR";
  }
};
