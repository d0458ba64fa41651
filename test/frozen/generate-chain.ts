/** Adds to chain-v1.json what it lacks. What is there stays: its bytes are on people's disks. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { toHex } from "../../protocol/bytes.ts";
import { packOnchain, packView } from "../../signer/core/chain/records.ts";
import { packCoin } from "../../signer/core/chain/coins.ts";
import { coinStates, onchainStates, viewStates } from "./chain.ts";
import { readable } from "./example.ts";

interface Frozen {
  readonly state: unknown;
  readonly bytes: string;
}
type Named = Readonly<Record<string, Frozen>>;

const file = new URL("./chain-v1.json", import.meta.url);
const before: Partial<Record<"views" | "onchain" | "coins", Named>> = existsSync(file)
  ? JSON.parse(readFileSync(file, "utf8"))
  : {};

const frozenOf = <T>(states: Readonly<Record<string, T>>, pack: (state: T) => Uint8Array, known: Named = {}) =>
  Object.fromEntries(
    Object.entries(states).map(([name, state]) => [
      name,
      known[name] ?? { state: readable(state), bytes: toHex(pack(state)) },
    ]),
  );

const after = {
  views: frozenOf(viewStates, packView, before.views),
  onchain: frozenOf(onchainStates, packOnchain, before.onchain),
  coins: frozenOf(coinStates, packCoin, before.coins),
};
writeFileSync(file, `${JSON.stringify(after, null, 1)}\n`);
