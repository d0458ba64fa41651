/** What a person asks, with a certificate of its own, and no host may. Only `exit` and `justice` sign. */

import { blob, bool, choice, list, maybe, message, text, u32, type ValueOf } from "../codec.ts";
import { fact } from "../outcome.ts";
import {
  channel,
  delay,
  feerate,
  height,
  msat,
  network,
  node,
  number,
  preimages,
  script,
  tier,
  transaction,
  txid,
} from "./fields.ts";
import { adminOperation } from "./operation.ts";
import { approvalId, seconds } from "./payment.ts";

/** What the last 24 hours took of each limit of a day. */
const window = message("SpentWindow", {
  name: choice("WindowName", ["sent", "funded", "trimmed", "fees", "lost"]),
  spent: msat,
  limit: msat,
});

const chainStatus = message("ChainStatus", { followed: bool, height: maybe(height) });

export const listedApproval = message("ListedApproval", {
  id: approvalId,
  subject: choice("ApprovalSubject", ["payment", "outputs", "opening"]),
  standing: choice("ShownStanding", ["pending", "approved", "denied", "expired"]),
  /** What can leave us by it. */
  amount: msat,
  shown: list(fact, 32),
  asked: seconds,
  until: seconds,
  by: text("who decided; empty while nobody has", 256),
});
export type ListedApproval = ValueOf<typeof listedApproval>;

/** In one change, and in one answer. */
export const maxAllowed = 500;
const scripts = list(script, maxAllowed);
const payees = list(node, maxAllowed);

const limit = message("PolicyLimit", {
  name: text("name of the limit", 64),
  value: text("its value", 4_096),
  sentence: text("what it does", 512),
});

/** Signed and complete: a sweep, or HTLCs of one commitment with the coins that pay for them. */
export const homeward = message("HomewardTransaction", {
  what: text("what it does", 256),
  txid,
  tx: blob("transaction", 10_000, (bytes) => bytes),
  /** The chain's height at which it may be published: 0 is at once. */
  from: height,
  /** What it spends an output of, and the confirmations that this needs beside; 0 where they are in `from`. */
  after: txid,
  wait: delay,
});
export type Homeward = ValueOf<typeof homeward>;

/** Two for every HTLC, and what sweeps the rest. */
const broughtHome = {
  transactions: list(homeward, 2_000),
  left: list(text("what stays where it is, and why", 256), 1_000),
  /** Of the tip. */
  height: maybe(height),
};

export const adminOperations = {
  status: adminOperation(
    0x80,
    "Says how the signer stands: what waits for a person, what is left of each limit, what is wrong.",
    {},
    {
      network,
      tier,
      software: text("name and version of the signer", 64),
      curve: text("what computes with keys", 32),
      /** False: how long a signature takes depends on the key. */
      constantTime: bool,
      channels: u32("channels that are set up", (n) => n),
      pending: u32("approvals that wait for a person", (n) => n),
      windows: list(window, 8),
      chain: chainStatus,
      alarms: list(text("what a person should look at", 512), 64),
      fault: text("what broke; empty while nothing has", 512),
    },
  ),
  listApprovals: adminOperation(
    0x81,
    "Lists what a person was asked for, what waits first: all of it, or only what waits.",
    { state: choice("ApprovalFilter", ["all", "pending"]) },
    { approvals: list(listedApproval, 300), more: u32("approvals that are not listed", (n) => n) },
  ),
  decideApproval: adminOperation(
    0x82,
    "Approves or denies what a host asked for. What a person can't wave through is judged anew; nothing denied is approved later.",
    { id: approvalId, verdict: choice("Verdict", ["approve", "deny"]), by: text("who decides", 128) },
    { standing: choice("ShownStanding", ["pending", "approved", "denied", "expired"]) },
  ),
  changeAllowlist: adminOperation(
    0x83,
    "Adds and removes scripts and payees that need no person, beside those of the policy file; with nothing to change it lists them.",
    { addScripts: scripts, removeScripts: scripts, addPayees: payees, removePayees: payees },
    { scripts, payees },
  ),
  showPolicy: adminOperation(
    0x84,
    "Shows every limit that holds, with its sentence; what was allowed beside the policy file counts among them.",
    {},
    { limits: list(limit, 128) },
  ),
  explain: adminOperation(
    0x85,
    "Asks what would become of a host's request, by the same code; nothing is kept, signed or audited.",
    { request: blob("packed request, as a host would make it", 524_288, (bytes) => bytes) },
    {
      verdict: choice("ExplainedVerdict", ["accepted", "refused", "malformed"]),
      rule: text("name of the rule that decides; empty where none does", 64),
      /** False: the same request may pass later. */
      final: bool,
      sentence: text("what the rule demands, or what is wrong with the bytes", 512),
      facts: list(fact, 32),
      hint: text("what would make it pass", 512),
      applied: list(text("name of a rule, in the order they were asked", 64), 256),
    },
  ),
  exit: adminOperation(
    0x86,
    "Ends a channel without a host: signs its last commitment, its HTLC transactions and what brings all of it to our wallet.",
    {
      channel,
      /** Of the sweeps. */
      feerate,
      /** One of our commitments that has confirmed; where the chain is followed it is known. */
      confirmed: maybe(txid),
      /** Of received HTLCs. */
      preimages,
    },
    {
      /** Signed by both; unknown where the chain has it. The others follow from it. */
      commitment: maybe(message("SignedCommitment", { number, txid, tx: transaction })),
      ...broughtHome,
    },
  ),
  justice: adminOperation(
    0x87,
    "Punishes a revoked commitment that the followed chain has: signs what brings its outputs to our wallet.",
    { channel, feerate },
    broughtHome,
  ),
};
