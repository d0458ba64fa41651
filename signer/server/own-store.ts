/** The signer's own store, opened for signing: never behind its witness. */

import { dirname } from "node:path";
import { systemClock } from "../clock.ts";
import type { ConfigPaths } from "../config.ts";
import type { Log } from "../log.ts";
import { SetupError, type SetupProblem } from "../setup-error.ts";
import { grouped } from "../store/grouped.ts";
import { openStore } from "../store/sqlite.ts";
import { type OpenStore, StoreFault, type StoreTrouble } from "../store/store.ts";
import { compareToWitness, type Finding, type Trouble, witnessed } from "../store/witnessed.ts";
import { onOneDisk, openWitness } from "../witness.ts";

const problems: Partial<Record<StoreTrouble, SetupProblem>> = {
  missing: "missing",
  held: "unavailable",
  exposed: "permissions",
  unreachable: "unavailable",
};

/** For a person: what is wrong with the store is told as a mistake of the installation, not as a fault. */
export const openFile = async (path: string): Promise<OpenStore> => {
  try {
    return await openStore({ path });
  } catch (error) {
    if (error instanceof StoreFault)
      throw new SetupError(problems[error.trouble] ?? "invalid", error.message);
    throw error;
  }
};

const remedies: Readonly<Record<Trouble, string>> = {
  missing: "If its disk is not mounted, mount it. If this signer never had a witness, or it is lost for good",
  damaged: "Nothing shows now whether the store is the newest. If you know that it is",
  foreign:
    "Put the right pair together: see witness and store in the configuration. If the store is the right one",
  behind:
    "Nothing is signed: with this store a host could have a revoked commitment signed, and lose the whole channel.\n" +
    "Put the newest store back. Only if it is lost for good, read docs/threat-model.md (A store that was rolled back), then",
  forked:
    "Nothing is signed: what was witnessed is not in this store. Put the newest store back.\n" +
    "Only if it is lost for good, read docs/threat-model.md (A store that was rolled back), then",
};

export const remedyOf = (is: Trouble, dir: string): string =>
  `${remedies[is]}: \`countersign witness accept --dir ${dir} --finding ${is}\`.`;

const refused = ({ is, sentence }: Exclude<Finding, { is: "whole" }>, dir: string): SetupError =>
  new SetupError(is === "missing" ? "missing" : "invalid", sentence, remedyOf(is, dir));

export interface OwnStore {
  readonly paths: ConfigPaths;
  /** The configuration. */
  readonly file: string;
  readonly log: Log;
}

export const openOwnStore = async ({ paths, file, log }: OwnStore): Promise<OpenStore> => {
  if (paths.witness === undefined) return grouped(await openFile(paths.store));
  const dir = dirname(file);
  const witness = openWitness(paths.witness);
  if ("is" in witness) throw refused(witness, dir);
  let store: OpenStore | undefined;
  try {
    store = await openFile(paths.store);
    const finding = await compareToWitness(store, witness.seen);
    if (finding.is !== "whole") throw refused(finding, dir);
    // A crash between store and witness leaves one; more were written by a signer without its witness.
    if (finding.by > 1) log.write({ event: "witness-behind", witness: witness.path, commits: finding.by });
    if (onOneDisk(paths.store, witness.path)) log.write({ event: "witness-near", witness: witness.path });
    return grouped(witnessed(store, witness, systemClock));
  } catch (error) {
    witness.close();
    await store?.close();
    throw error;
  }
};
