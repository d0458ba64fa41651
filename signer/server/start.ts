/** A signer from its directory: configuration, seed, store, sessions, and the address it answers at. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../protocol/bytes.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Address, Credentials } from "../../protocol/wire/address.ts";
import type { Respond } from "../../protocol/wire/answering.ts";
import { callerKey } from "../../protocol/wire/caller.ts";
import { type Served, serve } from "../../protocol/wire/server.ts";
import { systemClock } from "../clock.ts";
import { type Config, parseAddress, pathsOf, policyOf } from "../config.ts";
import { faultText } from "../hardening.ts";
import { readSeed, seedOf } from "../keys/seed.ts";
import { softwareKeyring } from "../keys/software.ts";
import type { Log } from "../log.ts";
import { codeOf, readPrivate } from "../private-file.ts";
import { SetupError, type SetupProblem } from "../setup-error.ts";
import { grouped } from "../store/grouped.ts";
import { openStore } from "../store/sqlite.ts";
import { type OpenStore, StoreFault, type StoreTrouble } from "../store/store.ts";
import { curvePool } from "../threads/pool.ts";
import { workersFor } from "../threads/workers.ts";
import { openRuntime, type Runtime } from "./runtime.ts";

export interface StartOptions {
  readonly config: Config;
  /** Of the configuration: its paths are relative to it. */
  readonly file: string;
  readonly passphrase: Secret;
  readonly version: string;
  readonly log: Log;
}

export interface Running {
  readonly node: string;
  readonly address: Address;
  readonly channels: number;
  readonly constantTime: boolean;
  stop(reason: string): Promise<void>;
}

const problems: Partial<Record<StoreTrouble, SetupProblem>> = {
  missing: "missing",
  held: "unavailable",
  exposed: "permissions",
  unreachable: "unavailable",
};

const openOwnStore = async (path: string): Promise<OpenStore> => {
  try {
    return grouped(await openStore({ path }));
  } catch (error) {
    if (error instanceof StoreFault)
      throw new SetupError(problems[error.trouble] ?? "invalid", error.message);
    throw error;
  }
};

/** Certificates are no secrets: any mode will do. */
const readCertificate = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    throw new SetupError("missing", `there is no ${path}`, "Put back what `countersign init` wrote there.");
  }
};

const credentialsIn = (directory: string): Credentials => {
  const key = readPrivate(join(directory, "server-key.pem"));
  const credentials: Credentials = {
    ca: readCertificate(join(directory, "ca.pem")),
    certificate: readCertificate(join(directory, "server.pem")),
    key: new Secret(key),
  };
  key.fill(0);
  return credentials;
};

/** Every answer passes here once, so that the log knows of it. */
const logged =
  (runtime: Runtime, log: Log): Respond =>
  async (request, caller) => {
    const host = callerKey(caller);
    const begun = performance.now();
    const outcome: Outcome<never> = (await runtime.respond(request, host)) as Outcome<never>;
    const channel = "channel" in request.body ? request.body.channel : 0n;
    switch (outcome.is) {
      case "reply": {
        const microseconds = Math.round((performance.now() - begun) * 1000);
        log.write({ event: "answered", host, operation: request.name, channel, microseconds });
        break;
      }
      case "fault":
        break;
      case "refusal": {
        const { rule, final } = outcome.refusal;
        log.write({ event: "refused", host, operation: request.name, channel, rule, final });
        break;
      }
      case "malformed":
        log.write({ event: "malformed", host, ...outcome.malformed });
        break;
    }
    return outcome;
  };

export const startSigner = async ({
  config,
  file,
  passphrase,
  version,
  log,
}: StartOptions): Promise<Running> => {
  const paths = pathsOf(config, file);
  const listen = parseAddress(config.listen);
  if (listen === undefined) throw new SetupError("invalid", `${file}: listen is no address`);
  const policy = policyOf(config, file);
  const curve = await openCurve(config.curve);
  const credentials = credentialsIn(paths.certificates);

  const { entropy, style } = await readSeed(paths.seed, passphrase);
  const seed = seedOf(entropy);
  entropy.wipe();
  const keyring = softwareKeyring({
    seed,
    style,
    network: config.network,
    nodeIndex: config.node.index,
    curve,
    signBatch: (jobs) => pool.sign(jobs),
  });
  seed.wipe();
  const node = toHex(keyring.node);
  if (node !== config.node.id) {
    keyring.close();
    throw new SetupError(
      "invalid",
      `the seed leads to node ${node}, and ${file} names ${config.node.id}`,
      "Seed and configuration belong to different signers: put the right pair together.",
    );
  }

  const report = (error: unknown): void =>
    log.write({ event: "fault", code: (error as Error)?.name ?? "fault", where: faultText(error) });
  const store = await openOwnStore(paths.store);
  const pool = curvePool({ curve, threads: workersFor(config.threads), report });
  let served: Served | undefined;
  let runtime: Runtime | undefined;
  const close = async (): Promise<void> => {
    await served?.close();
    if (runtime === undefined) await store.close();
    else await runtime.close();
    keyring.close();
    await pool.close();
  };
  try {
    runtime = await openRuntime({
      settings: {
        network: config.network,
        tier: config.tier,
        policy,
        curve,
        software: `countersign ${version}`,
      },
      store,
      keyrings: [keyring],
      clock: systemClock,
      verify: pool.verify,
      report,
    });
    served = await serve({ address: listen, credentials, respond: logged(runtime, log), onFault: report });
  } catch (error) {
    await close();
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE")
      throw new SetupError(
        "unavailable",
        `${config.listen} is taken by another process`,
        `Change listen in ${file}.`,
      );
    throw error;
  }
  return {
    node,
    address: served.address,
    channels: runtime.channels(),
    constantTime: curve.constantTime,
    stop: async (reason) => {
      await close();
      log.write({ event: "signer-stopped", reason });
    },
  };
};
