/** What the node can be asked, from another thread: the table of commands, and what each does. */

import {
  ChannelId,
  Option_u32Z,
  Result_ChannelIdAPIErrorZ_OK,
  type Result_NoneAPIErrorZ,
} from "lightningdevkit";
import { addressOf } from "../../protocol/bitcoin/address.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { feerate as feerateOf, sat, msat as toMsat } from "../../protocol/units.ts";
import { type NodeConfig, userConfig } from "./config.ts";
import type { Engine } from "./engine.ts";
import { failureOf } from "./errors.ts";
import type { Keys } from "./keys/keys.ts";
import type { PaymentRow, Settled } from "./ledger.ts";
import { exactly } from "./library.ts";
import { noUserId } from "./opening.ts";
import type { InvoiceRequest } from "./payments.ts";
import type { Address } from "./peers.ts";
import { NotDone } from "./turn.ts";
import { type BalanceView, balanceView, type ChannelView, channelView } from "./views.ts";

export interface NodeInfo {
  readonly node: string;
  readonly network: Network;
  readonly height: number;
  readonly peers: readonly string[];
  readonly listening: Address | undefined;
}

export interface OpenRequest {
  readonly node: string;
  readonly valueSat: bigint;
  readonly pushMsat?: bigint;
  readonly announced?: boolean;
}

/** One entry a command: what it is given and what it gives. */
export interface Commands {
  info: { readonly asked: undefined; readonly answer: NodeInfo };
  connect: {
    readonly asked: { readonly node: string; readonly address: Address };
    readonly answer: undefined;
  };
  disconnect: { readonly asked: { readonly node: string }; readonly answer: undefined };
  /** Answers with the channel's id once the funding transaction is made. */
  open: { readonly asked: OpenRequest; readonly answer: string };
  close: {
    readonly asked: { readonly channel: string; readonly node: string; readonly feerate?: number };
    readonly answer: undefined;
  };
  forceClose: {
    readonly asked: { readonly channel: string; readonly node: string };
    readonly answer: undefined;
  };
  invoice: {
    readonly asked: InvoiceRequest;
    readonly answer: { readonly invoice: string; readonly hash: string };
  };
  pay: {
    readonly asked: { readonly invoice: string; readonly msat?: bigint; readonly feeLimitMsat?: bigint };
    readonly answer: Settled;
  };
  keysend: {
    readonly asked: { readonly node: string; readonly msat: bigint; readonly feeLimitMsat?: bigint };
    readonly answer: Settled;
  };
  /** Of a payment that is held. */
  claim: { readonly asked: { readonly hash: string }; readonly answer: undefined };
  reject: { readonly asked: { readonly hash: string }; readonly answer: undefined };
  offer: { readonly asked: { readonly description: string }; readonly answer: string };
  payOffer: {
    readonly asked: {
      readonly offer: string;
      readonly msat: bigint;
      readonly feeLimitMsat?: bigint;
      readonly note?: string;
    };
    readonly answer: Settled;
  };
  /** A fresh address of the wallet, with its script. */
  address: {
    readonly asked: undefined;
    readonly answer: { readonly address: string; readonly script: Uint8Array };
  };
  balance: { readonly asked: undefined; readonly answer: BalanceView };
  channels: { readonly asked: undefined; readonly answer: readonly ChannelView[] };
  payments: { readonly asked: undefined; readonly answer: readonly PaymentRow[] };
  /** Looks at the chain now; answers with the height that LDK has. */
  sync: { readonly asked: undefined; readonly answer: number };
}

export type CommandName = keyof Commands;
export type Asked<N extends CommandName> = Commands[N]["asked"];
export type Answer<N extends CommandName> = Commands[N]["answer"];
export type Doing = { readonly [N in CommandName]: (asked: Asked<N>) => Promise<Answer<N>> };

export interface DoingParts {
  readonly engine: Engine;
  readonly keys: Keys;
  readonly curve: Curve;
  readonly network: Network;
  readonly config: NodeConfig;
  readonly listening: Address | undefined;
}

/** What LDK needs for itself and for the fee of the first commitment is its own to check. */
const leastChannel = 20_000n;

