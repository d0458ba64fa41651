/** `countersign node start`. LDK is loaded when it is asked for: none of it belongs beside a signer's keys. */

import type { Command } from "commander";
import type { AdminOptions } from "../admin.ts";

export const registerNodeStart = (node: Command): void => {
  node
    .command("start")
    .description("run a node whose keys are in a signer, until it is told to stop")
    .requiredOption("--dir <directory>", "what node init made")
    .option("--json", "print a JSON line when it is ready, and one for each event")
    .action(async (options: AdminOptions) => {
      const { run } = await import("./start.ts");
      await run(options);
    });
};
