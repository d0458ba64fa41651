/** Keys from the sealed seed of a signer's directory. */

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

export const openSealed = async ({
  config,
  file,
  seed: path,
  passphrase,
  curve,
  pool,
}: SealedParts): Promise<SoftwareKeyring> => {
  if (passphrase === undefined) throw new SetupError("passphrase", "the seed's passphrase is missing");
  const { entropy, style } = await readSeed(path, passphrase);
  const seed = seedOf(entropy);
  entropy.wipe();
  const keyring = softwareKeyring({
    seed,
    style,
    network: config.network,
    nodeIndex: config.node.index,
    curve,
    signBatch: (jobs) => pool.sign(jobs),
  });
  seed.wipe();
  const node = toHex(keyring.node);
  if (node === config.node.id) return keyring;
  keyring.close();
  throw new SetupError(
    "invalid",
    `the seed leads to node ${node}, and ${file} names ${config.node.id}`,
    "Seed and configuration belong to different signers: put the right pair together.",
  );
};
