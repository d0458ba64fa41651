/** What an honest host takes on the chain: coins as its node knows them, and transactions that spend them. */

import { p2wpkh } from "../../protocol/bitcoin/script.ts";
import { encodeTx, type Tx, type TxOutput, txidOf, type Witness } from "../../protocol/bitcoin/tx.ts";
import type { ChannelClaim, ClaimPlan } from "../../protocol/bolt/claim.ts";
import { claimPlanner, walletPlan } from "../../protocol/bolt/spend.ts";
import { arrange, claimWitness } from "../../protocol/bolt/spend-sign.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import type { Reply, Request } from "../../protocol/operations/index.ts";
import type { Place, SpendInput, SpendOutput } from "../../protocol/operations/spend.ts";
import {
  commitmentNumber,
  height,
  type NodeId,
  type Outpoint,
  type Point,
  type Preimage,
  type Script,
  type Signature,
  sat,
  txid,
} from "../../protocol/units.ts";
import { verdict } from "../unit/bolt-spend-interpreter.ts";
import type { Opened } from "./channel.ts";
import { type Balances, type Content, contentOf } from "./content.ts";
import { commitmentOf, type Peer } from "./peer.ts";
import { curve, type Rig } from "./road.ts";

export interface Coin {
  readonly said: SpendInput;
  readonly value: bigint;
  /** Undefined for what is somebody else's. */
  readonly plan?: ClaimPlan;
  readonly countersignature?: Signature;
  readonly preimage?: Preimage;
  /** Of an HTLC transaction: at the input's own index. */
  readonly stage?: TxOutput;
}

const silent = {
  channel: unknown,
  number: unknown,
  point: unknown,
  htlc: unknown,
  preimage: unknown,
  value: unknown,
  script: unknown,
  prevTx: unknown,
  place: unknown,
} as const;

const labelled = (label: string): Outpoint => ({
  txid: txid(sha256(new TextEncoder().encode(label))),
  index: 0,
});

export const placeAt = (index: number, branch = 0, account = 0): Place => ({ account, branch, index });

/** Of nobody that the signer knows: version 0, a hash of twenty equal bytes. */
export const strangersScript = (byte: number): Script =>
  Uint8Array.from([0x00, 0x14, ...new Uint8Array(20).fill(byte)]) as Script;

const paying = (output: TxOutput, label: string): Tx => ({
  version: 2,
  inputs: [{ outpoint: labelled(label), sequence: 0 }],
  outputs: [output],
  locktime: 0,
});

const shown = (output: TxOutput, label: string) => {
  const tx = paying(output, label);
  return { outpoint: { txid: txidOf(tx), index: 0 }, prevTx: encodeTx(tx) };
};

export const walletCoin = async (
  { keyring }: Pick<Rig, "keyring">,
  value: bigint,
  { label = "coin", place = placeAt(0), proven = true } = {},
): Promise<Coin> => {
  const key = await keyring.walletKey(place);
  if (key === undefined || key.form === "p2sh-p2wpkh") throw new RangeError("no such place");
  const plan = walletPlan(curve, { kind: "wallet", form: key.form, key: key.point });
  const { outpoint, prevTx } = shown({ value: sat(value), script: plan.output }, `${label} ${value}`);
  const known = proven ? { prevTx } : {};
  return { said: { ...silent, ...known, outpoint, kind: "wallet", value: sat(value), place }, value, plan };
};

export const foreignCoin = (value: bigint, { label = "theirs", proven = false } = {}): Coin => {
  const output = { value: sat(value), script: p2wpkh(new Uint8Array(33).fill(2) as Point) };
  const { outpoint, prevTx } = shown(output, `${label} ${value}`);
  const known = proven ? { prevTx } : {};
  return {
    said: { ...silent, ...known, outpoint, kind: "foreign", value: sat(value), script: output.script },
    value,
  };
};

/** A commitment with everything of ours in it. */
export interface Published {
  readonly content: Content;
  readonly txid: Outpoint["txid"];
  readonly tx: Tx;
  readonly coins: Readonly<Record<string, Coin>>;
}

