/** Answers of the node as tables and sentences. */

import { type Msat, msat, sat } from "../../protocol/units.ts";
import { printAddress } from "../../signer/config.ts";
import { grouped, showMsat, showSat } from "../../signer/policy/amounts.ts";
import { plain } from "../json.ts";
import { table } from "../terminal.ts";
import type { Answer } from "./control.ts";
import { brief } from "./told.ts";

type View = Answer<"channels">["channels"][number];
type Row = Answer<"payments">["payments"][number];

export const infoText = ({ node, network, height, peers, listening }: Answer<"info">): string =>
  table([
    ["node", node],
    ["network", network],
    ["height", grouped(height)],
    ["peers", String(peers.length)],
    ["address", listening === undefined ? "none: it does not listen" : `${node}@${printAddress(listening)}`],
  ]);

const stateOf = ({
  shutdown,
  isReady,
  isUsable,
  confirmations = 0,
  confirmationsNeeded = 0,
}: View): string => {
  if (shutdown !== undefined && shutdown !== "NotShuttingDown") return "closing";
  if (!isReady)
    return confirmations < confirmationsNeeded
      ? `opening: ${confirmations} of ${confirmationsNeeded} blocks`
      : "opening";
  return isUsable ? "ready" : "ready, the peer is away";
};

export const channelsText = ({ channels }: Answer<"channels">): string =>
  channels.length === 0
    ? "No channels."
    : table([
        ["channel", "with", "size", "can send", "can receive", "", ""],
        ...channels.map((one) => [
          brief(one.channel),
          brief(one.node),
          showSat(sat(one.valueSat)),
          showMsat(msat(one.outboundMsat)),
          showMsat(msat(one.inboundMsat)),
          stateOf(one),
          one.htlcs === 0 ? "" : `${one.htlcs} payments under way`,
        ]),
      ]);

export const balanceText = ({ wallet, channelsMsat, closingSat, sweepingSat }: Answer<"balance">): string =>
  table([
    ["in the wallet", showSat(sat(wallet.confirmed))],
    ...(wallet.immature === 0n ? [] : [["  not ripe yet", showSat(sat(wallet.immature))]]),
    ...(wallet.taken === 0n ? [] : [["  in transactions under way", showSat(sat(wallet.taken))]]),
    ["in channels, to send", showMsat(msat(channelsMsat))],
    ...(closingSat === 0n ? [] : [["in channels that close", showSat(sat(closingSat))]]),
    ...(sweepingSat === 0n ? [] : [["on the way to the wallet", showSat(sat(sweepingSat))]]),
  ]);

const amountOf = ({ msat: n }: Row): string => (n === 0n ? "any" : showMsat(msat(n)));

export const paymentsText = ({ payments, more }: Answer<"payments">): string => {
  if (payments.length === 0) return "No payments.";
  const rows = payments.map((one) => [
    one.direction,
    one.state,
    amountOf(one),
    one.feeMsat === undefined ? "" : showMsat(msat(one.feeMsat)),
    brief(one.hash ?? one.id),
    one.reason === undefined ? "" : plain(one.reason),
  ]);
  const shown = table([["", "", "amount", "fee", "hash", ""], ...rows]);
  return more === 0 ? shown : `... and ${grouped(more)} before\n${shown}`;
};

export const settledText = ({ preimage, feeMsat }: Answer<"pay">): string =>
  table([
    ["paid for a fee of", showMsat(msat(feeMsat))],
    ["preimage", preimage],
  ]);

/** Milliseconds as a person counts them. */
export const showElapsed = (ms: number): string => `${Math.round(ms / 1_000)} s`;

export const payingText = (what: string, amount: Msat | undefined): string =>
  amount === undefined ? `Paying ${what}` : `Paying ${showMsat(amount)} to ${what}`;
