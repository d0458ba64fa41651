/** Prints docs/operations.md. */

import type { Shape } from "../codec.ts";
import { failures } from "./envelope.ts";
import { type Name, operations, protocolVersion } from "./index.ts";
import {
  allNamed,
  describe,
  failureShapes,
  type MessageShape,
  ordered,
  replyShape,
  requestShape,
} from "./shapes.ts";

const anchor = (name: string): string => `[${name}](#${name.toLowerCase()})`;

export const typeName = (shape: Shape, link: (name: string) => string = anchor): string => {
  switch (shape.kind) {
    case "uint":
      return `u${shape.bits}`;
    case "bool":
      return "bool";
    case "bytes":
    case "blob":
      return "bytes";
    case "text":
      return "text";
    case "choice":
    case "message":
      return link(shape.name);
    case "list":
      return `list of ${typeName(shape.of, link)}`;
    case "maybe":
      return `${typeName(shape.of, link)}, or unknown`;
  }
};

export const cell = (text: string): string => text.replaceAll("|", "\\|");

const table = ({ fields }: MessageShape): string => {
  const rows = Object.entries(fields).map(
    ([name, shape], at) =>
      `| ${at + 1} | \`${name}\` | ${typeName(shape)} | ${cell(describe(shape.kind === "maybe" ? shape.of : shape))} |`,
  );
  if (rows.length === 0) return "Nothing.";
  return ["| | field | type | unit and bounds |", "|-|-|-|-|", ...rows].join("\n");
};

const hexadecimal = (number: number): string => `0x${number.toString(16).padStart(2, "0")}`;

const section = (name: Name): string => {
  const { number, sentence, ratchet, role } = operations[name];
  return [
    `### ${name}`,
    `Number ${hexadecimal(number)}. ${sentence}`,
    ...(role === "admin" ? ["For administrators alone."] : []),
    ratchet
      ? "A ratchet step: the same content is answered with the same bytes, for good."
      : "May be asked again at any time, and is judged anew.",
    `Request:\n\n${table(requestShape(name))}`,
    `Reply:\n\n${table(replyShape(name))}`,
  ].join("\n\n");
};

const shared = (): readonly string[] =>
  allNamed()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((shape) =>
      shape.kind === "message"
        ? `### ${shape.name}\n\n${table(shape)}`
        : `### ${shape.name}\n\n${shape.values.map((word, at) => `${at + 1} \`${word}\``).join(", ")}`,
    );

const failureSentences: Readonly<Record<keyof typeof failures, string>> = {
  refusal: "A rule said no. It is audited, and leaves the connection and the node up.",
  malformed: "The bytes were no request. The stream that they came on ends; no other does.",
  fault:
    "Something broke in the signer, which signs nothing more until it is mended. Asking again later is safe.",
};

const failed = (): readonly string[] =>
  Object.keys(failures).map((name, at) => {
    const shape = failureShapes[at] as MessageShape;
    return `### ${shape.name}\n\n${failureSentences[name as keyof typeof failures]}\n\n${table(shape)}`;
  });

const contents = (): string =>
  [
    "| number | operation | asked by | ratchet | |",
    "|-|-|-|-|-|",
    ...ordered.map((name) => {
      const { number, ratchet, role, sentence } = operations[name];
      return `| ${hexadecimal(number)} | ${anchor(name)} | ${role} | ${ratchet ? "yes" : ""} | ${cell(sentence)} |`;
    }),
  ].join("\n");

export const printOperations = (): string =>
  `${[
    "<!-- Printed from the operations table: do not edit. `npm run print` prints it again. -->",
    "# Operations",
    `Version ${protocolVersion} of the protocol. Every operation, its request and its reply, with the units and bounds that every decoder holds. On gRPC the same is \`protocol/countersign.proto\`; on a device, in content hashes and in records fields follow each other in the packed form: numbers big-endian, lists, blobs and texts behind their length (16 bits, 32 where the bound needs them), a \`bool\` or choice as one byte, and one byte before a field that may be unknown (0 for unknown).`,
    "A field that is missing, repeated, unknown, out of order or out of bounds makes the whole message malformed. *Unknown* is a value that has to be said: it is neither zero nor empty.",
    "## Contents",
    contents(),
    "## The operations",
    ...ordered.map(section),
    "## When there is no reply",
    ...failed(),
    "## Shared types",
    ...shared(),
  ].join("\n\n")}\n`;
