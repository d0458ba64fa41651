/** `countersign device watch`: devices that come and go, and what state they are in, as it happens. */

import type { Command } from "commander";
import type { Found } from "../../protocol/wire/links/discover.ts";
import { watchDevices } from "../../protocol/wire/links/watch.ts";
import { linkIdentity, readPaired } from "../../signer/device/pairing.ts";
import { print } from "../admin.ts";
import { plain, toJson } from "../json.ts";
import { plainFound } from "./list.ts";
import { deviceDirectory } from "./reach.ts";
import { standingOf, standingText } from "./standing.ts";

export interface WatchOptions {
  readonly dir: string;
  readonly json?: true;
}

const everyMs = 1_000;

interface Event {
  readonly event: "plugged" | "unplugged" | "state";
  readonly text: string;
  readonly more: Readonly<Record<string, unknown>>;
}

/** Both lists by their addresses: what is new, and what is gone. */
export const changesOf = (before: readonly Found[], now: readonly Found[]): readonly Event[] => {
  const events = (event: "plugged" | "unplugged", all: readonly Found[], others: readonly Found[]) =>
    all
      .filter(({ written }) => !others.some((other) => other.written === written))
      .map((found) => ({
        event,
        text: `${event}: ${found.written} ${plain(found.product)}`.trimEnd(),
        more: plainFound(found),
      }));
  return [...events("unplugged", before, now), ...events("plugged", now, before)];
};

const watch = async ({ dir: place, json }: WatchOptions): Promise<void> => {
  const dir = deviceDirectory(place);
  const identity = linkIdentity(dir);
  const stop = Promise.withResolvers<"stop">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop.resolve("stop"));
  const tell = ({ event, text, more }: Event): void =>
    print(json ? toJson({ event, time: new Date().toISOString(), ...more }) : text);

  let there: readonly Found[] = [];
  const watching = watchDevices((found) => {
    for (const event of changesOf(there, found)) tell(event);
    there = found;
  });
  const said = new Map<string, string>();
  const look = async (): Promise<void> => {
    // Read each time: a device may be paired meanwhile.
    for (const device of readPaired(dir)) {
      const standing = await standingOf(dir, identity, device);
      const text = `${device.name}: ${standingText(standing)}`;
      if (said.get(device.name) === text) continue;
      said.set(device.name, text);
      tell({ event: "state", text, more: { device: device.name, standing } });
    }
  };
  const pause = async (): Promise<"stop" | "on"> => {
    const { promise, resolve } = Promise.withResolvers<"on">();
    const timer = setTimeout(() => resolve("on"), everyMs);
    const next = await Promise.race([stop.promise, promise]);
    clearTimeout(timer);
    return next;
  };
  try {
    do await look();
    while ((await pause()) === "on");
  } finally {
    watching.stop();
    identity.secret.wipe();
  }
};

export const registerWatch = (device: Command): void => {
  device
    .command("watch")
    .description("say when a device comes, goes, or changes its state, until Ctrl-C")
    .requiredOption("--dir <directory>", "the signer's directory, where its devices are known")
    .option("--json", "print JSON lines")
    .action(watch);
};
