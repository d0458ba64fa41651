import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Shape } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import {
  capital,
  decodeOutcome,
  decodeRequest,
  encodeMalformed,
  encodeOutcome,
  encodeRequest,
  failures,
  idOf,
} from "../../protocol/operations/envelope.ts";
import {
  contentHash,
  type Name,
  names,
  namesOf,
  operations,
  packReply,
  packRequest,
  unpackReply,
  unpackRequest,
} from "../../protocol/operations/index.ts";
import { printOperations } from "../../protocol/operations/markdown.ts";
import { printProto } from "../../protocol/operations/proto.ts";
import {
  maxHostMessage,
  maxSignerMessage,
  replyShape,
  requestShape,
} from "../../protocol/operations/shapes.ts";
import { clip, malformedOf, type Outcome } from "../../protocol/outcome.ts";
import { exampleOf, readable } from "../frozen/example.ts";
import type { FrozenFile } from "../frozen/generate.ts";
import { arbitraryOf } from "./arbitrary.ts";
import { decodeAsPeer, encodeAsPeer, inPeerTerms, type Peer, peerOf } from "./protobufjs.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

const asOutcome = (is: string, value: unknown): Outcome<Name> =>
  ({ is, [is]: value }) as unknown as Outcome<Name>;

describe("the table", () => {
  test("gives every operation a number of its own that fits both encodings", () => {
    const numbers = names.map((name) => operations[name].number);
    expect(new Set(numbers).size).toBe(names.length);
    // 1000 + number is a field number; protobuf keeps 19000 to 19999 for itself.
    for (const number of numbers) expect(number > 0 && number < 0x4000).toBe(true);
    expect(names.filter((name) => name in failures)).toEqual([]);
  });

  test("a sentence is a sentence", () => {
    for (const name of names) expect(operations[name].sentence, name).toMatch(/^[A-Z].*\.$/);
  });
});

describe("what is printed", () => {
  test("countersign.proto is what the table prints", () => {
    expect(read("protocol/countersign.proto")).toBe(printProto());
  });
  test("docs/operations.md is what the table prints, and names every operation", () => {
    expect(read("docs/operations.md")).toBe(printOperations());
    for (const name of names) expect(printOperations()).toContain(`\n### ${name}\n`);
  });
});

/** Both directions of both envelopes, with an operation's messages inside. */
const envelopes = (
  name: Name,
): readonly { type: string; shape: Shape; member: string; encode(value: unknown): Uint8Array }[] => [
  {
    type: "HostMessage",
    shape: requestShape(name),
    member: name,
    encode: (value) => encodeRequest(9n, name, value as never),
  },
  {
    type: "SignerMessage",
    shape: replyShape(name),
    member: name,
    encode: (value) => encodeOutcome(9n, name, asOutcome("reply", value)),
  },
];
const failed = (Object.keys(failures) as (keyof typeof failures)[]).map((is) => ({
  type: "SignerMessage",
  shape: failures[is].field.shape as Shape,
  member: is as string,
  encode: (value: unknown) => encodeOutcome(9n, "hello", asOutcome(is, value)),
}));
const everything = [...names.flatMap(envelopes), ...failed].map((one) => ({
  ...one,
  at: `${one.type} ${one.member}`,
}));
type Envelope = (typeof everything)[number];

/** Ours decoded by theirs, and theirs encoded for ours. */
const agrees = (peer: Peer, { type, shape, member, encode }: Envelope, value: unknown): boolean => {
  const bytes = encode(value);
  const expected = { id: "9", [member]: inPeerTerms(shape, value) };
  try {
    if (!isDeepStrictEqual(decodeAsPeer(peer, `countersign.v1.${type}`, bytes), expected)) return false;
    return toHex(encodeAsPeer(peer, `countersign.v1.${type}`, expected)) === toHex(bytes);
  } catch {
    return false;
  }
};

