/** Where a view begins: at the genesis block, or where an operator trusts a block. */

import { chains } from "../../../protocol/bitcoin/chains.ts";
import { blockHash, decodeHeader, genesisView, targetOf, workOf } from "../../../protocol/bitcoin/header.ts";
import { equal, reversed, toHex } from "../../../protocol/bytes.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Network } from "../../../protocol/operations/fields.ts";
import { type Height, height } from "../../../protocol/units.ts";
import type { ChainView } from "./view.ts";

/** The first block of a period of 2016: then all that the next target depends on comes after it. */
export interface Checkpoint {
  readonly height: Height;
  /** 80 bytes. */
  readonly header: Uint8Array;
}

const interval = 2016;

export const genesisOf = (network: Network): Checkpoint => ({
  height: height(0),
  header: chains[network].genesis,
});

/** Malformed where no chain can have this block at this height. */
export const startAt = (network: Network, checkpoint: Checkpoint = genesisOf(network)): ChainView => {
  const chain = chains[network];
  const header = decodeHeader(checkpoint.header);
  const { bits, time } = header;
  const hash = blockHash(header);
  const target = targetOf(bits);
  if (checkpoint.height % interval !== 0)
    throw new Malformed("height", `${checkpoint.height} begins no period of ${interval} blocks`);
  if (checkpoint.height === 0 && !equal(hash, chain.genesisHash))
    throw new Malformed("header", `not the first block of ${network}`);
  if (target === undefined || target > chain.powLimit || BigInt(`0x${toHex(reversed(hash))}`) > target)
    throw new Malformed("header", "it carries no work");
  const at =
    checkpoint.height === 0
      ? genesisView(network)
      : {
          ...{ height: checkpoint.height, hash, work: workOf(target), bits },
          // The ten before it would only bound the times of the next few from below.
          times: [...Array.from({ length: 10 }, () => 0), time],
          ...{ periodStart: time, ruledBits: bits },
        };
  return {
    network,
    blocks: [{ header, at, coverage: "part", unproven: at.height }],
    best: { height: at.height, hash, work: at.work },
  };
};
