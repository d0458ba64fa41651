/** States of every shape that a record has, put together so that no two fields hold the same. */

import type { Shape } from "../../protocol/codec.ts";
import * as f from "../../protocol/operations/fields.ts";
import type { ChannelState, NodeState } from "../../signer/core/state.ts";
import { exampleOf } from "./example.ts";

const counter = { at: 0 };
const of = <T>(field: { readonly shape: Shape }): T => exampleOf(field.shape, counter) as T;
const digest = (): Uint8Array => of({ shape: { kind: "bytes", length: 32, unit: "hash" } });

const variant = (n: bigint, trimmed: "known" | "unknown") => ({
  hash: digest(),
  txid: of(f.txid) as never,
  number: n as never,
  feerate: of(f.feerate) as never,
  toHolder: of(f.sat) as never,
  toCounterparty: of(f.sat) as never,
  htlcs: of(f.htlcs) as never,
  trimmed: trimmed === "known" ? (of(f.htlcs) as never) : ("unknown" as const),
  balance: { low: of<bigint>(f.msat), high: of<bigint>(f.msat) },
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

export const nodeState: NodeState = { nextChannel: 258n as never };

export const channelStates: Readonly<Record<string, ChannelState>> = {
  stub: { phase: "stub" },
  open: open("open"),
  closing: open("closing"),
};