describe("protobufjs, given the printed .proto,", () => {
  const peer = peerOf(printProto());

  test.each(everything)("reads and writes $at as we do", (envelope) => {
    fc.assert(
      fc.property(arbitraryOf(envelope.shape), (value) => agrees(peer, envelope, value)),
      { numRuns: 50 },
    );
  });

  test.each([
    ["host", "Signer"],
    ["admin", "Admin"],
  ] as const)("knows a unary method for every operation of a %s, and the stream", (role, called) => {
    const service = peer.lookupService(`countersign.v1.${called}`);
    expect(Object.keys(service.methods).toSorted()).toEqual(
      ["Converse", ...namesOf(role).map(capital)].toSorted(),
    );
    expect(service.methods["Converse"]).toMatchObject({ requestStream: true, responseStream: true });
    for (const name of namesOf(role))
      expect(service.methods[capital(name)]).toMatchObject({
        requestType: `${capital(name)}Request`,
        responseType: `${capital(name)}Reply`,
      });
  });

  // The comparison above is worth what it notices.
  const changes: readonly (readonly [string, (proto: string) => string])[] = [
    ["renamed", (proto) => proto.replace("uint64 to_holder = 7;", "uint64 to_us = 7;")],
    ["renumbered", (proto) => proto.replace("uint64 to_holder = 7;", "uint64 to_holder = 70;")],
    [
      "swapped",
      (proto) =>
        proto
          .replace("optional Side offered_by = 1;", "optional Side offered_by = 4;")
          .replace("uint32 expiry = 4;", "uint32 expiry = 1;"),
    ],
    ["retyped", (proto) => proto.replace("optional uint32 expiry", "optional fixed32 expiry")],
    ["zigzagged", (proto) => proto.replace("optional uint64 amount", "optional sint64 amount")],
    ["removed", (proto) => proto.replace(/ {2}optional Terms terms = 4;\n/, "")],
    ["packed", (proto) => proto.replace(" [packed = false]", "")],
    ["moved in the envelope", (proto) => proto.replace("hello = 1001;", "hello = 1999;")],
    ["unwrapped", (proto) => proto.replace("MaybeBytes expected", "bytes expected")],
  ];
  test.each(changes)("would disagree if a field were %s", (_, change) => {
    const changed = change(printProto());
    expect(changed).not.toBe(printProto());
    const other = peerOf(changed);
    expect(everything.every((envelope) => agrees(other, envelope, exampleOf(envelope.shape)))).toBe(false);
    expect(everything.every((envelope) => agrees(peer, envelope, exampleOf(envelope.shape)))).toBe(true);
  });

  test("numbers the words of a choice as we do", () => {
    const { values } = peer.lookupEnum("countersign.v1.Network");
    expect(values).toEqual({
      NETWORK_UNSPECIFIED: 0,
      NETWORK_BITCOIN: 1,
      NETWORK_TESTNET: 2,
      NETWORK_SIGNET: 3,
      NETWORK_REGTEST: 4,
    });
  });

  test("says nothing as empty bytes, which we refuse", () => {
    const nothing = encodeAsPeer(peer, "countersign.v1.HostMessage", { id: "1", hello: {} });
    expect(() => decodeRequest(nothing)).toThrow(/hello.node: missing/);
  });
});

describe("an envelope", () => {
  const body = exampleOf(requestShape("points")) as never;
  const good = encodeRequest(300n, "points", body);

  test("brings id, name and body", () => {
    expect(decodeRequest(good)).toStrictEqual({ id: 300n, name: "points", body });
    expect(decodeRequest(encodeRequest((1n << 64n) - 1n, "points", body)).id).toBe((1n << 64n) - 1n);
  });

  const cases: readonly (readonly [string, Uint8Array, string, bigint])[] = [
    ["nothing", Uint8Array.of(), "id", 0n],
    ["no id", good.slice(3), "id", 0n],
    ["the id 0", encodeRequest(0n, "points", body), "id", 0n],
    ["an id alone", good.slice(0, 3), "", 300n],
    ["an id of two widths", Uint8Array.from([8, 0x85, 0, ...good.slice(3)]), "id", 0n],
    ["another operation", Uint8Array.from([...good.slice(0, 3), 0xfa, 0x7f, 0]), "#2047", 300n],
    ["the wrong wire type", Uint8Array.from([...good.slice(0, 3), 0xd8, 0x3f, 0]), "points", 300n],
    ["two bodies", Uint8Array.from([...good, ...good.slice(3)]), "points", 300n],
    ["a second id", Uint8Array.from([...good, 8, 1]), "points", 300n],
    ["a body cut short", good.slice(0, -1), "points", 300n],
    [
      "a field missing in the body",
      Uint8Array.from([...good.slice(0, 3), 0xda, 0x3f, 0]),
      "points.node",
      300n,
    ],
  ];
  test.each(cases)(
    "of %s is Malformed, and the answer knows its id if there is one",
    (_, bytes, path, id) => {
      let error: unknown;
      try {
        decodeRequest(bytes);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(Malformed);
      expect((error as Malformed).path).toBe(path);
      expect(idOf(bytes)).toBe(id);
    },
  );

  test("a reply without an id is refused, an answer to unreadable bytes is not", () => {
    const reply = encodeOutcome(0n, "points", asOutcome("reply", exampleOf(replyShape("points"))));
    expect(() => decodeOutcome(reply)).toThrow(Malformed);
    const said = { path: "id", reason: "missing" };
    expect(decodeOutcome(encodeMalformed(0n, said))).toStrictEqual({
      id: 0n,
      is: "malformed",
      malformed: said,
    });
  });

  test("a request is no answer, and an answer no request", () => {
    expect(() => decodeOutcome(good)).toThrow(Malformed);
    expect(() => decodeRequest(encodeMalformed(3n, { path: "", reason: "" }))).toThrow(/#3/);
  });

  test("what is said of hostile bytes always fits", () => {
    const error = new Malformed("é".repeat(1000), "\u{1f511}".repeat(1000));
    const { path, reason } = malformedOf(error);
    expect([path, reason]).toEqual(["é".repeat(128), "\u{1f511}".repeat(128)]);
    expect(decodeOutcome(encodeMalformed(1n, malformedOf(error))).is).toBe("malformed");
    expect(clip("ab\ud800", 64)).toBe("ab\ufffd");
    expect(clip("aé", 2)).toBe("a");
  });

  test("the largest message is known", () => {
    const most = (shape: Shape): unknown => {
      switch (shape.kind) {
        case "uint":
          return shape.bits === 64 ? shape.max : Number(shape.max);
        case "bool":
          return true;
        case "bytes":
          return new Uint8Array(shape.length).fill(2);
        case "blob":
          return new Uint8Array(shape.max);
        case "text":
          return "a".repeat(shape.max);
        case "choice":
          return shape.values[0];
        case "list":
          return Array.from({ length: shape.max }, () => most(shape.of));
        case "maybe":
          return most(shape.of);
        case "message":
          return Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, most(field)]));
      }
    };
    const largest = (1n << 64n) - 1n;
    // A spend of five hundred inputs with their transactions is more than a transport takes: that limit binds it.
    const bound = names.filter((name) => name !== "spend");
    const requests = bound.map(
      (name) => encodeRequest(largest, name, most(requestShape(name)) as never).length,
    );
    // Nor would two thousand transactions of the longest sort fit, of which an exit has a few.
    const replies = names
      .filter((name) => name !== "exit" && name !== "justice")
      .map((name) => encodeOutcome(largest, name, asOutcome("reply", most(replyShape(name)))).length);
    expect(Math.max(...requests)).toBeLessThanOrEqual(maxHostMessage);
    expect(maxHostMessage).toBe(4 * 1024 * 1024);
    expect(Math.max(...replies)).toBeLessThanOrEqual(maxSignerMessage);
    expect(maxSignerMessage).toBe(4 * 1024 * 1024);
  });
});

