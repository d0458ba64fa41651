/** What happens in the node, a line each, for people. */

import type { NodeEvent } from "../../host/ldk/index.ts";
import { msat } from "../../protocol/units.ts";
import { grouped, showCount, showMsat } from "../../signer/policy/amounts.ts";
import { plain } from "../json.ts";

const short = 16;
/** Enough to tell it from others; the commands take the beginning of a channel's id. */
export const brief = (id: string): string => (id.length <= short ? id : `${id.slice(0, short)}…`);

export const eventText = (event: NodeEvent): string => {
  switch (event.is) {
    case "started":
      return `The node is there, at height ${grouped(event.height)}.`;
    case "block":
      return `Block ${grouped(event.height)}.`;
    case "peerConnected":
      return `Connected to ${event.node}.`;
    case "peerDisconnected":
      return `Lost ${event.node}.`;
    case "channelPending":
      return `Channel ${brief(event.channel)} with ${brief(event.node)} waits for its funding ${event.funding}.`;
    case "channelReady":
      return `Channel ${brief(event.channel)} with ${brief(event.node)} is ready.`;
    case "channelClosed":
      return `Channel ${brief(event.channel)} with ${brief(event.node)} is closed: ${plain(event.reason)}${
        event.detail === "" ? "" : ` (${plain(event.detail)})`
      }.`;
    case "paymentReceived":
      return `Received ${showMsat(msat(event.msat))} under ${brief(event.hash)}.`;
    case "paymentHeld":
      return `${showMsat(msat(event.msat))} under ${brief(event.hash)} wait to be claimed.`;
    case "paymentSent":
      return `Paid ${brief(event.hash)}, for a fee of ${showMsat(msat(event.feeMsat))}.`;
    case "paymentFailed":
      return `Payment ${brief(event.hash ?? event.id)} failed: ${plain(event.reason)}.`;
    case "paymentForwarded":
      return `Forwarded a payment and earned ${showMsat(msat(event.feeMsat))}${event.onChain ? ", on the chain" : ""}.`;
    case "spendable":
      return `${showCount(event.outputs, "output")} of closed channels can be swept.`;
    case "trouble":
      return `TROUBLE: ${plain(event.what)}: ${plain(event.reason)}`;
    case "refused":
      return `REFUSED: ${event.operation} by ${plain(event.rule)}: ${plain(event.sentence)}${
        event.waits ? " It is asked again until it passes." : ""
      }`;
    case "signer":
      return `The signer is ${event.state === "connected" ? "there" : "away: nothing is signed until it is back"}.`;
    case "log":
      return `LDK: ${plain(event.level)}: ${plain(event.text)}`;
    case "restarted":
      return `TROUBLE: the node began anew from disk: ${plain(event.reason)}`;
    case "failed":
      return `FAULT: the node is down: ${plain(event.reason)}`;
    case "stopped":
      return "The node has stopped.";
  }
};

/** Each block, and LDK's own lines, are for scripts alone. */
export const isForPeople = ({ is }: { readonly is: string }): boolean => is !== "block" && is !== "log";

/** As `--json` prints it: `event` for what happened, beside the rest of it. */
export const flat = ({ is, ...rest }: { readonly is: string }): Readonly<Record<string, unknown>> => ({
  event: is,
  ...rest,
});
