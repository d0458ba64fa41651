/**
 * A judge of finished inputs that shares nothing with what made them: scripts of BOLT 3 are run as Bitcoin Core runs them
 * (its standardness rules too), and digests are those of @scure/btc-signer.
 */

import { ripemd160 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { Transaction } from "@scure/btc-signer";
import { decodeDer } from "../../protocol/bitcoin/der.ts";
import { encodeTx, type Tx, type TxOutput, type Witness } from "../../protocol/bitcoin/tx.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { point } from "../../protocol/units.ts";

const curve = await loadNative();

const hash160 = (bytes: Uint8Array): Uint8Array => ripemd160(sha256(bytes));

class Failed extends Error {}
const need: (held: boolean, what: string) => asserts held = (held, what) => {
  if (!held) throw new Failed(what);
};

export interface Spend {
  readonly tx: Tx;
  readonly index: number;
  readonly spent: readonly TxOutput[];
  readonly witness: Witness;
}

type Check = (signature: Uint8Array, key: Uint8Array) => boolean;

const isTrue = (item: Uint8Array): boolean =>
  item.some((byte, i) => byte !== 0 && !(i === item.length - 1 && byte === 0x80));

const toNumber = (item: Uint8Array, longest: number): number => {
  need(item.length <= longest, "a number too long");
  const last = item.at(-1);
  if (last === undefined) return 0;
  need((last & 0x7f) !== 0 || (item.length > 1 && ((item.at(-2) ?? 0) & 0x80) !== 0), "a number not minimal");
  let n = 0;
  for (const [i, byte] of item.entries()) n += (i === item.length - 1 ? byte & 0x7f : byte) * 2 ** (8 * i);
  return last & 0x80 ? -n : n;
};

const fromNumber = (n: number): Uint8Array => {
  const out: number[] = [];
  for (let left = n; left > 0; left = Math.floor(left / 256)) out.push(left % 256);
  if ((out.at(-1) ?? 0) & 0x80) out.push(0);
  return Uint8Array.from(out);
};

const checkLocktime = ({ tx, index }: Spend, n: number): void => {
  need(n >= 0, "a negative locktime");
  need(n < 500_000_000 === tx.locktime < 500_000_000, "a locktime of the other kind");
  need(n <= tx.locktime, "too early");
  need(tx.inputs[index]?.sequence !== 0xffff_ffff, "a final input");
};

const checkSequence = ({ tx, index }: Spend, n: number): void => {
  need(n >= 0, "a negative sequence");
  if (n >= 0x8000_0000) return;
  const sequence = tx.inputs[index]?.sequence ?? 0;
  need(tx.version >= 2, "a version without relative locktimes");
  need(sequence < 0x8000_0000, "a sequence that is no relative locktime");
  need((n & 0x40_0000) === (sequence & 0x40_0000), "a relative locktime of the other kind");
  need((n & 0xffff) <= (sequence & 0xffff), "not deep enough");
};

const run = (script: Uint8Array, stack: Uint8Array[], spend: Spend, check: Check): void => {
  const branches: boolean[] = [];
  const pop = (): Uint8Array => {
    const item = stack.pop();
    need(item !== undefined, "the stack is empty");
    return item;
  };
  const top = (): Uint8Array => {
    const item = stack.at(-1);
    need(item !== undefined, "the stack is empty");
    return item;
  };
  const push = (item: Uint8Array | boolean): void => {
    stack.push(typeof item === "boolean" ? (item ? Uint8Array.of(1) : new Uint8Array(0)) : item);
  };
  const verify = (held: boolean): void => need(held, "a VERIFY failed");
  const checked = (): boolean => {
    const key = pop();
    const signature = pop();
    const held = check(signature, key);
    need(held || signature.length === 0, "a wrong signature that is not empty");
    return held;
  };
  const multisig = (): boolean => {
    const keys = Array.from({ length: toNumber(pop(), 4) }, pop);
    const signatures = Array.from({ length: toNumber(pop(), 4) }, pop);
    need(pop().length === 0, "a dummy that is not empty");
    let at = 0;
    for (const key of keys) {
      const signature = signatures[at];
      if (signature !== undefined && check(signature, key)) at++;
    }
    need(at === signatures.length || signatures.every(({ length }) => length === 0), "a wrong signature");
    return at === signatures.length;
  };

  for (let at = 0; at < script.length; ) {
    const code = script[at++] ?? 0;
    const active = branches.every(Boolean);
    if (code >= 1 && code <= 75) {
      const item = script.slice(at, at + code);
      at += code;
      need(item.length === code, "a push beyond the end");
      const first = item[0] ?? 0;
      need(code !== 1 || ((first === 0 || first > 16) && first !== 0x81), "a push that is not minimal");
      if (active) push(item);
      continue;
    }
    // IF, NOTIF, ELSE and ENDIF are read in a branch that is not taken, too.
    if (code === 0x63 || code === 0x64) {
      let taken = false;
      if (active) {
        const item = pop();
        need(item.length === 0 || (item.length === 1 && item[0] === 1), "an IF of what is not minimal");
        taken = isTrue(item) === (code === 0x63);
      }
      branches.push(taken);
      continue;
    }
    if (code === 0x67) {
      const branch = branches.pop();
      need(branch !== undefined, "an ELSE without IF");
      branches.push(!branch);
      continue;
    }
    if (code === 0x68) {
      need(branches.pop() !== undefined, "an ENDIF without IF");
      continue;
    }
    if (!active) continue;
    if (code === 0x00) push(new Uint8Array(0));
    else if (code >= 0x51 && code <= 0x60) push(fromNumber(code - 0x50));
    else if (code === 0x73) {
      if (isTrue(top())) push(top());
    } else if (code === 0x75) pop();
    else if (code === 0x76) push(top());
    else if (code === 0x7c) {
      const [a, b] = [pop(), pop()];
      push(a);
      push(b);
    } else if (code === 0x82) push(fromNumber(top().length));
    else if (code === 0x87) push(equal(pop(), pop()));
    else if (code === 0x88) verify(equal(pop(), pop()));
    else if (code === 0xa9) push(hash160(pop()));
    else if (code === 0xac) push(checked());
    else if (code === 0xad) verify(checked());
    else if (code === 0xae) push(multisig());
    else if (code === 0xb1) checkLocktime(spend, toNumber(top(), 5));
    else if (code === 0xb2) checkSequence(spend, toNumber(top(), 5));
    else throw new Failed(`an opcode that no script here has: ${code.toString(16)}`);
  }
  need(branches.length === 0, "an IF without ENDIF");
  need(stack.length === 1 && isTrue(top()), "what is left is not true alone");
};

const theirs = ({ tx }: Spend): Transaction =>
  Transaction.fromRaw(encodeTx(tx), {
    allowUnknownInputs: true,
    allowUnknownOutputs: true,
    disableScriptCheck: true,
  });

const ecdsa =
  (spend: Spend, scriptCode: Uint8Array): Check =>
  (signature, key) => {
    if (signature.length === 0) return false;
    need(key.length === 33, "a key that is not compressed");
    const type = signature.at(-1) ?? 0;
    need([1, 0x83].includes(type), "a hash type that is not used here");
    const value = spend.spent[spend.index]?.value ?? 0n;
    const digest = theirs(spend).preimageWitnessV0(spend.index, scriptCode, type, value);
    try {
      return curve.verify({ digest, signature: decodeDer(signature.slice(0, -1)), key: point(key) });
    } catch (error) {
      if (error instanceof Malformed) throw new Failed(error.message);
      throw error;
    }
  };

const keyPath = (spend: Spend, key: Uint8Array): void => {
  const [signature, ...others] = spend.witness;
  need(signature?.length === 64 && others.length === 0, "not a key path with the default hash type");
  const { spent, index } = spend;
  const scripts = spent.map(({ script }): Uint8Array => script);
  const values = spent.map(({ value }): bigint => value);
  const digest = theirs(spend).preimageWitnessV1(index, scripts, 0, values);
  need(curve.verifySchnorr({ digest, signature, key }), "a wrong Schnorr signature");
};

/** Why the input is not valid; undefined where it is. */
export const verdict = (spend: Spend): string | undefined => {
  try {
    const output = spend.spent[spend.index];
    need(output !== undefined && spend.spent.length === spend.tx.inputs.length, "not all outputs");
    const { script } = output;
    const program = script.slice(2);
    if (script[0] === 0x51 && script.length === 34) {
      keyPath(spend, program);
      return undefined;
    }
    need(script[0] === 0 && script[1] === program.length, "not a witness program");
    if (program.length === 20) {
      need(spend.witness.length === 2, "not two items");
      const code = Uint8Array.of(0x76, 0xa9, 20, ...program, 0x88, 0xac);
      run(code, [...spend.witness], spend, ecdsa(spend, code));
      return undefined;
    }
    const witnessScript = spend.witness.at(-1);
    need(witnessScript !== undefined, "no witness");
    need(toHex(sha256(witnessScript)) === toHex(program), "another witness script");
    const stack = spend.witness.slice(0, -1);
    need(
      stack.every(({ length }) => length <= 80),
      "an item beyond what is relayed",
    );
    run(witnessScript, [...stack], spend, ecdsa(spend, witnessScript));
    return undefined;
  } catch (error) {
    if (error instanceof Failed) return error.message;
    throw error;
  }
};
