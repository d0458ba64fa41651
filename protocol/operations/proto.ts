/** Prints countersign.proto, for those who come with a generator of their own. */

import type { Shape } from "../codec.ts";
import { capital, failures, packageName, placeOf, replyName, requestName, serviceOf } from "./envelope.ts";
import { operations } from "./index.ts";
import type { Role } from "./operation.ts";
import {
  allNamed,
  type ChoiceShape,
  describe,
  failureShapes,
  type MessageShape,
  ordered,
  replyShape,
  requestShape,
} from "./shapes.ts";

const snake = (name: string): string =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll(/[^A-Za-z0-9]+/g, "_")
    .toLowerCase();

const block = (head: string, lines: readonly string[]): string =>
  lines.length === 0 ? `${head} {}\n` : `${head} {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;

const comment = (text: string): readonly string[] => (text === "" ? [] : [`// ${text}`]);

/** Wrappers for what proto3 cannot say in place: collected while the messages that use them are printed. */
type Wrappers = Map<string, string>;

const typeOf = (shape: Shape, wrappers: Wrappers): string => {
  switch (shape.kind) {
    case "uint":
      return shape.bits === 64 ? "uint64" : "uint32";
    case "bool":
      return "bool";
    case "bytes":
    case "blob":
      return "bytes";
    case "text":
      return "string";
    case "choice":
    case "message":
      return shape.name;
    case "list":
      return wrapped(`${capital(typeOf(shape.of, wrappers))}List`, wrappers, [
        repeated(shape.of, "items", 1, wrappers),
      ]);
    case "maybe": {
      const known = typeOf(shape.of, wrappers);
      return wrapped(`Maybe${capital(known)}`, wrappers, [
        "oneof is {",
        "  bool unknown = 1;",
        `  ${known} known = 2;`,
        "}",
      ]);
    }
  }
};

const wrapped = (name: string, wrappers: Wrappers, lines: readonly string[]): string => {
  wrappers.set(name, block(`message ${name}`, lines));
  return name;
};

/** Numbers go one by one, as every other element does: proto3 would pack them. */
const repeated = (of: Shape, name: string, number: number, wrappers: Wrappers): string => {
  const packable = of.kind === "uint" || of.kind === "bool" || of.kind === "choice";
  return `repeated ${typeOf(of, wrappers)} ${name} = ${number}${packable ? " [packed = false]" : ""};`;
};

const fieldLines = (name: string, shape: Shape, number: number, wrappers: Wrappers): readonly string[] => [
  ...comment(describe(shape)),
  shape.kind === "list"
    ? repeated(shape.of, snake(name), number, wrappers)
    : `optional ${typeOf(shape, wrappers)} ${snake(name)} = ${number};`,
];

const messageText = (shape: MessageShape, wrappers: Wrappers): string =>
  block(
    `message ${shape.name}`,
    Object.entries(shape.fields).flatMap(([name, field], at) => fieldLines(name, field, at + 1, wrappers)),
  );

const enumText = (shape: ChoiceShape): string => {
  const value = (word: string): string => `${snake(shape.name)}_${snake(word)}`.toUpperCase();
  return block(`enum ${shape.name}`, [
    `// Malformed: a choice is always made.`,
    `${value("unspecified")} = 0;`,
    ...shape.values.map((word, at) => `${value(word)} = ${at + 1};`),
  ]);
};

const header = `// Printed from the operations table: do not edit. \`npm run print\` prints it again.
//
// Stricter than protobuf asks: every field is there (a scalar that is left out is never taken for 0), once, in
// ascending order, in its shortest encoding; what is unknown is malformed. Lists may be empty.

syntax = "proto3";

package ${packageName};
`;

const services: Readonly<Record<Role, readonly string[]>> = {
  host: [
    "// For the host of a node, which asks for that node alone.",
    "//",
    "// One long-lived stream: requests are decided in its order, and each answer bears the id of its request.",
    "// After a MalformedRequest the stream ends with INVALID_ARGUMENT.",
    "rpc Converse(stream HostMessage) returns (stream SignerMessage);",
    "",
    "// The same operations, one call each. A Refusal is FAILED_PRECONDITION with the message in the trailer",
    "// countersign-refusal-bin; a MalformedRequest INVALID_ARGUMENT with countersign-malformed-bin; a Fault",
    "// UNAVAILABLE with countersign-fault-bin.",
  ],
  admin: [
    "// For administrators, on a socket of its own; they can ask nothing of the service above, and hosts nothing here.",
    "rpc Converse(stream HostMessage) returns (stream SignerMessage);",
  ],
};

const service = (role: Role): string =>
  block(`service ${serviceOf(role)}`, [
    ...services[role],
    "",
    ...ordered
      .filter((name) => operations[name].role === role)
      .flatMap((name) => [
        `// ${operations[name].sentence}`,
        `rpc ${capital(name)}(${requestName(name)}) returns (${replyName(name)});`,
      ]),
  ]).replaceAll(/ +$/gm, "");

const hostMessage = (): string =>
  block("message HostMessage", [
    "// Chosen by the host, from 1; never given twice on a stream.",
    "optional uint64 id = 1;",
    "oneof request {",
    ...ordered.map((name) => `  ${requestName(name)} ${snake(name)} = ${placeOf(name)};`),
    "}",
  ]);

const signerMessage = (): string =>
  block("message SignerMessage", [
    "// That of the request; 0 if it could not be read.",
    "optional uint64 id = 1;",
    "oneof outcome {",
    ...Object.entries(failures).map(
      ([name, { place }], at) => `  ${failureShapes[at]?.name} ${snake(name)} = ${place};`,
    ),
    ...ordered.map((name) => `  ${replyName(name)} ${snake(name)} = ${placeOf(name)};`),
    "}",
  ]);

export const printProto = (): string => {
  const wrappers: Wrappers = new Map();
  const bodies = ordered.flatMap((name) => [
    `// ${operations[name].sentence}\n${messageText(requestShape(name), wrappers)}`,
    messageText(replyShape(name), wrappers),
  ]);
  const failed = failureShapes.map((shape) => messageText(shape, wrappers));
  const shapes = allNamed();
  const shared = shapes.map((shape) =>
    shape.kind === "message" ? messageText(shape, wrappers) : enumText(shape),
  );
  const taken = shapes.find(({ name }) => wrappers.has(name));
  if (taken !== undefined) throw new TypeError(`${taken.name} is the name of a wrapper`);
  return [
    header,
    service("host"),
    service("admin"),
    hostMessage(),
    signerMessage(),
    ...bodies,
    ...failed,
    ...shared,
    ...wrappers.values(),
  ].join("\n");
};
