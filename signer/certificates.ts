/**
 * The certificates of one signer: its own small authority, its server certificate, and one for each host and
 * administrator. P-256, which every TLS library of gRPC's takes as it comes. The authority's key is as dear as the
 * seed: who has it can make an approver.
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import { Secret } from "../protocol/secret.ts";
import { type Caller, roleUri } from "../protocol/wire/caller.ts";
import { ascii, bits, integer, octets, oid, sequence, setOf, tagged, time, utf8, yes } from "./der.ts";

/** PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: Secret;
}

export interface Issuance {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly days: number;
  /** Fresh random bytes, for the serial number. */
  readonly random: (length: number) => Uint8Array;
}

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
const serverAuth = oid("1.3.6.1.5.5.7.3.1");
const clientAuth = oid("1.3.6.1.5.5.7.3.2");

/** Common names stay plain ASCII, so that the name which OpenSSL reads back is the one written here. */
const name = (commonName: string): Uint8Array => {
  if (!/^[A-Za-z0-9 .-]{1,64}$/.test(commonName))
    throw new RangeError("not a plain name of 1 to 64 characters");
  return sequence(setOf(sequence(oid("2.5.4.3"), utf8(commonName))));
};

const publicKeyInfo = (key: KeyObject): Uint8Array =>
  new Uint8Array(key.export({ type: "spki", format: "der" }));

/** RFC 7093 section 2, method 4: any 160 bits that follow from the key will do. */
const keyIdentifier = (key: KeyObject): Uint8Array =>
  new Uint8Array(createHash("sha256").update(publicKeyInfo(key)).digest().subarray(0, 20));

const extension = (id: string, critical: boolean, value: Uint8Array): Uint8Array =>
  sequence(oid(id), ...(critical ? [yes] : []), octets(value));
const basicConstraints = (isAuthority: boolean): Uint8Array =>
  extension("2.5.29.19", true, sequence(...(isAuthority ? [yes, integer(Uint8Array.of(0))] : [])));
const usedToSignCertificates = extension("2.5.29.15", true, bits(Uint8Array.of(0b0000_0110), 1));
const usedToSign = extension("2.5.29.15", true, bits(Uint8Array.of(0b1000_0000), 7));
const usedFor = (purpose: Uint8Array): Uint8Array => extension("2.5.29.37", false, sequence(purpose));
const subjectKey = (key: KeyObject): Uint8Array => extension("2.5.29.14", false, octets(keyIdentifier(key)));
const authorityKey = (key: KeyObject): Uint8Array =>
  extension("2.5.29.35", false, sequence(tagged(0x80, keyIdentifier(key))));
const alternativeNames = (names: readonly Uint8Array[]): Uint8Array =>
  extension("2.5.29.17", false, sequence(...names));

const pem = (der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
};

interface Content {
  readonly subject: Uint8Array;
  readonly key: KeyObject;
  readonly extensions: readonly Uint8Array[];
}

interface Issuer {
  readonly name: Uint8Array;
  readonly key: KeyObject;
}

/** A clock of the other side may be behind. */
const leeway = 5 * 60_000;

const certificate = (content: Content, issuer: Issuer, { now, days, random }: Issuance): string => {
  if (!(days > 0)) throw new RangeError("a certificate is valid for at least a part of a day");
  // RFC 5280 section 4.1.2.2: positive, at most 20 bytes; 159 random bits behind a one.
  const serial = random(20);
  if (serial.length !== 20) throw new RangeError("20 random bytes are needed");
  const positive = Uint8Array.from(serial, (byte, at) => (at === 0 ? (byte & 0x3f) | 0x40 : byte));
  const body = sequence(
    tagged(0xa0, integer(Uint8Array.of(2))),
    integer(positive),
    ecdsaWithSha256,
    issuer.name,
    sequence(time(now - leeway), time(now + days * 86_400_000)),
    content.subject,
    publicKeyInfo(content.key),
    tagged(0xa3, sequence(...content.extensions)),
  );
  const signature = sign("sha256", body, { key: issuer.key, dsaEncoding: "der" });
  return pem(sequence(body, ecdsaWithSha256, bits(new Uint8Array(signature))));
};

