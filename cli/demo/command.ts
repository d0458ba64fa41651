/** `countersign demo`. What it needs is loaded when it is asked for: none of it belongs beside a signer's keys. */

import type { Command } from "commander";
import type { DemoOptions } from "./demo.ts";

export const registerDemo = (program: Command): void => {
  program
    .command("demo")
    .description(
      "a Lightning node without keys: payments, a theft refused, a crash, a breach punished, in a minute",
    )
    .option("--device", "with the keys on a device in software, whose screen is shown")
    .option("--json", "print one JSON line a step, and a summary at the end")
    .option("--keep", "leave the directory of the demo in place")
    .action(async (options: DemoOptions) => {
      const { run } = await import("./demo.ts");
      await run(options);
    });
};
