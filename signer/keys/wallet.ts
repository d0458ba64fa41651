/**
 * The on-chain wallet of style `native`, version 1: BIP 84, so that the 24 words and any wallet are enough to reach
 * the money. A node has two accounts: 2 * index for what it receives and spends, 2 * index + 1 for mutual closes.
 */

import { HDKey } from "@scure/bip32";
import { p2wpkh } from "../../protocol/bitcoin/script.ts";
import { type ChannelId, point, type Script } from "../../protocol/units.ts";
import type { NativeRoot } from "./native.ts";

/** Channels above 2^31 share a script with a lower one: no money is lost by that, only privacy. */
const indices = 1n << 31n;

/** Keeps the account's public key alone. */
export const closingScripts = ({ seed, network, nodeIndex }: NativeRoot): ((id: ChannelId) => Script) => {
  // SLIP 44: all test networks are coin type 1.
  const coin = network === "bitcoin" ? 0 : 1;
  const master = seed.use((bytes) => HDKey.fromMasterSeed(bytes));
  const account = master.derive(`m/84'/${coin}'/${2 * nodeIndex + 1}'`);
  const chain = HDKey.fromExtendedKey(account.publicExtendedKey).deriveChild(0);
  master.wipePrivateData();
  account.wipePrivateData();

  return (id) => {
    const { publicKey } = chain.deriveChild(Number(id % indices));
    if (publicKey === null) throw new Error("a public key has no public key");
    return p2wpkh(point(publicKey));
  };
};
