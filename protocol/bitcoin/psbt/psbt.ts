/** Partially signed transactions, versions 0 (BIP 174) and 2 (BIP 370). */

import { compare, concat } from "../../bytes.ts";
import { invalid, Malformed } from "../../malformed.ts";
import { txid } from "../../units.ts";
import { Reader } from "../reader.ts";
import type { Tx } from "../tx.ts";
import {
  checkMap,
  type Field,
  fieldOf,
  globalFields,
  inputFields,
  outputFields,
  type PsbtVersion,
} from "./fields.ts";
import { inputWithin, type PsbtInput } from "./input.ts";
import { encodePsbtMap, type PsbtEntry, type PsbtMap, psbtMap, readPsbtMap } from "./map.ts";
import { amountOf, isScript, sizeOf, u32Of, unsignedTxOf } from "./values.ts";

/** As `decodePsbt` gives it: checked, and every key kept. */
export interface Psbt {
  readonly version: PsbtVersion;
  readonly global: PsbtMap;
  readonly inputs: readonly PsbtMap[];
  readonly outputs: readonly PsbtMap[];
}

/** "psbt" and 0xff. */
const magic = Uint8Array.of(0x70, 0x73, 0x62, 0x74, 0xff);

/** Beyond it lies no PSBT of a transaction that is relayed, even with a full previous transaction for each input. */
const maxLength = 4_000_000;

/** As many of the smallest as 400 000 weight units hold (Bitcoin Core, MAX_STANDARD_TX_WEIGHT). */
const maxInputs = 2_439;
const maxOutputs = 11_111;

const finalSequence = 0xffff_ffff;

/** For maps that were checked: what is required is there. */
const needed = <T>(map: PsbtMap, field: Field, read: (bytes: Uint8Array) => T): T => {
  const value = fieldOf(map, field, read);
  if (value === undefined) throw invalid(`a PSBT without its field ${field.type}`);
  return value;
};

const inPart = <T>(path: string, make: () => T): T => {
  try {
    return make();
  } catch (error) {
    throw error instanceof Malformed ? error.within(path) : error;
  }
};

const highest = (numbers: readonly (number | undefined)[]): number =>
  numbers.reduce<number>((most, n) => Math.max(most, n ?? 0), 0);

/** BIP 370, "Determining Lock Time": of the kind that every input with a demand takes, heights first. */
const locktimeOf = (global: PsbtMap, inputs: readonly PsbtMap[]): number => {
  const asked = inputs
    .map((map) => ({
      time: fieldOf(map, inputFields.requiredTime, u32Of),
      height: fieldOf(map, inputFields.requiredHeight, u32Of),
    }))
    .filter(({ time, height }) => time !== undefined || height !== undefined);
  if (asked.length === 0) return fieldOf(global, globalFields.fallbackLocktime, u32Of) ?? 0;
  if (asked.every(({ height }) => height !== undefined)) return highest(asked.map(({ height }) => height));
  if (asked.every(({ time }) => time !== undefined)) return highest(asked.map(({ time }) => time));
  throw invalid("inputs that ask for a time and inputs that ask for a height");
};

export const unsignedTx = ({ version, global, inputs, outputs }: Psbt): Tx => {
  switch (version) {
    case 0:
      return needed(global, globalFields.unsignedTx, unsignedTxOf);
    case 2:
      return {
        version: needed(global, globalFields.txVersion, u32Of),
        inputs: inputs.map((map) => ({
          outpoint: {
            txid: needed(map, inputFields.previousTxid, txid),
            index: needed(map, inputFields.outputIndex, u32Of),
          },
          sequence: fieldOf(map, inputFields.sequence, u32Of) ?? finalSequence,
        })),
        outputs: outputs.map((map) => ({
          value: needed(map, outputFields.amount, amountOf),
          script: needed(map, outputFields.script, isScript),
        })),
        locktime: locktimeOf(global, inputs),
      };
  }
};

const readMaps = (from: Reader, path: string, count: number, check: (map: PsbtMap) => void): PsbtMap[] => {
  const maps: PsbtMap[] = [];
  while (maps.length < count) {
    inPart(`${path}[${maps.length}]`, () => {
      const map = readPsbtMap(from);
      check(map);
      maps.push(map);
    });
  }
  return maps;
};

const saidCounts = (version: PsbtVersion, global: PsbtMap): readonly [number, number] => {
  if (version === 0) {
    const { inputs, outputs } = needed(global, globalFields.unsignedTx, unsignedTxOf);
    return [inputs.length, outputs.length];
  }
  return [needed(global, globalFields.inputCount, sizeOf), needed(global, globalFields.outputCount, sizeOf)];
};

const countsOf = (version: PsbtVersion, global: PsbtMap): readonly [number, number] => {
  const [inputs, outputs] = saidCounts(version, global);
  if (inputs > maxInputs) throw new Malformed("inputs", `${inputs} of them`);
  if (outputs > maxOutputs) throw new Malformed("outputs", `${outputs} of them`);
  return [inputs, outputs];
};

/**
 * Refuses what a BIP forbids, what has no transaction, and a previous transaction that is not the one spent. What an
 * unknown key says is kept; so is the value of one that no check is for.
 */
export const decodePsbt = (bytes: Uint8Array): Psbt => {
  if (bytes.length > maxLength) throw invalid(`a PSBT of ${bytes.length} bytes`);
  // The entries are views of this copy.
  const from = new Reader(Uint8Array.from(bytes));
  if (compare(from.raw(Math.min(from.left, magic.length)), magic) !== 0) throw invalid("not a PSBT");
  const { global, version } = inPart("global", () => {
    const map = readPsbtMap(from);
    // Checked below; first, what it has to be checked for.
    const said = inPart("version", () => fieldOf(map, globalFields.version, u32Of)) ?? 0;
    const version = said === 2 ? 2 : 0;
    checkMap(globalFields, version, map);
    return { global: map, version } as const;
  });
  const [inputCount, outputCount] = countsOf(version, global);
  const inputs = readMaps(from, "inputs", inputCount, (map) => checkMap(inputFields, version, map));
  const outputs = readMaps(from, "outputs", outputCount, (map) => checkMap(outputFields, version, map));
  from.end();
  const psbt: Psbt = { version, global, inputs, outputs };
  const tx = unsignedTx(psbt);
  for (const [i, map] of inputs.entries()) inPart(`inputs[${i}]`, () => inputWithin(tx, i, map));
  return psbt;
};

/** One form for each content: keys in their order. */
export const encodePsbt = ({ global, inputs, outputs }: Psbt): Uint8Array =>
  concat(magic, ...[global, ...inputs, ...outputs].map(encodePsbtMap));

/** With entries of one input put in, each in place of the one with its key. */
export const withInputEntries = (psbt: Psbt, index: number, entries: readonly PsbtEntry[]): Psbt => {
  const replaced = (old: PsbtEntry): boolean =>
    entries.some(({ type, key }) => type === old.type && compare(key, old.key) === 0);
  const inputs = psbt.inputs.map((map, i) =>
    i === index ? psbtMap([...map.filter((old) => !replaced(old)), ...entries]) : map,
  );
  return { ...psbt, inputs };
};

export const inputOf = (psbt: Psbt, index: number): PsbtInput => {
  const map = psbt.inputs[index];
  if (map === undefined) throw new RangeError(`no input ${index}`);
  return inputWithin(unsignedTx(psbt), index, map);
};
