/** `countersign node connect`, `open`, `close`, `force-close`. */

import type { Command } from "commander";
import { type Msat, toMsat } from "../../protocol/units.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type AdminOptions, print } from "../admin.ts";
import { toJson } from "../json.ts";
import { openTerminal } from "../terminal.ts";
import { parseNodeId, parsePeer, parseSat } from "./arguments.ts";
import { type NodeClient, withNode } from "./client.ts";
import { asks, command } from "./look.ts";
import { channelsText } from "./text.ts";
import { brief } from "./told.ts";

const connect = (text: string, options: AdminOptions): Promise<void> => {
  const peer = parsePeer(text);
  return asks("connect", peer, () => `Connected to ${peer.node}.`)(options);
};

const disconnect = (text: string, options: AdminOptions): Promise<void> => {
  const node = parseNodeId(text);
  return asks("disconnect", { node }, () => `Left ${node}.`)(options);
};

interface OpenOptions extends AdminOptions {
  readonly push?: string;
  readonly announce?: true;
}

const pushOf = ({ push }: OpenOptions): { readonly pushMsat?: Msat } =>
  push === undefined ? {} : { pushMsat: toMsat(parseSat(push)) };

const open = (to: string, size: string, options: OpenOptions): Promise<void> => {
  const peer = to.includes("@") ? parsePeer(to) : { node: parseNodeId(to) };
  const asked = {
    ...{ node: peer.node, valueSat: parseSat(size), ...pushOf(options) },
    ...(options.announce === undefined ? {} : { announced: true }),
  };
  return withNode(options.dir, async ({ ask }) => {
    if ("address" in peer) await ask("connect", peer);
    const { channel } = await ask("open", asked);
    if (options.json) return print(toJson({ channel }));
    const { channels } = await ask("channels", {});
    const needed = channels.find((one) => one.channel === channel)?.confirmationsNeeded;
    const blocks = needed === undefined ? "" : ` It is ready when ${needed} blocks are on its funding.`;
    print(`Channel ${channel} is being opened.${blocks}`);
  });
};

const checkPrefix = (text: string): string => {
  const channel = text.toLowerCase().replace(/…$/, "");
  if (!/^[0-9a-f]{1,64}$/.test(channel))
    throw new SetupError("usage", `${text}: not a channel's id, or the beginning of one`);
  return channel;
};

const close = (text: string, options: AdminOptions): Promise<void> =>
  asks(
    "close",
    { channel: checkPrefix(text) },
    ({ channel }) => `Channel ${brief(channel)} is closed as soon as both sides have agreed on a fee.`,
  )(options);

/** The channel as a person sees it, and a question. */
const isMeant = async (ask: NodeClient["ask"], prefix: string): Promise<boolean> => {
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  try {
    if (!terminal.interactive)
      throw new SetupError("usage", "there is no terminal to ask on", "Give --yes to close it by force.");
    const { channels } = await ask("channels", {});
    terminal.tell(channelsText({ channels: channels.filter(({ channel }) => channel.startsWith(prefix)) }));
    terminal.tell(
      "Our own part stays locked for as long as the peer may contest, often days; fees are ours.",
    );
    return (await terminal.ask("Close it by force? [yes/no] ")).trim().toLowerCase() === "yes";
  } finally {
    terminal.close();
  }
};

const forceClose = (text: string, options: AdminOptions & { readonly yes?: true }): Promise<void> => {
  const prefix = checkPrefix(text);
  return withNode(options.dir, async ({ ask }) => {
    if (options.yes === undefined && !(await isMeant(ask, prefix)))
      throw new SetupError("interrupted", "nothing was closed");
    const { channel } = await ask("forceClose", { channel: prefix });
    print(options.json ? toJson({ channel }) : `Channel ${brief(channel)} is closed by our commitment.`);
  });
};

export const registerChannels = (node: Command): void => {
  command(node, "connect <node@host:port>", "go to a peer, now and whenever it is lost").action(connect);
  command(node, "disconnect <node>", "leave a peer and forget its address").action(disconnect);
  command(node, "open <node> <sat>", "open a channel; NODE@HOST:PORT connects first")
    .option("--push <sat>", "give the peer so much of it")
    .option("--announce", "tell the network of it, whatever node.toml says")
    .action(open);
  command(node, "close <channel>", "together with the peer; the beginning of the id is enough").action(close);
  command(node, "force-close <channel>", "without the peer, by publishing our commitment")
    .option("--yes", "ask nothing")
    .action(forceClose);
};
