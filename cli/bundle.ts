/** What a host's machine is given: where the signer answers, and a certificate that is for one node alone. */

import { randomBytes, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { toHex } from "../protocol/bytes.ts";
import type { Network } from "../protocol/operations/fields.ts";
import { Secret } from "../protocol/secret.ts";
import type { NodeId } from "../protocol/units.ts";
import type { TcpAddress } from "../protocol/wire/address.ts";
import { type Identity, type Issuance, issueClient } from "../signer/certificates.ts";
import { printAddress } from "../signer/config.ts";
import { readSealed } from "../signer/keys/sealed.ts";
import { createFile } from "../signer/private-file.ts";
import { SetupError } from "../signer/setup-error.ts";

/** Ten years for each: a host whose certificate runs out can no longer have its channels signed for. */
const days = 3650;

/** `now`: milliseconds since 1970. */
export const issuanceAt = (now: number): Issuance => ({
  now,
  days,
  random: (length) => new Uint8Array(randomBytes(length)),
});

export const issueHost = (authority: Identity, node: NodeId, issuance: Issuance): Identity =>
  issueClient(authority, { role: "host", node }, issuance);

/** Of the directory of certificates. Its key is sealed: who could read it could issue one to an administrator. */
export const openAuthority = async (certificates: string, passphrase: Secret): Promise<Identity> => {
  const bytes = await readSealed(join(certificates, "ca-key.age"), passphrase);
  try {
    return { certificate: readFileSync(join(certificates, "ca.pem"), "utf8"), key: new Secret(bytes) };
  } finally {
    bytes.fill(0);
  }
};

/** What hosts dial, where that is not what the signer listens at. */
export const dialledAt = (listen: TcpAddress, name: string | undefined): TcpAddress => {
  if (name !== undefined) return { host: name, port: listen.port };
  if (["0.0.0.0", "::"].includes(listen.host))
    throw new SetupError(
      "usage",
      `${printAddress(listen)} is every address of this machine, and no host can dial that`,
      "Say what the host calls this machine: --name NAME.",
    );
  return listen;
};

/** A host would turn away from a signer whose certificate has another name. */
export const checkDialled = ({ host }: TcpAddress, certificates: string): void => {
  const path = join(certificates, "server.pem");
  const certificate = new X509Certificate(readFileSync(path, "utf8"));
  const found = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (found !== undefined) return;
  throw new SetupError(
    "usage",
    `the signer's certificate is not for ${host}, so no host would believe it there`,
    `It is for ${certificate.subjectAltName ?? "nobody"}: give one of them to --name.`,
  );
};

export interface Bundle {
  readonly dialled: TcpAddress;
  readonly node: NodeId;
  readonly network: Network;
  /** Of the authority. */
  readonly ca: string;
  readonly host: Identity;
}

/** A new directory. */
export const writeBundle = (at: string, { dialled, node, network, ca, host }: Bundle): void => {
  mkdirSync(at, { mode: 0o700 });
  const about = {
    address: printAddress(dialled),
    node: toHex(node),
    network,
    ca: "ca.pem",
    certificate: "host.pem",
    key: "host-key.pem",
  };
  createFile(join(at, "host.json"), `${JSON.stringify(about, undefined, 2)}\n`);
  createFile(join(at, "ca.pem"), ca);
  createFile(join(at, "host.pem"), host.certificate);
  host.key.use((key) => createFile(join(at, "host-key.pem"), key));
};
