/** Tells of devices that come and go. */

import { existsSync } from "node:fs";
import { discover, type Found } from "./discover.ts";
import { loadUsb } from "./libraries.ts";

export interface Watching {
  stop(): void;
}

export interface WatchOptions {
  /** Where the system does not tell, it is asked so often. */
  readonly pollMs?: number;
  readonly look?: () => Promise<readonly Found[]>;
}

const usualPollMs = 2_000;

/** Files of devices, and who may open them, come a while after the device. */
const laterMs = [0, 250, 1_000] as const;

// Without udev the library hears nothing; without USB it would end the process by an error that nobody can catch.
const hasEvents = (): boolean => existsSync("/run/udev/control") && existsSync("/sys/bus/usb/devices");

/** Calls back with what is there now, and after each change. A failed look is no change. */
export const watchDevices = (
  onChange: (found: readonly Found[]) => void,
  { pollMs = usualPollMs, look = discover }: WatchOptions = {},
): Watching => {
  let isStopped = false;
  let before = "";
  let looking: Promise<void> = Promise.resolve();
  const timers = new Set<NodeJS.Timeout>();

  const once = async (): Promise<void> => {
    if (isStopped) return;
    const found = await look().catch(() => undefined);
    if (found === undefined || isStopped) return;
    const now = JSON.stringify(
      found.map(({ written, serial, hindered }) => [written, serial, hindered?.why]),
    );
    if (now === before) return;
    before = now;
    onChange(found);
  };
  const lookAgain = (): void => {
    looking = looking.then(once);
  };
  const later = (ms: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      lookAgain();
    }, ms);
    timers.add(timer);
  };
  const poll = (): void => {
    const timer = setInterval(lookAgain, pollMs);
    timers.add(timer);
  };

  let unsubscribe = (): void => undefined;
  const subscribe = async (): Promise<void> => {
    const { usb } = await loadUsb();
    if (isStopped) return;
    const changed = (): void => laterMs.forEach(later);
    usb.addEventListener("connect", changed);
    usb.addEventListener("disconnect", changed);
    unsubscribe = () => {
      usb.removeEventListener("connect", changed);
      usb.removeEventListener("disconnect", changed);
    };
  };

  lookAgain();
  if (hasEvents()) subscribe().catch(poll);
  else poll();
  return {
    stop: () => {
      isStopped = true;
      unsubscribe();
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
};
