/** A session over a store in memory, with real keys, rules and audit records. */

import type { Curve } from "../../protocol/curve/curve.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import type { Tier } from "../../protocol/operations/fields.ts";
import type { Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import type { Keyring, Store, Verify } from "../../signer/core/ports.ts";
import { openSession, type Session } from "../../signer/core/session.ts";
import { journal } from "../../signer/journal.ts";
import { type SoftwareKeyring, softwareKeyring } from "../../signer/keys/software.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { type MemoryDisk, memoryDisk } from "../../signer/store/memory.ts";
import { ask } from "./channel.ts";

export const curve: Curve = await loadNative();

export interface Rig {
  readonly session: Session;
  readonly keyring: SoftwareKeyring;
  readonly store: Store;
  readonly disk: MemoryDisk;
  readonly faults: unknown[];
  outcome<N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>>;
  /** The reply, or an error that names the refusal. */
  call<N extends Name>(name: N, body: Request<N>): Promise<Reply<N>>;
  /** The refusal, or an error. */
  refusal<N extends Name>(name: N, body: Request<N>): Promise<Refusal>;
  /** As after a crash: another session over what was on disk. */
  restart(changes?: Partial<Policy>): Promise<Rig>;
}

export interface RigOptions {
  readonly disk?: MemoryDisk;
  readonly policy?: Partial<Policy>;
  readonly tier?: Tier;
  readonly verify?: Verify;
  readonly wrap?: (store: Store) => Store;
  readonly watch?: (keyring: Keyring) => Keyring;
}

export const rig = async ({
  disk = memoryDisk(),
  policy = {},
  tier = "full",
  verify = async (jobs) => curve.verifyBatch(jobs),
  wrap = (store) => store,
  watch = (keyring) => keyring,
}: RigOptions = {}): Promise<Rig> => {
  const store = wrap(grouped(disk.open()));
  const faults: unknown[] = [];
  const seed = new Secret(new Uint8Array(64).fill(7));
  const keyring = softwareKeyring({ seed, network: "regtest", nodeIndex: 0, curve, style: "native" });
  const session = await openSession({
    settings: {
      network: "regtest",
      tier,
      policy: { ...defaultPolicy("regtest"), ...policy },
      curve,
      software: "countersign test",
    },
    store,
    keyring: watch(keyring),
    journal: journal({ now: () => 1_700_000_000_000 }),
    verify,
    report: (error) => faults.push(error),
  });
  const outcome = async <N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>> =>
    (await session.respond(ask(name, body), "test")) as Outcome<N>;
  return {
    session,
    keyring,
    store,
    disk,
    faults,
    outcome,
    call: async (name, body) => {
      const result = await outcome(name, body);
      if (result.is === "reply") return result.reply;
      throw new Error(`${name}: ${JSON.stringify(result)} ${faults.map(String).join()}`);
    },
    refusal: async (name, body) => {
      const result = await outcome(name, body);
      if (result.is === "refusal") return result.refusal;
      throw new Error(`${name} was not refused but ${result.is} ${faults.map(String).join()}`);
    },
    restart: (changes = policy) => rig({ disk, policy: changes, tier, verify, wrap, watch }),
  };
};
