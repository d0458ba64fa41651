/** The signer as a library: `countersign/signer`. The command `countersign signer` is a thin shell over it. */

export { parseConfig, readConfig } from "./config.ts";
export { defaultPolicy, type Policy, readPolicy } from "./core/policy.ts";
export type { Journal, Keyring, Store } from "./core/ports.ts";
export { openSession, type Road, type Session } from "./core/session.ts";
export { openLog } from "./log.ts";
export { openRuntime, type Runtime, type RuntimeParts } from "./server/runtime.ts";
export { type Running, type StartOptions, startSigner } from "./server/start.ts";
