/** A signer's directory: built beside its place and renamed into it, so that it is there whole or not at all. */

import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { toHex } from "../protocol/bytes.ts";
import type { Curve } from "../protocol/curve/curve.ts";
import type { Network, Tier } from "../protocol/operations/fields.ts";
import type { Secret } from "../protocol/secret.ts";
import { channelId, type NodeId } from "../protocol/units.ts";
import type { TcpAddress } from "../protocol/wire/address.ts";
import { createAuthority, type Identity, issueClient, issueServer } from "../signer/certificates.ts";
import { systemClock } from "../signer/clock.ts";
import { type Config, configFile, defaultAdmin, printAddress, printConfig } from "../signer/config.ts";
import { packNode } from "../signer/core/node-records.ts";
import { nodeKey } from "../signer/core/places.ts";
import type { Write } from "../signer/core/ports.ts";
import { freshNode } from "../signer/core/state.ts";
import { devicesFile, keyFile } from "../signer/device/pairing.ts";
import { writeSealed } from "../signer/keys/sealed.ts";
import { type Seed, seedOf, writeSeed } from "../signer/keys/seed.ts";
import { softwareKeyring } from "../signer/keys/software.ts";
import { codeOf, createFile, readPrivate, syncDirectory } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";
import { createStore, openStore } from "../signer/store/sqlite.ts";
import { seenOf } from "../signer/store/witnessed.ts";
import { createWitness } from "../signer/witness.ts";
import { issuanceAt, issueHost, writeBundle } from "./bundle.ts";

/** Where the node's keys are. */
export type HomeKeys =
  | { readonly is: "sealed"; readonly seed: Seed }
  | {
      readonly is: "device";
      readonly node: NodeId;
      /** Of those that are paired. */
      readonly name: string;
      readonly passphrase: boolean;
      /** Holds `device.key` and `devices.json`, which go into the new directory. */
      readonly from: string;
    };

export interface HomePlan {
  readonly dir: string;
  readonly network: Network;
  readonly tier: Tier;
  /** Where the signer listens. */
  readonly listen: TcpAddress;
  /** What the host dials: `listen` itself, or a name that leads there. */
  readonly dialled: TcpAddress;
  /** Further names for the server's certificate. */
  readonly names: readonly string[];
  readonly curve: Curve;
  readonly keys: HomeKeys;
  /** The words are older than this directory: other channels may have their keys. */
  readonly restored: boolean;
  readonly passphrase: Secret;
  readonly workFactor: number;
  /** Where the store's version is kept a second time; on another disk, if it is to be worth anything. */
  readonly witness?: string;
  /** Where the signer gets its blocks; without it the host shows them. */
  readonly chain?: Config["chain"];
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Home {
  readonly dir: string;
  readonly node: string;
  readonly network: Network;
  readonly tier: Tier;
  readonly address: string;
  readonly config: string;
  /** One of the two. */
  readonly seed?: string;
  readonly device?: string;
  /** To be copied to the machine of the host, and deleted here. */
  readonly host: string;
  readonly witness?: string;
}

const nodeIndex = 0;

/** Of a seed, which stays as it is. */
export const sealedNode = (
  { style, entropy }: Seed,
  { network, curve, index }: { readonly network: Network; readonly curve: Curve; readonly index: number },
): NodeId => {
  const seed = seedOf(entropy);
  const keyring = softwareKeyring({ seed, style, network, nodeIndex: index, curve });
  keyring.close();
  seed.wipe();
  return keyring.node;
};

const nodeOf = ({ keys, network, curve }: HomePlan): NodeId =>
  keys.is === "device" ? keys.node : sealedNode(keys.seed, { network, curve, index: nodeIndex });

interface Issued {
  readonly ca: Identity;
  readonly server: Identity;
  readonly admin: Identity;
  readonly host: Identity;
}

const issueAll = (node: NodeId, { names, dialled, now }: HomePlan): Issued => {
  const issuance = issuanceAt(now);
  const ca = createAuthority("Countersign authority", issuance);
  return {
    ca,
    server: issueServer(ca, [dialled.host, ...names], issuance),
    admin: issueClient(ca, { role: "admin" }, issuance),
    host: issueHost(ca, node, issuance),
  };
};

const unfinishedOf = (dir: string): string => join(dirname(dir), `.${basename(dir)}.unfinished`);

const listed = (dir: string): readonly string[] | undefined => {
  try {
    return readdirSync(dir);
  } catch (error) {
    switch (codeOf(error)) {
      case "ENOENT":
        return undefined;
      case "ENOTDIR":
        throw new SetupError("exists", `${dir} exists already, and is not a directory`);
      case "EACCES":
        throw new SetupError("permissions", `${dir} cannot be read by the user that countersign runs as`);
      default:
        throw error;
    }
  }
};

export const checkWitnessPlace = (path: string): void => {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined)
    throw new SetupError("exists", `${path} exists already, and nothing is ever written over it`);
  if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new SetupError("missing", `there is no directory ${dirname(path)} for the witness`);
};

/** Before a person is asked for anything. An empty directory may be there. */
export const checkPlace = (dir: string): void => {
  const found = listed(dir);
  if (found !== undefined && found.length > 0)
    throw new SetupError(
      "exists",
      `${dir} is not empty, and nothing is ever written over it`,
      "Choose another directory with --dir. If a signer's keys are in this one, keep it: nothing else has them.",
    );
  const unfinished = unfinishedOf(dir);
  if (listed(unfinished) !== undefined)
    throw new SetupError(
      "exists",
      `an earlier \`countersign init\` was interrupted, or still runs: it left ${unfinished}`,
      `No key in there was ever used. If none runs, remove it with \`rm -r ${unfinished}\` and start again.`,
    );
  if (listed(dirname(dir)) === undefined)
    throw new SetupError("missing", `there is no directory ${dirname(dir)} to put ${basename(dir)} into`);
};

