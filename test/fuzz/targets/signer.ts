/** What the signer reads back from its own disk, and what an operator writes for it. */

import * as fc from "fast-check";
import { stringify } from "smol-toml";
import { toHex } from "../../../protocol/bytes.ts";
import * as f from "../../../protocol/operations/fields.ts";
import { callerOf, roleUri } from "../../../protocol/wire/caller.ts";
import { auditRecord, readRecord } from "../../../signer/audit.ts";
import { parseAddress, parseConfig, policyOf, printAddress, printConfig } from "../../../signer/config.ts";
import { defaultPolicy } from "../../../signer/core/policy.ts";
import { packChannel, packNode, unpackChannel, unpackNode } from "../../../signer/core/records.ts";
import type { ChannelState, NodeState } from "../../../signer/core/state.ts";
import { entropyOf, newEntropy, wordsOf } from "../../../signer/keys/seed.ts";
import { SetupError } from "../../../signer/setup-error.ts";
import type { Target } from "../check.ts";
import { random } from "../random.ts";
import { channelRecords } from "./records.ts";
import { isMalformed, sampled, utf8, valuesOf } from "./seeds.ts";

const isSetupError = (error: unknown): error is Error => error instanceof SetupError;

/** Without the operator's own words: the names of keys, and the lines around a fault. */
const reasonOf = (error: Error): string => {
  const [first = "", second = ""] = error.message.split("\n").filter((line) => line.trim() !== "");
  return first.endsWith("is not valid:") ? second.replace(/^.*?: /, "") : first;
};

const config = fc.record(
  {
    schema: fc.constant(1),
    network: fc.constantFrom("bitcoin", "testnet", "signet", "regtest"),
    tier: fc.constantFrom("full", "commitments", "stateless"),
    listen: fc.constantFrom("127.0.0.1:7601", "[::1]:0", "signer.example:65535"),
    seed: fc.string({ minLength: 1, maxLength: 20 }),
    curve: fc.constantFrom("native", "noble"),
    log: fc.constantFrom("debug", "info", "warn", "error"),
    node: fc.constant({ index: 3, id: `02${"ab".repeat(32)}` }),
    policy: fc.record(
      Object.fromEntries(
        Object.entries(defaultPolicy("regtest")).map(([key, value]) => [
          key,
          Array.isArray(value)
            ? fc.array(fc.constantFrom("00", "0014ab"), { maxLength: 2 })
            : fc.oneof(
                { weight: 20, arbitrary: fc.constant(value) },
                fc.maxSafeNat(),
                fc.nat({ max: 1_000_000 }),
              ),
        ]),
      ),
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["schema", "network", "tier", "node"], noNullPrototype: true },
);

const configs = (seed: number, count: number) =>
  sampled(config, seed, count).map((one) => utf8(stringify(one)));
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** For readers that answer undefined. */
class NothingFound extends Error {}
const found = <T>(value: T | undefined): T => {
  if (value === undefined) throw new NothingFound("nothing");
  return value;
};
const isNothing = (error: unknown): error is Error => error instanceof NothingFound;

export const signerTargets: readonly Target[] = [
  {
    name: "channel-record",
    covers: ["signer/core/records.ts unpackChannel"],
    seeds: () => [packChannel({ phase: "stub" }), ...channelRecords],
    decode: (bytes) => {
      const value = unpackChannel(bytes);
      // A copy, because the record remembers the bytes of the variants that it has read.
      return { value, encode: () => packChannel(structuredClone(value)) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as ChannelState).phase,
  },
  {
    name: "node-record",
    covers: ["signer/core/records.ts unpackNode"],
    seeds: (seed, count) =>
      valuesOf(f.channel.shape, seed, count).map((nextChannel) => packNode({ nextChannel } as NodeState)),
    decode: (bytes) => {
      const value = unpackNode(bytes);
      return { value, encode: () => packNode(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    name: "audit-record",
    covers: ["signer/audit/record.ts readRecord"],
    seeds: (seed, count) =>
      valuesOf(auditRecord.shape, seed, count).map((value) =>
        auditRecord.packed.encode({ ...(value as object), version: 1 } as never),
      ),
    decode: (bytes) => {
      const value = readRecord(bytes);
      return { value, encode: () => auditRecord.packed.encode(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as { readonly kind: string }).kind,
  },
  {
    name: "config",
    covers: ["signer/config.ts parseConfig", "signer/toml.ts parseToml"],
    seeds: configs,
    decode: (bytes) => {
      const value = parseConfig(textOf(bytes), "countersign.toml");
      return { value, encode: () => utf8(printConfig(value)) };
    },
    rejects: isSetupError,
    reasonOf,
    exact: false,
  },
  {
    name: "policy",
    covers: ["signer/core/policy.ts readPolicy"],
    seeds: configs,
    decode: (bytes) => {
      const config = parseConfig(textOf(bytes), "countersign.toml");
      return { value: policyOf(config, "countersign.toml"), encode: () => bytes.slice() };
    },
    rejects: isSetupError,
    reasonOf,
    exact: false,
  },
  {
    name: "words",
    covers: ["signer/keys/seed.ts entropyOf"],
    seeds: (seed, count) =>
      Array.from({ length: count }, (_, at) => utf8(wordsOf(newEntropy(random(seed + at).bytes)).join(" "))),
    decode: (bytes) => {
      const entropy = entropyOf(textOf(bytes));
      return { value: entropy.use(toHex), encode: () => utf8(wordsOf(entropy).join(" ")) };
    },
    rejects: isSetupError,
    reasonOf,
    exact: false,
  },
  {
    name: "address",
    covers: ["signer/config.ts parseAddress"],
    seeds: () => ["127.0.0.1:7601", "[::1]:0", "signer.example:65535"].map(utf8),
    decode: (bytes) => {
      const value = found(parseAddress(textOf(bytes)));
      return { value, encode: () => utf8(printAddress(value)) };
    },
    rejects: isNothing,
    exact: false,
  },
  {
    name: "caller",
    covers: ["protocol/wire/caller.ts callerOf"],
    seeds: () => ["countersign:admin", `countersign:host:03${"7f".repeat(32)}`].map(utf8),
    decode: (bytes) => {
      const value = found(callerOf(textOf(bytes)));
      return { value, encode: () => utf8(roleUri(value)) };
    },
    rejects: isNothing,
    // Bytes that are no UTF-8 read as the same replacement.
    exact: false,
    kindOf: (value) => (value as { readonly role: string }).role,
  },
];
