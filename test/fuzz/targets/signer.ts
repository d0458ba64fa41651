/** What the signer reads back from its own disk, and what an operator writes for it. */

import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { stringify } from "smol-toml";
import { toJson } from "../../../cli/json.ts";
import { parseRequest } from "../../../cli/request.ts";
import { fromHex, toHex } from "../../../protocol/bytes.ts";
import * as f from "../../../protocol/operations/fields.ts";
import { namesOf } from "../../../protocol/operations/index.ts";
import { requestShape } from "../../../protocol/operations/shapes.ts";
import { point } from "../../../protocol/units.ts";
import { callerOf, roleUri } from "../../../protocol/wire/caller.ts";
import { auditRecord, readRecord } from "../../../signer/audit.ts";
import { parseAddress, parseConfig, policyOf, printAddress, printConfig } from "../../../signer/config.ts";
import {
  packAllowlist,
  packApproval,
  packNode,
  packOutpoint,
  packPayment,
  unpackAllowlist,
  unpackApproval,
  unpackNode,
  unpackOutpoint,
  unpackPayment,
} from "../../../signer/core/node-records.ts";
import type { OutpointState } from "../../../signer/core/outpoints.ts";
import { presetNames } from "../../../signer/core/policy/presets.ts";
import { defaultPolicy } from "../../../signer/core/policy.ts";
import { packChannel, unpackChannel } from "../../../signer/core/records.ts";
import {
  type Approval,
  type ChannelState,
  freshNode,
  noAllowlist,
  type Payment,
} from "../../../signer/core/state.ts";
import { entropyOf, newEntropy, wordsOf } from "../../../signer/keys/seed.ts";
import { parsePolicyFile, printPolicy } from "../../../signer/policy/file.ts";
import { SetupError } from "../../../signer/setup-error.ts";
import { fileOf, packSeen, unpackWitness } from "../../../signer/witness.ts";
import {
  allowlistState,
  approvalStates,
  nodeState,
  outpointStates,
  paymentStates,
} from "../../frozen/records.ts";
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

const someNode = `02${"ab".repeat(32)}`;

