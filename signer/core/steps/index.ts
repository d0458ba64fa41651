import type { Name } from "../../../protocol/operations/index.ts";
import type { Step } from "../step.ts";
import { changeAllowlist, showPolicy, status } from "./admin.ts";
import { decideApproval, listApprovals } from "./approvals.ts";
import {
  chainConnect,
  chainDisconnect,
  chainHeaders,
  chainPart,
  chainProof,
  chainTip,
  chainWatches,
  heartbeat,
} from "./chain.ts";
import { signClosing } from "./closing.ts";
import { signCounterpartyCommitment, validateHolderCommitment } from "./commitment.ts";
import { deviceAnswer, deviceForget, deviceLimits, deviceStanding } from "./device.ts";
import { exit } from "./exit.ts";
import { forget } from "./forget.ts";
import { signGossip } from "./gossip.ts";
import { signBolt12, signInvoice } from "./invoice.ts";
import { justice } from "./justice.ts";
import {
  checkFutureSecret,
  deriveSecret,
  ecdh,
  identity,
  inboundPaymentKey,
  randomBytes,
  signMessage,
} from "./node.ts";
import { check, hello, newChannel, points, setup } from "./opening.ts";
import { checkPayment, proposePayment, showPreimages, withdrawPayment } from "./payment.ts";
import { broadcast, chainFeed, chainSource } from "./publish.ts";
import {
  revokeHolderCommitment,
  signHolderCommitment,
  validateCounterpartyRevocation,
} from "./revocation.ts";

import { signSimpleClosing } from "./simple-close.ts";
import { spend, walletAddress } from "./spend.ts";
import { signSplice } from "./splice.ts";

/** `explain` runs another operation's step: it has none of its own. */
export type Decided = Exclude<Name, "explain">;

/** An operation that is forgotten here does not compile. */
export const steps: { readonly [N in Decided]: Step<N, unknown> } = {
  hello,
  identity,
  ecdh,
  signInvoice,
  signBolt12,
  signGossip,
  signMessage,
  deriveSecret,
  inboundPaymentKey,
  randomBytes,
  new: newChannel,
  check,
  setup,
  points,
  checkFutureSecret,
  forget,
  signCounterpartyCommitment,
  validateHolderCommitment,
  revokeHolderCommitment,
  validateCounterpartyRevocation,
  signHolderCommitment,
  signClosing,
  signSimpleClosing,
  signSplice,
  spend,
  walletAddress,
  checkPayment,
  proposePayment,
  showPreimages,
  withdrawPayment,
  chainTip,
  chainConnect,
  chainPart,
  chainHeaders,
  chainProof,
  chainDisconnect,
  chainWatches,
  heartbeat,
  chainFeed,
  status,
  listApprovals,
  decideApproval,
  changeAllowlist,
  showPolicy,
  exit,
  justice,
  broadcast,
  chainSource,
  deviceStanding,
  deviceLimits,
  deviceAnswer,
  deviceForget,
};
