/** A source as a file of settings names it. Whoever reads the file resolves its paths first. */

import { open } from "node:fs/promises";
import { z } from "zod";
import { Secret } from "../protocol/secret.ts";
import { bitcoind, type Credentials } from "./bitcoind.ts";
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

type BitcoindTable = Readonly<z.infer<typeof bitcoindTable>>;

/** What is wrong with how it lets itself be known to the source, in people's words. */
export const credentialsFault = ({ cookie, user, passwordFile }: BitcoindTable): string | undefined => {
  if ((user === undefined) !== (passwordFile === undefined)) return "user and passwordFile belong together";
  if ((cookie === undefined) === (user === undefined)) return "either cookie, or user and passwordFile";
  return undefined;
};

export const sourceSettings = z
  .discriminatedUnion("kind", [
    bitcoindTable.extend({ kind: z.literal("bitcoind") }),
    esploraTable.extend({ kind: z.literal("esplora") }),
  ])
  .superRefine((settings, context) => {
    const fault = settings.kind === "bitcoind" ? credentialsFault(settings) : undefined;
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  });
export type SourceSettings = Readonly<z.infer<typeof sourceSettings>>;

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
  }
};
