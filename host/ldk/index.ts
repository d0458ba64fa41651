/** An LDK node whose keys are elsewhere. It runs in a worker that is begun again from disk when LDK panics. */

import type { Answer, Asked, CommandName } from "./commands.ts";
import { type NodeOptions, startWorker } from "./launch.ts";
import { supervise } from "./supervise.ts";
import type { NodeEvent } from "./told.ts";

export type { Commands, NodeInfo, OpenRequest } from "./commands.ts";
export type { NodeConfig } from "./config.ts";
export type { NodeOptions } from "./launch.ts";
export type { PaymentRow, Settled } from "./ledger.ts";
export type { Address } from "./peers.ts";
export { CommandFailed } from "./supervise.ts";
export type { NodeEvent } from "./told.ts";
export type { BalanceView, ChannelView } from "./views.ts";

type Method<N extends CommandName> =
  undefined extends Asked<N> ? () => Promise<Answer<N>> : (asked: Asked<N>) => Promise<Answer<N>>;

export type LdkNode = { readonly [N in CommandName]: Method<N> } & {
  /** The node id. */
  readonly id: string;
  /** From when it is asked for; each asker has all of them. Ends when the node stops. */
  events(): AsyncIterableIterator<NodeEvent>;
  stop(): Promise<void>;
};

/** As an object, so that a command which is forgotten here does not compile. */
const commandNames: Readonly<Record<CommandName, true>> = {
  ...{ info: true, connect: true, disconnect: true, sync: true },
  ...{ open: true, close: true, forceClose: true, channels: true },
  ...{ invoice: true, pay: true, keysend: true, claim: true, reject: true, payments: true },
  ...{ offer: true, payOffer: true, address: true, balance: true },
};

export const startNode = async (options: NodeOptions): Promise<LdkNode> => {
  const { id, ask, events, stop } = await supervise({
    start: () => startWorker(options),
    mostRestarts: options.mostRestarts ?? 5,
  });
  const commands = Object.fromEntries(
    (Object.keys(commandNames) as readonly CommandName[]).map((name) => [
      name,
      (asked?: unknown) => ask(name, asked),
    ]),
  );
  return { ...(commands as { readonly [N in CommandName]: Method<N> }), id, events, stop };
};
