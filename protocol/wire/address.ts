import type { Secret } from "../secret.ts";

/** Whatever is on TCP shows a certificate, on both sides. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Without certificates, who may open the socket's file is who may ask. */
export interface UnixAddress {
  readonly path: string;
}

/** What every system takes (104 bytes on macOS, with the one that ends it); a longer path would be cut off. */
export const maxSocketPath = 103;

export const isSocketPath = (path: string): boolean =>
  new TextEncoder().encode(path).length <= maxSocketPath && !path.includes("\0");

export type Address = TcpAddress | UnixAddress;

/** PEM. */
export interface Credentials {
  readonly ca: string;
  readonly certificate: string;
  readonly key: Secret;
}
