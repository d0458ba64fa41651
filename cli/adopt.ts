/** `countersign adopt`: another node for a signer that is there, with its keys on a device or in the sealed seed. */

import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { toHex } from "../protocol/bytes.ts";
import { openCurve } from "../protocol/curve/index.ts";
import type { Secret } from "../protocol/secret.ts";
import type { NodeId } from "../protocol/units.ts";
import type { TcpAddress } from "../protocol/wire/address.ts";
import type { Identity } from "../signer/certificates.ts";
import {
  type Config,
  type ConfigNode,
  configFile,
  mostNodes,
  parseAddress,
  pathsOf,
  printAddress,
} from "../signer/config.ts";
import { maxNodeIndex } from "../signer/keys/native.ts";
import { readSeed } from "../signer/keys/seed.ts";
import type { Log } from "../signer/log.ts";
import { checkPrivateDirectory } from "../signer/private-file.ts";
import { openOwnStore } from "../signer/server/own-store.ts";
import { SetupError } from "../signer/setup-error.ts";
import type { OpenStore } from "../signer/store/store.ts";
import { print } from "./admin.ts";
import { addNode, bundleOf, checkBundlePlace, type ReadConfig, readConfigText } from "./adoption.ts";
import { checkDialled, dialledAt, issuanceAt, issueHost, openAuthority } from "./bundle.ts";
import { type Adopted, adoptDevice } from "./device/adopt.ts";
import { type ApproverOptions, pinned, withApproverOptions } from "./device/pin.ts";
import { sealedNode } from "./home.ts";
import { keysText } from "./nodes.ts";
import { knownPassphrase } from "./passphrase.ts";
import { table } from "./terminal.ts";

export interface AdoptNodeOptions extends ApproverOptions {
  readonly dir: string;
  /** Address of a device that is to have the keys. */
  readonly device?: string;
  readonly deviceName?: string;
  readonly devicePassphrase?: true;
  readonly codeOnStdin?: true;
  /** Of the sealed seed; true for the next. */
  readonly index?: string | true;
  readonly name?: string;
  readonly passphraseFile?: string;
  readonly json?: true;
}

export interface AdoptWorld {
  /** For a person. */
  readonly tell: (text: string) => void;
  readonly now: () => number;
}

/** The node that the signer has from its next start on. */
export interface AdoptedNode {
  readonly dir: string;
  readonly node: string;
  readonly network: Config["network"];
  readonly tier: Config["tier"];
  readonly address: string;
  readonly config: string;
  /** One of the two. */
  readonly device?: string;
  readonly index?: number;
  /** To be copied to the machine of the host, and deleted here. */
  readonly host: string;
}

const usage = (message: string, remedy = ""): SetupError => new SetupError("usage", message, remedy);

const checkOptions = (options: AdoptNodeOptions): void => {
  const { device, index, deviceName, devicePassphrase, codeOnStdin, passphraseFile } = options;
  if ((device === undefined) === (index === undefined))
    throw usage("say where the keys are: --device ADDRESS, or --index N of the sealed seed");
  if (device === undefined && (deviceName !== undefined || devicePassphrase || codeOnStdin))
    throw usage("--device-name, --device-passphrase and --code-on-stdin belong to --device");
  pinned(options);
  if (codeOnStdin && passphraseFile === "-")
    throw usage("the passphrase and the device's digits cannot both come from the input");
};

const indexIn = (config: Config, asked: string | true): number => {
  const used = config.node.flatMap(({ device, index }) => (device === undefined ? [index] : []));
  if (used.length === 0)
    throw usage(
      "this signer has no sealed seed: every node's keys are on a device",
      "Give --device ADDRESS.",
    );
  if (asked === true) return Math.max(...used) + 1;
  const index = /^(0|[1-9][0-9]{0,9})$/.test(asked) ? Number(asked) : Number.NaN;
  if (!(index <= maxNodeIndex)) throw usage(`--index ${asked}: not a number from 0 to ${maxNodeIndex}`);
  if (used.includes(index))
    throw new SetupError("exists", `the signer has node ${index} of its seed already`);
  return index;
};

const dialledIn = (
  { config, file }: ReadConfig,
  name: string | undefined,
  certificates: string,
): TcpAddress => {
  const listen = parseAddress(config.listen);
  if (listen === undefined) throw new SetupError("invalid", `${file}: listen is no address`);
  const dialled = dialledAt(listen, name);
  checkDialled(dialled, certificates);
  return dialled;
};

/** Held from the first question to the end: no signer starts with half of it. */
const heldStore = async ({ config, file }: ReadConfig, { tell }: AdoptWorld): Promise<OpenStore> => {
  const log: Log = { write: ({ event }) => tell(`The witness of the store: ${event}.`), close: () => {} };
  try {
    return await openOwnStore({ paths: pathsOf(config, file), file, log });
  } catch (error) {
    if (!(error instanceof SetupError) || error.problem !== "unavailable") throw error;
    throw new SetupError("unavailable", error.message, "A node is added while the signer does not run.");
  }
};

interface Found {
  readonly node: NodeId;
  readonly about: Omit<ConfigNode, "id">;
  readonly adopted?: Adopted;
}

const onSeed = async ({ config, file }: ReadConfig, index: number, passphrase: Secret): Promise<Found> => {
  const seed = await readSeed(pathsOf(config, file).seed, passphrase);
  try {
    const curve = await openCurve(config.curve);
    return { node: sealedNode(seed, { network: config.network, curve, index }), about: { index } };
  } finally {
    seed.entropy.wipe();
  }
};

