/** The commands that ask a device for something, and what a person has to do there meanwhile. */

import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  hostEntropyLength,
  type Info,
} from "../../protocol/device/requests.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { print } from "../admin.ts";
import { exitCodes, Unable } from "../exit.ts";
import { plain, toJson } from "../json.ts";
import { table } from "../terminal.ts";
import { type DeviceOptions, type Reached, withDevice } from "./reach.ts";
import { refusalExit, refusalText, stageText } from "./sentences.ts";

interface Asked {
  readonly request: DeviceRequest;
  /** What to do on the device. */
  readonly confirm: string;
  /** What then is true. */
  readonly done: string;
}

const infoText = ({ about, key }: Reached, info: Info): string =>
  table([
    ["device", about.name],
    ["address", about.address],
    ["key", toHex(key)],
    ["firmware", plain(info.firmware)],
    ["state", stageText[info.stage]],
    ...(info.stage === "locked" || info.stage === "unlocked"
      ? [["words", info.isVerified ? "given back once" : "never given back: `countersign device verify`"]]
      : []),
    ...(isKnown(info.fingerprint) ? [["seed", `fingerprint ${toHex(info.fingerprint)}`]] : []),
    ["PIN", `${info.attemptsLeft} attempts left${info.waitMs > 0 ? `, the next in ${info.waitMs} ms` : ""}`],
    ["steps", String(info.counter)],
  ]);

/** Undefined where it says anything else. */
const infoOf = async ({ ask }: Reached): Promise<Info | undefined> => {
  const answer = await ask({ is: "info" });
  return answer.is === "info" ? answer.info : undefined;
};

const ended = async (
  reached: Reached,
  answer: Exclude<DeviceAnswer, { is: "info" }>,
  { done }: Asked,
  { json }: DeviceOptions,
): Promise<void> => {
  const device = reached.about.name;
  switch (answer.is) {
    case "done":
      print(json ? toJson({ device, ...answer }) : done);
      return;
    case "refused": {
      const exit = refusalExit[answer.why];
      const stage = answer.why === "stage" ? (await infoOf(reached))?.stage : undefined;
      const text = refusalText(answer, reached.about, stage);
      if (!json) throw new Unable(exit, text);
      print(toJson({ device, ...answer, sentence: text }));
      process.exitCode = exitCodes[exit].code;
      return;
    }
    case "malformed":
      throw new Unable(
        "fault",
        `the device does not understand this version of countersign: ${answer.reason}`,
      );
    case "fault":
      throw new Unable("fault", `${device} has a fault: ${answer.sentence}`);
  }
};

/** Ctrl-C takes back what a person is asked. */
const untilInterrupted = async <T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const abort = new AbortController();
  const stop = (): void =>
    abort.abort(new SetupError("interrupted", "interrupted; what the device asked is taken back"));
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    return await action(abort.signal);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
};

const perform = (asked: Asked, options: DeviceOptions): Promise<void> =>
  withDevice(options, (reached) =>
    untilInterrupted(async (signal) => {
      const answer = await reached.ask(asked.request, {
        signal,
        onPerson: () => {
          if (!options.json) process.stderr.write(`On the device: ${asked.confirm}\n`);
        },
      });
      if (answer.is === "info") throw new Unable("fault", "the device answers what was not asked");
      await ended(reached, answer, asked, options);
    }),
  );

const showInfo = (options: DeviceOptions): Promise<void> =>
  withDevice(options, async (reached) => {
    const info = await infoOf(reached);
    if (info === undefined) throw new Unable("fault", "the device has a fault: start it again");
    const { name, address } = reached.about;
    print(
      options.json ? toJson({ device: name, address, key: reached.key, ...info }) : infoText(reached, info),
    );
  });

export const withDeviceOptions = (command: Command): Command =>
  command
    .requiredOption("--dir <directory>", "the signer's directory, where its devices are known")
    .option("--device <name>", "which one, where several are paired")
    .option("--address <address>", "where it is now, if not where it was paired")
    .option("--json", "print JSON");

interface Asking extends Omit<Asked, "request"> {
  readonly name: string;
  readonly description: string;
  readonly request: Exclude<DeviceRequest["is"], "setup" | "unlock" | "info" | "restore">;
}

const plainly: readonly Asking[] = [
  {
    name: "verify",
    description: "have the device ask for some of its words again",
    request: "verifyWords",
    confirm: "choose the words that it asks for. They are on your paper.",
    done: "The words are those of the seed.",
  },
  {
    name: "lock",
    description: "close the seed until the PIN is given again",
    request: "lock",
    confirm: "wait.",
    done: "The device is locked.",
  },
  {
    name: "change-pin",
    description: "give the present PIN on the device, and choose another",
    request: "changePin",
    confirm: "enter the present PIN, then the new one twice.",
    done: "The PIN is changed.",
  },
  {
    name: "wipe",
    description: "forget seed, PIN and pairings: only the words bring the keys back",
    request: "wipe",
    confirm: "hold both buttons to wipe EVERYTHING, or press both to keep it.",
    done: "The device is wiped. It does not know this signer any more: pair them again before it gets a new seed.",
  },
];

export const registerAsking = (device: Command): void => {
  withDeviceOptions(
    device.command("info").description("how a device stands: state, PIN attempts, seed"),
  ).action(showInfo);
  withDeviceOptions(
    device
      .command("setup")
      .description("choose a PIN and make a new seed on the device, or restore one from its words there")
      .option("--restore", "enter 24 words on the device, instead of new ones"),
  ).action((options: DeviceOptions & { readonly restore?: true }) =>
    perform(
      options.restore
        ? {
            request: { is: "restore" },
            confirm: "choose a PIN, and enter the 24 words. They never pass through this machine.",
            done: "The seed is restored, and the device locked.",
          }
        : {
            // Its part alone says nothing of the seed: the device mixes it with its own.
            request: { is: "setup", entropy: new Uint8Array(randomBytes(hostEntropyLength)) },
            confirm:
              "choose a PIN, write down the 24 words, and give some of them back. Nobody else may see them.",
            done: "The device has a seed, and is locked.",
          },
      options,
    ),
  );
  withDeviceOptions(
    device
      .command("unlock")
      .description("give the PIN on the device, so that its keys can be used")
      .option("--passphrase", "and a passphrase (BIP 39), which leads to another seed"),
  ).action((options: DeviceOptions & { readonly passphrase?: true }) =>
    perform(
      {
        request: { is: "unlock", passphrase: options.passphrase === true },
        confirm: options.passphrase ? "enter the PIN, and the passphrase." : "enter the PIN.",
        done: "The device is unlocked.",
      },
      options,
    ),
  );
  for (const { name, description, request, ...words } of plainly)
    withDeviceOptions(device.command(name).description(description)).action((options: DeviceOptions) =>
      perform({ request: { is: request }, ...words }, options),
    );
};
