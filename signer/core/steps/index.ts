import type { Name } from "../../../protocol/operations/index.ts";
import type { Step } from "../step.ts";
import { signClosing } from "./closing.ts";
import { signCounterpartyCommitment, validateHolderCommitment } from "./commitment.ts";
import { check, hello, newChannel, points, setup } from "./opening.ts";
import {
  revokeHolderCommitment,
  signHolderCommitment,
  validateCounterpartyRevocation,
} from "./revocation.ts";

/** An operation that is forgotten here does not compile. */
export const steps: { readonly [N in Name]: Step<N, unknown> } = {
  hello,
  new: newChannel,
  check,
  setup,
  points,
  signCounterpartyCommitment,
  validateHolderCommitment,
  revokeHolderCommitment,
  validateCounterpartyRevocation,
  signHolderCommitment,
  signClosing,
};
