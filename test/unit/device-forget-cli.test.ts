/** What `countersign device forget` asks for, and how it says what came of it. */

import { expect, test } from "vitest";
import type { Admin } from "../../cli/admin.ts";
import { forgetAll, overIn, shortfall } from "../../cli/device/forget.ts";
import { Unable } from "../../cli/exit.ts";
import { isKnown, type Maybe } from "../../protocol/codec.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { type ChannelId, channelId } from "../../protocol/units.ts";

const ids = (...all: readonly bigint[]): readonly ChannelId[] => all.map(channelId);
type Result = Reply<"deviceForget">["result"];

/** Of each channel in turn; `done` for the question which there are. */
const answering = (...results: readonly Result[]) => {
  const asked: Maybe<ChannelId>[] = [];
  const left = [...results];
  const ask = async (_: string, { channel }: { readonly channel: Maybe<ChannelId> }) => {
    asked.push(channel);
    const result = left.shift() ?? "done";
    return { result, because: result, channels: isKnown(channel) ? [] : ids(3n, 5n) };
  };
  return { ask: ask as unknown as Admin["ask"], asked };
};

test("the device says which there are, or nothing is asked for", async () => {
  expect(await overIn(answering("done").ask)).toEqual(ids(3n, 5n));
  await expect(overIn(answering("away").ask)).rejects.toMatchObject({ exit: "unavailable" });
  await expect(overIn(answering("none").ask)).rejects.toMatchObject({ exit: "refused" });
});

test("a no to one leaves the others to be asked about, and is not forgotten", async () => {
  const { ask, asked } = answering("denied", "done", "unknown");
  const channels = ids(1n, 2n, 3n);
  const told = await forgetAll(ask, channels);
  expect(asked).toEqual(channels);
  expect(told.map(({ result }) => result)).toEqual(["denied", "done", "unknown"]);
  expect(shortfall(channels, told)).toMatchObject({
    exit: "refused",
    message: expect.stringContaining("2 of 3"),
  });
});

test.each(["busy", "away"] as const)("who is %s is not asked about the next", async (result) => {
  const { ask, asked } = answering("done", result);
  const channels = ids(1n, 2n, 3n);
  const told = await forgetAll(ask, channels);
  expect(asked).toEqual(ids(1n, 2n));
  const failure = shortfall(channels, told);
  expect(failure).toBeInstanceOf(Unable);
  expect(failure).toMatchObject({ exit: "unavailable", message: expect.stringContaining("2 of 3") });
});

test("all of them, or none, is well", async () => {
  const channels = ids(1n, 2n);
  expect(shortfall(channels, await forgetAll(answering().ask, channels))).toBeUndefined();
  expect(shortfall([], [])).toBeUndefined();
});
