/** The chain source that the configuration names, opened; it need not answer yet. */

import { bitcoind, type Credentials } from "../../chain/bitcoind.ts";
import { esplora } from "../../chain/esplora.ts";
import { observe } from "../../chain/observe.ts";
import type { ChainSource } from "../../chain/source.ts";
import { Secret } from "../../protocol/secret.ts";
import type { OwnSource } from "../chain/own.ts";
import type { OwnSettings } from "../chain-config.ts";
import { type Config, ownSourceOf } from "../config.ts";
import type { Log } from "../log.ts";
import { readPrivate } from "../private-file.ts";
import { SetupError } from "../setup-error.ts";

/** An attacker gains nothing by a few seconds, and a node of one's own is asked for its tip alone. */
const everyMs = { regtest: 500, other: 5_000 };

/** Without the end of its line. */
const passwordIn = (path: string): Secret => {
  const bytes = readPrivate(path);
  const end = bytes.findLastIndex((byte) => byte !== 0x0a && byte !== 0x0d) + 1;
  const password = new Secret(bytes.slice(0, end));
  bytes.fill(0);
  if (end === 0) throw new SetupError("invalid", `${path} is empty`);
  return password;
};

const credentialsOf = (
  { cookie, user, passwordFile }: Extract<OwnSettings, { kind: "bitcoind" }>,
  file: string,
): Credentials => {
  if (cookie !== undefined) return { cookie };
  if (user !== undefined && passwordFile !== undefined) return { user, password: passwordIn(passwordFile) };
  throw new SetupError("invalid", `${file}: [chain.bitcoind] has no credentials`);
};

const opened = (settings: OwnSettings, file: string): ChainSource => {
  switch (settings.kind) {
    case "bitcoind": {
      const { url, rest } = settings;
      const credentials = credentialsOf(settings, file);
      return bitcoind({ url, credentials, ...(rest === undefined ? {} : { rest }) });
    }
    case "esplora":
      return esplora({ url: settings.url });
  }
};

/** Undefined: blocks come from the host, or from nowhere. */
export const openOwnSource = (config: Config, file: string, log: Log): OwnSource | undefined => {
  const settings = ownSourceOf(config, file);
  if (settings === undefined) return undefined;
  const source = opened(settings, file);
  const pace = config.network === "regtest" ? everyMs.regtest : everyMs.other;
  return {
    ...{ source, log, observer: observe({ source, everyMs: pace }) },
    // Nobody waits for half a minute on a chain whose blocks come when somebody asks for them.
    ...(config.network === "regtest" ? { retryMs: 500 } : {}),
  };
};
