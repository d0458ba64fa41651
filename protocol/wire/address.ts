import type { Secret } from "../secret.ts";

/** Whatever is on TCP shows a certificate, on both sides. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Who may open the socket's file is who may ask: no certificates. */
export interface UnixAddress {
  readonly path: string;
}

export type Address = TcpAddress | UnixAddress;

/** PEM. */
export interface Credentials {
  readonly ca: string;
  readonly certificate: string;
  readonly key: Secret;
}
