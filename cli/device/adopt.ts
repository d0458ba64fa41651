/** A device for a node that is about to be made: paired, with a seed, and asked which node its keys are of. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { equal } from "../../protocol/bytes.ts";
import { hostEntropyLength } from "../../protocol/device/requests.ts";
import { type Link, openLink } from "../../protocol/link.ts";
import type { Network, Tier } from "../../protocol/operations/fields.ts";
import type { NodeId } from "../../protocol/units.ts";
import { parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../protocol/wire/links/open.ts";
import { holdDevice } from "../../signer/device/hold.ts";
import {
  keyFile,
  linkIdentity,
  type PairedDevice,
  readPaired,
  writePaired,
} from "../../signer/device/pairing.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import { DeviceBroken, manage, meet, NotOpen } from "../../signer/device/visit.ts";
import { createFile, readPrivate } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { Unable } from "../exit.ts";
import { pair } from "./pair.ts";
import { type Approvers, pin } from "./pin.ts";
import { explained, inUse, refusalExit, refusalText } from "./sentences.ts";

export interface AdoptOptions {
  /** Of the signer. */
  readonly dir: string;
  /** One that is there: the device gets to know it by the key that the others know it by. */
  readonly isThere?: true;
  /** Of devices that have a node's keys already. */
  readonly taken?: readonly string[];
  /** For the device; without it one that is free. */
  readonly name?: string;
  readonly address: string;
  readonly network: Network;
  readonly tier: Tier;
  readonly index: number;
  readonly passphrase: boolean;
  readonly codeOnStdin?: true;
  readonly json?: true;
  /** Whose word it shall take in its person's place. */
  readonly approvers?: Approvers;
  /** For a person, about what is to be done on the device. */
  readonly tell: (text: string) => void;
}

export interface Adopted {
  readonly name: string;
  readonly node: NodeId;
  readonly paired: PairedDevice;
  /** Holds what the pairing left, until `done`. */
  readonly from: string;
  done(): void;
}

const withSeed = async (
  link: Link,
  { name, address }: PairedDevice,
  { tell, dir }: AdoptOptions,
): Promise<void> => {
  const about = await manage(link, { is: "info" });
  if (about.is !== "info") throw new DeviceBroken("the device does not say how it stands");
  const { stage } = about.info;
  if (stage === "locked" || stage === "unlocked") return;
  tell(
    "On the device: choose a PIN, and write down the 24 words that it shows. They are shown nowhere else.",
  );
  const entropy = new Uint8Array(randomBytes(hostEntropyLength));
  const made = await manage(link, { is: "setup", entropy });
  if (made.is === "refused")
    throw new Unable(refusalExit[made.why], refusalText(made, { name, address, dir }, stage));
  if (made.is !== "done") throw new DeviceBroken("the device answers something else than what it was asked");
};

const nodeOn = async (from: string, device: PairedDevice, options: AdoptOptions): Promise<NodeId> => {
  const { network, tier, index, passphrase, tell, dir } = options;
  const { name, address, key } = device;
  const identity = linkIdentity(from);
  const hold = await holdDevice(identity, key);
  try {
    if (hold === undefined) throw inUse({ name, address, dir });
    const { transport, carrier } = await openLinkAddress(parseLinkAddress(address));
    const link = openLink({ transport, carrier, identity, device: key, ports: linkPorts });
    try {
      await withSeed(link, device, options);
      tell(`On the device: unlock it, and agree to keep a node's keys on ${network}.`);
      const kept = { name, node: undefined, network, tier, index, passphrase };
      const opened = await meet(link, kept, Math.floor(Date.now() / 1_000));
      if (opened.step > 0n)
        throw new SetupError(
          "exists",
          `the device ${name} has the records of another signer's channels`,
          "Only that signer's directory can go on with them. Without channels, wipe it: `countersign device wipe`.",
        );
      if (options.approvers !== undefined) await pin(link, opened, options.approvers, tell);
      return opened.node;
    } finally {
      await link.close();
    }
  } catch (error) {
    if (error instanceof NotOpen)
      throw new SetupError("unavailable", `the device ${name} is not open: ${error.message}`, "Try again.");
    throw explained(error, { name, address, dir });
  } finally {
    await hold?.release();
    identity.secret.wipe();
  }
};

const pairingPrefix = ".pairing-";

/** Nothing in the directory itself changes, so that nothing is left there of what does not come to its end. */
const besideOf = (dir: string, isThere: true | undefined): string => {
  if (!isThere) return mkdtempSync(join(dirname(dir), `.${basename(dir)}.pairing-`));
  // Whoever adopts holds the store: what is there was left by one that was killed, with a copy of the key.
  for (const left of readdirSync(dir).filter((name) => name.startsWith(pairingPrefix)))
    rmSync(join(dir, left), { recursive: true, force: true });
  const identity = linkIdentity(dir);
  identity.secret.wipe();
  const from = mkdtempSync(join(dir, pairingPrefix));
  const key = readPrivate(join(dir, keyFile));
  createFile(join(from, keyFile), key);
  key.fill(0);
  writePaired(from, readPaired(dir));
  return from;
};

const checkFree = (before: readonly PairedDevice[], device: PairedDevice, taken: readonly string[]): void => {
  const known = before.find(({ key, name }) => equal(key, device.key) && taken.includes(name));
  if (known !== undefined)
    throw new SetupError(
      "exists",
      `the device ${known.name} has the keys of a node of this signer already, and keeps one node`,
      "Take another device.",
    );
};

export const adoptDevice = async (options: AdoptOptions): Promise<Adopted> => {
  const { address, name, codeOnStdin, json, taken = [] } = options;
  const dir = resolve(options.dir);
  const from = besideOf(dir, options.isThere);
  const done = (): void => rmSync(from, { recursive: true, force: true });
  try {
    const before = readPaired(from);
    await pair({
      ...{ dir: from, address },
      ...(name === undefined ? {} : { name }),
      ...(codeOnStdin ? { codeOnStdin } : {}),
      ...(json ? { json } : {}),
    });
    // The one that was paired last.
    const device = readPaired(from).at(-1);
    if (device === undefined) throw new Error("a pairing that left nothing");
    checkFree(before, device, taken);
    return { name: device.name, node: await nodeOn(from, device, options), paired: device, from, done };
  } catch (error) {
    done();
    throw error;
  }
};
