/**
 * Derivation style `native`, version 1, as docs/keys.md defines it: HKDF-SHA256 (RFC 5869) over the 64 bytes of
 * the BIP 39 seed, one label for each key; BIP 84 for the wallet. Frozen: another derivation is another style or version.
 */

import type { Secret } from "../../protocol/secret.ts";
import { hardened, masterOf } from "./bip32.ts";
import { expand } from "./expand.ts";
import { coinType, type KeysRoot, type NodeKeys } from "./node-keys.ts";
import { type AccountPlan, indexOf, openWallet } from "./wallet.ts";

/** Two accounts of the wallet for each node have to fit into the hardened indices of BIP 32. */
export const maxNodeIndex = 2 ** 30 - 1;

export const nativeKeys = ({ seed, network, nodeIndex, curve }: KeysRoot): NodeKeys => {
  if (!Number.isInteger(nodeIndex) || nodeIndex < 0 || nodeIndex > maxNodeIndex)
    throw new RangeError(`not the index of a node: ${nodeIndex}`);
  // The network is in every label: words that were tried on a test network give nothing away about the keys that hold money.
  const node = `countersign/native/1/${network}/node/${nodeIndex}`;

  const block = (label: string): Secret => expand({ from: seed, info: label });

  /** The first of the labelled blocks that is a scalar between 1 and n - 1; in practice number 0. */
  const scalar = (label: string): Secret => {
    for (let attempt = 0; ; attempt++) {
      const secret = block(`${label}/${attempt}`);
      if (secret.use(curve.isSecret)) return secret;
      secret.wipe();
    }
  };

  /** Account 2 * index for what the node receives and spends, 2 * index + 1 for mutual closes. */
  const account = (number: number): AccountPlan => ({
    master: { name: "seed", open: () => masterOf(seed) },
    path: [84, coinType(network), number].map(hardened),
    branches: ["p2wpkh", "p2wpkh"],
  });
  const accounts = [account(2 * nodeIndex), account(2 * nodeIndex + 1)];

  return {
    identity: () => scalar(`${node}/identity`),
    channel: (id, key) => scalar(`${node}/channel/${id}/${key}`),
    shachain: (id) => block(`${node}/channel/${id}/shachain`),
    wallet: openWallet({ curve, network, accounts }),
    closingPlace: (id) => ({ account: 1, branch: 0, index: indexOf(id) }),
    payer: () => scalar(`${node}/payer`),
    inboundPayment: () => block(`${node}/inbound-payment`),
    derived: (info) => {
      const from = block(`${node}/derived`);
      try {
        return expand({ from, info });
      } finally {
        from.wipe();
      }
    },
    close: () => seed.wipe(),
  };
};
