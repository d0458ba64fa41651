/** What the node key, and what hangs on it, does for each style: docs/keys.md, "Beside the channels". */

import { randomBytes } from "node:crypto";
import { concat } from "../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../protocol/codec.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Secret } from "../../protocol/secret.ts";
import type { Point } from "../../protocol/units.ts";
import type { Identity, Signed } from "../core/ports.ts";
import { expand } from "./expand.ts";
import type { NodeKeys } from "./node-keys.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The label under which Core Lightning asks for the base of its payers' tweaks. */
const aliasBase = ascii("node-alias-base");

/** BIP 340, "Default Signing": with other bytes here the same job would get other signatures. */
const aux = new Uint8Array(32);

export interface NodeSignerOptions {
  readonly keys: Pick<NodeKeys, "identity" | "wallet" | "payer" | "inboundPayment" | "derived">;
  readonly curve: Curve;
  /** Part of the style: see software.ts. */
  readonly lowR: boolean;
}

export interface NodeSigner {
  identity(): Identity;
  ecdh(point: Point): Uint8Array;
  payerKey(tweak: Uint8Array): Point;
  random(count: number): Uint8Array;
  sign(digest: Uint8Array): Signed["gossip"]["nodeSignature"];
  signRecoverable(digest: Uint8Array): Signed["invoice"];
  signBolt12(digest: Uint8Array, tweak: Maybe<Uint8Array>): Signed["bolt12"];
  derivedSecret(label: Uint8Array): Signed["derivedSecret"];
  inboundPaymentKey(): Signed["inboundPaymentKey"];
}

const using = <T>(secret: Secret, action: (secret: Secret) => T): T => {
  try {
    return action(secret);
  } finally {
    secret.wipe();
  }
};

const revealed = (secret: Secret): Uint8Array =>
  using(secret, (own) => own.use((bytes) => Uint8Array.from(bytes)));

export const nodeSigner = ({ keys, curve, lowR }: NodeSignerOptions): NodeSigner => {
  /** For styles whose node software has no such secret of its own. */
  const ours = (purpose: string): Secret =>
    using(keys.identity(), (from) => expand({ from, info: `countersign/1/${purpose}` }));

  const derived = (label: Uint8Array): Secret =>
    keys.derived(label) ?? using(ours("derived"), (from) => expand({ from, info: label }));

  const payerTweak = (tweak: Uint8Array): Uint8Array =>
    using(derived(aliasBase), (base) =>
      base.use((bytes) => {
        const joined = concat(bytes, tweak);
        const hash = sha256(joined);
        joined.fill(0);
        return hash;
      }),
    );

  const payerSecret = (tweak: Uint8Array): Secret =>
    using(keys.identity(), (key) => curve.addSecret(key, payerTweak(tweak)));

  return {
    identity: () => {
      const payer = keys.payer();
      return {
        accounts: keys.wallet.accounts,
        payer: payer === undefined ? unknown : using(payer, curve.publicKey),
      };
    },
    ecdh: (point) => using(keys.identity(), (key) => revealed(curve.ecdh(key, point))),
    payerKey: (tweak) => using(payerSecret(tweak), curve.publicKey),
    random: (count) => Uint8Array.from(randomBytes(count)),
    sign: (digest) => using(keys.identity(), (key) => curve.sign({ digest, key, lowR })),
    signRecoverable: (digest) =>
      using(keys.identity(), (key) => {
        const { signature, recovery } = curve.signRecoverable({ digest, key, lowR });
        return { signature, recoveryId: recovery };
      }),
    signBolt12: (digest, tweak) => ({
      signature: using(isKnown(tweak) ? payerSecret(tweak) : keys.identity(), (key) =>
        curve.signSchnorr({ digest, key, aux }),
      ),
    }),
    derivedSecret: (label) => ({ secret: revealed(derived(label)) }),
    inboundPaymentKey: () => ({ key: revealed(keys.inboundPayment() ?? ours("inbound-payment")) }),
  };
};
