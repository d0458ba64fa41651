/** Every honest flow. One that is added here is played by the suite. */

import type { Flow } from "../flow.ts";
import { channelFlows, closeByForce, closeMutually } from "./channel.ts";
import { forwardFlows } from "./forward.ts";
import { nodeFlows } from "./node.ts";
import { payFlows } from "./pay.ts";
import { rebalance } from "./rebalance.ts";
import { receiveFlows } from "./receive.ts";

/** Beside each other, in any mixture. */
export const flows: readonly Flow[] = [
  ...payFlows,
  ...receiveFlows,
  ...forwardFlows,
  rebalance,
  ...channelFlows,
  ...nodeFlows,
];

/** After all others: they end channels. */
export const endings: readonly Flow[] = [closeMutually, closeByForce];
