/**
 * Keys in the node's own process, for peers of demonstrations and for comparison. Never for funds: who reads this process
 * has the seed, which is what the rest of this house is there to prevent.
 */

import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { HDKey } from "@scure/bip32";
import {
  EntropySource,
  KeysManager,
  type OutPoint,
  Recipient,
  Result_CVec_u8ZNoneZ_OK,
  Result_ECDSASignatureNoneZ_OK,
  Result_PublicKeyNoneZ_OK,
  type SpendableOutputDescriptor,
} from "lightningdevkit";
import { witnessSignature } from "../../../protocol/bitcoin/der.ts";
import { fieldOf, inputFields } from "../../../protocol/bitcoin/psbt/fields.ts";
import { decodePsbt } from "../../../protocol/bitcoin/psbt/psbt.ts";
import { witnessOf } from "../../../protocol/bitcoin/psbt/values.ts";
import { p2wpkh, p2wpkhScriptCode } from "../../../protocol/bitcoin/script.ts";
import { inputDigest, sighash } from "../../../protocol/bitcoin/sighash.ts";
import { encodeTx, encodeWitnessTx, type Tx, type Witness } from "../../../protocol/bitcoin/tx.ts";
import { sizedLength, Writer } from "../../../protocol/bitcoin/writer.ts";
import { invoiceDigest } from "../../../protocol/bolt/invoice/invoice.ts";
import { concat } from "../../../protocol/bytes.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import { Secret } from "../../../protocol/secret.ts";
import { type Outpoint, point, sat, script, txid } from "../../../protocol/units.ts";
import { exactly } from "../library.ts";
import type { Keys, SpendInput, Wallet } from "./keys.ts";

export interface LocalKeysParts {
  /** 32 bytes. */
  readonly seed: Secret;
  readonly database: DatabaseSync;
  readonly curve: Curve;
}

const openManager = (seed: Secret): KeysManager =>
  seed.use((bytes) => {
    exactly(32, bytes, "a seed");
    // The time is what keeps ids of channels from being given out twice after a restart.
    const now = Date.now();
    return KeysManager.constructor_new(
      bytes,
      BigInt(Math.floor(now / 1000)),
      (now % 1000) * 1_000_000 + (randomBytes(2).readUInt16BE() % 1_000_000),
    );
  });

/** KeysManager's counter begins again with each process; ours never repeats. */
const openEntropy = (): EntropySource =>
  EntropySource.new_impl({ get_secure_random_bytes: () => Uint8Array.from(randomBytes(32)) });

const placeOf = (outpoint: OutPoint): Outpoint => ({
  txid: txid(outpoint.get_txid()),
  index: outpoint.get_index(),
});

const outpointOf = (input: SpendInput): Outpoint => {
  switch (input.kind) {
    case "wallet":
      return input.outpoint;
    case "descriptor":
      return placeOf(input.descriptor.spendable_outpoint());
    case "anchor":
      return placeOf(input.descriptor.get_outpoint());
    case "htlc":
      return placeOf(input.descriptor.outpoint());
  }
};

/** The least that BIP 174 lets one be: LDK fills in the final witnesses. */
const barePsbt = (tx: Tx): Uint8Array => {
  const bytes = encodeTx(tx);
  const magic = Uint8Array.of(0x70, 0x73, 0x62, 0x74, 0xff, 1, 0);
  const ends = new Uint8Array(1 + tx.inputs.length + tx.outputs.length);
  return concat(magic, new Writer(sizedLength(bytes)).sized(bytes).bytes, ends);
};

const coinType = 84;

interface Place {
  readonly index: number;
}

const isPlace = (place: unknown): place is Place =>
  typeof place === "object" && place !== null && typeof (place as Place).index === "number";

