/** A session over a store in memory, with real keys, rules and audit records. */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import type { Tier } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import { msat, type PaymentHash } from "../../protocol/units.ts";
import type { ChainSettings } from "../../signer/core/chain/book.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import type { Keyring, Store, Verify } from "../../signer/core/ports.ts";
import { openSession, type Session } from "../../signer/core/session.ts";
import { journal } from "../../signer/journal.ts";
import { type SoftwareKeyring, softwareKeyring } from "../../signer/keys/software.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { type MemoryDisk, memoryDisk } from "../../signer/store/memory.ts";
import { ask } from "./channel.ts";
import { attempted, honestPassed } from "./tally.ts";

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
  /** Seconds since 1970. */
  readonly time?: () => number;
  /** An honest host proposes what it pays; tests of that propose by themselves. */
  readonly proposes?: boolean;
  /** Without it no chain is followed. */
  readonly chain?: ChainSettings;
  /** The keyring that is watched has a core of its own behind it. */
  readonly second?: boolean;
}

export const plainTime = 1_700_000_000;

/** Far above what a test offers, and within the limits of a regtest. */
export const plenty = msat(100_000_000_000n);

export const offeredIn = ({ name, body }: AnyRequest): ReadonlyMap<string, PaymentHash> => {
  if (name !== "signCounterpartyCommitment" && name !== "validateHolderCommitment") return new Map();
  const all = isKnown(body.trimmed) ? [...body.htlcs, ...body.trimmed] : body.htlcs;
  return new Map(
    all.filter(({ offeredBy }) => offeredBy === "holder").map(({ hash }) => [toHex(hash), hash]),
  );
};

export type MakeRig = (options?: RigOptions) => Promise<Rig>;
let made: MakeRig | undefined;
/** From now on, in this process: tests of the core run against whatever has its rules. */
export const rigsAre = (make: MakeRig): void => {
  made = make;
};

export const rig: MakeRig = (options) => (made ?? plainRig)(options);

const plainRig = async ({
  disk = memoryDisk(),
  policy = {},
  tier = "full",
  verify = async (jobs) => curve.verifyBatch(jobs),
  wrap = (store) => store,
  watch = (keyring) => keyring,
  time = () => plainTime,
  proposes = true,
  chain,
  second = false,
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
      ...(chain === undefined ? {} : { chain }),
      second,
    },
    store,
    keyring: watch(keyring),
    journal: journal({ now: () => 1_700_000_000_000 }),
    verify,
    now: time,
    report: (error) => faults.push(error),
  });
  const proposed = new Set<string>();
  const answer = async <N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>> => {
    const request = ask(name, body);
    for (const [key, hash] of proposes ? offeredIn(request) : []) {
      if (proposed.has(key)) continue;
      proposed.add(key);
      const { node } = keyring;
      const intent = { node, kind: "keysend", hash, amount: plenty, feeLimit: msat(0n) } as const;
      const none = { invoice: "", source: "", payee: unknown } as const;
      await session.respond(ask("proposePayment", { ...intent, ...none }), "test");
    }
    return (await session.respond(request, "test")) as Outcome<N>;
  };
  return {
    session,
    keyring,
    store,
    disk,
    faults,
    // What a test only looks at may be an attack or not: it counts as one where it was refused.
    outcome: async (name, body) => {
      const result = await answer(name, body);
      if (result.is === "refusal" || result.is === "malformed") attempted(true);
      return result;
    },
    call: async (name, body) => {
      const result = await answer(name, body);
      if (result.is === "reply") {
        honestPassed();
        return result.reply;
      }
      throw new Error(`${name}: ${JSON.stringify(result)} ${faults.map(String).join()}`);
    },
    refusal: async (name, body) => {
      const result = await answer(name, body);
      attempted(result.is === "refusal");
      if (result.is === "refusal") return result.refusal;
      throw new Error(`${name} was not refused but ${result.is} ${faults.map(String).join()}`);
    },
    restart: (changes = policy) =>
      plainRig({
        disk,
        policy: changes,
        tier,
        verify,
        wrap,
        watch,
        time,
        proposes,
        second,
        ...(chain === undefined ? {} : { chain }),
      }),
  };
};
