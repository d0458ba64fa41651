/** What `countersign init` wrote for the host: where the signer is, whose keys it holds, and how to be let in. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { fromHex } from "../protocol/bytes.ts";
import { Secret } from "../protocol/secret.ts";
import { type NodeId, point } from "../protocol/units.ts";
import type { Credentials, TcpAddress } from "../protocol/wire/address.ts";
import { connect } from "../protocol/wire/client.ts";
import type { Connection } from "../protocol/wire/connection.ts";

const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/, "not an address: host:port")
  .transform((text): TcpAddress => {
    const at = text.lastIndexOf(":");
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
  });

const file = z.strictObject({
  address,
  node: z.string().regex(/^0[23][0-9a-f]{64}$/, "not a node id"),
  network: z.enum(["bitcoin", "testnet", "signet", "regtest"]),
  ca: z.string(),
  certificate: z.string(),
  key: z.string(),
});

export interface Bundle {
  readonly address: TcpAddress;
  readonly node: NodeId;
  readonly network: z.infer<typeof file>["network"];
  readonly credentials: Credentials;
}

const readJson = (path: string): unknown => {
  const text = readFileSync(path, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${path} is not JSON: copy the host folder again from the signer`);
  }
};

/** `directory` is the copy of the signer's `host` folder on this machine. */
export const readBundle = (directory: string): Bundle => {
  const path = join(directory, "host.json");
  const parsed = file.safeParse(readJson(path));
  if (!parsed.success) throw new Error(`${path} is not valid:\n${z.prettifyError(parsed.error)}`);
  const { node, network, ca, certificate, key } = parsed.data;
  const pem = readFileSync(join(directory, key));
  const credentials: Credentials = {
    ca: readFileSync(join(directory, ca), "utf8"),
    certificate: readFileSync(join(directory, certificate), "utf8"),
    key: new Secret(pem),
  };
  pem.fill(0);
  return { address: parsed.data.address, node: point(fromHex(node)), network, credentials };
};

/** For `signerClient`: a fresh connection to the signer of the bundle. */
export const connectTo =
  ({ address: to, credentials }: Pick<Bundle, "address" | "credentials">) =>
  (): Promise<Connection> =>
    connect({ address: to, credentials });
