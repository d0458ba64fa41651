/** What an Electrum server is called, and what one line of it says. */

import { z } from "zod";
import { SourceError } from "./source.ts";

export interface ElectrumAddress {
  /** By TLS: `ssl://`. */
  readonly secure: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

const form = /^(tcp|ssl):\/\/(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253})):([1-9]\d{0,4})\/?$/i;

/** Undefined where it is none. It has no place for a user, a password or a path. */
export const parseElectrumUrl = (text: string): ElectrumAddress | undefined => {
  const [, scheme, six, name, digits] = form.exec(text) ?? [];
  const host = six ?? name;
  const port = Number(digits);
  if (scheme === undefined || host === undefined || port > 65_535) return undefined;
  return { secure: scheme.toLowerCase() === "ssl", host, port };
};

/** Host and port. */
export const printAuthority = ({ host, port }: Pick<ElectrumAddress, "host" | "port">): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

export const printElectrumUrl = (address: ElectrumAddress): string =>
  `${address.secure ? "ssl" : "tcp"}://${printAuthority(address)}`;

export type ElectrumLine =
  | { readonly is: "result"; readonly id: number; readonly value: unknown }
  | { readonly is: "error"; readonly id: number; readonly code: number; readonly message: string }
  /** Of itself: a new tip, to whoever subscribed. */
  | { readonly is: "notification" };

/** ElectrumX and Fulcrum say so of anything that they can't do; one index writes the words alone. */
export const badRequest = 1;

const id = z.number().int().min(0);
const words = z.string().transform((message) => ({ code: badRequest, message }));
const failure = z.object({ code: z.number().int(), message: z.string() });
const error = z.object({ id, error: z.union([failure, words]) });
const result = z.object({ id, result: z.unknown(), error: z.null().optional() });
const notification = z.object({ method: z.string(), id: z.null().optional() });

export const parseElectrumLine = (text: string): ElectrumLine => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SourceError("it answers with what is no JSON");
  }
  const failed = error.safeParse(value);
  if (failed.success) return { is: "error", id: failed.data.id, ...failed.data.error };
  if (typeof value === "object" && value !== null && Object.hasOwn(value, "result")) {
    const done = result.safeParse(value);
    if (done.success) return { is: "result", id: done.data.id, value: done.data.result };
  }
  if (notification.safeParse(value).success) return { is: "notification" };
  throw new SourceError("it answers with JSON of another shape");
};
