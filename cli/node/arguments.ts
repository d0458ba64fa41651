/** Amounts and peers as people type them. */

import { type Msat, msat, type Sat, sat } from "../../protocol/units.ts";
import { parseAddress, printAddress } from "../../signer/config.ts";
import { SetupError } from "../../signer/setup-error.ts";

const usage = (message: string, remedy: string): SetupError => new SetupError("usage", message, remedy);

/** What there will ever be. */
const most = 2_100_000_000_000_000n;

/** Whole satoshi, or with up to three digits after the point: a millisatoshi is 0.001. */
export const parseMsat = (text: string): Msat => {
  const [, whole, part = ""] = /^(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,3}))?$/.exec(text) ?? [];
  const n = whole === undefined ? 0n : BigInt(whole) * 1000n + BigInt(part.padEnd(3, "0"));
  if (n === 0n || n > most * 1000n)
    throw usage(`${text}: not an amount`, "Amounts are in satoshi: 50000, or 1.250 for 1250 millisatoshi.");
  return msat(n);
};

/** `parseMsat` reads the same from it. */
export const printMsat = (n: Msat): string => {
  const rest = n % 1000n;
  return `${n / 1000n}${rest === 0n ? "" : `.${String(rest).padStart(3, "0")}`}`;
};

export const parseSat = (text: string): Sat => {
  const n = /^[1-9][0-9]{0,15}$/.test(text) ? BigInt(text) : 0n;
  if (n === 0n || n > most) throw usage(`${text}: not an amount in whole satoshi`, "Such as 1000000.");
  return sat(n);
};

/** `any`: whoever pays chooses. */
export const parseAsking = (text: string): Msat | undefined => (text === "any" ? undefined : parseMsat(text));

export const nodePattern = /^0[23][0-9a-f]{64}$/;

export const parseNodeId = (text: string): string => {
  const node = text.toLowerCase();
  if (!nodePattern.test(node))
    throw usage(`${text}: not a node id`, "66 hexadecimal digits, beginning with 02 or 03.");
  return node;
};

export interface PeerAddress {
  readonly node: string;
  readonly address: { readonly host: string; readonly port: number };
}

/** `NODE@HOST:PORT`, an IPv6 address in brackets. */
export const parsePeer = (text: string): PeerAddress => {
  const at = text.indexOf("@");
  const address = at === -1 ? undefined : parseAddress(text.slice(at + 1));
  if (address === undefined || address.port === 0)
    throw usage(`${text}: not a peer's address`, "It has the form NODE@HOST:PORT.");
  return { node: parseNodeId(text.slice(0, at)), address };
};

export const printPeer = ({ node, address }: PeerAddress): string => `${node}@${printAddress(address)}`;
