import "./hardened.ts";

import { Command } from "commander";
import { registerAdopt } from "./adopt.ts";
import { registerAllowlist } from "./allowlist.ts";
import { registerApprovals } from "./approvals.ts";
import { registerApprover } from "./approver/command.ts";
import { registerAudit } from "./audit.ts";
import { registerBroadcast } from "./broadcast.ts";
import { registerDemo } from "./demo/command.ts";
import { registerDevice } from "./device/command.ts";
import { registerDoctor } from "./doctor.ts";
import { exitCodes, exitTable } from "./exit.ts";
import { failureOf } from "./failure.ts";
import { registerInit } from "./init.ts";
import { registerNode } from "./node/node.ts";
import { registerPolicy } from "./policy.ts";
import { registerRecovery } from "./recover.ts";
import { registerSigner } from "./signer.ts";
import { registerStatus } from "./status.ts";
import { version } from "./version.ts";
import { registerWitness } from "./witness.ts";

/** Every command, in the order of `--help`. */
const commands: readonly ((program: Command) => void)[] = [
  registerDemo,
  registerInit,
  registerAdopt,
  registerSigner,
  registerNode,
  registerDevice,
  registerApprover,
  registerAudit,
  registerWitness,
  registerApprovals,
  registerAllowlist,
  registerStatus,
  registerDoctor,
  registerPolicy,
  registerRecovery,
  registerBroadcast,
];

// Whoever read the first lines and left, as `head` does, is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitCodes.ok.code);
  throw error;
});
// Where nobody hears the error any more, its exit code still says what it was.
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const program = new Command("countersign")
  .description("Keeps a Lightning node's keys away from the node: a remote signer that checks what it signs.")
  .version(version, "-V, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .helpCommand("help [command]", "print the help of a command")
  .addHelpText("after", `\nExit codes:\n${exitTable()}`)
  .exitOverride();
for (const register of commands) register(program);

try {
  await program.parseAsync();
} catch (error) {
  const { code, text } = failureOf(error);
  if (text !== "") process.stderr.write(`${text}\n`);
  process.exitCode = code;
}
