/**
 * Adds the operations that operations-v1.json lacks. What is there stays: its bytes are in devices, records and
 * other people's programs. Before a version is released: --rewrite.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { toHex } from "../../protocol/bytes.ts";
import { encodeOutcome, encodeRequest, failures } from "../../protocol/operations/envelope.ts";
import { type Name, operations, packReply, packRequest } from "../../protocol/operations/index.ts";
import { ordered, replyShape, requestShape } from "../../protocol/operations/shapes.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { exampleOf, readable } from "./example.ts";

const file = new URL("./operations-v1.json", import.meta.url);

export interface Frozen {
  readonly value: unknown;
  readonly packed?: string;
  /** In its envelope, under the id 258. */
  readonly protobuf: string;
}

export interface FrozenFile {
  readonly operations: Readonly<
    Record<string, { readonly number: number; readonly request: Frozen; readonly reply: Frozen }>
  >;
  readonly failures: Readonly<Record<string, Frozen>>;
}

const frozen = (name: Name): FrozenFile["operations"][string] => {
  const request = exampleOf(requestShape(name));
  const reply = exampleOf(replyShape(name));
  return {
    number: operations[name].number,
    request: {
      value: readable(request),
      packed: toHex(packRequest(name, request as never)),
      protobuf: toHex(encodeRequest(258n, name, request as never)),
    },
    reply: {
      value: readable(reply),
      packed: toHex(packReply(name, reply as never)),
      protobuf: toHex(encodeOutcome(258n, name, { is: "reply", reply } as Outcome<Name>)),
    },
  };
};

const frozenFailure = (is: keyof typeof failures): Frozen => {
  const value = exampleOf(failures[is].field.shape);
  return {
    value: readable(value),
    protobuf: toHex(encodeOutcome(258n, "hello", { is, [is]: value } as unknown as Outcome<"hello">)),
  };
};

const rewrite = process.argv.includes("--rewrite");
const before: FrozenFile | undefined =
  existsSync(file) && !rewrite ? (JSON.parse(readFileSync(file, "utf8")) as FrozenFile) : undefined;
const after: FrozenFile = {
  operations: Object.fromEntries(
    ordered.map((name) => [name, before?.operations[name] ?? frozen(name)]),
  ),
  failures: Object.fromEntries(
    (Object.keys(failures) as (keyof typeof failures)[]).map((is) => [
      is,
      before?.failures[is] ?? frozenFailure(is),
    ]),
  ),
};
writeFileSync(file, `${JSON.stringify(after, null, 1)}\n`);
