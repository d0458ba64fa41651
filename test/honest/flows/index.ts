/** Every honest flow. One that is added here is played by the suite. */

import type { Flow } from "../flow.ts";
import { blockFlows } from "./blocks.ts";
import { channelFlows, closeByForce, closeMutually } from "./channel.ts";
import { claimFlows } from "./claims.ts";
import { forwardFlows } from "./forward.ts";
import { nodeFlows } from "./node.ts";
import { onchainForwardFlows } from "./onchain-forward.ts";
import { payFlows } from "./pay.ts";
import { rebalance } from "./rebalance.ts";
import { receiveFlows } from "./receive.ts";
import { unconfirmedFlows } from "./unconfirmed.ts";

/** Beside each other, in any mixture. */
export const flows: readonly Flow[] = [
  ...payFlows,
  ...receiveFlows,
  ...forwardFlows,
  rebalance,
  ...channelFlows,
  ...nodeFlows,
];

/** Each on a chain and with a signer of its own, beside the others. */
export const chainFlows: readonly Flow[] = [
  ...unconfirmedFlows,
  ...onchainForwardFlows,
  ...claimFlows,
  ...blockFlows,
];

/** After all others: they end channels. */
export const endings: readonly Flow[] = [closeMutually, closeByForce];
