/** States of every shape that a record has, put together so that no two fields hold the same. */

import type { Shape } from "../../protocol/codec.ts";
import * as f from "../../protocol/operations/fields.ts";
import { fact } from "../../protocol/outcome.ts";
import { paymentHash, preimage } from "../../protocol/units.ts";
import type { OutpointState } from "../../signer/core/outpoints.ts";
import type { Allowlist, Approval, ChannelState, Intent, NodeState, Payment } from "../../signer/core/state.ts";
import { exampleOf } from "./example.ts";

const counter = { at: 0 };
const of = <T>(field: { readonly shape: Shape }): T => exampleOf(field.shape, counter) as T;
const digest = (): Uint8Array => of({ shape: { kind: "bytes", length: 32, unit: "hash" } });
const sum = (): bigint => of<bigint>(f.msat);
/** A second, an hour, an index: what fits into 32 bits. */
const small = (): number => of({ shape: { kind: "uint", bits: 32, max: 0xffff_ffffn, unit: "seconds" } });

const variant = (n: bigint, trimmed: "known" | "unknown") => ({
  hash: digest(),
  txid: of(f.txid) as never,
  number: n as never,
  feerate: of(f.feerate) as never,
  toHolder: of(f.sat) as never,
  toCounterparty: of(f.sat) as never,
  htlcs: of(f.htlcs) as never,
  trimmed: trimmed === "known" ? (of(f.htlcs) as never) : ("unknown" as const),
  balance: { low: sum(), high: sum() },
  settled: [
    { hash: of<never>(f.hash), in: sum(), out: sum() },
    { hash: of<never>(f.hash), in: sum(), out: 0n },
  ],
  hidden: { lost: sum(), gained: sum() },
});

const open = (phase: "open" | "closing"): ChannelState => ({
  phase,
  setup: {
    content: digest(),
    peer: of(f.node),
    terms: of(f.terms),
    holder: of(f.basepoints),
    counterparty: of(f.basepoints),
    funding: of(f.outpoint),
    closingScript: of(f.script),
  },
  holder: {
    revealed: 6n as never,
    variants: [
      { ...variant(6n, "known"), signature: of(f.signature), htlcSignatures: of(f.signatures) },
      { ...variant(7n, "unknown"), signature: of(f.signature), htlcSignatures: of(f.signatures) },
    ],
    broadcast: [6n, 7n] as never,
    past: { hashes: [digest(), digest()] },
  },
  counterparty: {
    revoked: 3n as never,
    variants: [{ ...variant(3n, "unknown"), point: of(f.point) }],
    secrets: [
      { number: 2n as never, secret: of(f.revocationSecret) },
      { number: 1n as never, secret: of(f.revocationSecret) },
    ],
    past: { hashes: [digest()] },
  },
});

const window = () => [
  { hour: small(), amount: sum() },
  { hour: small(), amount: sum() },
];
export const nodeState: NodeState = {
  nextChannel: 258n as never,
  time: small(),
  windows: { sent: window(), funded: window(), trimmed: window(), fees: window(), lost: window() },
  nextWallet: small(),
};

const intent = (kind: Intent["kind"], payee: Intent["payee"]): Intent => ({
  content: digest(),
  kind,
  amount: sum(),
  feeLimit: sum(),
  payee,
  at: small(),
  until: small(),
});
const payment = (rest: Pick<Payment, "intent" | "issued">): Payment => ({
  hash: of(f.hash),
  settledIn: sum(),
  settledOut: sum(),
  preimage: "unknown",
  ...rest,
});
const issued = (amount: bigint | "unknown") => ({ amount, until: small() });

export const paymentStates: Readonly<Record<string, Payment>> = {
  bare: payment({ intent: "unknown", issued: "unknown" }),
  intended: payment({ intent: intent("bolt12", of(f.node)), issued: "unknown" }),
  issued: payment({ intent: "unknown", issued: issued(sum()) }),
  rebalance: payment({ intent: intent("rebalance", "unknown"), issued: issued("unknown") }),
  /** Counted by hand, so that the examples after it stay what they were. */
  shown: {
    hash: paymentHash(new Uint8Array(32).fill(0xa1)),
    settledIn: 0xa2n,
    settledOut: 0xa3n,
    intent: "unknown",
    issued: { amount: 0xa4n, until: 0xa5 },
    preimage: preimage(new Uint8Array(32).fill(0xa6)),
  },
};

const approval = (rest: Pick<Approval, "subject" | "standing" | "by" | "intent" | "bound">): Approval => ({
  id: digest(),
  amount: sum(),
  shown: [of(fact), of(fact)],
  asked: small(),
  until: small(),
  ...rest,
});

export const approvalStates: Readonly<Record<string, Approval>> = {
  payment: approval({
    subject: "payment",
    standing: "pending",
    by: "",
    intent: { hash: of(f.hash), intent: intent("keysend", of(f.node)) },
    bound: "unknown",
  }),
  outputs: approval({
    subject: "outputs",
    standing: "approved",
    by: "approver 7",
    intent: "unknown",
    bound: of(f.outpoint),
  }),
  opening: approval({
    subject: "opening",
    standing: "denied",
    by: "approver 8",
    intent: "unknown",
    bound: "unknown",
  }),
};

export const channelStates: Readonly<Record<string, ChannelState>> = {
  stub: { phase: "stub" },
  open: open("open"),
  closing: open("closing"),
  forgotten: { phase: "forgotten" },
};

export const allowlistState: Allowlist = {
  scripts: [of(f.script), of(f.script)],
  payees: [of(f.node), of(f.node)],
};

const outpointState = (rest: Pick<OutpointState, "value" | "foreign" | "funds">): OutpointState => ({
  outpoint: of(f.outpoint),
  fees: sum(),
  sent: sum(),
  at: small(),
  ...rest,
});

export const outpointStates: Readonly<Record<string, OutpointState>> = {
  said: outpointState({ value: of(f.sat), foreign: false, funds: [] }),
  foreign: outpointState({ value: "unknown", foreign: true, funds: [] }),
  funding: outpointState({ value: "unknown", foreign: false, funds: [of(f.txid), of(f.txid)] }),
};
