/** `countersign device`: signing devices on a cable, and one in software to try them with. */

import { type Command, InvalidArgumentError } from "commander";
import { registerAsking } from "./ask.ts";
import { registerForget } from "./forget.ts";
import { registerLimits } from "./limits.ts";
import { registerList } from "./list.ts";
import { type PairOptions, pair } from "./pair.ts";
import { registerQuestions } from "./questions.ts";
import type { SimOptions } from "./sim.ts";
import { registerWatch } from "./watch.ts";

const count = (text: string): number => {
  if (!/^(0|[1-9]\d{0,6})$/.test(text)) throw new InvalidArgumentError("It is a number of writes.");
  return Number(text);
};

const registerPair = (device: Command): void => {
  device
    .command("pair")
    .description("let a device and this signer know each other: a person compares six digits on both")
    .requiredOption("--dir <directory>", "the signer's directory, where its devices are known")
    .requiredOption("--address <address>", "where the device is: `countersign device list` shows it")
    .option("--name <name>", "what to call it")
    .option("--code-on-stdin", "no question: the input has the six digits that the device shows")
    .option("--json", "print JSON lines")
    .action((options: PairOptions) => pair(options));
};

const registerSim = (device: Command): void => {
  device
    .command("sim")
    .description("run a device in software: for trying out and for tests, not for keys of worth")
    .requiredOption("--dir <directory>", "its flash and its chip; made at the first start")
    .option("--socket <path>", "where it answers; device.sock in its directory otherwise")
    .option("--pty <path>", "also on a serial line in software, which shows here (needs socat)")
    .option("--usbip <port or path>", "also as a USB device, for USB/IP: a port of this machine, or a socket")
    .option("--script <file>", "press, expect and know what the file says, line by line")
    .option("--power-cut-after <writes>", "cut the power in the middle of that write to its flash", count)
    .option("--seed <text>", "the same chance each time, for tests: its keys can be guessed")
    .option("--json", "print one JSON line for each screen, with all that it shows")
    .addHelpText(
      "after",
      "\nOn a terminal it shows its screen, and keys are its buttons. Otherwise lines of its input are steps,\nas in a script: left, right, both, hold, expect TEXT, person on, pin 1234, code 123456, consent all, quit ...",
    )
    // Only here: a device is not loaded beside a signer's keys.
    .action(async (options: SimOptions) => (await import("./sim.ts")).sim(options));
};

export const registerDevice = (program: Command): void => {
  const device = program
    .command("device")
    .description("signing devices: pair, set up, unlock, look after; and one in software");
  registerList(device);
  registerPair(device);
  registerAsking(device);
  registerWatch(device);
  registerLimits(device);
  registerQuestions(device);
  registerForget(device);
  registerSim(device);
};
