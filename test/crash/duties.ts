/** What each operation owes its host when it is asked again after a crash. An operation that is forgotten here does not compile. */

import type { Name } from "../../protocol/operations/index.ts";

export interface Duty {
  /** The same request, the same bytes; `free` where the answer tells how things stand, or is new each time. */
  readonly again: "same" | "free";
  /** Whether the audit log tells of each answer. */
  readonly record: "always" | "sometimes" | "never";
}

const bound: Duty = { again: "same", record: "always" };
const derived: Duty = { again: "same", record: "never" };
const telling: Duty = { again: "free", record: "never" };
const moving: Duty = { again: "free", record: "always" };
const deciding: Duty = { again: "free", record: "sometimes" };

export const duties: Readonly<Record<Name, Duty>> = {
  hello: derived,
  identity: derived,
  ecdh: derived,
  signInvoice: bound,
  signBolt12: bound,
  signGossip: bound,
  signMessage: bound,
  deriveSecret: bound,
  inboundPaymentKey: bound,
  randomBytes: telling,
  // Another id each time.
  new: moving,
  check: derived,
  setup: bound,
  points: derived,
  checkFutureSecret: derived,
  forget: bound,
  signCounterpartyCommitment: bound,
  validateHolderCommitment: bound,
  revokeHolderCommitment: bound,
  validateCounterpartyRevocation: bound,
  signHolderCommitment: bound,
  signClosing: bound,
  signSimpleClosing: bound,
  signSplice: bound,
  checkPayment: telling,
  proposePayment: deciding,
  withdrawPayment: deciding,
  // Recorded where something of it is kept.
  showPreimages: { again: "same", record: "sometimes" },
  chainTip: telling,
  // Its answer is the tip of now.
  chainConnect: moving,
  chainDisconnect: moving,
  chainHeaders: moving,
  chainProof: moving,
  chainPart: derived,
  chainWatches: telling,
  chainFeed: telling,
  heartbeat: telling,
  status: telling,
  listApprovals: telling,
  decideApproval: deciding,
  changeAllowlist: deciding,
  showPolicy: telling,
  explain: telling,
  // Without a record where nothing is to be signed; what waits for blocks comes later.
  exit: deciding,
  justice: deciding,
  broadcast: moving,
  chainSource: telling,
  deviceStanding: telling,
  deviceLimits: moving,
  deviceAnswer: moving,
  deviceForget: moving,
  spend: bound,
  walletAddress: bound,
};
