/** What one audit record says: fields as data, behind a version byte. */

import {
  choice,
  fixed,
  type Maybe,
  maybe,
  message,
  text,
  u8,
  u16,
  u32,
  u64,
  unknown,
  unpack,
  type ValueOf,
} from "../../protocol/codec.ts";
import { invalid } from "../../protocol/malformed.ts";
import * as fields from "../../protocol/operations/fields.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";

/** Appended to, never reordered: the numbers are on disk. */
const kind = choice("AuditKind", ["decision", "refusals", "start", "stop", "admin"]);
const outcome = choice("AuditOutcome", ["reply", "refusal", "malformed", "fault"]);

const version = u8("version of the record", (n) => {
  if (n !== 1) throw invalid(`${n} is not known to this version of countersign`);
  return n;
});

export const auditRecord = message("AuditRecord", {
  version,
  /** Of the event; of the first, where several are counted. */
  time: u64("milliseconds since 1970", (n) => n),
  kind,
  /** Empty: none; no host has an empty name, and no rule. */
  host: text("host's name in its certificate", 128),
  node: maybe(fields.node),
  operation: maybe(u16("operation's number in the table", (n) => n)),
  channel: maybe(fields.channel),
  /** Hash of the packed request; of the first, where several are counted. */
  content: maybe(fixed("content hash", 32, (bytes) => bytes)),
  outcome: maybe(outcome),
  rule: text("name of the rule that refused", 64),
  count: u32("events", (n) => n),
  detail: text("for the reader", 256),
});
export type AuditRecord = ValueOf<typeof auditRecord>;

/** What was asked, and by whom. */
export interface Asked {
  readonly host: string;
  readonly node: Maybe<NodeId>;
  readonly operation: Maybe<number>;
  readonly channel: Maybe<ChannelId>;
  readonly content: Maybe<Uint8Array>;
}

export type AuditEntry = { readonly time: number } & (
  | ({ readonly kind: "decision"; readonly outcome: Outcome<Name>["is"]; readonly detail?: string } & Asked)
  | ({ readonly kind: "refusals"; readonly rule: string; readonly count: number } & Asked)
  /** The signer started or stopped, or a person changed something by the admin service. */
  | { readonly kind: "start" | "stop" | "admin"; readonly detail: string }
);

const blank = {
  version: 1,
  host: "",
  node: unknown,
  operation: unknown,
  channel: unknown,
  content: unknown,
  outcome: unknown,
  rule: "",
  count: 1,
  detail: "",
} as const;

const whole = (entry: AuditEntry): AuditRecord => {
  const time = BigInt(Math.max(0, Math.trunc(entry.time)));
  switch (entry.kind) {
    case "decision":
      return { ...blank, ...entry, time };
    case "refusals":
      return { ...blank, ...entry, time, outcome: "refusal" };
    case "start":
    case "stop":
    case "admin":
      return { ...blank, ...entry, time };
  }
};

export const record = (entry: AuditEntry): Uint8Array => auditRecord.packed.encode(whole(entry));

export const readRecord = (bytes: Uint8Array): AuditRecord => unpack(auditRecord.packed, bytes);
