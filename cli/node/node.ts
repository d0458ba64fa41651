/** `countersign node`: a Lightning node without keys, and the commands that speak to it while it runs. */

import type { Command } from "commander";
import { registerNodeStart } from "./begin.ts";
import { registerChannels } from "./channels.ts";
import { registerNodeInit } from "./init.ts";
import { registerLook } from "./look.ts";
import { registerMoney } from "./money.ts";

export const registerNode = (program: Command): void => {
  const node = program
    .command("node")
    .description("a reference Lightning node whose keys are in a signer: regtest, signet and testnet only");
  for (const register of [registerNodeInit, registerNodeStart, registerLook, registerChannels, registerMoney])
    register(node);
};
