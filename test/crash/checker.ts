/** Looks at what went over the wire, and at the audit log that is left: knows nothing of the signer's own state. */

import { equal, toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import {
  type AnyRequest,
  contentHash,
  type Name,
  packReply,
  type Reply,
} from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import type { AuditFile } from "../../signer/audit.ts";
import { readRecord, verifyAudit } from "../../signer/audit.ts";
import type { Step } from "../../signer/core/step.ts";
import { type Decided, steps } from "../../signer/core/steps/index.ts";
import { curve } from "../scripted/road.ts";
import { channelIn, numberIn } from "./journey.ts";

export interface Findings {
  requests: number;
  conflicts: number;
  early_secrets: number;
  lost: number;
  stuck: number;
}

export interface Checker {
  readonly findings: Findings;
  readonly notes: readonly string[];
  sent(request: AnyRequest): void;
  answered(request: AnyRequest, outcome: Outcome<Name>): void;
  stuck(why: string): void;
  /** Asked as a thief: anything but a refusal is one more secret too many. */
  theft(request: AnyRequest, outcome: Outcome<Name>): void;
  /** Every answer that bound the signer must be in the log. */
  audited(file: AuditFile): void;
}

/** Answered from what everybody may know, or with another id each time: not bound to be the same. */
const loose: ReadonlySet<Name> = new Set(["hello", "new", "check", "points", "proposePayment"]);

/** The audit log has the hash of what a request is about, without the proofs that come beside it. */
const recordedAs = ({ name, body }: AnyRequest): string => {
  const { essence } = steps[name as Decided] as Step<Name, unknown>;
  return toHex(contentHash(name, essence?.(body) ?? body));
};

export const checker = (): Checker => {
  const findings: Findings = { requests: 0, conflicts: 0, early_secrets: 0, lost: 0, stuck: 0 };
  const notes: string[] = [];
  const answers = new Map<string, string>();
  const bound = new Set<string>();
  const validated = new Set<string>();
  const broadcast = new Set<string>();
  const points = new Map<string, Uint8Array>();
  const at = (request: AnyRequest, n = numberIn(request) ?? 0n) => `${channelIn(request)}/${n}`;
  const find = (what: Exclude<keyof Findings, "requests">, why: string): void => {
    findings[what]++;
    if (notes.length < 50) notes.push(`${what}: ${why}`);
  };

  const secret = (request: AnyRequest, reply: Reply<"revokeHolderCommitment">): void => {
    const number = numberIn(request) ?? 0n;
    if (!validated.has(at(request, number + 1n)) || broadcast.has(at(request)))
      find("early_secrets", `number ${number} of channel ${channelIn(request)}`);
    const point = points.get(at(request));
    if (point !== undefined && !equal(curve.publicKey(new Secret(reply.secret)), point))
      find("conflicts", `the secret of ${at(request)} is not that of its point`);
    for (const [i, next] of reply.points.entries()) points.set(at(request, number + 2n + BigInt(i)), next);
  };

  return {
    findings,
    notes,
    sent: (request) => {
      findings.requests++;
      if (request.name === "validateHolderCommitment") validated.add(at(request));
    },
    answered: (request, outcome) => {
      if (outcome.is !== "reply")
        return find("stuck", `${request.name} ${at(request)}: ${JSON.stringify(outcome)}`);
      const { reply } = outcome;
      if (request.name === "revokeHolderCommitment")
        secret(request, reply as Reply<"revokeHolderCommitment">);
      if (request.name === "signHolderCommitment") broadcast.add(at(request));
      if (loose.has(request.name)) return;
      const key = toHex(contentHash(request.name, request.body as never));
      const bytes = toHex(packReply(request.name, reply as never));
      const before = answers.get(key);
      if (before !== undefined && before !== bytes) find("conflicts", `${request.name} ${at(request)}`);
      answers.set(key, bytes);
      bound.add(recordedAs(request));
    },
    stuck: (why) => find("stuck", why),
    theft: (request, outcome) => {
      if (outcome.is !== "refusal")
        find("early_secrets", `${at(request)} was given up after it was signed for broadcast`);
    },
    audited: ({ rows, genesis, head }) => {
      const verdict = verifyAudit({ rows: rows(), genesis, head });
      if (verdict.is !== "whole") find("lost", `the audit log is not whole: ${JSON.stringify(verdict)}`);
      const known = new Set<string>();
      for (const { bytes } of rows()) {
        const { kind, content } = readRecord(bytes);
        if (kind === "decision" && isKnown(content)) known.add(toHex(content));
      }
      for (const key of bound) if (!known.has(key)) find("lost", `an answer that no record tells of: ${key}`);
    },
  };
};
