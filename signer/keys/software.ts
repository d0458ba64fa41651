/** Keys in this process's memory. Of secrets only the seed and the node's own stay: all others live for one job. */

import { deriveKeySecret } from "../../protocol/bolt/derive.ts";
import { secretAt } from "../../protocol/bolt/shachain.ts";
import type { Curve, SignJob } from "../../protocol/curve/curve.ts";
import type { Basepoints } from "../../protocol/operations/fields.ts";
import { Secret } from "../../protocol/secret.ts";
import type { ChannelId, CommitmentNumber, Point, Signature } from "../../protocol/units.ts";
import type { Job, Keyring, Signed } from "../core/ports.ts";
import { type ChannelKey, type NativeRoot, nativeKeys } from "./native.ts";
import { recent } from "./recent.ts";
import type { Style } from "./seed.ts";
import { closingScripts } from "./wallet.ts";

export interface SoftwareKeyringOptions extends NativeRoot {
  readonly style: Style;
  readonly curve: Curve;
  /** Where a batch is signed; by default on the thread that asks. */
  readonly signBatch?: (jobs: readonly SignJob[]) => Promise<readonly Signature[]>;
}

export interface SoftwareKeyring extends Keyring {
  /** Wipes the secrets; whatever is asked afterwards is a fault. The caller's seed stays the caller's. */
  close(): void;
}

/**
 * Part of the style, no option: peers written against LDK or Core Lightning expect DER of at most 71 bytes, and a
 * job must get the same bytes from every keyring.
 */
const lowR = true;

/** Public data, 400 bytes or so for each; deriving them again costs five multiplications. */
const channelsRemembered = 10_000;

export const softwareKeyring = ({
  seed,
  network,
  nodeIndex,
  curve,
  signBatch = async (jobs) => curve.signBatch(jobs),
}: SoftwareKeyringOptions): SoftwareKeyring => {
  const ownSeed = seed.use((bytes) => new Secret(bytes));
  const keys = nativeKeys({ seed: ownSeed, network, nodeIndex }, curve.isSecret);
  const closingScriptOf = closingScripts({ seed: ownSeed, network, nodeIndex });
  let closed = false;

  /** Deriving takes 6 µs where a signature takes 80: cheaper than a cache of secrets would be dangerous. */
  const using = <T>(secret: Secret, action: (secret: Secret) => T): T => {
    try {
      return action(secret);
    } finally {
      secret.wipe();
    }
  };

  const usingUntil = async <T>(secret: Secret, action: (secret: Secret) => Promise<T>): Promise<T> => {
    try {
      return await action(secret);
    } finally {
      secret.wipe();
    }
  };

  const basepointOf = (channel: ChannelId, key: ChannelKey): Point =>
    using(keys.channel(channel, key), curve.publicKey);

  const basepointsOf = recent(
    channelsRemembered,
    (channel: ChannelId): Basepoints => ({
      funding: basepointOf(channel, "funding"),
      revocation: basepointOf(channel, "revocation"),
      payment: basepointOf(channel, "payment"),
      delayed: basepointOf(channel, "delayed"),
      htlc: basepointOf(channel, "htlc"),
    }),
  );

  const signWithFunding = (channel: ChannelId, digest: Uint8Array): Signature =>
    using(keys.channel(channel, "funding"), (key) => curve.sign({ digest, key, lowR }));

  /** One key serves all HTLCs of a commitment (BOLT 3, "`local_htlcpubkey` Derivation"). */
  const signHtlcs = async (
    channel: ChannelId,
    point: Point,
    digests: readonly Uint8Array[],
  ): Promise<readonly Signature[]> => {
    if (digests.length === 0) return [];
    const basepoint = basepointsOf(channel).htlc;
    const own = using(keys.channel(channel, "htlc"), (secret) =>
      deriveKeySecret(curve, { secret, basepoint }, point),
    );
    return usingUntil(own, (key) => signBatch(digests.map((digest) => ({ digest, key, lowR }))));
  };

  /** Not yet revealed, and so as secret as a key. */
  const pointOf = (chain: Secret, number: CommitmentNumber): Point => {
    const bytes = secretAt(chain, number);
    const secret = new Secret(bytes);
    bytes.fill(0);
    return using(secret, curve.publicKey);
  };

  const perform = async (job: Job): Promise<Signed[Job["kind"]]> => {
    switch (job.kind) {
      case "counterpartyCommitment":
        return {
          signature: signWithFunding(job.channel, job.digest),
          htlcSignatures: await signHtlcs(job.channel, job.point, job.htlcDigests),
        };
      case "holderCommitment":
      case "closing":
        return { signature: signWithFunding(job.channel, job.digest) };
      case "secret":
        return { secret: using(keys.shachain(job.channel), (chain) => secretAt(chain, job.number)) };
    }
  };

  const open = (): void => {
    if (closed) throw new Error("the keyring is closed");
  };

  return {
    node: using(keys.identity(), curve.publicKey),
    basepoints: async (channel) => {
      open();
      return basepointsOf(channel);
    },
    points: async (channel, numbers) => {
      open();
      return using(keys.shachain(channel), (chain) => numbers.map((number) => pointOf(chain, number)));
    },
    closingScript: async (channel) => {
      open();
      return closingScriptOf(channel);
    },
    // The type of the reply follows from the job's kind, which a switch cannot tell the compiler.
    sign: async <J extends Job>(job: J) => {
      open();
      return (await perform(job)) as Signed[J["kind"]];
    },
    close: () => {
      closed = true;
      ownSeed.wipe();
    },
  };
};
