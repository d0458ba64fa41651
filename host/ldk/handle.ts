/** A node as its owner holds it: a method a command. */

import type { Answer, Asked, CommandName } from "./commands.ts";
import type { Supervised } from "./supervise.ts";
import type { NodeEvent } from "./told.ts";

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

export const nodeOf = ({ id, ask, events, stop }: Supervised): LdkNode => {
  const commands = Object.fromEntries(
    (Object.keys(commandNames) as readonly CommandName[]).map((name) => [
      name,
      (asked?: unknown) => ask(name, asked),
    ]),
  );
  return { ...(commands as { readonly [N in CommandName]: Method<N> }), id, events, stop };
};
