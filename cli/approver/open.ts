/** The key that a command names, and its passphrase. */

import type { Curve } from "../../protocol/curve/curve.ts";
import type { Secret } from "../../protocol/secret.ts";
import { passphraseFrom } from "../../signer/keys/sealed.ts";
import { readPrivate } from "../../signer/private-file.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { openTerminal, type Terminal } from "../terminal.ts";
import { openKey } from "./key.ts";

export interface KeyOptions {
  readonly key: string;
  readonly passphraseFile?: string;
  readonly curve: "native" | "noble";
  readonly json?: true;
}

export const usage = (message: string, remedy = ""): SetupError => new SetupError("usage", message, remedy);

export const withTerminal = async (action: (terminal: Terminal) => Promise<void>): Promise<void> => {
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  try {
    await action(terminal);
  } finally {
    terminal.close();
  }
};

export const withSecret = async <T>(
  secret: Secret,
  action: (secret: Secret) => Promise<T> | T,
): Promise<T> => {
  try {
    return await action(secret);
  } finally {
    secret.wipe();
  }
};

export const passphraseOf = async (
  { passphraseFile, key }: KeyOptions,
  terminal: Terminal,
): Promise<Secret> => {
  if (passphraseFile !== undefined) return passphraseFrom(readPrivate(passphraseFile));
  if (!terminal.interactive)
    throw usage("there is no terminal to ask for the passphrase on", "Give --passphrase-file FILE.");
  return passphraseFrom(Buffer.from(await terminal.askHidden(`The passphrase of ${key}: `)));
};

/** Wiped when the action ends, however it does. */
export const withKey = async <T>(
  options: KeyOptions,
  curve: Curve,
  terminal: Terminal,
  action: (key: Secret) => T,
): Promise<T> => {
  const passphrase = await passphraseOf(options, terminal);
  return withSecret(await withSecret(passphrase, () => openKey(options.key, curve, passphrase)), action);
};