const newKey = (): {
  readonly key: Secret;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
} => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const text = Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" }));
  const key = new Secret(text);
  text.fill(0);
  return { key, privateKey, publicKey };
};

/** An authority that issues nothing but the certificates of one signer. */
export const createAuthority = (commonName: string, issuance: Issuance): Identity => {
  const { key, privateKey, publicKey } = newKey();
  const subject = name(commonName);
  const extensions = [
    basicConstraints(true),
    usedToSignCertificates,
    subjectKey(publicKey),
    authorityKey(publicKey),
  ];
  const content = { subject, key: publicKey, extensions };
  return { certificate: certificate(content, { name: subject, key: privateKey }, issuance), key };
};

const issuerOf = ({ certificate, key }: Identity): Issuer & { readonly publicKey: KeyObject } => {
  const read = new X509Certificate(certificate);
  const privateKey = key.use((bytes) => createPrivateKey(Buffer.from(bytes)));
  if (!read.ca || !read.checkPrivateKey(privateKey)) throw new RangeError("not an authority and its key");
  const [, commonName = ""] = /^CN=(.*)$/.exec(read.subject) ?? [];
  return { name: name(commonName), key: privateKey, publicKey: createPublicKey(privateKey) };
};

const issue = (
  authority: Identity,
  commonName: string,
  purpose: Uint8Array,
  names: readonly Uint8Array[],
  issuance: Issuance,
): Identity => {
  const issuer = issuerOf(authority);
  const { key, publicKey } = newKey();
  const extensions = [
    basicConstraints(false),
    usedToSign,
    usedFor(purpose),
    subjectKey(publicKey),
    authorityKey(issuer.publicKey),
    alternativeNames(names),
  ];
  return {
    certificate: certificate({ subject: name(commonName), key: publicKey, extensions }, issuer, issuance),
    key,
  };
};

const ipBytes = (address: string): Uint8Array => {
  if (isIP(address) === 4) return Uint8Array.from(address.split("."), Number);
  // A URL gives the one form of RFC 5952: groups in hexadecimal, at most one "::".
  const [, canonical = ""] = /^\[(.*)\]$/.exec(new URL(`http://[${address}]`).hostname) ?? [];
  const [before = [], after = []] = canonical
    .split("::")
    .map((half) => half.split(":").filter((group) => group !== ""));
  const zeros = new Array<string>(8 - before.length - after.length).fill("0");
  return Uint8Array.from(
    [...before, ...zeros, ...after].flatMap((group) => {
      const n = Number.parseInt(group, 16);
      return [n >> 8, n & 0xff];
    }),
  );
};

const serverName = (text: string): Uint8Array => {
  if (isIP(text) !== 0 && !text.includes("%")) return tagged(0x87, ipBytes(text));
  const label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
  if (text.length > 253 || !new RegExp(`^${label}(\\.${label})*$`, "i").test(text))
    throw new RangeError(`not a host name or an address: ${JSON.stringify(text)}`);
  return ascii(0x82, text);
};

/** For `localhost` and what else hosts call the signer's machine. */
export const issueServer = (authority: Identity, names: readonly string[], issuance: Issuance): Identity => {
  const all = new Set(["localhost", "127.0.0.1", "::1", ...names]);
  return issue(authority, "Countersign signer", serverAuth, [...all].map(serverName), issuance);
};

/** Says who the caller is, and nothing else. */
export const issueClient = (authority: Identity, caller: Caller, issuance: Issuance): Identity =>
  issue(authority, `Countersign ${caller.role}`, clientAuth, [ascii(0x86, roleUri(caller))], issuance);

/** For the operator: when it ends, in milliseconds since 1970. */
export const validUntil = ({ certificate }: Pick<Identity, "certificate">): number =>
  new X509Certificate(certificate).validToDate.getTime();
