/** Keys and seals of the device: HMAC-SHA256 under labels, and ChaCha20-Poly1305. */

import { createCipheriv, createDecipheriv, createHmac, scryptSync } from "node:crypto";
import { concat } from "../protocol/bytes.ts";
import { invalid } from "../protocol/malformed.ts";
import { Secret } from "../protocol/secret.ts";

export const sealKeyLength = 32;
export const nonceLength = 12;
export const tagLength = 16;

/** Another key for each label; from one nobody comes to the other. */
export const deriveSecret = (from: Secret, label: string, ...parts: readonly Uint8Array[]): Secret => {
  const bytes = from.use((key) =>
    createHmac("sha256", key)
      .update(`countersign device ${label}\0`)
      .update(concat(...parts))
      .digest(),
  );
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
};

/** For an instant: N = 2^10, r = 4, p = 8 takes 512 KiB and some tenths of a second of a microcontroller. */
const stretching = { N: 1 << 10, r: 4, p: 8 } as const;

/**
 * A PIN has few digits, so stretching alone holds off nobody who has read the flash: the device's own secret, which is
 * not in it, does. Both are needed.
 */
export const stretchPin = (pin: Secret, salt: Uint8Array, device: Secret): Secret => {
  const bytes = pin.use((digits) => scryptSync(digits, salt, sealKeyLength, stretching));
  const key = deriveSecret(device, "pin", bytes);
  bytes.fill(0);
  return key;
};

export const seal = (key: Secret, nonce: Uint8Array, about: Uint8Array, plain: Uint8Array): Uint8Array =>
  key.use((bytes) => {
    const cipher = createCipheriv("chacha20-poly1305", bytes, nonce, { authTagLength: tagLength });
    cipher.setAAD(about, { plaintextLength: plain.length });
    const body = cipher.update(plain);
    cipher.final();
    return concat(body, cipher.getAuthTag());
  });

/** Malformed where it is not what was sealed with this key, nonce and subject. */
export const unseal = (key: Secret, nonce: Uint8Array, about: Uint8Array, sealed: Uint8Array): Uint8Array =>
  key.use((bytes) => {
    if (sealed.length < tagLength) throw invalid("shorter than its tag");
    const end = sealed.length - tagLength;
    const cipher = createDecipheriv("chacha20-poly1305", bytes, nonce, { authTagLength: tagLength });
    cipher.setAAD(about, { plaintextLength: end });
    cipher.setAuthTag(sealed.subarray(end));
    const plain = cipher.update(sealed.subarray(0, end));
    try {
      cipher.final();
    } catch {
      plain.fill(0);
      throw invalid("not authentic");
    }
    const out = Uint8Array.from(plain);
    plain.fill(0);
    return out;
  });
