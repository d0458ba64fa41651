/** What a person types for a node, its settings, and both directions of its control socket. */

import * as fc from "fast-check";
import { stringify } from "smol-toml";
import { toJson } from "../../../cli/json.ts";
import {
  parseAsking,
  parseMsat,
  parseNodeId,
  parsePeer,
  parseSat,
  printMsat,
  printPeer,
} from "../../../cli/node/arguments.ts";
import { parseNodeConfig, printNodeConfig } from "../../../cli/node/config.ts";
import {
  type ControlName,
  controlNames,
  failureKinds,
  parseControlAnswer,
  parseControlReply,
  parseControlRequest,
  printControlReply,
  printControlRequest,
} from "../../../cli/node/control.ts";
import { invalid } from "../../../protocol/malformed.ts";
import { SetupError } from "../../../signer/setup-error.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled, utf8 } from "./seeds.ts";

const isSetupError = (error: unknown): error is Error => error instanceof SetupError;
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const target = <T>(
  name: string,
  covers: string,
  seeds: fc.Arbitrary<string>,
  read: (text: string) => T,
  write: (value: T) => string,
  rejects: Target["rejects"] = isMalformed,
): Target => ({
  name,
  covers: [`cli/node/${covers}`],
  seeds: (seed, count) => sampled(seeds, seed, count).map(utf8),
  decode: (bytes) => {
    const value = read(textOf(bytes));
    return { value, encode: () => utf8(write(value)) };
  },
  rejects,
  // People and programs leave out, and write in several ways, what is written in one.
  exact: false,
});

const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes).toString("hex"));
const node = fc.tuple(fc.constantFrom("02", "03"), hex(32)).map((parts) => parts.join(""));
const host = fc.constantFrom("127.0.0.1:9735", "[::1]:1", "node.example:65535");
const amount = fc.bigInt({ min: 1n, max: 2_100_000_000_000_000n }).map(String);
const parts = fc.tuple(amount, fc.nat({ max: 999 })).map(([whole, part]) => `${whole}.${part}`);
const peer = fc.tuple(node, host).map((both) => both.join("@"));

const settings = fc
  .record(
    {
      schema: fc.constant(1),
      signer: fc.string({ minLength: 1, maxLength: 20 }),
      listen: host,
      external: host,
      announce: fc.boolean(),
      alias: fc.string({ maxLength: 12 }),
      anchors: fc.boolean(),
      confirmations: fc.integer({ min: 1, max: 144 }),
      look: fc.integer({ min: 1, max: 600 }),
      chain: fc.constantFrom<Readonly<Record<string, unknown>>>(
        { kind: "esplora", url: "http://127.0.0.1:3000" },
        { kind: "electrum", url: "tcp://127.0.0.1:50001" },
        { kind: "electrum", url: "ssl://[::1]:50002", certificate: "c.pem" },
        { kind: "bitcoind", url: "http://127.0.0.1:8332", cookie: ".cookie", rest: true },
        { kind: "bitcoind", url: "https://node.example", user: "u", passwordFile: "p" },
      ),
    },
    { requiredKeys: ["schema", "signer", "chain"], noNullPrototype: true },
  )
  .map((one) => stringify(one));

/** Some of the fields of every command: those that fit are taken, the others refused. */
const request = fc
  .record(
    {
      id: fc.nat(),
      ask: fc.constantFrom(...controlNames),
      node,
      msat: fc.oneof(amount, fc.nat()),
      valueSat: amount,
      feeLimitMsat: amount,
      invoice: fc.string({ maxLength: 20 }),
      offer: fc.string({ maxLength: 20 }),
      description: fc.string({ maxLength: 20 }),
      channel: hex(4),
      last: fc.integer({ min: 1, max: 50 }),
      address: fc.constant({ host: "h", port: 1 }),
    },
    { requiredKeys: ["id", "ask"], noNullPrototype: true },
  )
  .map((one) => JSON.stringify(one));
const plainRequest = fc
  .tuple(fc.nat(), fc.constantFrom("info", "balance", "channels", "events", "stop", "address", "sync"))
  .map(([id, ask]) => JSON.stringify({ id, ask }));

const id = fc.nat();
const reply = fc
  .oneof(
    fc.record({ id, is: fc.constant("answer"), answer: fc.constantFrom({}, { height: 1 }, [1]) }),
    fc.record({
      ...{ id, is: fc.constant("failed"), kind: fc.constantFrom(...failureKinds) },
      reason: fc.string({ maxLength: 20 }),
    }),
    fc.record({ id, is: fc.constant("malformed"), path: fc.string(), reason: fc.string() }),
    fc.record({
      ...{ id, is: fc.constant("event"), text: fc.string() },
      event: fc.constant({ is: "block", height: 1 }),
    }),
  )
  .map((one) => JSON.stringify(one));

const answers: Partial<Readonly<Record<ControlName, unknown>>> = {
  info: { node: `02${"ab".repeat(32)}`, network: "regtest", height: 1, peers: [] },
  balance: {
    ...{ wallet: { confirmed: "1", immature: "0", taken: 0 }, channelsMsat: "5" },
    ...{ closingSat: "0", sweepingSat: "0" },
  },
  pay: { id: "ab".repeat(32), hash: "ab".repeat(32), preimage: "cd".repeat(32), feeMsat: "1" },
  payments: {
    payments: [{ id: "ab".repeat(32), direction: "in", state: "waiting", msat: "0" }],
    more: 0,
  },
  sync: { height: 9 },
  stop: {},
};
const answer = fc
  .constantFrom(...(Object.keys(answers) as readonly ControlName[]))
  .map((name) => `${name}\n${JSON.stringify(answers[name])}`);

const readAnswer = (text: string): string => {
  const [name = "", ...rest] = text.split("\n");
  const known = controlNames.find((one) => one === name);
  if (known === undefined) throw invalid("no command");
  let given: unknown;
  try {
    given = JSON.parse(rest.join("\n"));
  } catch {
    throw invalid("not JSON");
  }
  return `${known}\n${toJson(parseControlAnswer(known, given))}`;
};

const same = (text: string): string => text;

export const nodeTargets: readonly Target[] = [
  target("node-msat", "arguments.ts parseMsat", fc.oneof(amount, parts), parseMsat, printMsat, isSetupError),
  target("node-sat", "arguments.ts parseSat", amount, parseSat, String, isSetupError),
  target(
    "node-asking",
    "arguments.ts parseAsking",
    fc.oneof(amount, fc.constant("any")),
    parseAsking,
    (n) => (n === undefined ? "any" : printMsat(n)),
    isSetupError,
  ),
  target("node-id", "arguments.ts parseNodeId", node, parseNodeId, same, isSetupError),
  target("node-peer", "arguments.ts parsePeer", peer, parsePeer, printPeer, isSetupError),
  target(
    "node-config",
    "config.ts parseNodeConfig",
    settings,
    (text) => parseNodeConfig(text, "node.toml"),
    printNodeConfig,
    isSetupError,
  ),
  // As text: JSON has a zero below zero, and reads it back as zero.
  target(
    "control-request",
    "control.ts parseControlRequest",
    fc.oneof(request, plainRequest),
    (text) => printControlRequest(parseControlRequest(text)),
    same,
  ),
  target(
    "control-reply",
    "control.ts parseControlReply",
    reply,
    (text) => printControlReply(parseControlReply(text)),
    same,
  ),
  target("control-answer", "control.ts parseControlAnswer", answer, readAnswer, same),
];
