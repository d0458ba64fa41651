/** BOLT 9: feature bits, as the ascending numbers of those that are set. */

import { invalid } from "../../malformed.ts";

export type Features = readonly number[];

/** BOLT 9, the even bits of context `9`, and the two that are assumed of every payee. */
export const invoiceFeatures: ReadonlySet<number> = new Set([8, 14, 16, 24, 36, 48]);

const basicMpp = 16;
const paymentSecret = 14;

/** "if ... contains unknown even bits that are non-zero: MUST fail". */
export const checkKnown = (features: Features, known: ReadonlySet<number>): void => {
  const unknown = features.find((bit) => bit % 2 === 0 && !known.has(bit));
  if (unknown !== undefined) throw invalid(`requires the unknown feature ${unknown}`);
};

export const hasFeature = (features: Features, even: number): boolean =>
  features.includes(even) || features.includes(even + 1);

/** BOLT 11: "if the feature vector does not set all known, transitive feature dependencies". */
export const checkDependencies = (features: Features): void => {
  if (hasFeature(features, basicMpp) && !hasFeature(features, paymentSecret))
    throw invalid("basic_mpp without payment_secret, on which it depends");
};

/** Of a big-endian string of bits that comes in units of `width` bits. */
export const featuresOf = (units: Uint8Array, width: 5 | 8): Features => {
  const bits: number[] = [];
  for (let at = units.length - 1, base = 0; at >= 0; at--, base += width) {
    const unit = units[at] as number;
    for (let bit = 0; bit < width; bit++) if ((unit >> bit) & 1) bits.push(base + bit);
  }
  return bits;
};

/** In as few units as hold them. */
export const encodeFeatures = (features: Features, width: 5 | 8): Uint8Array => {
  const top = features.reduce((most, bit) => Math.max(most, bit), -1);
  const units = new Uint8Array(Math.ceil((top + 1) / width));
  for (const bit of features) {
    const at = units.length - 1 - Math.floor(bit / width);
    units[at] = (units[at] as number) | (1 << (bit % width));
  }
  return units;
};
