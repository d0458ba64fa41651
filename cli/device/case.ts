/** The directory of a device in software: its flash, and what the factory burnt into its chip. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type FlashSim, fileMedium, type Medium, memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { formatFlash } from "../../firmware-sim/journal.ts";
import type { Chance } from "../../firmware-sim/process-chance.ts";
import { Secret } from "../../protocol/secret.ts";
import { createFile, readPrivate } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { ownDirectory } from "../directory.ts";

/** Banks of 64 KiB: what a small microcontroller can spare, and enough for a hundred channels. */
const blocks = 32;
const secretLength = 32;

export interface Case {
  readonly dir: string;
  readonly secret: Secret;
  readonly flash: FlashSim;
  readonly medium: Medium;
}

const makeSecret = (path: string): void => {
  const bytes = randomBytes(secretLength);
  createFile(path, bytes);
  bytes.fill(0);
};

const readSecret = (path: string): Secret => {
  const bytes = readPrivate(path);
  try {
    if (bytes.length !== secretLength)
      throw new SetupError("invalid", `${path} is not a secret of ${secretLength} bytes`);
    return new Secret(bytes);
  } finally {
    bytes.fill(0);
  }
};

/** There whole or not at all: a device whose flash was never finished would not begin anew by itself. */
const makeFlash = (path: string, { int }: Chance): void => {
  const medium = memoryMedium(blocks);
  formatFlash(openFlash({ medium, int }));
  createFile(path, medium.read(0, medium.length));
};

export const openCase = (place: string, chance: Chance): Case => {
  const dir = ownDirectory(place);
  const secretPath = join(dir, "chip.key");
  const flashPath = join(dir, "flash.bin");
  if (!existsSync(secretPath) && existsSync(flashPath))
    throw new SetupError(
      "missing",
      `there is no ${secretPath}, without which ${flashPath} can't be opened`,
      "Put it back; or begin anew in another directory, with the words of the seed.",
    );
  if (!existsSync(secretPath)) makeSecret(secretPath);
  if (!existsSync(flashPath)) makeFlash(flashPath, chance);
  const secret = readSecret(secretPath);
  // Its length and its owner; what is in it the device judges.
  if (readPrivate(flashPath).length !== memoryMedium(blocks).length)
    throw new SetupError("invalid", `${flashPath} is not the flash of a device`);
  const medium = fileMedium(flashPath, blocks);
  return { dir, secret, medium, flash: openFlash({ medium, int: chance.int }) };
};
