/** What each command of the control socket does with the node. */

import { CommandFailed, type LdkNode } from "../../host/ldk/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Answer, Asked, ControlName, ControlReply } from "./control.ts";

type Doing = {
  readonly [N in Exclude<ControlName, "events" | "stop">]: (asked: Asked<N>) => Promise<Answer<N>>;
};

export type Failed = Pick<Extract<ControlReply, { is: "failed" }>, "kind" | "reason">;

/** Names of errors come from the node's own threads. */
const kinds: Readonly<Record<string, Failed["kind"]>> = {
  Refused: "refused",
  NotApproved: "notApproved",
  NotDone: "notDone",
  Malformed: "invalid",
  Interrupted: "stopped",
  Unanswered: "stopped",
};

export const failedOf = (error: unknown): Failed => {
  if (error instanceof CommandFailed) return { kind: kinds[error.name] ?? "fault", reason: error.message };
  if (error instanceof Malformed) return { kind: "invalid", reason: error.message };
  return { kind: "fault", reason: error instanceof Error ? error.message : String(error) };
};

const notDone = (reason: string): CommandFailed => new CommandFailed("NotDone", reason);

type Chosen = Awaited<ReturnType<LdkNode["channels"]>>[number];

const chosen = async (node: LdkNode, prefix: string): Promise<Chosen> => {
  const all = await node.channels();
  const fitting = all.filter(({ channel }) => channel.startsWith(prefix));
  const [only, second] = fitting;
  if (only === undefined) throw notDone(`no channel begins with ${prefix}`);
  if (second !== undefined)
    throw notDone(`${fitting.length} channels begin with ${prefix}: give more of the id`);
  return only;
};

const nothing = async (done: Promise<unknown>): Promise<Record<string, never>> => {
  await done;
  return {};
};

export const deskOf = (node: LdkNode): Doing => ({
  info: () => node.info().then((info) => ({ ...info, peers: [...info.peers] })),
  connect: (asked) => nothing(node.connect(asked)),
  disconnect: (asked) => nothing(node.disconnect(asked)),
  open: async (asked) => ({ channel: await node.open(asked) }),
  channels: async () => ({ channels: [...(await node.channels())] }),
  invoice: (asked) => node.invoice(asked),
  pay: (asked) => node.pay(asked),
  keysend: (asked) => node.keysend(asked),
  offer: async (asked) => ({ offer: await node.offer(asked) }),
  payOffer: (asked) => node.payOffer(asked),
  payments: async ({ last }) => {
    const all = await node.payments();
    return { payments: all.slice(-last), more: Math.max(0, all.length - last) };
  },
  address: async () => ({ address: (await node.address()).address }),
  balance: () => node.balance(),
  close: async ({ channel: prefix }) => {
    const { channel, node: peer } = await chosen(node, prefix);
    await node.close({ channel, node: peer });
    return { channel };
  },
  forceClose: async ({ channel: prefix }) => {
    const { channel, node: peer } = await chosen(node, prefix);
    await node.forceClose({ channel, node: peer });
    return { channel };
  },
  sync: async () => ({ height: await node.sync() }),
});
