/**
 * Where a mutual close pays: the receiving addresses of an ordinary BIP 84 account, so that whoever holds the words
 * finds the money with any wallet. Account = the node's index, address = the channel's id.
 */

import { HDKey } from "@scure/bip32";
import { p2wpkh } from "../../protocol/bitcoin/script.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Secret } from "../../protocol/secret.ts";
import { type ChannelId, point, type Script } from "../../protocol/units.ts";
import { recent } from "./recent.ts";

export interface WalletRoot {
  readonly seed: Secret;
  readonly network: Network;
  readonly nodeIndex: number;
}

/** SLIP 44: one coin type for all that is no money. */
const coin = (network: Network): number => (network === "bitcoin" ? 0 : 1);

/** Only the public half stays in memory. */
export const closingScripts = ({
  seed,
  network,
  nodeIndex,
}: WalletRoot): ((channel: ChannelId) => Script) => {
  const master = seed.use((bytes) => HDKey.fromMasterSeed(bytes));
  const account = master.derive(`m/84'/${coin(network)}'/${nodeIndex}'`);
  const receiving = HDKey.fromExtendedKey(account.publicExtendedKey).deriveChild(0);
  master.wipePrivateData();
  account.wipePrivateData();
  return recent(10_000, (channel: ChannelId) => {
    const { publicKey } = receiving.deriveChild(Number(channel & 0x7fff_ffffn));
    if (publicKey === null) throw new Error("a public key was wiped");
    return p2wpkh(point(publicKey));
  });
};
