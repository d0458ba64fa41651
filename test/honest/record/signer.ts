/** One signer for both: whose answers are written down, and who is asked the same again. All of it follows from a recording's head. */

import { toHex } from "../../../protocol/bytes.ts";
import { sha256 } from "../../../protocol/hash.ts";
import { type AnyRequest, type Name, operations, packReply } from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import { Secret } from "../../../protocol/secret.ts";
import type { NodeId } from "../../../protocol/units.ts";
import { readPolicy } from "../../../signer/core/policy.ts";
import type { Keyring } from "../../../signer/core/ports.ts";
import { openSession } from "../../../signer/core/session.ts";
import { journal } from "../../../signer/journal.ts";
import { type SoftwareKeyring, softwareKeyring } from "../../../signer/keys/software.ts";
import { grouped } from "../../../signer/store/grouped.ts";
import { memoryDisk } from "../../../signer/store/memory.ts";
import { curve } from "../../scripted/road.ts";
import { hashLength, type Recording } from "./recording.ts";

export type Head = Omit<Recording, "entries" | "start">;

export interface Signer {
  readonly node: NodeId;
  respond(request: AnyRequest): Promise<Outcome<Name>>;
  /** As after a crash: whatever was not on disk is gone. */
  restart(): Promise<void>;
  faults(): readonly string[];
  close(): Promise<void>;
}

/** Where the keys are while the signer is open. */
export interface Keyed {
  readonly keyring: Keyring;
  close?(): Promise<void>;
}

const seedOf = (label: string): Secret => {
  const bytes = new TextEncoder().encode(`countersign recording ${label}`);
  const half = sha256(bytes);
  return new Secret(Uint8Array.of(...half, ...sha256(half)));
};

/** `now` in seconds. */
export const openSigner = async (
  { network, policy, seed }: Head,
  now: () => number,
  through: (keys: SoftwareKeyring) => Promise<Keyed> = async (keyring) => ({ keyring }),
): Promise<Signer> => {
  const disk = memoryDisk();
  const faults: string[] = [];
  const plain = softwareKeyring({ seed: seedOf(seed), network, nodeIndex: 0, curve, style: "native" });
  let keyed: Keyed | undefined;
  const open = async () => {
    await keyed?.close?.();
    keyed = await through(plain);
    return openSession({
      settings: {
        ...{ network, tier: "full", curve, software: "countersign recorded", chain: {} },
        policy: readPolicy(network, JSON.parse(policy)),
        second: keyed.keyring.second !== undefined,
      },
      store: grouped(disk.open()),
      keyring: keyed.keyring,
      journal: journal({ now: () => now() * 1000 }),
      verify: async (jobs) => curve.verifyBatch(jobs),
      now,
      report: (error) => faults.push((error as Error).stack ?? String(error)),
    });
  };
  let session = await open();
  return {
    node: plain.node,
    respond: (request) => session.respond(request, operations[request.name].role),
    restart: async () => {
      session = await open();
    },
    faults: () => faults,
    close: async () => keyed?.close?.(),
  };
};

/** What of an outcome is written down, and compared. */
export interface Ending {
  readonly ended: "reply" | "refusal" | "malformed";
  readonly reply: Uint8Array;
  readonly rule: string;
}

const none = new Uint8Array(hashLength);

export const endingOf = (name: Name, outcome: Outcome<Name>): Ending => {
  switch (outcome.is) {
    case "reply":
      return {
        ...{ ended: "reply", rule: "" },
        reply: sha256(packReply(name, outcome.reply as never)).slice(0, hashLength),
      };
    case "refusal":
      return { ended: "refusal", rule: outcome.refusal.rule, reply: none };
    case "malformed":
      return { ended: "malformed", rule: "", reply: none };
    case "fault":
      throw new Error(`the signer of a recording broke: ${outcome.fault.sentence}`);
  }
};

export const shownEnding = ({ ended, rule, reply }: Ending): string =>
  ended === "reply" ? `reply ${toHex(reply)}` : ended === "refusal" ? `refused by ${rule}` : ended;
