import { hkdfSync } from "node:crypto";
import { Secret } from "../../protocol/secret.ts";

export interface Expansion {
  readonly from: Secret;
  readonly salt?: Uint8Array;
  readonly info: string | Uint8Array;
  readonly length?: number;
}

const none = new Uint8Array(0);

/** HKDF-SHA256 (RFC 5869). */
export const expand = ({ from, salt = none, info, length = 32 }: Expansion): Secret => {
  const bytes = new Uint8Array(from.use((key) => hkdfSync("sha256", key, salt, info, length)));
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
};