describe("frozen bytes of version 1", () => {
  const file = JSON.parse(read("test/frozen/operations-v1.json")) as FrozenFile;

  test("cover every operation (if one is new: node test/frozen/generate.ts)", () => {
    expect(Object.keys(file.operations).sort()).toEqual([...names].sort());
    expect(Object.keys(file.failures)).toEqual(Object.keys(failures));
  });

  test.each(Object.entries(file.operations))("%s", (key, { number, request, reply }) => {
    const name = key as Name;
    expect(operations[name].number).toBe(number);

    const packed = unpackRequest(fromHex(request.packed ?? ""));
    const streamed = decodeRequest(fromHex(request.protobuf));
    expect(packed.name).toBe(name);
    expect(readable(packed.body)).toStrictEqual(request.value);
    expect(streamed).toStrictEqual({ id: 258n, ...packed });
    expect(toHex(packRequest(name, packed.body as never))).toBe(request.packed);
    expect(toHex(encodeRequest(258n, name, packed.body as never))).toBe(request.protobuf);

    const replied = unpackReply(fromHex(reply.packed ?? ""));
    expect(readable(replied.body)).toStrictEqual(reply.value);
    expect(decodeOutcome(fromHex(reply.protobuf))).toStrictEqual({
      id: 258n,
      is: "reply",
      name,
      reply: replied.body,
    });
    expect(toHex(packReply(name, replied.body as never))).toBe(reply.packed);
    expect(toHex(encodeOutcome(258n, name, asOutcome("reply", replied.body)))).toBe(reply.protobuf);
  });

  test.each(Object.entries(file.failures))("%s", (is, { value, protobuf }) => {
    const { id, ...outcome } = decodeOutcome(fromHex(protobuf));
    expect(readable(outcome)).toStrictEqual({ is, [is]: value });
    expect(toHex(encodeOutcome(id, "hello", outcome as Outcome<Name>))).toBe(protobuf);
  });
});

test("a content hash covers the operation, the node and every field", () => {
  const body = exampleOf(requestShape("revokeHolderCommitment")) as never as Parameters<
    typeof contentHash<"revokeHolderCommitment">
  >[1];
  const hash = toHex(contentHash("revokeHolderCommitment", body));
  expect(toHex(contentHash("revokeHolderCommitment", { ...body }))).toBe(hash);
  const others = [
    { ...body, number: 1n as typeof body.number },
    { ...body, channel: 1n as typeof body.channel },
    { ...body, node: new Uint8Array(33).fill(2) as typeof body.node },
  ];
  expect(
    new Set(others.map((other) => toHex(contentHash("revokeHolderCommitment", other)))).add(hash).size,
  ).toBe(4);
});