const openWallet = ({ seed, database, curve }: LocalKeysParts, manager: KeysManager): Wallet => {
  database.exec("CREATE TABLE IF NOT EXISTS local_address (next INTEGER NOT NULL) STRICT");
  const account = seed.use((bytes) => HDKey.fromMasterSeed(bytes)).derive(`m/${coinType}'/0'/0'/0`);
  const next = database.prepare("SELECT next FROM local_address");
  const begin = database.prepare("INSERT INTO local_address VALUES (0)");
  const step = database.prepare("UPDATE local_address SET next = next + 1");
  if (next.get() === undefined) begin.run();
  const keyOf = (index: number): Secret => {
    const { privateKey } = account.deriveChild(index);
    if (privateKey === null) throw new Error("an account without private keys");
    return new Secret(privateKey);
  };
  const signer = manager.as_SignerProvider();

  const signWallet = (tx: Tx, index: number, input: Extract<SpendInput, { kind: "wallet" }>): Witness => {
    if (!isPlace(input.place)) throw new Error("a coin of another wallet");
    const key = keyOf(input.place.index);
    const publicKey = curve.publicKey(key);
    const type = sighash.all;
    const digest = inputDigest({
      ...{ tx, index, type },
      scriptCode: p2wpkhScriptCode(publicKey),
      value: sat(input.value),
    });
    return [witnessSignature(curve.sign({ digest, key, lowR: true }), type), publicKey];
  };

  const signDescriptors = (tx: Tx, descriptors: SpendableOutputDescriptor[]): readonly Witness[] => {
    if (descriptors.length === 0) return tx.inputs.map(() => []);
    const signed = manager.sign_spendable_outputs_psbt(descriptors, barePsbt(tx));
    if (!(signed instanceof Result_CVec_u8ZNoneZ_OK)) throw new Error("an output that is not of these keys");
    const psbt = decodePsbt(signed.res);
    return psbt.inputs.map((map) => fieldOf(map, inputFields.finalWitness, witnessOf) ?? []);
  };

  const signOne = (tx: Tx, index: number, input: SpendInput): Witness | undefined => {
    switch (input.kind) {
      case "wallet":
        return signWallet(tx, index, input);
      case "descriptor":
        return undefined;
      case "anchor": {
        const made = input.descriptor
          .derive_channel_signer(signer)
          .sign_holder_anchor_input(encodeTx(tx), index);
        if (!(made instanceof Result_ECDSASignatureNoneZ_OK))
          throw new Error("an anchor that is not of these keys");
        return witnessOf(input.descriptor.tx_input_witness(made.res));
      }
      case "htlc": {
        const { descriptor } = input;
        const made = descriptor
          .derive_channel_signer(signer)
          .sign_holder_htlc_transaction(encodeTx(tx), index, descriptor);
        if (!(made instanceof Result_ECDSASignatureNoneZ_OK))
          throw new Error("an HTLC that is not of these keys");
        return witnessOf(descriptor.tx_input_witness(made.res, descriptor.witness_script()));
      }
    }
  };

  return {
    address: async () => {
      const index = Number(next.get()?.["next"]);
      step.run();
      return { script: p2wpkh(curve.publicKey(keyOf(index))), place: { index } };
    },
    spend: async ({ inputs, outputs, locktime, version = 2 }) => {
      const tx: Tx = {
        version,
        locktime,
        inputs: inputs.map((input) => ({
          outpoint: outpointOf(input),
          sequence: input.sequence ?? 0xffff_fffd,
        })),
        outputs: outputs.map((output) => ({ script: script(output.script), value: sat(output.value) })),
      };
      const descriptors = inputs.flatMap((input) => (input.kind === "descriptor" ? [input.descriptor] : []));
      const finals = signDescriptors(tx, descriptors);
      return encodeWitnessTx(
        tx,
        inputs.map((input, index) => signOne(tx, index, input) ?? finals[index] ?? []),
      );
    },
  };
};

export const openLocalKeys = (parts: LocalKeysParts): Keys => {
  const manager = openManager(parts.seed);
  const nodeSigner = manager.as_NodeSigner();
  const id = nodeSigner.get_node_id(Recipient.LDKRecipient_Node);
  if (!(id instanceof Result_PublicKeyNoneZ_OK)) throw new Error("keys without a node id");
  const nothing = (): void => undefined;
  return {
    nodeId: point(id.res),
    entropy: openEntropy(),
    nodeSigner,
    signerProvider: manager.as_SignerProvider(),
    prepare: async () => undefined,
    store: () => 0,
    flush: nothing,
    onUnblocked: nothing,
    onOpeningRefused: nothing,
    observe: {
      ...{ openChannel: nothing, acceptChannel: nothing, monitorUpdate: nothing, newMonitor: nothing },
      ...{ discarded: nothing, archived: nothing },
    },
    wallet: openWallet(parts, manager),
    propose: async () => undefined,
    signInvoice: async (hrp, data) => {
      const bytes = manager.get_node_secret_key();
      const key = new Secret(bytes);
      bytes.fill(0);
      try {
        const digest = invoiceDigest(hrp, data);
        return parts.curve.signRecoverable({ digest, key, lowR: false });
      } finally {
        key.wipe();
      }
    },
    limits: {},
    close: async () => undefined,
  };
};