export interface PublishedOptions {
  readonly opened: Opened;
  readonly peer: Peer;
  readonly owner: Side;
  readonly number: bigint;
  readonly balances: Balances;
  readonly point: Point;
  /** Names HTLCs, so that a coin can be asked for. */
  readonly labels: ReadonlyMap<string, Htlc>;
  preimage(label: string): Preimage;
  /** As if it were revoked: by its secret. */
  readonly revoked?: boolean;
}

/** Coins are `delayed`, `toRemote`, `anchor`, `justice`, and HTLCs by their labels. */
export const published = (options: PublishedOptions): Published => {
  const { opened, peer, owner, number, balances, point, labels, revoked = false } = options;
  const { shared, channel } = opened;
  const { terms, holder, counterparty } = shared;
  const n = commitmentNumber(number);
  const content = contentOf(terms, owner, n, balances);
  const { commitment } = commitmentOf(curve, shared, owner, point, content);
  const id = commitment.txid;
  const planOf = claimPlanner(curve, {
    type: terms.type,
    ...{ holder, counterparty },
    delays: { holder: terms.counterparty.toSelfDelay, counterparty: terms.holder.toSelfDelay },
  });
  const coins: Record<string, Coin> = {};
  const put = (
    name: string,
    claim: ChannelClaim,
    more: Partial<Coin>,
    said: Partial<SpendInput> = {},
  ): void => {
    const plan = planOf(claim);
    const index = commitment.tx.outputs.findIndex(
      (output, at) =>
        Buffer.compare(output.script, plan.output) === 0 &&
        (plan.value === undefined || plan.value === output.value) &&
        !Object.values(coins).some(({ said: { outpoint } }) => outpoint.index === at),
    );
    const output = commitment.tx.outputs[index];
    if (output === undefined) return;
    const common = { ...silent, outpoint: { txid: id, index }, channel, kind: claim.kind } as const;
    const stage = plan.countersigned?.output;
    coins[name] = {
      said: { ...common, ...(owner === "holder" || revoked ? { number: n } : {}), ...said },
      value: output.value,
      plan,
      ...(stage === undefined ? {} : { stage }),
      ...more,
    };
  };
  const party = ({ offeredBy, ...htlc }: Htlc) => ({
    ...htlc,
    offeredBy: offeredBy === owner ? ("broadcaster" as const) : ("countersignatory" as const),
  });
  const { htlcSignatures } =
    owner === "holder" ? peer.countersign(shared, point, content) : { htlcSignatures: [] };
  for (const [label, htlc] of labels) {
    const preimage =
      htlc.offeredBy === "counterparty" && !revoked ? { preimage: options.preimage(label) } : {};
    const at = commitment.htlcs.findIndex(
      (one) => Buffer.compare(one.htlc.hash, htlc.hash) === 0 && one.htlc.amount === htlc.amount,
    );
    const signature = htlcSignatures[at];
    const more = { ...preimage, ...(signature === undefined ? {} : { countersignature: signature }) };
    if (revoked)
      put(label, { kind: "justiceHtlc", revealed: peer.secret(n), htlc: party(htlc) }, {}, { htlc });
    else if (owner === "holder")
      put(label, { kind: "holderHtlc", point, feerate: content.feerate, htlc: party(htlc) }, more, preimage);
    else put(label, { kind: "counterpartyHtlc", point, htlc: party(htlc) }, more, preimage);
  }
  if (owner === "holder") put("delayed", { kind: "delayed", point }, {});
  else put("toRemote", { kind: "toRemote" }, {});
  if (revoked) put("justice", { kind: "justiceToLocal", revealed: peer.secret(n) }, {});
  if (terms.type === "anchors") put("anchor", { kind: "anchor" }, {});
  return { content, txid: id, tx: commitment.tx, coins };
};

/** With the previous transaction, as a host has it when the commitment is on the chain. */
export const withPrevTx = (coin: Coin, tx: Tx): Coin => ({
  ...coin,
  said: { ...coin.said, prevTx: encodeTx(tx) },
});
export const withSaid = (coin: Coin, said: Partial<SpendInput>): Coin => ({
  ...coin,
  said: { ...coin.said, ...said },
});

