/** An approver's key: 32 bytes in an age file under a passphrase, on a machine that is not the signer's. */

import { randomBytes } from "node:crypto";
import type { Curve } from "../../protocol/curve/curve.ts";
import { Secret } from "../../protocol/secret.ts";
import { readSealed, writeSealed } from "../../signer/keys/sealed.ts";
import { SetupError } from "../../signer/setup-error.ts";

/** So that no other sealed file is taken for one. */
const head = new TextEncoder().encode("countersign approver 1\n");

export const createKey = async (
  path: string,
  curve: Curve,
  passphrase: Secret,
  workFactor?: number,
): Promise<Uint8Array> => {
  for (;;) {
    const bytes = randomBytes(32);
    const plain = new Uint8Array(head.length + bytes.length);
    try {
      if (!curve.isSecret(bytes)) continue;
      plain.set(head);
      plain.set(bytes, head.length);
      await writeSealed(path, plain, passphrase, workFactor);
      const secret = new Secret(bytes);
      const key = curve.publicKeyX(secret);
      secret.wipe();
      return key;
    } finally {
      bytes.fill(0);
      plain.fill(0);
    }
  }
};

export const openKey = async (path: string, curve: Curve, passphrase: Secret): Promise<Secret> => {
  const plain = await readSealed(path, passphrase);
  try {
    const bytes = plain.subarray(head.length);
    if (
      plain.length !== head.length + 32 ||
      head.some((byte, i) => plain[i] !== byte) ||
      !curve.isSecret(bytes)
    )
      throw new SetupError(
        "invalid",
        `${path} is no approver's key`,
        "`countersign approver new` makes one.",
      );
    return new Secret(bytes);
  } finally {
    plain.fill(0);
  }
};
