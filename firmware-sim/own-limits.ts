/** The limits that a person may change, as they are in flash, and what is left of the allowance. */

import { packedFields, u8, unpack } from "../protocol/codec.ts";
import {
  type DeviceLimits,
  type DeviceQuestion,
  deviceLimits,
  limitsMark,
} from "../protocol/device/limits.ts";
import { invalid } from "../protocol/malformed.ts";
import * as f from "../protocol/operations/fields.ts";
import { approvalId, seconds } from "../protocol/operations/payment.ts";
import { msat } from "../protocol/units.ts";
import type { Policy } from "../signer/core/policy.ts";
import type { Journal, Place } from "./journal.ts";

const limitsAt: Place = "setting/2";
const allowanceAt: Place = "setting/3";

const format = u8("version of the format", (n) => {
  if (n !== 1) throw invalid(`${n} is not known to this firmware`);
  return n;
});
const limitsForm = packedFields({ format, mark: limitsMark, limits: deviceLimits });
/** What was charged last is known, so that an answer that was lost is not charged twice. */
const allowanceForm = packedFields({ format, left: f.msat, id: approvalId, asked: seconds });

export const encodeOwnLimits = (now: Marked): Uint8Array => limitsForm.encode({ format: 1, ...now });
export const decodeOwnLimits = (bytes: Uint8Array): Marked => {
  const { mark, limits } = unpack(limitsForm, bytes);
  return { mark, limits };
};

export interface Marked {
  readonly mark: Uint8Array;
  readonly limits: DeviceLimits;
}

export interface LimitsNow extends Marked {
  /** In millisatoshi. */
  readonly left: bigint;
}

const unset = new Uint8Array(16);

/** As the firmware is built. */
const builtIn = (policy: Policy): DeviceLimits => ({
  each: msat(0n),
  allowance: msat(0n),
  forwarding: policy.forwarding,
  maxFeerate: policy.maxFeerate,
  maxClosingFeerate: policy.maxClosingFeerate,
  maxOnchainFeerate: policy.maxOnchainFeerate,
  maxSweepFeerate: policy.maxSweepFeerate,
  destinations: [],
  payees: [],
  approvers: [],
  needed: 0,
});

const allowanceIn = (journal: Journal) => {
  const bytes = journal.get(allowanceAt);
  return bytes === undefined ? undefined : unpack(allowanceForm, bytes);
};

export const limitsIn = (journal: Journal, policy: Policy): LimitsNow => {
  const bytes = journal.get(limitsAt);
  if (bytes === undefined) return { mark: unset, limits: builtIn(policy), left: 0n };
  const now = decodeOwnLimits(bytes);
  return { ...now, left: allowanceIn(journal)?.left ?? now.limits.allowance };
};

/** The firmware's policy where nobody changed anything. */
export const policyIn = (journal: Journal, policy: Policy): Policy => {
  const bytes = journal.get(limitsAt);
  if (bytes === undefined) return policy;
  const { forwarding, maxFeerate, maxClosingFeerate, maxOnchainFeerate, maxSweepFeerate, ...listed } =
    decodeOwnLimits(bytes).limits;
  return {
    ...policy,
    ...{ forwarding, maxFeerate, maxClosingFeerate, maxOnchainFeerate, maxSweepFeerate },
    allowlist: [...policy.allowlist, ...listed.destinations],
    payees: [...policy.payees, ...listed.payees],
  };
};

/** The allowance begins anew. */
export const setLimits = (journal: Journal, now: Marked): void => {
  journal.commit(
    new Map([
      [limitsAt, encodeOwnLimits(now)],
      [allowanceAt, undefined],
    ]),
  );
};

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

const covered: ReadonlySet<DeviceQuestion["subject"]> = new Set(["payment", "opening", "cover"] as const);
/** What leaves to an address of others, or covers what others owe, is no matter of an amount. */
const isCovered = ({ subject }: DeviceQuestion): boolean => covered.has(subject);

/** Whether the allowance pays for it; then it is less in flash when this returns. */
export const chargeAllowance = (journal: Journal, policy: Policy, question: DeviceQuestion): boolean => {
  const { limits, left } = limitsIn(journal, policy);
  const { id, asked, amount } = question;
  if (!isCovered(question) || amount > limits.each) return false;
  const last = allowanceIn(journal);
  if (last !== undefined && same(last.id, id) && last.asked === asked) return true;
  if (amount > left) return false;
  journal.commit(
    new Map([[allowanceAt, allowanceForm.encode({ format: 1, left: msat(left - amount), id, asked })]]),
  );
  return true;
};
