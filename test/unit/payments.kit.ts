/** Channels and views that say just what a test of payments is about; everything else of them is plain. */

import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Terms } from "../../protocol/operations/fields.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import { type ChannelId, feerate, type Height } from "../../protocol/units.ts";
import { openLedger } from "../../signer/core/payments/ledger.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import {
  type ChannelState,
  type CounterpartyVariant,
  freshNode,
  freshPayment,
  type HolderVariant,
  type Intent,
  type Issued,
  type Live,
  noAllowlist,
  type Payment,
  type Settled,
  type Variant,
} from "../../signer/core/state.ts";
import { type Outlook, type Settings, type Turn, unwatched, type View } from "../../signer/core/step.ts";
import { channelStates } from "../frozen/records.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";

export const now = 1_700_000_000;

const template = channelStates["open"] as ChannelState & { readonly phase: "open" };
const [holderTemplate] = template.holder.variants as readonly [HolderVariant];
const [counterpartyTemplate] = template.counterparty.variants as readonly [CounterpartyVariant];

/** What a commitment says, as far as it matters. */
export type Said = Partial<Pick<Variant, "htlcs" | "trimmed" | "settled" | "hidden" | "feerate">>;

const nothing = {
  htlcs: [],
  trimmed: [],
  settled: [],
  hidden: { lost: 0n, gained: 0n },
  feerate: feerate(1_000),
} satisfies Said;

/** Of lists of its own, for what is read off a list is remembered with it. */
const plain = (said: Said): Required<Said> => ({ ...nothing, htlcs: [], settled: [], ...said });

export const counterpartyOf = (said: Said): CounterpartyVariant => ({
  ...counterpartyTemplate,
  ...plain(said),
});

export const openOf = (
  ours: readonly Said[],
  theirs: readonly Said[],
  terms: Partial<Terms> = {},
): ChannelState & Live => ({
  ...template,
  setup: { ...template.setup, terms: plainTerms(terms) },
  holder: { ...template.holder, variants: ours.map((one) => ({ ...holderTemplate, ...plain(one) })) },
  counterparty: { ...template.counterparty, variants: theirs.map(counterpartyOf) },
});

/** A channel of which both sides have one commitment, that say the same. */
export const agreed = (said: Said, terms: Partial<Terms> = {}): ChannelState & Live =>
  openOf([said], [said], terms);

export const out = (amount: bigint, label = "tea", expiry?: number) =>
  htlcOf("holder", amount, label, expiry);
export const into = (amount: bigint, label = "tea", expiry?: number) =>
  htlcOf("counterparty", amount, label, expiry);
export const hashOf = (label = "tea") => out(1n, label).hash;
export const keyOf = (label = "tea"): string => toHex(hashOf(label));
export const settled = (inward: bigint, outward: bigint, label = "tea"): Settled => ({
  hash: hashOf(label),
  in: inward,
  out: outward,
});

export const intentOf = (changes: Partial<Intent> = {}): Intent => ({
  content: new Uint8Array(32),
  kind: "keysend",
  amount: 0n,
  feeLimit: 0n,
  payee: unknown,
  at: now,
  until: now + 86_400,
  ...changes,
});

export const issuedUntil = (until: number): Issued => ({ amount: unknown, until });

export const paymentOf = (changes: Partial<Payment> = {}, label = "tea"): Payment => ({
  ...freshPayment(hashOf(label)),
  ...changes,
});

export const paymentsOf = (...all: readonly Payment[]): ReadonlyMap<string, Payment> =>
  new Map(all.map((one) => [toHex(one.hash), one]));

export const idOf = (n: number): ChannelId => BigInt(n) as ChannelId;

export const atHeight = (height: number, changes: Partial<Outlook> = {}): Outlook => ({
  ...unwatched,
  height: height as Height,
  ...changes,
});

/** Channels by their ids from 0 on; the first one is what the request is about. */
export const viewOf = (channels: readonly ChannelState[], changes: Partial<View> = {}): View => {
  const ledger = openLedger();
  const byId = new Map(channels.map((channel, n) => [idOf(n), channel]));
  for (const [id, channel] of byId) ledger.update(id, undefined, channel);
  return {
    node: freshNode,
    channel: channels[0],
    channels: byId,
    payments: new Map(),
    approvals: new Map(),
    outpoints: new Map(),
    allowlist: noAllowlist,
    ledger,
    refusedHolder: undefined,
    chain: { view: undefined, onchain: new Map(), upload: undefined },
    purse: { coins: new Map(), scripts: new Map() },
    outlook: unwatched,
    now,
    ...changes,
  };
};

export const settingsOf = (policy: Partial<Policy> = {}, changes: Partial<Settings> = {}): Settings => ({
  network: "regtest",
  tier: "full",
  policy: { ...defaultPolicy("regtest"), ...policy },
  curve: undefined as unknown as Settings["curve"],
  software: "test",
  ...changes,
});

/** One request's turn, as the session gives it to a step. */
export const turnOf = <N extends Name, P>(
  body: Request<N>,
  view: View,
  { settings = settingsOf(), prepared }: { settings?: Settings; prepared?: P } = {},
): Turn<N, P> => ({
  ...{ body, view, settings, prepared },
  hash: new Uint8Array(32),
  known: { points: [] },
  outcomes: [],
});
