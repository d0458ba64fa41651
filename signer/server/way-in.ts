/** What both ends of the admin socket, and the host's port, take from a signer's directory. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "../../protocol/secret.ts";
import { type Credentials, isSocketPath, maxSocketPath } from "../../protocol/wire/address.ts";
import { codeOf, readPrivate } from "../private-file.ts";
import { SetupError } from "../setup-error.ts";

/** Certificates are no secrets: any mode will do. */
const readCertificate = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    throw new SetupError("missing", `there is no ${path}`, "Put back what `countersign init` wrote there.");
  }
};

/** `whose`: the name that init gave to certificate and key. */
export const credentialsIn = (directory: string, whose: "server" | "admin"): Credentials => {
  const key = readPrivate(join(directory, `${whose}-key.pem`));
  const credentials: Credentials = {
    ca: readCertificate(join(directory, "ca.pem")),
    certificate: readCertificate(join(directory, `${whose}.pem`)),
    key: new Secret(key),
  };
  key.fill(0);
  return credentials;
};

/** The path of a socket has a place of fixed size in the kernel. */
export const checkSocket = (path: string, file: string): void => {
  if (isSocketPath(path)) return;
  throw new SetupError(
    "invalid",
    `${path} is too long for a socket: ${maxSocketPath} bytes are the most`,
    `Name a shorter path in ${file}, such as admin = "/run/countersign/admin.sock", or move the directory.`,
  );
};
