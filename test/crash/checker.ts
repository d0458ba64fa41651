/** Looks at what went over the wire, and at the audit log that is left: knows nothing of the signer's own state. */

import { equal, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
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
import { budget, shrunk } from "./budget.ts";
import { duties } from "./duties.ts";
import type { Move } from "./life.ts";

export interface Findings {
  requests: number;
  conflicts: number;
  early_secrets: number;
  lost: number;
  stuck: number;
  thefts: number;
}

export interface Checker {
  readonly findings: Findings;
  readonly notes: readonly string[];
  /** Operations that were answered, and how often. */
  readonly seen: ReadonlyMap<Name, number>;
  /** What is given back belongs to this request's answer. */
  sent(request: AnyRequest): (move: Move, outcome: Outcome<Name>) => void;
  stuck(why: string): void;
  /** Every answer that bound the signer must be in the log. */
  audited(file: AuditFile): void;
}

/** The audit log has the hash of what a request is about, without the proofs that come beside it. */
const recordedAs = ({ name, body }: AnyRequest): string => {
  const { essence } = steps[name as Decided] as Step<Name, unknown>;
  return toHex(contentHash(name, essence?.(body) ?? body));
};

const numberIn = ({ body }: AnyRequest): bigint | undefined => ("number" in body ? body.number : undefined);
const channelIn = ({ body }: AnyRequest): bigint | undefined =>
  "channel" in body && isKnown(body.channel) ? body.channel : undefined;

export const checker = (): Checker => {
  const findings: Findings = { requests: 0, conflicts: 0, early_secrets: 0, lost: 0, stuck: 0, thefts: 0 };
  const notes: string[] = [];
  const seen = new Map<Name, number>();
  const see = (name: Name): void => void seen.set(name, (seen.get(name) ?? 0) + 1);
  const answers = new Map<string, string>();
  const bound = new Set<string>();
  const validated = new Set<string>();
  const revealed = new Set<string>();
  const broadcast = new Set<string>();
  const points = new Map<string, Uint8Array>();
  const spent = budget();
  const at = (request: AnyRequest, n = numberIn(request) ?? 0n) => `${channelIn(request)}/${n}`;
  const find = (what: Exclude<keyof Findings, "requests">, why: string): void => {
    findings[what]++;
    if (notes.length < 50) notes.push(`${what}: ${why}`);
  };

  const secret = (request: AnyRequest, reply: Reply<"revokeHolderCommitment">): void => {
    const number = numberIn(request) ?? 0n;
    revealed.add(at(request));
    if (!validated.has(at(request, number + 1n)) || broadcast.has(at(request)))
      find("early_secrets", `number ${number} of channel ${channelIn(request)}`);
    const point = points.get(at(request));
    if (point !== undefined && !equal(curve.publicKey(new Secret(reply.secret)), point))
      find("conflicts", `the secret of ${at(request)} is not that of its point`);
    for (const [i, next] of reply.points.entries()) points.set(at(request, number + 2n + BigInt(i)), next);
  };

  /** Whichever of the two was given first: with both, the counterparty takes everything. */
  const leaves = (request: AnyRequest, number = numberIn(request)): void => {
    broadcast.add(at(request, number));
    if (revealed.has(at(request, number)))
      find("early_secrets", `number ${number} of channel ${channelIn(request)}, which may be published`);
  };

  const left = (request: AnyRequest, { commitment, transactions }: Reply<"exit">): void => {
    if (isKnown(commitment)) leaves(request, commitment.number);
    if (isKnown(commitment) || transactions.length > 0) bound.add(recordedAs(request));
  };

  const answered = (request: AnyRequest, reply: Reply<Name>): void => {
    const { name, body } = request;
    see(name);
    spent.answered(request, reply);
    if (name === "revokeHolderCommitment") secret(request, reply as Reply<"revokeHolderCommitment">);
    if (name === "signHolderCommitment") leaves(request);
    if (name === "exit") left(request, reply as Reply<"exit">);
    if (name === "justice") left(request, { commitment: unknown, ...(reply as Reply<"justice">) });
    const { again, record } = duties[name];
    if (record === "always") bound.add(recordedAs(request));
    if (again === "free") return;
    const key = toHex(contentHash(name, body as never));
    const bytes = toHex(packReply(name, reply as never));
    const before = answers.get(key);
    if (before !== undefined && before !== bytes) find("conflicts", `${name} ${at(request)}`);
    answers.set(key, bytes);
  };

  return {
    findings,
    notes,
    seen,
    sent: (request) => {
      findings.requests++;
      if (request.name === "validateHolderCommitment") validated.add(at(request));
      spent.sent(request);
      const floor = request.name === "status" ? spent.floor() : undefined;
      return ({ expects, refusedBy, lacks }, outcome) => {
        const told = `${request.name} ${at(request)}`;
        if (expects === "refusal") {
          see(request.name);
          if (outcome.is === "reply")
            find(
              request.name === "revokeHolderCommitment" ? "early_secrets" : "thefts",
              `${told}: what must be refused was given`,
            );
          else if (outcome.is !== "refusal" || outcome.refusal.rule !== (refusedBy ?? outcome.refusal.rule))
            find("stuck", `${told}: ${JSON.stringify(outcome)}`);
          return;
        }
        if (expects === "either" && outcome.is === "refusal") return;
        if (outcome.is !== "reply") return find("stuck", `${told}: ${JSON.stringify(outcome)}`);
        answered(request, outcome.reply);
        const gone =
          lacks?.(outcome.reply) ??
          (floor === undefined ? undefined : shrunk(outcome.reply as Reply<"status">, floor));
        if (gone !== undefined) find("lost", `${told}: ${gone}`);
      };
    },
    stuck: (why) => find("stuck", why),
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
