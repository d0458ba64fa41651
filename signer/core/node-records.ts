/** What the node knows beside its channels, as bytes on disk. The same promises as `records.ts`. */

import type * as P from "micro-packed";
import {
  bool,
  choice,
  fixed,
  isKnown,
  list,
  maybe,
  message,
  packedFields,
  text,
  u8,
  u32,
  u64,
  unpack,
} from "../../protocol/codec.ts";
import { maxAllowed } from "../../protocol/operations/admin.ts";
import * as f from "../../protocol/operations/fields.ts";
import { paymentKind } from "../../protocol/operations/payment.ts";
import { fact } from "../../protocol/outcome.ts";
import { maxFunds, type OutpointState } from "./outpoints.ts";
import { ofVersion } from "./records.ts";
import {
  type Allowlist,
  type Approval,
  freshNode,
  freshPayment,
  type NodeState,
  type Payment,
} from "./state.ts";

const byte = u8("record version", (n) => n);
const sum = u64<bigint>("millisatoshi", (n) => n);
const seconds = u32("seconds since 1970", (n) => n);
const digest = fixed("content hash", 32, (bytes) => bytes);

/** 24 whole hours and the two that are begun. */
const window = list(message("Spent", { hour: u32("hours since 1970", (n) => n), amount: sum }), 26);

const node = {
  1: packedFields({ version: byte, nextChannel: f.channel }),
  2: packedFields({
    version: byte,
    nextChannel: f.channel,
    time: seconds,
    windows: message("Windows", {
      sent: window,
      funded: window,
      trimmed: window,
      fees: window,
      lost: window,
    }),
    nextWallet: u32("wallet index", (n) => n),
  }),
} as const;

export const packNode = (state: NodeState): Uint8Array => node[2].encode({ version: 2, ...state });

export const unpackNode = (bytes: Uint8Array): NodeState => {
  const readers = node as unknown as Readonly<Record<number, P.CoderType<NodeState & { version: number }>>>;
  const { version: _, ...state } = unpack(ofVersion(readers, bytes), bytes);
  return { ...freshNode, ...state };
};

const intent = message("Intent", {
  content: digest,
  kind: paymentKind,
  amount: sum,
  feeLimit: sum,
  payee: maybe(f.node),
  at: seconds,
  until: seconds,
});

const paymentFields = {
  version: byte,
  hash: f.hash,
  settledIn: sum,
  settledOut: sum,
  intent: maybe(intent),
  issued: maybe(message("Issued", { amount: maybe(sum), until: seconds })),
};
/** Most have no preimage, and are what they were before there was a second version. */
const payment = {
  1: packedFields(paymentFields),
  2: packedFields({ ...paymentFields, preimage: f.preimage }),
} as const;

export const packPayment = ({ preimage, ...state }: Payment): Uint8Array =>
  isKnown(preimage)
    ? payment[2].encode({ version: 2, ...state, preimage })
    : payment[1].encode({ version: 1, ...state });
export const unpackPayment = (bytes: Uint8Array): Payment => {
  const readers = payment as unknown as Readonly<Record<number, P.CoderType<Payment & { version: number }>>>;
  const { version: _, ...state } = unpack(ofVersion(readers, bytes), bytes);
  return { ...freshPayment(state.hash), ...state };
};

const approval: P.CoderType<Approval & { version: number }> = packedFields({
  version: byte,
  id: digest,
  subject: choice("Subject", ["payment", "outputs", "opening"]),
  standing: choice("ApprovalStanding", ["pending", "approved", "denied"]),
  amount: sum,
  shown: list(fact, 32),
  asked: seconds,
  until: seconds,
  by: text("approver", 256),
  intent: maybe(message("ApprovedIntent", { hash: f.hash, intent })),
  bound: maybe(f.outpoint),
});

export const packApproval = (state: Approval): Uint8Array => approval.encode({ version: 1, ...state });
export const unpackApproval = (bytes: Uint8Array): Approval => {
  const { version: _, ...state } = unpack(ofVersion({ 1: approval }, bytes), bytes);
  return state;
};

const allowlist: P.CoderType<Allowlist & { version: number }> = packedFields({
  version: byte,
  scripts: list(f.script, maxAllowed),
  payees: list(f.node, maxAllowed),
});

export const packAllowlist = (state: Allowlist): Uint8Array => allowlist.encode({ version: 1, ...state });
export const unpackAllowlist = (bytes: Uint8Array): Allowlist => {
  const { version: _, ...state } = unpack(ofVersion({ 1: allowlist }, bytes), bytes);
  return state;
};

const outpoint: P.CoderType<OutpointState & { version: number }> = packedFields({
  version: byte,
  outpoint: f.outpoint,
  value: maybe(f.sat),
  foreign: bool,
  funds: list(f.txid, maxFunds),
  fees: sum,
  sent: sum,
  at: seconds,
});

export const packOutpoint = (state: OutpointState): Uint8Array => outpoint.encode({ version: 1, ...state });
export const unpackOutpoint = (bytes: Uint8Array): OutpointState => {
  const { version: _, ...state } = unpack(ofVersion({ 1: outpoint }, bytes), bytes);
  return state;
};
