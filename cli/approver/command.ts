/** `countersign approver`: a key whose word a device takes in the place of a person's at its buttons. */

import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type Command, Option } from "commander";
import { toHex } from "../../protocol/bytes.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import type { Secret } from "../../protocol/secret.ts";
import { passphraseFrom } from "../../signer/keys/sealed.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { print } from "../admin.ts";
import { checkStrength } from "../init.ts";
import { toJson } from "../json.ts";
import type { Terminal } from "../terminal.ts";
import { createKey } from "./key.ts";
import { type KeyOptions, passphraseOf, withKey, withSecret, withTerminal } from "./open.ts";
import { sign } from "./sign.ts";

const checkSame = async (passphrase: Secret, terminal: Terminal): Promise<void> => {
  const again = passphraseFrom(Buffer.from(await terminal.askHidden("The same again: ")));
  const [one, other] = [passphrase, again].map((each) => each.use((bytes) => toHex(bytes)));
  again.wipe();
  if (one !== other) throw new SetupError("passphrase", "the two are not the same");
};

/** Before anybody thinks of a passphrase. */
const checkNew = (path: string): void => {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined)
    throw new SetupError("exists", `${path} exists already, and nothing is ever written over it`);
  if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new SetupError("missing", `there is no directory ${dirname(path)} to put ${basename(path)} into`);
};

const make = (options: KeyOptions): Promise<void> =>
  withTerminal(async (terminal) => {
    checkNew(options.key);
    const curve = await openCurve(options.curve);
    const key = await withSecret(await passphraseOf(options, terminal), async (passphrase) => {
      checkStrength(passphrase);
      if (options.passphraseFile === undefined) await checkSame(passphrase, terminal);
      return createKey(options.key, curve, passphrase);
    });
    if (options.json) print(toJson({ key, file: options.key }));
    else
      print(
        `${toHex(key)}\n\nThis is the public key. On the signer's machine:\n` +
          `  countersign device limits set --dir DIR --approver ${toHex(key)}\n` +
          "Whoever holds the device compares it on the screen. Keep the file, and a copy, away from that machine.",
      );
  });

const show = (options: KeyOptions): Promise<void> =>
  withTerminal(async (terminal) => {
    const curve = await openCurve(options.curve);
    const key = await withKey(options, curve, terminal, (secret) => curve.publicKeyX(secret));
    print(options.json ? toJson({ key }) : toHex(key));
  });

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export const registerApprover = (program: Command): void => {
  const approver = program
    .command("approver")
    .description("a key whose word a device takes in the place of a person's at its buttons");
  const command = (name: string, description: string): Command =>
    approver
      .command(name)
      .description(description)
      .requiredOption("--key <file>", "the approver's key, sealed under a passphrase")
      .option("--passphrase-file <file>", "its passphrase, in a file that nobody else may read")
      .addOption(
        new Option("--curve <backend>", "noble is for systems without libsecp256k1")
          .choices(["native", "noble"])
          .default("native"),
      );
  command("new", "make a key; the device is told its public half with `device limits set --approver`")
    .option("--json", "print JSON")
    .action(make);
  command("show", "its public half").option("--json", "print JSON").action(show);
  command(
    "sign <file>",
    "read what `device questions --json` or `device limits propose` printed, and sign what is right; `device submit` takes the result",
  )
    .option("--approve <id>", "sign yes to it, without asking; of limits the word limits", collect)
    .option("--deny <id>", "sign no to it, without asking", collect)
    .addHelpText(
      "after",
      "\nThe file may be - for the input. What is signed holds for the words that are shown, on one device, as it stands now.",
    )
    .action(sign);
};
