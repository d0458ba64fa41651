/** A source as a file of settings names it. Whoever reads the file resolves its paths first. */

import { X509Certificate } from "node:crypto";
import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { Secret } from "../protocol/secret.ts";
import { bitcoind, type Credentials } from "./bitcoind.ts";
import { electrum } from "./electrum.ts";
import { parseElectrumUrl } from "./electrum-line.ts";
import type { Pinned } from "./electrum-wire.ts";
import { esplora } from "./esplora.ts";
import type { ChainSource } from "./source.ts";

const address = z
  .url({ protocol: /^https?$/, error: "not an address: http://host:port or https://host" })
  .refine((text) => {
    const url = URL.parse(text);
    // What is no address at all has been told already.
    return url === null || url.username + url.password + url.search + url.hash === "";
  }, "no user, password or query belongs here: it would be shown and logged");

export const bitcoindTable = z.strictObject({
  url: address.describe("Of its JSON-RPC."),
  cookie: z
    .string()
    .min(1)
    .optional()
    .describe("The file that it writes with each start; whoever runs this must be able to read it."),
  user: z.string().min(1).optional().describe("Of rpcauth, instead of a cookie."),
  passwordFile: z
    .string()
    .min(1)
    .optional()
    .describe("The user's password: in a file that nobody else may read."),
  rest: z.boolean().optional().describe("Whether it runs with -rest=1: then blocks come quicker."),
});

export const esploraTable = z.strictObject({
  url: address.describe(
    "Of its HTTP interface, such as https://blockstream.info/api; it learns what is asked for.",
  ),
});

export const electrumTable = z.strictObject({
  url: z
    .string()
    .refine(
      (text) => parseElectrumUrl(text) !== undefined,
      "not an address: tcp://host:port or ssl://host:port, and nothing else in it",
    )
    .describe(
      "Of an electrs, Fulcrum or ElectrumX of one's own: two questions for each transaction of a block are more than a public server answers.",
    ),
  certificate: z
    .string()
    .min(1)
    .optional()
    .describe(
      "With ssl: the file with the server's certificate, or with that of whoever signed it, in PEM. It is trusted in place of the authorities that Node knows.",
    ),
});

type ElectrumTable = Readonly<z.infer<typeof electrumTable>>;

const electrumFault = ({ url, certificate }: ElectrumTable): string | undefined =>
  certificate !== undefined && parseElectrumUrl(url)?.secure === false
    ? "a certificate belongs to an address with ssl://"
    : undefined;

type BitcoindTable = Readonly<z.infer<typeof bitcoindTable>>;

const credentialsFault = ({ cookie, user, passwordFile }: BitcoindTable): string | undefined => {
  if ((user === undefined) !== (passwordFile === undefined)) return "user and passwordFile belong together";
  if ((cookie === undefined) === (user === undefined)) return "either cookie, or user and passwordFile";
  return undefined;
};

type AnySource =
  | ({ readonly kind: "bitcoind" } & BitcoindTable)
  | ({ readonly kind: "electrum" } & ElectrumTable)
  | { readonly kind: "esplora" };

/** What is wrong with how one lets itself be known to the other, in people's words. */
export const sourceFault = (settings: AnySource): string | undefined => {
  switch (settings.kind) {
    case "bitcoind":
      return credentialsFault(settings);
    case "electrum":
      return electrumFault(settings);
    case "esplora":
      return undefined;
  }
};

export const sourceSettings = z
  .discriminatedUnion("kind", [
    bitcoindTable.extend({ kind: z.literal("bitcoind") }),
    esploraTable.extend({ kind: z.literal("esplora") }),
    electrumTable.extend({ kind: z.literal("electrum") }),
  ])
  .superRefine((settings, context) => {
    const fault = sourceFault(settings);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  });
export type SourceSettings = Readonly<z.infer<typeof sourceSettings>>;

/** Its paths are relative to the file of settings that they stand in. */
export const resolvedFrom = (file: string, settings: SourceSettings): SourceSettings => {
  const from = (relative: string): string => resolve(dirname(file), relative);
  switch (settings.kind) {
    case "bitcoind": {
      const { cookie, passwordFile } = settings;
      return {
        ...settings,
        ...(cookie === undefined ? {} : { cookie: from(cookie) }),
        ...(passwordFile === undefined ? {} : { passwordFile: from(passwordFile) }),
      };
    }
    case "electrum": {
      const { certificate } = settings;
      return { ...settings, ...(certificate === undefined ? {} : { certificate: from(certificate) }) };
    }
    case "esplora":
      return settings;
  }
};

const mostPassword = 1_000;
const closedToOthers = 0o077;

const passwordIn = async (path: string): Promise<Secret> => {
  const file = await open(path, "r");
  try {
    const { mode, size } = await file.stat();
    if ((mode & closedToOthers) !== 0 && process.platform !== "win32")
      throw new Error(`${path} is open to other users: close it with \`chmod go= ${path}\``);
    if (size > mostPassword) throw new Error(`${path} is too long for a password`);
    const bytes = await file.readFile();
    // Without the end of its line.
    const end = bytes.findLastIndex((byte) => byte !== 0x0a && byte !== 0x0d) + 1;
    if (end === 0) throw new Error(`${path} is empty`);
    const password = new Secret(bytes.subarray(0, end));
    bytes.fill(0);
    return password;
  } finally {
    await file.close();
  }
};

const credentialsOf = async (
  { cookie, user, passwordFile }: BitcoindTable,
  password: (path: string) => Promise<Secret>,
): Promise<Credentials> => {
  if (cookie !== undefined) return { cookie };
  if (user !== undefined && passwordFile !== undefined)
    return { user, password: await password(passwordFile) };
  throw new Error("bitcoind is asked without credentials");
};

const mostCertificates = 100_000;
const oneCertificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

const certificatesIn = async (path: string): Promise<Pinned> => {
  const file = await open(path, "r");
  try {
    if ((await file.stat()).size > mostCertificates) throw new Error(`${path} is too long for a certificate`);
    const pem = (await file.readFile("utf8")).match(oneCertificate) ?? [];
    if (pem.length === 0) throw new Error(`${path} has no certificate in PEM`);
    return { pem: pem.join("\n"), certificates: pem.map((one) => new X509Certificate(one).raw) };
  } finally {
    await file.close();
  }
};

/** It need not answer yet. `password`: how a file with a secret is read, where there are stricter ways. */
export const openSource = async (
  settings: SourceSettings,
  password: (path: string) => Promise<Secret> = passwordIn,
): Promise<ChainSource> => {
  switch (settings.kind) {
    case "bitcoind": {
      const { url, rest } = settings;
      const credentials = await credentialsOf(settings, password);
      return bitcoind({ url, credentials, ...(rest === undefined ? {} : { rest }) });
    }
    case "esplora":
      return esplora({ url: settings.url });
    case "electrum": {
      const { url, certificate } = settings;
      return electrum({
        url,
        ...(certificate === undefined ? {} : { pinned: await certificatesIn(certificate) }),
      });
    }
  }
};
