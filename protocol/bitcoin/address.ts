/** A witness program as people write it (BIP 173, BIP 350). */

import { bech32, bech32m } from "@scure/base";
import type { Network } from "../operations/fields.ts";
import type { Script } from "../units.ts";
import { isWitnessProgram } from "./script.ts";

const prefixes = {
  bitcoin: "bc",
  testnet: "tb",
  signet: "tb",
  regtest: "bcrt",
} as const satisfies Record<Network, string>;

export const addressOf = (network: Network, script: Uint8Array): string => {
  if (!isWitnessProgram(script as Script)) throw new RangeError("not a witness program");
  const version = script[0] === 0 ? 0 : (script[0] as number) - 0x50;
  const coder = version === 0 ? bech32 : bech32m;
  return coder.encode(prefixes[network], [version, ...coder.toWords(script.subarray(2))]);
};
