/** `countersign device forget`: places on the device that channels still take which are over for the signer. */

import { type Command, InvalidArgumentError } from "commander";
import { unknown } from "../../protocol/codec.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { type ChannelId, channelId } from "../../protocol/units.ts";
import { type Admin, type AdminOptions, print, withAdmin } from "../admin.ts";
import { Unable } from "../exit.ts";
import { toJson } from "../json.ts";
import { withNodeOption } from "../nodes.ts";
import { exitOfResult, standingNow } from "./limits.ts";

interface Options extends AdminOptions {
  readonly channel?: ChannelId;
}

interface Told extends Pick<Reply<"deviceForget">, "result" | "because"> {
  readonly channel: ChannelId;
}

const channelOption = (text: string): ChannelId => {
  if (!/^(0|[1-9]\d{0,18})$/.test(text)) throw new InvalidArgumentError("It is the number of a channel.");
  return channelId(BigInt(text));
};

/** That the signer has forgotten, and the device has not. */
export const overIn = async (ask: Admin["ask"]): Promise<readonly ChannelId[]> => {
  const { result, because, channels } = await ask("deviceForget", { channel: unknown });
  if (result !== "done") throw new Unable(exitOfResult(result), because);
  return channels;
};

/** One after the other: each is a screen. Who can't be asked now can't be asked for the next either. */
export const forgetAll = async (
  ask: Admin["ask"],
  channels: readonly ChannelId[],
): Promise<readonly Told[]> => {
  const told: Told[] = [];
  for (const channel of channels) {
    const { result, because } = await ask("deviceForget", { channel });
    told.push({ channel, result, because });
    if (exitOfResult(result) === "unavailable") break;
  }
  return told;
};

const sentenceOf = ({ channel, result, because }: Told): string =>
  result === "done" ? `Channel ${channel} is forgotten.` : `Channel ${channel} is KEPT. ${because}`;

/** Undefined: all of them are forgotten. */
export const shortfall = (channels: readonly ChannelId[], told: readonly Told[]): Unable | undefined => {
  const done = told.filter(({ result }) => result === "done").length;
  if (done === channels.length) return undefined;
  const isCutShort = told.some(({ result }) => exitOfResult(result) === "unavailable");
  return new Unable(
    isCutShort ? "unavailable" : "refused",
    `${channels.length - done} of ${channels.length} still have their place on the device.`,
  );
};

const forget = (options: Options): Promise<void> =>
  withAdmin(options, async ({ ask }) => {
    const { name } = await standingNow(ask);
    const channels = options.channel === undefined ? await overIn(ask) : [options.channel];
    if (channels.length > 0)
      process.stderr.write(
        `On the device ${name}: look each channel up, and hold both buttons if it is over. Its keys never sign again.\n`,
      );
    const told = await forgetAll(ask, channels);
    if (options.json) print(toJson({ device: name, channels: told }));
    else if (channels.length === 0) print("No channel that is over has a place on the device.");
    else print(told.map(sentenceOf).join("\n"));
    const failure = shortfall(channels, told);
    if (failure !== undefined) throw failure;
  });

export const registerForget = (device: Command): void => {
  withNodeOption(
    device
      .command("forget")
      .description("free the places of channels that are over: the person at the device is asked about each")
      .requiredOption("--dir <directory>", "what init made"),
  )
    .option("--channel <number>", "this one alone", channelOption)
    .option("--json", "print JSON")
    .action(forget);
};
