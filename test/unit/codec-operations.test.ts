import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import {
  decodeOutcome,
  decodeRequest,
  encodeOutcome,
  encodeRequest,
} from "../../protocol/operations/envelope.ts";
import {
  type Name,
  names,
  packReply,
  packRequest,
  unpackReply,
  unpackRequest,
} from "../../protocol/operations/index.ts";
import { replyShape, requestShape } from "../../protocol/operations/shapes.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { arbitraryOf, damaged } from "./arbitrary.ts";

/** One message of one operation in one encoding. */
interface Subject {
  readonly of: string;
  readonly value: fc.Arbitrary<unknown>;
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): { readonly value: unknown; again(): Uint8Array };
}

const answer = (bytes: Uint8Array): ReturnType<Subject["decode"]> => {
  const { id, ...outcome } = decodeOutcome(bytes);
  const name = outcome.is === "reply" ? outcome.name : "hello";
  return {
    value: outcome.is === "reply" ? outcome.reply : outcome,
    again: () => encodeOutcome(id, name, outcome as Outcome<Name>),
  };
};

const subjects: readonly Subject[] = names.flatMap((name: Name): readonly Subject[] => [
  {
    of: `${name} request, packed`,
    value: arbitraryOf(requestShape(name)),
    encode: (value) => packRequest(name, value as never),
    decode: (bytes) => {
      const { name: found, body } = unpackRequest(bytes);
      return { value: body, again: () => packRequest(found, body as never) };
    },
  },
  {
    of: `${name} reply, packed`,
    value: arbitraryOf(replyShape(name)),
    encode: (value) => packReply(name, value as never),
    decode: (bytes) => {
      const { name: found, body } = unpackReply(bytes);
      return { value: body, again: () => packReply(found, body as never) };
    },
  },
  {
    of: `${name} request, protobuf`,
    value: arbitraryOf(requestShape(name)),
    encode: (value) => encodeRequest(7n, name, value as never),
    decode: (bytes) => {
      const { id, name: found, body } = decodeRequest(bytes);
      return { value: body, again: () => encodeRequest(id, found, body as never) };
    },
  },
  {
    of: `${name} reply, protobuf`,
    value: arbitraryOf(replyShape(name)),
    encode: (value) => encodeOutcome(7n, name, { is: "reply", reply: value } as Outcome<Name>),
    decode: answer,
  },
]);

describe.each(subjects)("$of", ({ value, encode, decode }) => {
  test("what is encoded decodes to the same, and no decoded byte lives in the buffer it came from", () => {
    const same = (one: unknown): void => {
      const bytes = Buffer.from(encode(one));
      const decoded = decode(bytes);
      bytes.fill(0xee);
      expect(decoded.value).toStrictEqual(one);
    };
    fc.assert(fc.property(value, same), { numRuns: 60 });
  });

  test("damaged bytes are Malformed, or are just what the value read from them is encoded as", () => {
    const malformedOrExact = (bytes: Uint8Array): void => {
      let decoded: ReturnType<Subject["decode"]>;
      try {
        decoded = decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(Malformed);
        return;
      }
      expect(toHex(decoded.again())).toBe(toHex(bytes));
    };
    const wrong = fc.oneof(
      { weight: 3, arbitrary: value.chain((one) => damaged(encode(one))) },
      fc.uint8Array({ maxLength: 200 }),
    );
    fc.assert(fc.property(wrong, malformedOrExact), { numRuns: 200 });
  });
});
