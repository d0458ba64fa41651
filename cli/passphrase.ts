/** The passphrase of a signer that is there already: from a file, the input, or a person. */

import type { Secret } from "../protocol/secret.ts";
import { passphraseFrom } from "../signer/keys/sealed.ts";
import { readPrivate } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";
import { wholeInput } from "./input.ts";
import { openTerminal } from "./terminal.ts";

/** `file`: `-` is the input; undefined asks. */
export const knownPassphrase = async (file: string | undefined, question: string): Promise<Secret> => {
  if (file === "-") return passphraseFrom(wholeInput());
  if (file !== undefined) return passphraseFrom(readPrivate(file));
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  try {
    if (!terminal.interactive)
      throw new SetupError(
        "usage",
        "there is no terminal to ask for the passphrase on",
        "Give --passphrase-file FILE.",
      );
    return passphraseFrom(Buffer.from(await terminal.askHidden(question)));
  } finally {
    terminal.close();
  }
};
