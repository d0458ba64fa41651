/**
 * Keys in this process's memory. Of secrets only the seed stays, and what a style keeps beside it: all others live for
 * one job.
 */

import { claimSecret } from "../../protocol/bolt/claim.ts";
import { deriveKeySecret } from "../../protocol/bolt/derive.ts";
import { secretAt } from "../../protocol/bolt/shachain.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { SignJob } from "../../protocol/curve/curve.ts";
import type { Basepoints } from "../../protocol/operations/fields.ts";
import type { Place } from "../../protocol/operations/spend.ts";
import { Secret } from "../../protocol/secret.ts";
import type { ChannelId, CommitmentNumber, Point, Script, Signature } from "../../protocol/units.ts";
import type { Job, Keyring, Signed, SpendKey, WalletKey } from "../core/ports.ts";
import type { ChannelKey, KeysRoot } from "./node-keys.ts";
import { nodeSigner } from "./node-signer.ts";
import { recent } from "./recent.ts";
import type { Style } from "./seed.ts";
import { openKeys } from "./styles.ts";

export interface SoftwareKeyringOptions extends KeysRoot {
  readonly style: Style;
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
  style,
  curve,
  seed,
  signBatch = async (jobs) => curve.signBatch(jobs),
  ...root
}: SoftwareKeyringOptions): SoftwareKeyring => {
  const keys = openKeys(style, { ...root, curve, seed: seed.use((bytes) => new Secret(bytes)) });
  const nodeKey = nodeSigner({ keys, curve, lowR });
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

  const closingScriptOf = (channel: ChannelId): Script => {
    const script = keys.wallet.script(keys.closingPlace(channel));
    if (script === undefined) throw new Error("a style gives closing scripts that its wallet does not have");
    return script;
  };

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

  const walletKeyAt = (place: Place): WalletKey | undefined => {
    const [form, point, script] = [
      keys.wallet.form(place),
      keys.wallet.point(place),
      keys.wallet.script(place),
    ];
    return form === undefined || point === undefined || script === undefined
      ? undefined
      : { form, point, script };
  };

  const signInput = (input: SpendKey): Uint8Array => {
    const { digest } = input;
    if ("channel" in input) {
      const { channel, key } = input;
      const basepoint = basepointsOf(channel)[key.base];
      return using(keys.channel(channel, key.base), (secret) =>
        using(claimSecret(curve, { secret, basepoint }, key), (own) =>
          curve.sign({ digest, key: own, lowR }),
        ),
      );
    }
    const secret = keys.wallet.secret(input.place);
    if (secret === undefined) throw new Error("a place that the wallet does not have");
    return using(secret, (key) =>
      keys.wallet.form(input.place) === "p2tr"
        ? curve.signSchnorr({ digest, key, aux: new Uint8Array(32) })
        : curve.sign({ digest, key, lowR }),
    );
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
      case "closings":
        return { signatures: job.digests.map((digest) => signWithFunding(job.channel, digest)) };
      case "spend":
        return { signatures: job.inputs.map(signInput) };
      case "secret":
        return { secret: using(keys.shachain(job.channel), (chain) => secretAt(chain, job.number)) };
      case "gossip":
        return {
          nodeSignature: nodeKey.sign(job.digest),
          fundingSignature: isKnown(job.channel) ? signWithFunding(job.channel, job.digest) : unknown,
        };
      case "invoice":
      case "message":
        return nodeKey.signRecoverable(job.digest);
      case "bolt12":
        return nodeKey.signBolt12(job.digest, job.tweak);
      case "derivedSecret":
        return nodeKey.derivedSecret(job.label);
      case "inboundPaymentKey":
        return nodeKey.inboundPaymentKey();
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
    walletKey: async (place) => {
      open();
      return walletKeyAt(place);
    },
    identity: async () => {
      open();
      return nodeKey.identity();
    },
    ecdh: async (point) => {
      open();
      return nodeKey.ecdh(point);
    },
    payerKey: async (tweak) => {
      open();
      return nodeKey.payerKey(tweak);
    },
    random: async (count) => {
      open();
      return nodeKey.random(count);
    },
    // The type of the reply follows from the job's kind, which a switch cannot tell the compiler.
    sign: async <J extends Job>(job: J) => {
      open();
      return (await perform(job)) as Signed[J["kind"]];
    },
    close: () => {
      closed = true;
      keys.close();
    },
  };
};
