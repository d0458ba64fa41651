/** Statements of approvers as values, as the bytes that are hashed, and signed: for whoever writes an approver or a device. */

import { concat } from "../../protocol/bytes.ts";
import {
  type Statement,
  statementBytes,
  statementDigest,
  statementTag,
} from "../../protocol/device/limits.ts";
import { feerate, msat, point, script } from "../../protocol/units.ts";
import { approver } from "../scripted/approvers.ts";
import { filled } from "./link.kit.ts";

const node = point(concat(Uint8Array.of(2), filled(0x11, 32)));
const mark = filled(0xdd, 16);
const [one, two] = [approver(1), approver(2)] as const;

const question = {
  id: filled(0x88, 32),
  subject: "payment",
  amount: msat(21_000_000n),
  shown: [
    { name: "kind", value: "invoice" },
    { name: "description", value: "tea for two, \u2615" },
  ],
  asked: 1_790_000_000n,
} as const;

const statements: readonly Statement[] = [
  { is: "answer", mark, node, question, verdict: "approve" },
  { is: "answer", mark, node, question, verdict: "deny" },
  {
    is: "answer",
    ...{ mark, node, verdict: "approve" },
    question: { ...question, subject: "channel", shown: [], asked: 0n },
  },
  {
    is: "answer",
    ...{ mark, node, verdict: "approve" },
    question: { ...question, subject: "over", shown: [], asked: 0n },
  },
  {
    is: "limits",
    ...{ mark, node },
    limits: {
      ...{ each: msat(1_000_000n), allowance: msat(50_000_000n), forwarding: true },
      ...{ maxFeerate: feerate(25_000), maxClosingFeerate: feerate(25_000) },
      ...{ maxOnchainFeerate: feerate(50_000), maxSweepFeerate: feerate(100_000) },
      destinations: [script(concat(Uint8Array.of(0, 20), filled(0x33, 20)))],
      payees: [node],
      approvers: [one.key, two.key],
      needed: 2,
    },
  },
];

export const approvalVectors = () => ({
  keys: [one, two].map(({ key }, at) => ({ secret: new Uint8Array(32).fill(at + 1), key })),
  statements: statements.map((statement) => ({
    statement,
    tag: statementTag(statement),
    bytes: statementBytes(statement),
    digest: statementDigest(statement),
    /** With 32 zero bytes of randomness (BIP 340, "Default Signing"). */
    signatures: [one, two].map((by) => by.sign(statement)),
  })),
});
