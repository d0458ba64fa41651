/** The keys of a PSBT that are known here; whatever else comes is kept and not looked at. */

import { equal } from "../../bytes.ts";
import { doubleSha256, hash160, ripemd160, sha256 } from "../../hash.ts";
import { invalid, Malformed } from "../../malformed.ts";
import { decodeTx } from "../tx.ts";
import type { PsbtEntry, PsbtMap } from "./map.ts";
import {
  amountOf,
  checkProprietary,
  checkTree,
  isScript,
  originOf,
  outputOf,
  sizeOf,
  taprootOriginOf,
  u8Of,
  u32Of,
  unsignedTxOf,
  witnessOf,
} from "./values.ts";

export type PsbtVersion = 0 | 2;

/** Throws Malformed. */
type Check = (bytes: Uint8Array) => unknown;

export interface Field {
  readonly type: number;
  readonly key: Check;
  /** Gets the key data too. */
  readonly value: (bytes: Uint8Array, key: Uint8Array) => unknown;
  /** The versions that may have it; without them, both. */
  readonly only?: PsbtVersion;
  /** By the versions that may have it. */
  readonly required?: true;
}

const bytes =
  (...lengths: readonly number[]): Check =>
  ({ length }) => {
    if (!lengths.includes(length)) throw invalid(`${length} bytes, not ${lengths.join(" or ")}`);
  };
const between =
  (least: number, most: number): Check =>
  ({ length }) => {
    if (length < least || length > most) throw invalid(`${length} bytes, not ${least} to ${most}`);
  };
const none: Check = ({ length }) => {
  if (length > 0) throw invalid("a key with data where there is none");
};
const anything: Check = () => undefined;

/** The form alone, as in `units.point`. */
const publicKey: Check = (key) => {
  const [first] = key;
  const compressed = key.length === 33 && (first === 2 || first === 3);
  if (!compressed && !(key.length === 65 && first === 4)) throw invalid("not a public key");
};
const x = bytes(32);
/** DER and its hash type. */
const ecdsa = between(9, 73);
const schnorr = bytes(64, 65);
const controlBlock: Check = ({ length }) => {
  if (length < 33 || length > 33 + 32 * 128 || (length - 33) % 32 !== 0)
    throw invalid(`a control block of ${length} bytes`);
};
const preimageOf =
  (hash: Check): Field["value"] =>
  (value, key) => {
    if (!equal(hash(value) as Uint8Array, key)) throw invalid("a preimage of another hash");
  };
/** The path has as many indices as the key is deep (BIP 174). */
const xpubOrigin: Field["value"] = (value, key) => {
  if (originOf(value).path.length !== key[4]) throw invalid("a path that is not as long as the key is deep");
};
const psbtVersion: Check = (value) => {
  const version = u32Of(value);
  if (version !== 0 && version !== 2) throw invalid(`version ${version}`);
};
/** Below it a locktime is a height, else a time. */
const threshold = 500_000_000;
const time: Check = (value) => {
  if (u32Of(value) < threshold) throw invalid("a height and no time");
};
const height: Check = (value) => {
  const at = u32Of(value);
  if (at === 0 || at >= threshold) throw invalid(`not a height: ${at}`);
};

const single = (type: number, value: Field["value"]): Field => ({ type, key: none, value });
const keyed = (type: number, key: Check, value: Field["value"]): Field => ({ type, key, value });
const second = (type: number, value: Field["value"]): Field => ({ ...single(type, value), only: 2 });
const must = (field: Field): Field => ({ ...field, required: true });

const proprietary = keyed(0xfc, checkProprietary, anything);

export const globalFields = {
  unsignedTx: must({ ...single(0x00, unsignedTxOf), only: 0 }),
  xpub: keyed(0x01, bytes(78), xpubOrigin),
  txVersion: must(second(0x02, u32Of)),
  fallbackLocktime: second(0x03, u32Of),
  inputCount: must(second(0x04, sizeOf)),
  outputCount: must(second(0x05, sizeOf)),
  txModifiable: second(0x06, u8Of),
  version: single(0xfb, psbtVersion),
  proprietary,
} satisfies Record<string, Field>;

export const inputFields = {
  nonWitnessUtxo: single(0x00, decodeTx),
  witnessUtxo: single(0x01, outputOf),
  partialSignature: keyed(0x02, publicKey, ecdsa),
  sighashType: single(0x03, u32Of),
  redeemScript: single(0x04, isScript),
  witnessScript: single(0x05, isScript),
  derivation: keyed(0x06, publicKey, originOf),
  finalScriptSig: single(0x07, isScript),
  finalWitness: single(0x08, witnessOf),
  proofOfReserves: single(0x09, anything),
  ripemd160: keyed(0x0a, bytes(20), preimageOf(ripemd160)),
  sha256: keyed(0x0b, bytes(32), preimageOf(sha256)),
  hash160: keyed(0x0c, bytes(20), preimageOf(hash160)),
  hash256: keyed(0x0d, bytes(32), preimageOf(doubleSha256)),
  previousTxid: must(second(0x0e, bytes(32))),
  outputIndex: must(second(0x0f, u32Of)),
  sequence: second(0x10, u32Of),
  requiredTime: second(0x11, time),
  requiredHeight: second(0x12, height),
  taprootKeySignature: single(0x13, schnorr),
  taprootScriptSignature: keyed(0x14, bytes(64), schnorr),
  /** The script, and the version of its leaf in one more byte. */
  taprootLeaf: keyed(0x15, controlBlock, between(1, 4_000_000)),
  taprootDerivation: keyed(0x16, x, taprootOriginOf),
  taprootInternalKey: single(0x17, x),
  taprootRoot: single(0x18, bytes(32)),
  proprietary,
} satisfies Record<string, Field>;

export const outputFields = {
  redeemScript: single(0x00, isScript),
  witnessScript: single(0x01, isScript),
  derivation: keyed(0x02, publicKey, originOf),
  amount: must(second(0x03, amountOf)),
  script: must(second(0x04, isScript)),
  taprootInternalKey: single(0x05, x),
  taprootTree: single(0x06, checkTree),
  taprootDerivation: keyed(0x07, x, taprootOriginOf),
  proprietary,
} satisfies Record<string, Field>;

type Fields = Readonly<Record<string, Field>>;

const within = (path: string, run: () => void): void => {
  try {
    run();
  } catch (error) {
    throw error instanceof Malformed ? error.within(path) : error;
  }
};

export const checkMap = (fields: Fields, version: PsbtVersion, map: PsbtMap): void => {
  const named = new Map(Object.entries(fields).map(([name, field]) => [field.type, { name, ...field }]));
  for (const { type, key, value } of map) {
    const field = named.get(type);
    if (field === undefined) continue;
    within(field.name, () => {
      if (field.only !== undefined && field.only !== version) throw invalid(`not in version ${version}`);
      field.key(key);
      field.value(value, key);
    });
  }
  for (const [name, { type, only, required }] of Object.entries(fields)) {
    if (required && only === version && !map.some((entry) => entry.type === type))
      throw new Malformed(name, `missing in version ${version}`);
  }
};

export const entriesOf = (map: PsbtMap, { type }: Field): readonly PsbtEntry[] =>
  map.filter((entry) => entry.type === type);

/** Of a field without key data. */
export const fieldOf = <T>(map: PsbtMap, { type }: Field, read: (bytes: Uint8Array) => T): T | undefined => {
  const entry = map.find((one) => one.type === type);
  return entry === undefined ? undefined : read(entry.value);
};
