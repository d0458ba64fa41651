/** `countersign witness`: whether the store is as far as was witnessed, and a person's word where it is not. */

import { dirname, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { record } from "../signer/audit.ts";
import { systemClock } from "../signer/clock.ts";
import { configFile, pathsOf, readConfig } from "../signer/config.ts";
import { checkPrivateDirectory } from "../signer/private-file.ts";
import { openFile, remedyOf } from "../signer/server/own-store.ts";
import { SetupError } from "../signer/setup-error.ts";
import type { OpenStore } from "../signer/store/store.ts";
import { compareToWitness, type Finding, seenOf, type Trouble, troubles } from "../signer/store/witnessed.ts";
import { openWitness, replaceWitness } from "../signer/witness.ts";
import { exitCodes } from "./exit.ts";

interface Found {
  readonly finding: Finding;
  readonly path: string;
  readonly store: OpenStore;
}

const examined = async (dir: string, use: (found: Found) => Promise<void>): Promise<void> => {
  const home = resolve(dir);
  checkPrivateDirectory(home);
  const file = join(home, configFile);
  const paths = pathsOf(readConfig(file), file);
  const path = paths.witness;
  if (path === undefined)
    throw new SetupError(
      "usage",
      `${file} names no witness`,
      'Add one on another disk, such as witness = "/mnt/witness/countersign.witness", above the first [[node]].',
    );
  const store = await openFile(paths.store);
  try {
    const witness = openWitness(path, "look");
    if ("is" in witness) await use({ finding: witness, path, store });
    else {
      witness.close();
      await use({ finding: await compareToWitness(store, witness.seen), path, store });
    }
  } finally {
    await store.close();
  }
};

const whole = (by: number): string =>
  by === 0
    ? "The store is as far as its witness."
    : `The store has all that was witnessed, and ${by} more: the witness follows when the signer starts.`;

const show = ({ dir, json }: { readonly dir: string; readonly json?: true }): Promise<void> =>
  examined(dir, async ({ finding, path }) => {
    const text =
      finding.is === "whole"
        ? whole(finding.by)
        : `${finding.sentence}.\n${remedyOf(finding.is, dirname(join(resolve(dir), configFile)))}`;
    process.stdout.write(`${json ? JSON.stringify({ ...finding, witness: path }) : text}\n`);
    if (finding.is !== "whole") process.exitCode = exitCodes.invalid.code;
  });

const lost =
  "Channels that went on after this copy was made are not safe in this signer: what it takes for their present\n" +
  "commitment may be revoked, and whoever broadcasts that loses the whole channel. It can't tell which they are.\n" +
  "Never force-close from here. Let the peers close: reconnect, so that channel_reestablish shows them that this side\n" +
  "is behind, and their own present commitment pays us to the wallet of the words. Open new channels afterwards.";

const warnings: Readonly<Record<Trouble, string>> = {
  missing:
    "From now on a store that is put back to an older copy is noticed. Whether this one is the newest, nobody knows.",
  damaged:
    "From now on a store that is put back to an older copy is noticed. Whether this one is the newest, nobody knows.",
  foreign: "The witness now speaks of this store, and no more of the other one.",
  behind: lost,
  forked: lost,
};

const accept = ({
  dir,
  finding: named,
}: {
  readonly dir: string;
  readonly finding: Trouble;
}): Promise<void> =>
  examined(dir, async ({ finding, path, store }) => {
    if (finding.is === "whole") {
      process.stdout.write(`${whole(finding.by)} There is nothing to accept.\n`);
      return;
    }
    if (finding.is !== named)
      throw new SetupError(
        "usage",
        `that is not what is found, and nothing was done: ${finding.sentence}`,
        `Look again with \`countersign witness show --dir ${dir}\`.`,
      );
    const detail = `witness accepted as ${finding.is}: ${finding.sentence}`.slice(0, 250);
    const entry = record({ kind: "admin", time: systemClock.now(), detail });
    await store.commit({ epoch: store.epoch, writes: [], audit: [entry] });
    replaceWitness(path, seenOf(store, systemClock));
    process.stdout.write(`Accepted: ${finding.sentence}.\n${warnings[finding.is]}\n`);
  });

export const registerWitness = (program: Command): void => {
  const witness = program
    .command("witness")
    .description("whether the store was put back to an older copy, while the signer does not run");
  witness
    .command("show")
    .description("compare the store with its witness")
    .requiredOption("--dir <directory>", "what init made")
    .option("--json", "print JSON")
    .action(show);
  witness
    .command("accept")
    .description("go on with the store as it is: what the witness knew beyond it is lost for good")
    .requiredOption("--dir <directory>", "what init made")
    .addOption(
      new Option("--finding <finding>", "what `witness show` says, so that nothing else is accepted unseen")
        .choices(troubles)
        .makeOptionMandatory(),
    )
    .action(accept);
};
