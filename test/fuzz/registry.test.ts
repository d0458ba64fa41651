import { describe, expect, test } from "vitest";
import { decodeOutcome, decodeRequest, failures } from "../../protocol/operations/envelope.ts";
import { nameOf, names, unpackReply, unpackRequest } from "../../protocol/operations/index.ts";
import { sources } from "../architecture/sources.ts";
import { targetOf, targets } from "./targets.ts";

/** Names that decoders bear. */
const decoder =
  /^export (?:const|function) ((?:unpack|decode|read|parse|from)[A-Z]\w*|entropyOf|callerOf)\b/gm;

const folders = /^(protocol|chain|signer|host|firmware-sim|appliance|cli\/node)\//;

/** Exported, and no target of its own. */
const exempt: Readonly<Record<string, string>> = {
  "host/bundle.ts readBundle": "reads files that init wrote and a person copied",
  "signer/audit/read.ts readAudit": "opens a database; its records are audit-record",
  "signer/config.ts readConfig": "reads a file and calls parseConfig",
  "signer/device/pairing.ts readPaired": "reads a file and calls parsePaired",
  "signer/private-file.ts readPrivate": "reads a file, decodes nothing",
  "signer/keys/sealed.ts readSealed": "an age file: scrypt takes a second for each",
  "signer/keys/seed.ts readSeed": "an age file: scrypt takes a second for each",
};

const exported = sources()
  .filter(({ path }) => folders.test(path))
  .flatMap(({ path, text }) => [...text.matchAll(decoder)].map(([, name]) => `${path} ${name}`));

describe("every decoder", () => {
  const covered = targets.flatMap(({ covers }) => covers);

  test("that is exported has a target, or a reason why not", () => {
    expect(exported.length).toBeGreaterThan(15);
    expect(exported.filter((one) => !covered.includes(one) && exempt[one] === undefined)).toEqual([]);
  });

  test("that a target or an exemption names exists", () => {
    expect([...covered, ...Object.keys(exempt)].filter((one) => !exported.includes(one))).toEqual([]);
  });

  test("has a name of its own that a folder can bear", () => {
    const all = targets.map(({ name }) => name);
    expect(new Set(all).size).toBe(all.length);
    for (const name of all) expect(name).toMatch(/^[a-z-]+$/);
  });
});

const behindNumber = (bytes: Uint8Array): string => nameOf(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
const answered = (bytes: Uint8Array): string => {
  const answer = decodeOutcome(bytes);
  return answer.is === "reply" ? answer.name : answer.is;
};

describe("every operation has seeds", () => {
  test.each([
    ["packed-request", (bytes: Uint8Array) => unpackRequest(bytes).name, names],
    ["packed-reply", (bytes: Uint8Array) => unpackReply(bytes).name, names],
    ["unary-request", behindNumber, names],
    ["unary-reply", behindNumber, names],
    ["stream-request", (bytes: Uint8Array) => decodeRequest(bytes).name, names],
    ["stream-answer", answered, [...names, ...Object.keys(failures)]],
  ] as const)("in %s", (target, name, expected) => {
    const seen = new Set(targetOf(target)?.seeds(1, 40).map(name));
    expect([...seen].toSorted()).toEqual([...expected].toSorted());
  });
});
