/** A signer from its directory: configuration, seed, store, sessions, and the address it answers at. */

import { isKnown } from "../../protocol/codec.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { Secret } from "../../protocol/secret.ts";
import type { Address } from "../../protocol/wire/address.ts";
import type { Respond } from "../../protocol/wire/answering.ts";
import { callerKey } from "../../protocol/wire/caller.ts";
import { type Served, serve } from "../../protocol/wire/server.ts";
import type { OwnSource } from "../chain/own.ts";
import { systemClock } from "../clock.ts";
import { type Config, type ConfigNode, chainSettingsOf, parseAddress, pathsOf, policyOf } from "../config.ts";
import type { DeviceKeyring, DeviceTimes } from "../device/keyring.ts";
import { faultText } from "../hardening.ts";
import type { Log } from "../log.ts";
import { codeOf } from "../private-file.ts";
import { SetupError } from "../setup-error.ts";
import { curvePool } from "../threads/pool.ts";
import { workersFor } from "../threads/workers.ts";
import { isOnDevice, openOwnDevice, withinDevice } from "./own-device.ts";
import { openSealed } from "./own-seed.ts";
import { openOwnSource } from "./own-source.ts";
import { openOwnStore } from "./own-store.ts";
import { openRuntime, type Runtime, type RuntimeNode } from "./runtime.ts";
import { checkSocket, credentialsIn } from "./way-in.ts";

export interface StartOptions {
  readonly config: Config;
  /** Of the configuration: its paths are relative to it. */
  readonly file: string;
  /** Of the sealed seed, where a node has its keys there. */
  readonly passphrase: Secret | undefined;
  readonly version: string;
  readonly log: Log;
  /** How long requests wait for a device that is away, and for its person. */
  readonly deviceTimes?: Partial<DeviceTimes>;
}

export interface Running {
  /** Ids, in the order of the configuration. */
  readonly nodes: readonly string[];
  readonly address: Address;
  /** Of all nodes. */
  readonly channels: number;
  readonly constantTime: boolean;
  stop(reason: string): Promise<void>;
}

/** Every answer passes here once, so that the log knows of it. */
const logged =
  (runtime: Runtime, log: Log): Respond =>
  async (request, caller) => {
    const host = callerKey(caller);
    const begun = performance.now();
    const outcome: Outcome<never> = (await runtime.respond(request, host)) as Outcome<never>;
    const channel = "channel" in request.body && isKnown(request.body.channel) ? request.body.channel : 0n;
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

const taken = async (serving: Promise<Served>, where: string, remedy: string): Promise<Served> => {
  try {
    return await serving;
  } catch (error) {
    switch (codeOf(error)) {
      case "EADDRINUSE":
        throw new SetupError("unavailable", `${where} is taken by another process`, remedy);
      case "ENOENT":
        throw new SetupError("missing", `there is no directory for ${where}`, remedy);
      case "EACCES":
        throw new SetupError("permissions", `${where} is not for the user that countersign runs as`, remedy);
      default:
        throw error;
    }
  }
};

export const startSigner = async ({
  config,
  file,
  passphrase,
  version,
  log,
  deviceTimes,
}: StartOptions): Promise<Running> => {
  const paths = pathsOf(config, file);
  const software = `countersign ${version}`;
  const listen = parseAddress(config.listen);
  if (listen === undefined) throw new SetupError("invalid", `${file}: listen is no address`);
  checkSocket(paths.admin, file);
  const chain = chainSettingsOf(config, file);
  const policies = new Map(config.node.map((one) => [one.id, policyOf(config, one, file)]));
  const curve = await openCurve(config.curve);
  const credentials = credentialsIn(paths.certificates, "server");

  const report = (error: unknown): void =>
    log.write({ event: "fault", code: (error as Error)?.name ?? "fault", where: faultText(error) });
  const pool = curvePool({ curve, threads: workersFor(config.threads), report });
  const sealed = await openSealed({ config, file, seed: paths.seed, passphrase, curve, pool });
  const store = await openOwnStore({ paths, file, log });
  const devices = new Map<string, DeviceKeyring>();
  const times = deviceTimes === undefined ? {} : { times: deviceTimes };
  let own: OwnSource | undefined;
  let served: Served | undefined;
  let administered: Served | undefined;
  let runtime: Runtime | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([served?.close(), administered?.close()]);
    if (runtime === undefined) {
      await Promise.all([own?.observer.close(), own?.source.close()]);
      await store.close();
    } else await runtime.close();
    for (const keyring of sealed.values()) keyring.close();
    await Promise.all([...devices.values()].map((device) => device.close()));
    await pool.close();
  };
  const nodeOf = (about: ConfigNode): RuntimeNode => {
    const [keyring, policy] = [sealed.get(about.id) ?? devices.get(about.id), policies.get(about.id)];
    if (keyring === undefined || policy === undefined) throw new Error("a node without keys or limits");
    const device = devices.get(about.id);
    return {
      keyring,
      ...(device === undefined ? {} : { device: device.admin }),
      settings: {
        network: config.network,
        tier: config.tier,
        ...(about.device === undefined ? { policy } : { policy: withinDevice(policy), second: true }),
        curve,
        software,
        ...(chain === undefined ? {} : { chain }),
      },
    };
  };
  try {
    for (const about of config.node)
      if (isOnDevice(about))
        devices.set(
          about.id,
          await openOwnDevice({ ...{ config, about, file, store, log, report }, ...times }),
        );
    own = await openOwnSource(config, file, log);
    runtime = await openRuntime({
      nodes: config.node.map(nodeOf),
      software,
      store,
      clock: systemClock,
      verify: pool.verify,
      report,
      ...(own === undefined ? {} : { own }),
    });
    const { respond: decide } = runtime;
    for (const device of devices.values())
      device.onVerdict((id, verdict, by) =>
        decide({ name: "decideApproval", body: { node: device.node, id, verdict, by } }, "device"),
      );
    const respond = logged(runtime, log);
    const answering = { credentials, respond, onFault: report };
    administered = await taken(
      serve({ address: { path: paths.admin }, roles: ["admin"], ...answering }),
      paths.admin,
      `Change admin in ${file}.`,
    );
    served = await taken(
      serve({ address: listen, ...answering }),
      config.listen,
      `Change listen in ${file}.`,
    );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    nodes: config.node.map(({ id }) => id),
    address: served.address,
    channels: runtime.channels(),
    constantTime: curve.constantTime,
    stop: async (reason) => {
      await close();
      log.write({ event: "signer-stopped", reason });
    },
  };
};
