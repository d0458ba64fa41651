/** What differs between the chains (Bitcoin Core, kernel/chainparams.cpp). */

import { fromHex, reversed } from "../bytes.ts";
import type { Network } from "../operations/fields.ts";

export interface Chain {
  /** Also what BOLT 7 calls `chain_hash`, in the order in which hashes are sent. Every signet has the same one. */
  readonly genesisHash: Uint8Array;
  readonly genesis: Uint8Array;
  /** The easiest target that a header may claim. */
  readonly powLimit: bigint;
  /** Testnet3: a block twenty minutes after its predecessor may have the easiest target. */
  readonly easyAfterPause: boolean;
  readonly retargets: boolean;
  /** From these heights on a header's version is at least 2, 3 and 4 (BIP 34, 66, 65). */
  readonly versionHeights: readonly [number, number, number];
}

/** One coinbase begins all of them. */
const root = fromHex("3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a");

const genesis = (time: number, bits: number, nonce: number): Uint8Array => {
  const bytes = new Uint8Array(80);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 1, true);
  bytes.set(root, 36);
  view.setUint32(68, time, true);
  view.setUint32(72, bits, true);
  view.setUint32(76, nonce, true);
  return bytes;
};

const hash = (readable: string): Uint8Array => reversed(fromHex(readable));

export const chains: Readonly<Record<Network, Chain>> = {
  bitcoin: {
    genesisHash: hash("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
    genesis: genesis(1231006505, 0x1d00ffff, 2083236893),
    powLimit: (1n << 224n) - 1n,
    easyAfterPause: false,
    retargets: true,
    versionHeights: [227_931, 363_725, 388_381],
  },
  testnet: {
    genesisHash: hash("000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943"),
    genesis: genesis(1296688602, 0x1d00ffff, 414098458),
    powLimit: (1n << 224n) - 1n,
    easyAfterPause: true,
    retargets: true,
    versionHeights: [21_111, 330_776, 581_885],
  },
  signet: {
    genesisHash: hash("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"),
    genesis: genesis(1598918400, 0x1e0377ae, 52613770),
    powLimit: 0x377aen << 216n,
    easyAfterPause: false,
    retargets: true,
    versionHeights: [1, 1, 1],
  },
  regtest: {
    genesisHash: hash("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
    genesis: genesis(1296688602, 0x207fffff, 2),
    powLimit: (1n << 255n) - 1n,
    easyAfterPause: true,
    retargets: false,
    versionHeights: [1, 1, 1],
  },
};