export const commandsOf = ({ engine, keys, curve, network, config, listening }: DoingParts): Doing => {
  const { manager, monitors, turns, peers, payments, offers, ledger, coins, sweeps, blocks, openings } =
    engine;

  const nodeOf = (text: string): Uint8Array => {
    const bytes = fromHex(text);
    if (!curve.isPoint(bytes)) throw new NotDone(`not a node id: ${text}`);
    return bytes;
  };
  const channelOf = (text: string): ChannelId =>
    ChannelId.constructor_new(exactly(32, fromHex(text), "a channel's id"));

  const done = (result: Result_NoneAPIErrorZ): undefined => {
    if (!result.is_ok()) throw new NotDone(failureOf(result));
    return undefined;
  };

  const open = async ({ node, valueSat, pushMsat = 0n, announced }: OpenRequest): Promise<string> => {
    const peer = nodeOf(node);
    const [value, push] = [sat(valueSat), toMsat(pushMsat)];
    if (valueSat < leastChannel) throw new NotDone(`a channel needs at least ${leastChannel} sat`);
    // LDK would keep the opening for a peer that it knows, and say nothing.
    if (!peers.connected().includes(node)) throw new NotDone(`not connected to ${node}`);
    if (coins.balance().confirmed < valueSat)
      throw new NotDone(`the wallet has ${coins.balance().confirmed} sat, too little for ${valueSat} sat`);
    await keys.prepare();
    return turns
      .take(() => {
        const result = manager.create_channel(
          peer,
          value,
          push,
          noUserId,
          null,
          announced === undefined ? null : userConfig(config, announced),
        );
        if (!(result instanceof Result_ChannelIdAPIErrorZ_OK)) throw new NotDone(failureOf(result));
        return { opened: openings.wait(toHex(result.res.get_a())) };
      })
      .then(({ opened }) => opened);
  };

  return {
    info: async () => ({
      ...{ node: toHex(keys.nodeId), network, listening },
      height: blocks.tip().height,
      peers: peers.connected(),
    }),
    connect: async ({ node, address }) => {
      await peers.connect(node, address);
      return undefined;
    },
    disconnect: async ({ node }) => {
      await peers.disconnect(node);
      return undefined;
    },
    open,
    close: async ({ channel, node, feerate }) => {
      const [id, peer] = [channelOf(channel), nodeOf(node)];
      const rate = feerate === undefined ? undefined : feerateOf(feerate);
      return turns.take(() =>
        done(
          rate === undefined
            ? manager.close_channel(id, peer)
            : manager.close_channel_with_feerate_and_script(
                id,
                peer,
                Option_u32Z.constructor_some(rate),
                null,
              ),
        ),
      );
    },
    forceClose: async ({ channel, node }) => {
      const [id, peer] = [channelOf(channel), nodeOf(node)];
      return turns.take(() =>
        done(
          manager.force_close_broadcasting_latest_txn(id, peer, "the owner of the node closes the channel"),
        ),
      );
    },
    invoice: (asked) => payments.invoice(asked),
    pay: (asked) => payments.pay(asked),
    keysend: (asked) => payments.keysend(asked),
    claim: async ({ hash }) => {
      const preimage = ledger.held(hash);
      if (preimage === undefined) throw new NotDone("no payment of that hash is held");
      const bytes = exactly(32, fromHex(preimage), "a preimage");
      await turns.take(() => manager.claim_funds(bytes));
      return undefined;
    },
    reject: async ({ hash }) => {
      const bytes = exactly(32, fromHex(hash), "a payment hash");
      if (ledger.held(hash) === undefined) throw new NotDone("no payment of that hash is held");
      await turns.take(() => manager.fail_htlc_backwards(bytes));
      return undefined;
    },
    offer: (asked) => offers.make(asked),
    payOffer: (asked) => offers.pay(asked),
    address: async () => {
      const script = await coins.address();
      return { address: addressOf(network, script), script };
    },
    balance: () => turns.take(() => balanceView({ manager, monitors, coins, sweeps })),
    channels: () => turns.take(() => manager.list_channels().map(channelView)),
    payments: async () => ledger.all(),
    sync: () => engine.sync(),
  };
};
