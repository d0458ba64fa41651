/** `countersign signer`: serves the host until it is told to stop. */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { Secret } from "../protocol/secret.ts";
import type { Address } from "../protocol/wire/address.ts";
import { configFile, printAddress, readConfig } from "../signer/config.ts";
import { acceptFindings } from "../signer/hardening.ts";
import { passphraseFrom } from "../signer/keys/sealed.ts";
import { openLog } from "../signer/log.ts";
import { checkPrivateDirectory, readPrivate } from "../signer/private-file.ts";
import { startSigner } from "../signer/server/start.ts";
import { SetupError } from "../signer/setup-error.ts";
import { findings } from "./hardened.ts";
import { openTerminal } from "./terminal.ts";
import { version } from "./version.ts";

interface SignerOptions {
  readonly dir: string;
  readonly passphraseFile?: string;
  readonly json?: true;
}

const passphraseOf = async ({ passphraseFile }: SignerOptions): Promise<Secret> => {
  if (passphraseFile === "-") return passphraseFrom(Uint8Array.from(readFileSync(0)));
  if (passphraseFile !== undefined) return passphraseFrom(readPrivate(passphraseFile));
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  try {
    if (!terminal.interactive)
      throw new SetupError(
        "usage",
        "there is no terminal to ask for the passphrase on",
        "Give --passphrase-file FILE.",
      );
    return passphraseFrom(Buffer.from(await terminal.askHidden("The seed's passphrase: ")));
  } finally {
    terminal.close();
  }
};

const shown = (address: Address): string => ("path" in address ? address.path : printAddress(address));

/**
 * Resolves with the name of the signal that asks to stop. Later ones change nothing: Ctrl-C reaches this process
 * twice where another one started it, and stopping takes a few seconds at most.
 */
const asked = (): Promise<string> =>
  new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => done(signal));
  });

const run = async (options: SignerOptions): Promise<void> => {
  const dir = resolve(options.dir);
  checkPrivateDirectory(dir);
  const file = join(dir, configFile);
  const config = readConfig(file);
  const log = openLog({ level: config.log });
  for (const { subject, sentence, remedy } of acceptFindings(findings, config.dumps))
    log.write({ event: "not-hardened", subject, finding: sentence, remedy });
  const stop = asked();
  const { device } = config;
  const passphrase = device === undefined ? await passphraseOf(options) : undefined;
  if (!options.json)
    process.stderr.write(
      device === undefined
        ? "Opening the seed; this takes some seconds.\n"
        : `Keys are on a device, named ${device.name}: look at its screen.\n`,
    );
  const running = await startSigner({ config, file, passphrase, version, log });
  passphrase?.wipe();

  const address = shown(running.address);
  const { network, tier, curve } = config;
  const { node, channels, constantTime } = running;
  log.write({ event: "signer-started", version, network, tier, node, address, curve, constantTime });
  const ready = {
    event: "ready",
    node,
    network,
    tier,
    address,
    curve,
    constantTime,
    channels,
    pid: process.pid,
  };
  process.stdout.write(
    options.json
      ? `${JSON.stringify(ready)}\n`
      : `Serving node ${node}\non ${network} at ${address}, ${channels} channels, keys by ${curve}. Ctrl-C stops it.\n`,
  );
  await running.stop(await stop);
  log.close();
};

export const registerSigner = (program: Command): void => {
  program
    .command("signer")
    .description("serve the host: check what it asks for, make it durable, sign")
    .requiredOption("--dir <directory>", "what init made")
    .option(
      "--passphrase-file <file>",
      "the seed's passphrase: in a file that nobody else may read, or the input (-)",
    )
    .option("--json", "print one JSON line when it is ready")
    .action(run);
};
