/** Small files under a passphrase, in the age format (age-encryption.org/v1): the stock `age -d` opens them too. */

import { armor, Decrypter, Encrypter } from "age-encryption";
import { Secret } from "../../protocol/secret.ts";
import { createFile, readPrivate } from "../private-file.ts";
import { SetupError } from "../setup-error.ts";

/** log2 of scrypt's cost: what age itself takes, 256 MB and about a second. */
export const fullWorkFactor = 18;

const utf8 = new TextDecoder("utf-8", { fatal: true });
const armored = "-----BEGIN AGE ENCRYPTED FILE-----";

/** age counts every byte; a line's end, which editors and `echo` add, is none of the passphrase. */
export const passphraseFrom = (bytes: Uint8Array): Secret => {
  let end = bytes.length;
  if (bytes[end - 1] === 0x0a) end--;
  if (bytes[end - 1] === 0x0d) end--;
  const line = bytes.subarray(0, end);
  if (line.length === 0) throw new SetupError("passphrase", "the passphrase is empty");
  if (line.includes(0x0a)) throw new SetupError("passphrase", "the passphrase has more than one line");
  try {
    utf8.decode(line);
  } catch {
    throw new SetupError("passphrase", "the passphrase is not UTF-8");
  }
  return new Secret(line);
};

export const seal = async (
  plain: Uint8Array,
  passphrase: Secret,
  workFactor = fullWorkFactor,
): Promise<Uint8Array> => {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase.use((bytes) => utf8.decode(bytes)));
  encrypter.setScryptWorkFactor(workFactor);
  return encrypter.encrypt(plain);
};

/** `path` is what the errors name. */
export const unseal = async (sealed: Uint8Array, passphrase: Secret, path: string): Promise<Uint8Array> => {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase.use((bytes) => utf8.decode(bytes)));
  try {
    const text = Buffer.from(sealed).toString("latin1");
    return await decrypter.decrypt(text.trimStart().startsWith(armored) ? armor.decode(text) : sealed);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("no identity matched"))
      throw new SetupError("passphrase", `the passphrase does not open ${path}`);
    throw new SetupError(
      "invalid",
      `${path} is damaged, or not an age file under a passphrase`,
      "Take another copy of it, or restore from the 24 words.",
    );
  }
};

export const writeSealed = async (
  path: string,
  plain: Uint8Array,
  passphrase: Secret,
  workFactor?: number,
): Promise<void> => createFile(path, await seal(plain, passphrase, workFactor));

export const readSealed = async (path: string, passphrase: Secret): Promise<Uint8Array> =>
  unseal(readPrivate(path), passphrase, path);
