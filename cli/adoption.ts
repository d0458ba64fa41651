/** A node put into a signer's directory: all of it, or nothing that counts, wherever it ends. */

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { record } from "../signer/audit.ts";
import { type Config, type ConfigNode, parseConfig, printNode } from "../signer/config.ts";
import { Fault } from "../signer/core/fault.ts";
import { nodeKey } from "../signer/core/places.ts";
import {
  addPaired,
  devicesFile,
  type PairedDevice,
  readPaired,
  writePaired,
} from "../signer/device/pairing.ts";
import { readPrivate, syncDirectory } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";
import type { OpenStore } from "../signer/store/store.ts";
import { type Bundle, writeBundle } from "./bundle.ts";
import { skippedChannels } from "./home.ts";
import { keysText } from "./nodes.ts";

/** Where a test may stop it; the configuration, which is the last, makes the rest count. */
export type AdoptionPoint =
  | "bundle-written"
  | "device-known"
  | "bundle-placed"
  | "recorded"
  | "config-drafted"
  | "config-placed";

/** As it was read: what stands there when the node is added must be the same. */
export interface ReadConfig {
  readonly file: string;
  readonly text: string;
  readonly config: Config;
}

export interface Adoption extends ReadConfig {
  readonly dir: string;
  readonly about: ConfigNode;
  /** Held, so that no signer and no other adoption is under way. */
  readonly store: OpenStore;
  readonly bundle: Bundle;
  /** What the pairing left, where the keys are on a device. */
  readonly device?: PairedDevice;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly at?: (point: AdoptionPoint) => void;
}

const textIn = (file: string): string => new TextDecoder().decode(readPrivate(file));

export const readConfigText = (file: string): ReadConfig => {
  const text = textIn(file);
  return { file, text, config: parseConfig(text, file) };
};

/** What people wrote stays as it is, comments too. */
export const withNode = ({ file, text, config }: ReadConfig, about: ConfigNode): string => {
  const longer = `${text.endsWith("\n") ? text : `${text}\n`}\n${printNode(about)}`;
  const parsed = parseConfig(longer, file);
  if (!isDeepStrictEqual(parsed, { ...config, node: [...config.node, about] }))
    throw new SetupError("invalid", `${file} would say something else with another [[node]] below it`);
  return longer;
};

/** Of a node that is not the first: that one's is `host`. */
export const bundleOf = (dir: string, { id }: Pick<ConfigNode, "id">): string =>
  join(dir, `host-${id.slice(0, 16)}`);

export const checkBundlePlace = (place: string): void => {
  if (existsSync(place))
    throw new SetupError(
      "exists",
      `${place} exists already, and nothing is ever written over it`,
      "It may be of an adoption that was interrupted: no host has used it unless somebody copied it. Remove it, and start again.",
    );
};

/** Undoes nothing but its own draft. */
const replaceConfig = ({ file, text, at }: Adoption, longer: string): void => {
  // A link stays one.
  const place = realpathSync(file);
  const draft = join(dirname(place), `.${basename(place)}.${process.pid}.unfinished`);
  rmSync(draft, { force: true });
  const opened = openSync(draft, "wx", 0o600);
  try {
    writeFileSync(opened, longer);
    fsyncSync(opened);
    at?.("config-drafted");
    if (textIn(file) !== text)
      throw new SetupError("exists", `${file} was changed meanwhile`, "Start again.");
    renameSync(draft, place);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(opened);
  }
};

/** What an earlier life of this node left is kept: it says what was signed. */
const keepRecord = async ({ store, about, bundle: { node }, now }: Adoption): Promise<void> => {
  const isKnown = (await store.load(node)).has(nodeKey(node));
  const detail = `node ${about.id} was adopted: keys ${keysText(about)}`;
  const result = await store.commit({
    epoch: store.epoch,
    writes: isKnown ? [] : [skippedChannels(node, now)],
    audit: [record({ kind: "admin", time: now, detail })],
  });
  if (result !== "done") throw new Fault("stale", "another signer changed this store");
};

/** The place of the host's bundle. */
export const addNode = async (plan: Adoption): Promise<string> => {
  const { dir, file, about, bundle, device, at } = plan;
  const longer = withNode(plan, about);
  const host = bundleOf(dir, about);
  checkBundlePlace(host);
  const unfinished = join(dir, `.${basename(host)}.unfinished`);
  const undo: (() => void)[] = [];
  const remove = (place: string) => (): void => rmSync(place, { recursive: true, force: true });
  try {
    remove(unfinished)();
    undo.push(remove(unfinished));
    writeBundle(unfinished, bundle);
    at?.("bundle-written");
    if (device !== undefined) {
      const before = readPaired(dir);
      const list = join(dir, devicesFile);
      undo.push(existsSync(list) ? () => writePaired(dir, before) : remove(list));
      writePaired(dir, addPaired(before, device));
      at?.("device-known");
    }
    renameSync(unfinished, host);
    undo.push(remove(host));
    syncDirectory(dir);
    at?.("bundle-placed");
    await keepRecord(plan);
    at?.("recorded");
    replaceConfig(plan, longer);
    undo.length = 0;
    at?.("config-placed");
  } catch (error) {
    for (const step of undo.toReversed()) step();
    throw error;
  }
  syncDirectory(dirname(realpathSync(file)));
  return host;
};
