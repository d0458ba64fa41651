/** The node's own announcement (BOLT 7, `node_announcement`): again each hour, and when a channel is ready. */

import { isIPv4 } from "node:net";
import { type PeerManager, SocketAddress } from "lightningdevkit";
import type { NodeConfig } from "./config.ts";
import type { Address } from "./peers.ts";
import type { Turns } from "./turn.ts";

export interface Announcer {
  /** From now on, with this address where it has a public form. */
  begin(address: Address | undefined): void;
  again(): void;
  stop(): void;
}

export interface AnnouncerParts {
  readonly peerManager: PeerManager;
  readonly turns: Turns;
  readonly config: NodeConfig;
}

const period = 60 * 60 * 1_000;
const colour = Uint8Array.of(0x3c, 0x64, 0x82);

const aliasOf = (text: string): Uint8Array => {
  const alias = new Uint8Array(32);
  const { written } = new TextEncoder().encodeInto(text, alias);
  return written === 0 ? new Uint8Array(32) : alias;
};

const socketAddress = ({ host, port }: Address): SocketAddress | undefined =>
  isIPv4(host)
    ? SocketAddress.constructor_tcp_ip_v4(Uint8Array.from(host.split("."), Number), port)
    : undefined;

export const openAnnouncer = ({ peerManager, turns, config }: AnnouncerParts): Announcer => {
  let address: Address | undefined;
  let timer: NodeJS.Timeout | undefined;
  const again = (): void => {
    if (timer === undefined) return;
    turns
      .take(() => {
        const reached = address === undefined ? undefined : socketAddress(address);
        peerManager.broadcast_node_announcement(
          colour,
          aliasOf(config.alias ?? ""),
          reached === undefined ? [] : [reached],
        );
      })
      .catch(() => undefined);
  };
  return {
    begin: (listening) => {
      if (config.announced !== true) return;
      address = config.externalAddress ?? listening;
      timer = setInterval(again, period);
      again();
    },
    again,
    stop: () => clearInterval(timer),
  };
};