const configOf = (
  { network, tier, listen, curve, witness, chain, keys }: HomePlan,
  node: string,
): Config => ({
  schema: 1,
  network,
  tier,
  listen: printAddress(listen),
  seed: "seed.age",
  store: "store.sqlite",
  ...(witness === undefined ? {} : { witness }),
  ...(chain === undefined ? {} : { chain }),
  certificates: "certificates",
  admin: defaultAdmin,
  curve: curve.name,
  threads: 0,
  log: "info",
  dumps: "refuse",
  node: [
    {
      index: nodeIndex,
      id: node,
      ...(keys.is === "device" ? { device: keys.name, passphrase: keys.passphrase } : {}),
    },
  ],
  // Named, so that a person sees which it is and what to change; test coins are treated as if they were money.
  policy: { preset: network === "regtest" ? "regtest" : "mainnet-default" },
});

/**
 * Keys follow from the channel's id, so an id that an earlier store gave out must not be given out again. Nobody
 * opens a channel each second for years: the seconds since 1970 are above every earlier id.
 */
export const skippedChannels = (node: NodeId, now: number): Write => ({
  key: nodeKey(node),
  was: 0,
  bytes: packNode({ ...freshNode, nextChannel: channelId(BigInt(Math.floor(now / 1000))) }),
});

const skipChannels = async ({ now }: HomePlan, path: string, node: NodeId): Promise<void> => {
  const store = await openStore({ path });
  await store.commit({ epoch: store.epoch, writes: [skippedChannels(node, now)], audit: [] });
  await store.close();
};

const write = async (plan: HomePlan, at: string, id: NodeId, issued: Issued): Promise<void> => {
  const node = toHex(id);
  const { passphrase, workFactor, dialled, network, keys } = plan;
  const certificates = join(at, "certificates");
  mkdirSync(certificates, { mode: 0o700 });

  if (keys.is === "sealed") await writeSeed(join(at, "seed.age"), keys.seed, passphrase, workFactor);
  else
    for (const name of [keyFile, devicesFile]) {
      const bytes = readPrivate(join(keys.from, name));
      createFile(join(at, name), bytes);
      bytes.fill(0);
    }
  // Who could read it could issue a certificate to an administrator, who approves.
  await issued.ca.key.use((key) =>
    writeSealed(join(certificates, "ca-key.age"), key, passphrase, workFactor),
  );
  createFile(join(certificates, "ca.pem"), issued.ca.certificate);
  for (const name of ["server", "admin"] as const) {
    createFile(join(certificates, `${name}.pem`), issued[name].certificate);
    issued[name].key.use((key) => createFile(join(certificates, `${name}-key.pem`), key));
  }

  const { certificate: ca } = issued.ca;
  writeBundle(join(at, "host"), { dialled, network, node: id, ca, host: issued.host });

  // Only here: a signer that finds no store must not begin with an empty one, as if nothing had been signed.
  createStore(join(at, "store.sqlite"));
  // What the device's seed was used for before, nobody here knows.
  if (plan.restored || keys.is === "device") await skipChannels(plan, join(at, "store.sqlite"), id);
  createFile(join(at, configFile), printConfig(configOf(plan, node)));
};

const createWitnessOf = async (path: string, store: string): Promise<void> => {
  const opened = await openStore({ path: store });
  try {
    createWitness(path, seenOf(opened, systemClock));
  } finally {
    await opened.close();
  }
};

/** rename(2) replaces an empty directory and nothing else. */
const moveInto = (from: string, to: string): void => {
  try {
    renameSync(from, to);
  } catch (error) {
    switch (codeOf(error)) {
      case "ENOTEMPTY":
      case "EEXIST":
      case "ENOTDIR":
        throw new SetupError(
          "exists",
          `${to} came into being meanwhile, and nothing is ever written over it`,
        );
      case "EBUSY":
      case "EXDEV":
        throw new SetupError(
          "usage",
          `${to} is a mount point`,
          `Choose a directory inside: --dir ${to}/signer`,
        );
      default:
        throw error;
    }
  }
  syncDirectory(dirname(to));
};

export const createHome = async (plan: HomePlan): Promise<Home> => {
  const dir = resolve(plan.dir);
  checkPlace(dir);
  const id = nodeOf(plan);
  const node = toHex(id);
  const issued = issueAll(id, plan);
  const unfinished = unfinishedOf(dir);
  const { witness } = plan;
  if (witness !== undefined) checkWitnessPlace(witness);
  mkdirSync(unfinished, { mode: 0o700 });
  let witnessed = false;
  try {
    await write(plan, unfinished, id, issued);
    if (witness !== undefined) {
      await createWitnessOf(witness, join(unfinished, "store.sqlite"));
      witnessed = true;
    }
    moveInto(unfinished, dir);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Only what this call made: it knows a store that is gone again.
    if (witness !== undefined && witnessed) rmSync(witness, { force: true });
    throw error;
  } finally {
    for (const { key } of Object.values(issued)) key.wipe();
  }
  const { network, tier, dialled } = plan;
  return {
    dir,
    node,
    network,
    tier,
    address: printAddress(dialled),
    config: join(dir, configFile),
    ...(plan.keys.is === "sealed" ? { seed: join(dir, "seed.age") } : { device: plan.keys.name }),
    host: join(dir, "host"),
    ...(witness === undefined ? {} : { witness }),
  };
};