const config = fc.record(
  {
    schema: fc.constant(1),
    network: fc.constantFrom("bitcoin", "testnet", "signet", "regtest"),
    tier: fc.constantFrom("full", "commitments", "stateless"),
    listen: fc.constantFrom("127.0.0.1:7601", "[::1]:0", "signer.example:65535"),
    seed: fc.string({ minLength: 1, maxLength: 20 }),
    curve: fc.constantFrom("native", "noble"),
    log: fc.constantFrom("debug", "info", "warn", "error"),
    node: fc.constantFrom(
      [{ index: 3, id: someNode }],
      [
        { index: 3, id: someNode, policy: { preset: "merchant", maxChannels: 2 } },
        { index: 0, id: `03${"5d".repeat(32)}`, device: "desk", passphrase: true },
      ],
    ),
    policy: fc.record(
      Object.fromEntries(
        Object.entries(defaultPolicy("regtest")).map(([key, value]) => [
          key,
          Array.isArray(value)
            ? fc.array(fc.constantFrom(...(key === "payees" ? [someNode] : ["00", "0014ab"])), {
                maxLength: 2,
              })
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

const frozenRecords = Object.values(
  (
    JSON.parse(readFileSync(new URL("../../frozen/records-v1.json", import.meta.url), "utf8")) as {
      readonly channels: Readonly<Record<string, { readonly bytes: string }>>;
    }
  ).channels,
).map(({ bytes }) => fromHex(bytes));

const configs = (seed: number, count: number) =>
  sampled(config, seed, count).map((one) => utf8(stringify(one)));
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What version 1 wrote is written anew as version 2. */
const isLatest = (bytes: Uint8Array): boolean => bytes[0] === 2;

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
    seeds: () => [...frozenRecords, packChannel({ phase: "stub" }), ...channelRecords],
    decode: (bytes) => {
      const value = unpackChannel(bytes);
      // A copy, because the record remembers the bytes of the variants that it has read.
      return { value, encode: () => packChannel(structuredClone(value)) };
    },
    rejects: isMalformed,
    exact: isLatest,
    kindOf: (value) => (value as ChannelState).phase,
  },
  {
    name: "node-record",
    covers: ["signer/core/node-records.ts unpackNode"],
    seeds: (seed, count) => [
      packNode(nodeState),
      Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1, 2),
      ...valuesOf(f.channel.shape, seed, count).map((nextChannel) =>
        packNode({ ...freshNode, nextChannel: nextChannel as never }),
      ),
    ],
    decode: (bytes) => {
      const value = unpackNode(bytes);
      return { value, encode: () => packNode(value) };
    },
    rejects: isMalformed,
    exact: isLatest,
  },
  {
    name: "payment-record",
    covers: ["signer/core/node-records.ts unpackPayment"],
    seeds: () => Object.values(paymentStates).map(packPayment),
    decode: (bytes) => {
      const value = unpackPayment(bytes);
      return { value, encode: () => packPayment(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => {
      const { intent } = value as Payment;
      return intent === "unknown" ? "none" : intent.kind;
    },
  },
  {
    name: "approval-record",
    covers: ["signer/core/node-records.ts unpackApproval"],
    seeds: () => Object.values(approvalStates).map(packApproval),
    decode: (bytes) => {
      const value = unpackApproval(bytes);
      return { value, encode: () => packApproval(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as Approval).subject,
  },
  {
    name: "outpoint-record",
    covers: ["signer/core/node-records.ts unpackOutpoint"],
    seeds: () => Object.values(outpointStates).map(packOutpoint),
    decode: (bytes) => {
      const value = unpackOutpoint(bytes);
      return { value, encode: () => packOutpoint(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => ((value as OutpointState).foreign ? "foreign" : "ours"),
  },
  {
    name: "allowlist-record",
    covers: ["signer/core/node-records.ts unpackAllowlist"],
    seeds: () => [packAllowlist(allowlistState), packAllowlist(noAllowlist)],
    decode: (bytes) => {
      const value = unpackAllowlist(bytes);
      return { value, encode: () => packAllowlist(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    // No decoder of the signer's: what an operator types for `policy explain`.
    name: "request-json",
    covers: [],
    seeds: (seed, count) =>
      namesOf("host").flatMap((operation) =>
        valuesOf(requestShape(operation), seed, Math.ceil(count / 20)).map((body) =>
          utf8(toJson({ operation, ...(body as object) })),
        ),
      ),
    decode: (bytes) => {
      const value = parseRequest(textOf(bytes), point(fromHex(someNode)));
      return { value, encode: () => utf8(toHex(value)) };
    },
    rejects: isMalformed,
    exact: false,
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
    // Under a checksum that is always right: else no input would get further.
    name: "witness",
    covers: ["signer/witness.ts unpackWitness"],
    seeds: () =>
      [0, 7].map((n) => {
        const bytes = new Uint8Array(32).fill(n);
        return packSeen({ id: bytes, version: n, sequence: 2 * n, hash: bytes, time: n * 1e11 });
      }),
    decode: (bytes) => {
      const { seen } = unpackWitness(fileOf(bytes));
      return { value: seen, encode: () => packSeen(seen) };
    },
    rejects: isMalformed,
    exact: true,
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
      const value = config.node.map((one) => policyOf(config, one, "countersign.toml"));
      return { value, encode: () => bytes.slice() };
    },
    rejects: isSetupError,
    reasonOf,
    exact: false,
  },
  {
    name: "policy-file",
    covers: ["signer/policy/file.ts parsePolicyFile"],
    seeds: (seed, count) => {
      const whole = presetNames.map((preset) =>
        utf8(printPolicy({ network: "regtest", preset, policy: defaultPolicy("regtest") })),
      );
      return [...whole, ...configs(seed, count)].slice(0, Math.max(count, 1));
    },
    decode: (bytes) => {
      const value = parsePolicyFile(textOf(bytes), "policy.toml");
      return { value, encode: () => bytes.slice() };
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
