/** A host's request as a person writes it: JSON under the names of docs/operations.md, or its packed bytes in hex. */

import { z } from "zod";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { type Shape, unknown } from "../protocol/codec.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import { namesOf, packRequest, unpackRequest } from "../protocol/operations/index.ts";
import { requestShape } from "../protocol/operations/shapes.ts";
import type { NodeId } from "../protocol/units.ts";

const hex = (least: number, most: number) =>
  z
    .string()
    .regex(/^([0-9a-f]{2})*$/, "not lower-case hexadecimal")
    .transform((text) => fromHex(text))
    .refine((bytes) => bytes.length >= least && bytes.length <= most, {
      error: least === most ? `not ${least} bytes` : `more than ${most} bytes`,
    });

/** 64 bits go past what a JSON number holds exactly, so a string will do as well. */
const integer = (bits: number, max: bigint) =>
  z
    .union([z.int().nonnegative(), z.string().regex(/^(0|[1-9][0-9]{0,19})$/, "not a number")])
    .transform((given) => BigInt(given))
    .refine((n) => n <= max, `more than ${max}`)
    .transform((n) => (bits === 64 ? n : Number(n)));

const schemaOf = (shape: Shape): z.ZodType => {
  switch (shape.kind) {
    case "uint":
      return integer(shape.bits, shape.max);
    case "bool":
      return z.boolean();
    case "bytes":
      return hex(shape.length, shape.length);
    case "blob":
      return hex(0, shape.max);
    case "text":
      return z
        .string()
        .refine(
          (text) => text.isWellFormed() && new TextEncoder().encode(text).length <= shape.max,
          `more than ${shape.max} bytes of UTF-8, or none`,
        );
    case "choice":
      return z.enum(shape.values as readonly [string, ...string[]]);
    case "list":
      return z.array(schemaOf(shape.of)).max(shape.max);
    case "maybe":
      return z.union([z.literal(unknown), schemaOf(shape.of)]);
    case "message":
      return z.strictObject(
        Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, schemaOf(field)])),
      );
  }
};

const named = z.looseObject({
  operation: z.enum(namesOf("host") as never as readonly [string, ...string[]]),
});

const refuse = (error: z.ZodError): never => {
  const [issue] = error.issues;
  throw new Malformed((issue?.path ?? []).join("."), issue?.message ?? "unreadable");
};

const json = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("neither hexadecimal nor JSON");
  }
};

/** `node` is put in where the request leaves it out. What comes back is packed, and was read once to be sure. */
export const parseRequest = (text: string, node: NodeId): Uint8Array => {
  const bare = text.replaceAll(/\s+/g, "");
  if (/^([0-9a-f]{2})+$/.test(bare)) return fromHex(bare);
  const head = named.safeParse(json(text));
  if (!head.success) return refuse(head.error);
  const { operation, ...fields } = head.data;
  const name = operation as Parameters<typeof packRequest>[0];
  const body = schemaOf(requestShape(name)).safeParse({ node: toHex(node), ...fields });
  if (!body.success) return refuse(body.error);
  const packed = packRequest(name, body.data as never);
  unpackRequest(packed);
  return packed;
};