const onDevice = async (
  { config }: ReadConfig,
  address: string,
  options: AdoptNodeOptions,
  { tell }: AdoptWorld,
): Promise<Found> => {
  const { dir, deviceName: name, codeOnStdin, json } = options;
  const passphrase = options.devicePassphrase === true;
  const index = 0;
  const adopted = await adoptDevice({
    ...{ dir, isThere: true, address, index, passphrase, tell },
    taken: config.node.flatMap(({ device }) => device ?? []),
    network: config.network,
    tier: config.tier,
    ...(name === undefined ? {} : { name }),
    ...pinned(options),
    ...(codeOnStdin ? { codeOnStdin } : {}),
    ...(json ? { json } : {}),
  });
  return { node: adopted.node, about: { index, device: adopted.name, passphrase }, adopted };
};

const checkTier = ({ config: { tier }, file }: ReadConfig, { device }: AdoptNodeOptions): void => {
  if (device === undefined || tier === "full") return;
  throw new SetupError("invalid", `a device keeps nodes of tier full alone, and ${file} says ${tier}`);
};

const checkNew = ({ config }: ReadConfig, { id }: ConfigNode): void => {
  if (!config.node.some((one) => one.id === id)) return;
  throw new SetupError(
    "exists",
    `the signer has node ${id} already`,
    "Two places with the same seed would sign against each other: keep one of them.",
  );
};

export const adopt = async (options: AdoptNodeOptions, world: AdoptWorld): Promise<AdoptedNode> => {
  checkOptions(options);
  const dir = resolve(options.dir);
  checkPrivateDirectory(dir);
  const read = readConfigText(join(dir, configFile));
  checkTier(read, options);
  const { config, file } = read;
  const { certificates } = pathsOf(config, file);
  if (config.node.length >= mostNodes) throw usage(`a signer keeps ${mostNodes} nodes at most`);
  const index = options.index === undefined ? undefined : indexIn(config, options.index);
  const dialled = dialledIn(read, options.name, certificates);

  const store = await heldStore(read, world);
  const own: { passphrase?: Secret; authority?: Identity; host?: Identity; adopted?: Adopted } = {};
  try {
    own.passphrase = await knownPassphrase(options.passphraseFile, "The signer's passphrase: ");
    own.authority = await openAuthority(certificates, own.passphrase);
    const { node, about, adopted } =
      index === undefined
        ? await onDevice(read, options.device ?? "", options, world)
        : await onSeed(read, index, own.passphrase);
    if (adopted !== undefined) own.adopted = adopted;
    const whole: ConfigNode = { id: toHex(node), ...about };
    checkNew(read, whole);
    checkBundlePlace(bundleOf(dir, whole));
    const now = world.now();
    own.host = issueHost(own.authority, node, issuanceAt(now));
    const { network, tier } = config;
    const host = await addNode({
      ...{ ...read, dir, about: whole, store, now },
      bundle: { dialled, node, network, ca: own.authority.certificate, host: own.host },
      ...(adopted === undefined ? {} : { device: adopted.paired }),
    });
    return {
      ...{ dir, node: whole.id, network, tier, address: printAddress(dialled), config: file },
      ...(whole.device === undefined ? { index: whole.index } : { device: whole.device }),
      host,
    };
  } finally {
    own.adopted?.done();
    own.host?.key.wipe();
    own.authority?.key.wipe();
    own.passphrase?.wipe();
    await store.close();
  }
};

const summary = ({ dir, node, address, device, index = 0, host }: AdoptedNode): string =>
  [
    table([
      ["signer", dir],
      ["node", node],
      ["keys", keysText({ id: node, index, ...(device === undefined ? {} : { device }) })],
      ["address", address],
    ]),
    "",
    `Start the signer: it has this node from then on.${device === undefined ? "" : " Then unlock the device."}`,
    `Copy ${host} to the node's machine, and delete it here: its key lets a host in.`,
  ].join("\n");

export const registerAdopt = (program: Command): void => {
  const command = program
    .command("adopt")
    .description(
      "give a signer another node, with keys on a device or in its sealed seed, while it does not run",
    )
    .requiredOption("--dir <directory>", "what init made")
    .option(
      "--device <address>",
      "the keys are on a device there (`countersign device list` shows what is plugged in)",
    )
    .addOption(
      new Option(
        "--index [n]",
        "the keys are in the sealed seed: which of its nodes; without a number the next",
      ).conflicts("device"),
    )
    .option(
      "--name <name>",
      "what the host calls this machine, where that is not in the configuration's listen",
    )
    .option("--device-name <name>", "what the device is called here, as other commands take it")
    .option("--device-passphrase", "the device asks for a passphrase of BIP 39 each time it is unlocked")
    .option(
      "--code-on-stdin",
      "the six digits that the device shows at pairing come from the input, for scripts",
    );
  withApproverOptions(command)
    .option(
      "--passphrase-file <file>",
      "the passphrase that was given at init: in a file that nobody else may read, or the input (-)",
    )
    .option("--json", "print the result as JSON")
    .action(async (options: AdoptNodeOptions) => {
      const adopted = await adopt(options, {
        tell: (text) => void process.stderr.write(`${text}\n`),
        now: () => Date.now(),
      });
      print(options.json ? JSON.stringify(adopted) : summary(adopted));
    });
};
