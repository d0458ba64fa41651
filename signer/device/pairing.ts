/**
 * What a signer's directory knows of devices: `device.key`, by which devices know this signer, and `devices.json`, by
 * which it knows them. Who has the first can ask in the signer's name; who can change the second can put another device
 * in the place of one.
 */

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { equal, fromHex, toHex } from "../../protocol/bytes.ts";
import type { KeyPair } from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import { parseLinkAddress } from "../../protocol/wire/links/address.ts";
import { keyLength, keyPair } from "../../protocol/x25519.ts";
import { createFile, readPrivate, syncDirectory } from "../private-file.ts";
import { SetupError } from "../setup-error.ts";

export const keyFile = "device.key";
export const devicesFile = "devices.json";

export interface PairedDevice {
  /** For people, and unique in this directory. */
  readonly name: string;
  /** Where it was last: `parseLinkAddress` reads it. */
  readonly address: string;
  /** The device's static key. */
  readonly key: Uint8Array;
  /** Milliseconds since 1970. */
  readonly pairedAt: number;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
export const isDeviceName = (name: string): boolean => namePattern.test(name);

/** More than anybody has. */
const mostDevices = 64;

const isAddress = (text: string): boolean => {
  try {
    parseLinkAddress(text);
    return true;
  } catch {
    return false;
  }
};

const schema = z.strictObject({
  schema: z.literal(1),
  devices: z
    .array(
      z.strictObject({
        name: z.string().regex(namePattern, "not a name"),
        address: z.string().max(4_200).refine(isAddress, "not an address of a device"),
        key: z.string().regex(/^[0-9a-f]{64}$/, "not a public key"),
        pairedAt: z.int().nonnegative().max(8.64e15),
      }),
    )
    .max(mostDevices)
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "a name stands there twice")
    .refine((all) => new Set(all.map(({ key }) => key)).size === all.length, "a key stands there twice"),
});

export const printPaired = (devices: readonly PairedDevice[]): string =>
  `${JSON.stringify(
    { schema: 1, devices: devices.map((one) => ({ ...one, key: toHex(one.key) })) },
    undefined,
    2,
  )}\n`;

const unusable = (source: string, why: string): SetupError =>
  new SetupError(
    "invalid",
    `${source} is not valid: ${why}`,
    "Put a copy of it back, or move it away and pair the devices again.",
  );

export const parsePaired = (text: string, source: string = devicesFile): readonly PairedDevice[] => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unusable(source, "no JSON");
  }
  const read = schema.safeParse(json);
  if (read.success) return read.data.devices.map((one) => ({ ...one, key: fromHex(one.key) }));
  const [issue] = read.error.issues;
  throw unusable(source, `${(issue?.path ?? []).join(".") || "the file"}: ${issue?.message ?? "unreadable"}`);
};

const present = <T>(read: () => T, absent: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (error instanceof SetupError && error.problem === "missing") return absent();
    throw error;
  }
};

/** Empty where nothing was ever paired. */
export const readPaired = (dir: string): readonly PairedDevice[] => {
  const path = join(dir, devicesFile);
  return present(
    () => parsePaired(new TextDecoder().decode(readPrivate(path)), path),
    () => [],
  );
};

/** All of it or nothing, also where the power goes. */
export const writePaired = (dir: string, devices: readonly PairedDevice[]): void => {
  const path = join(dir, devicesFile);
  const text = printPaired(devices);
  parsePaired(text, path);
  const draft = join(dir, `.${basename(path)}.${process.pid}.unfinished`);
  rmSync(draft, { force: true });
  const file = openSync(draft, "wx", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  syncDirectory(dir);
};

/** One that was known by its key or its name is replaced. */
export const addPaired = (
  devices: readonly PairedDevice[],
  device: PairedDevice,
): readonly PairedDevice[] => [
  ...devices.filter(({ key, name }) => name !== device.name && !equal(key, device.key)),
  device,
];

const readIdentity = (path: string): KeyPair => {
  const bytes = readPrivate(path);
  try {
    if (bytes.length !== keyLength)
      throw new SetupError(
        "invalid",
        `${path} is not a key of ${keyLength} bytes`,
        "Put a copy of it back, or move it away and pair the devices again.",
      );
    return keyPair(new Secret(bytes));
  } finally {
    bytes.fill(0);
  }
};

/** Made at first use, and from then on the same: each device that was paired knows it. */
export const linkIdentity = (dir: string): KeyPair => {
  const path = join(dir, keyFile);
  return present(
    () => readIdentity(path),
    () => {
      const bytes = randomBytes(keyLength);
      try {
        createFile(path, bytes);
      } catch (error) {
        // Another command made it meanwhile: that is the one.
        if (!(error instanceof SetupError && error.problem === "exists")) throw error;
      } finally {
        bytes.fill(0);
      }
      return readIdentity(path);
    },
  );
};
