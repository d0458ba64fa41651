/** Certificates that `init` wrote, as a command takes them: what is wrong with them is told, and is no fault. */

import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Credentials } from "../protocol/wire/address.ts";
import { credentialsIn } from "../signer/server/way-in.ts";
import { SetupError } from "../signer/setup-error.ts";

export const usableCredentials = (directory: string, whose: "server" | "admin"): Credentials => {
  const credentials = credentialsIn(directory, whose);
  const { ca, certificate: cert, key } = credentials;
  try {
    // TLS would take an authority that is none, and then believe nobody.
    new X509Certificate(ca);
    key.use((bytes) => createSecureContext({ ca, cert, key: Buffer.from(bytes) }));
    return credentials;
  } catch {
    key.wipe();
    throw new SetupError(
      "invalid",
      `ca.pem, ${whose}.pem and ${whose}-key.pem in ${directory} can't be used: one is damaged, or they do not belong together`,
      "Put back what `countersign init` wrote there.",
    );
  }
};