export interface Pay {
  readonly output: TxOutput;
  readonly said: SpendOutput;
}

const bare = { place: unknown, channel: unknown } as const;

export const toWallet = async (
  { keyring }: Pick<Rig, "keyring">,
  value: bigint,
  place = placeAt(0),
): Promise<Pay> => {
  const key = await keyring.walletKey(place);
  if (key === undefined) throw new RangeError("no such place");
  return { output: { value: sat(value), script: key.script }, said: { ...bare, kind: "wallet", place } };
};

export const toOther = (value: bigint, script: Script = strangersScript(0x99)): Pay => ({
  output: { value: sat(value), script },
  said: { ...bare, kind: "other" },
});

export const toFunding = (value: bigint, script: Script, channel: Opened["channel"]): Pay => ({
  output: { value: sat(value), script },
  said: { ...bare, kind: "funding", channel },
});

export const toClosing = (value: bigint, { closingScript, channel }: Opened): Pay => ({
  output: { value: sat(value), script: closingScript },
  said: { ...bare, kind: "closing", channel },
});

export interface Built {
  readonly tx: Tx;
  readonly coins: readonly Coin[];
  readonly body: Request<"spend">;
}

/** HTLC transactions' outputs come first, each beside its input; then what is paid. */
export const spending = (
  node: NodeId,
  coins: readonly Coin[],
  pays: readonly Pay[],
  change: Partial<Pick<Tx, "version" | "locktime">> & { readonly sequences?: readonly number[] } = {},
): Built => {
  const plans = coins.flatMap(({ plan }) => (plan === undefined ? [] : [plan]));
  const arranged = arrange(plans, height(0));
  if (arranged === undefined) throw new RangeError("these have no transaction together");
  let own = 0;
  const sequences = coins.map(({ plan }) => (plan === undefined ? 0xffff_fffd : arranged.sequences[own++]));
  const staged = coins.flatMap(({ stage }): Pay[] =>
    stage === undefined ? [] : [{ output: stage, said: { ...bare, kind: "other" } }],
  );
  const all = [...staged, ...pays];
  const tx: Tx = {
    version: change.version ?? 2,
    inputs: coins.map(({ said: { outpoint } }, i) => ({
      outpoint,
      sequence: change.sequences?.[i] ?? sequences[i] ?? 0,
    })),
    outputs: all.map(({ output }) => output),
    locktime: change.locktime ?? arranged.locktime,
  };
  const body: Request<"spend"> = {
    node,
    tx: encodeTx(tx),
    inputs: coins.map(({ said }) => said),
    outputs: all.map(({ said }) => said),
  };
  return { tx, coins, body };
};

/** Of each input, once it is signed; undefined for what is somebody else's. */
export const witnessesOf = (
  { coins }: Pick<Built, "coins">,
  { signatures }: Reply<"spend">,
): readonly (Witness | undefined)[] =>
  coins.map(({ plan, countersignature, preimage }, index) => {
    const signature = signatures[index];
    if (plan === undefined || signature === undefined || signature === unknown) return undefined;
    return claimWitness(plan, {
      signature,
      ...(countersignature === undefined ? {} : { countersignature }),
      ...(preimage === undefined ? {} : { preimage }),
    });
  });

/** Of each input of ours; the interpreter shares nothing with what made them. */
export const verdicts = (built: Built, reply: Reply<"spend">): readonly (string | undefined)[] => {
  const { tx, coins } = built;
  const spent = coins.map(({ plan, value, said: { script } }) => ({
    value: sat(value),
    script: plan?.output ?? (script as Script),
  }));
  const witnesses = witnessesOf(built, reply);
  return coins.flatMap(({ plan }, index) => {
    if (plan === undefined) return reply.signatures[index] === unknown ? [] : ["a foreign input was signed"];
    const witness = witnesses[index];
    return [witness === undefined ? "no signature" : verdict({ tx, index, spent, witness })];
  });
};
