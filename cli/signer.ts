/** `countersign signer`: serves the host until it is told to stop. */

import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { Address } from "../protocol/wire/address.ts";
import {
  type Config,
  chainSettingsOf,
  configFile,
  needsSeed,
  ownSourceOf,
  pathsOf,
  policyOf,
  printAddress,
  readConfig,
} from "../signer/config.ts";
import { acceptFindings } from "../signer/hardening.ts";
import { openLog } from "../signer/log.ts";
import { checkPrivateDirectory } from "../signer/private-file.ts";
import { startSigner } from "../signer/server/start.ts";
import { usableCredentials } from "./certificates.ts";
import { findings } from "./hardened.ts";
import { keysText, nodesText } from "./nodes.ts";
import { knownPassphrase } from "./passphrase.ts";
import { version } from "./version.ts";

interface SignerOptions {
  readonly dir: string;
  readonly passphraseFile?: string;
  readonly json?: true;
}

const shown = (address: Address): string => ("path" in address ? address.path : printAddress(address));

/**
 * Resolves with the name of the signal that asks to stop. Later ones change nothing: Ctrl-C reaches this process
 * twice where another one started it, and stopping takes a few seconds at most.
 */
const asked = (): Promise<string> =>
  new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => done(signal));
  });

/** What can be wrong without any key: a person learns of it before the passphrase is typed and the seed opened. */
const checkSettings = (config: Config, file: string): void => {
  for (const one of config.node) policyOf(config, one, file);
  chainSettingsOf(config, file);
  ownSourceOf(config, file);
  usableCredentials(pathsOf(config, file).certificates, "server").key.wipe();
};

const run = async (options: SignerOptions): Promise<void> => {
  const dir = resolve(options.dir);
  checkPrivateDirectory(dir);
  const file = join(dir, configFile);
  const config = readConfig(file);
  checkSettings(config, file);
  const log = openLog({ level: config.log });
  for (const { subject, sentence, remedy } of acceptFindings(findings, config.dumps))
    log.write({ event: "not-hardened", subject, finding: sentence, remedy });
  const stop = asked();
  const onDevices = config.node.flatMap(({ device }) => device ?? []);
  const passphrase = needsSeed(config)
    ? await knownPassphrase(options.passphraseFile, "The seed's passphrase: ")
    : undefined;
  if (!options.json) {
    if (passphrase !== undefined) process.stderr.write("Opening the seed; this takes some seconds.\n");
    if (onDevices.length > 0)
      process.stderr.write(`Keys are on devices: look at the screen of ${onDevices.join(", ")}.\n`);
  }
  const running = await startSigner({ config, file, passphrase, version, log });
  passphrase?.wipe();

  const address = shown(running.address);
  const { network, tier, curve } = config;
  const { nodes, channels, constantTime } = running;
  const about = { version, network, tier, nodes: nodes.length, address, curve, constantTime };
  log.write({ event: "signer-started", ...about });
  for (const one of config.node) log.write({ event: "node-served", node: one.id, keys: keysText(one) });
  const ready = {
    event: "ready",
    nodes,
    network,
    tier,
    address,
    curve,
    constantTime,
    channels,
    pid: process.pid,
  };
  const [only, another] = nodes;
  const served = another === undefined ? `node ${only}` : `${nodes.length} nodes:\n${nodesText(config.node)}`;
  process.stdout.write(
    options.json
      ? `${JSON.stringify(ready)}\n`
      : `Serving ${served}\non ${network} at ${address}, ${channels} ${channels === 1 ? "channel" : "channels"}, keys by ${curve}. Ctrl-C stops it.\n`,
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
