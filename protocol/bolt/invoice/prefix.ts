/** BOLT 11, "Human-Readable Part": the chain and the amount. */

import { invalid } from "../../malformed.ts";
import type { Network } from "../../operations/fields.ts";
import { type Msat, msat } from "../../units.ts";

export interface Prefix {
  readonly network: Network;
  /** Absent where the payer chooses it. */
  readonly amount?: Msat;
}

const currencies = {
  bitcoin: "bc",
  testnet: "tb",
  signet: "tbs",
  regtest: "bcrt",
} as const satisfies Record<Network, string>;

const networks = new Map<string, Network>(
  (Object.keys(currencies) as readonly Network[]).map((network) => [currencies[network], network]),
);

/** In tenths of a millisatoshi, because that is what a pico-bitcoin is. */
const tenths = { "": 10n ** 12n, m: 10n ** 9n, u: 10n ** 6n, n: 10n ** 3n, p: 1n } as const;
const multipliers = Object.keys(tenths) as readonly (keyof typeof tenths)[];

/** Twenty digits hold all the bitcoin there are in the smallest unit. */
const form = /^ln(bcrt|bc|tbs|tb)(?:([1-9][0-9]{0,19})([munp]?))?$/;

export const parsePrefix = (hrp: string): Prefix => {
  const [, currency = "", digits, letter = ""] = form.exec(hrp) ?? [];
  const network = networks.get(currency);
  if (network === undefined) throw invalid("not the prefix of an invoice");
  if (digits === undefined) return { network };
  const amount = BigInt(digits) * tenths[letter as keyof typeof tenths];
  if (amount % 10n !== 0n) throw invalid("an amount with parts of a millisatoshi");
  return { network, amount: msat(amount / 10n) };
};

/** "SHOULD use the shortest representation possible". */
export const encodePrefix = ({ network, amount }: Prefix): string => {
  const start = `ln${currencies[network]}`;
  if (amount === undefined) return start;
  if (amount === 0n) throw new RangeError("an amount is positive");
  const all = amount * 10n;
  const letter = multipliers.find((one) => all % tenths[one] === 0n) ?? "p";
  return `${start}${all / tenths[letter]}${letter}`;
};
