/** The chain source that the configuration names, opened; it need not answer yet. */

import { observe } from "../../chain/observe.ts";
import { openSource } from "../../chain/open.ts";
import { Secret } from "../../protocol/secret.ts";
import type { OwnSource } from "../chain/own.ts";
import { type Config, ownSourceOf } from "../config.ts";
import type { Log } from "../log.ts";
import { readPrivate } from "../private-file.ts";
import { SetupError } from "../setup-error.ts";

/** An attacker gains nothing by a few seconds, and a node of one's own is asked for its tip alone. */
const everyMs = { regtest: 500, other: 5_000 };

/** Without the end of its line. */
const passwordIn = async (path: string): Promise<Secret> => {
  const bytes = readPrivate(path);
  const end = bytes.findLastIndex((byte) => byte !== 0x0a && byte !== 0x0d) + 1;
  const password = new Secret(bytes.slice(0, end));
  bytes.fill(0);
  if (end === 0) throw new SetupError("invalid", `${path} is empty`);
  return password;
};

/** Undefined: blocks come from the host, or from nowhere. */
export const openOwnSource = async (
  config: Config,
  file: string,
  log: Log,
): Promise<OwnSource | undefined> => {
  const settings = ownSourceOf(config, file);
  if (settings === undefined) return undefined;
  const source = await openSource(settings, passwordIn).catch((error: unknown) => {
    if (error instanceof SetupError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SetupError("invalid", `${file}, [chain.${settings.kind}]: ${reason}`);
  });
  const pace = config.network === "regtest" ? everyMs.regtest : everyMs.other;
  return {
    ...{ source, log, observer: observe({ source, everyMs: pace }) },
    // Nobody waits for half a minute on a chain whose blocks come when somebody asks for them.
    ...(config.network === "regtest" ? { retryMs: 500 } : {}),
  };
};
