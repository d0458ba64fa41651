/** Keys from the sealed seed of a signer's directory, which is opened once for all of its nodes. */

import { toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import type { Secret } from "../../protocol/secret.ts";
import type { Config } from "../config.ts";
import { readSeed, seedOf } from "../keys/seed.ts";
import { type SoftwareKeyring, softwareKeyring } from "../keys/software.ts";
import { SetupError } from "../setup-error.ts";
import type { CurvePool } from "../threads/pool.ts";

export interface SealedParts {
  readonly config: Config;
  readonly file: string;
  /** Path of the sealed seed. */
  readonly seed: string;
  readonly passphrase: Secret | undefined;
  readonly curve: Curve;
  readonly pool: Pick<CurvePool, "sign">;
}

/** By the node's id; of the nodes whose keys are on no device. */
export const openSealed = async ({
  config,
  file,
  seed: path,
  passphrase,
  curve,
  pool,
}: SealedParts): Promise<ReadonlyMap<string, SoftwareKeyring>> => {
  const keyrings = new Map<string, SoftwareKeyring>();
  const nodes = config.node.filter(({ device }) => device === undefined);
  if (nodes.length === 0) return keyrings;
  if (passphrase === undefined) throw new SetupError("passphrase", "the seed's passphrase is missing");
  const { entropy, style } = await readSeed(path, passphrase);
  const seed = seedOf(entropy);
  entropy.wipe();
  try {
    for (const { id, index } of nodes) {
      const keyring = softwareKeyring({
        seed,
        style,
        network: config.network,
        nodeIndex: index,
        curve,
        signBatch: (jobs) => pool.sign(jobs),
      });
      const node = toHex(keyring.node);
      keyrings.set(node, keyring);
      if (node !== id)
        throw new SetupError(
          "invalid",
          `the seed leads to node ${node} at index ${index}, and ${file} names ${id}`,
          "Seed and configuration belong to different signers: put the right pair together.",
        );
    }
    return keyrings;
  } catch (error) {
    for (const keyring of keyrings.values()) keyring.close();
    throw error;
  } finally {
    seed.wipe();
  }
};
