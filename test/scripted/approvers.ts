/** Approvers with keys of their own, and what they read of a device's questions and limits before they sign. */

import {
  type ApproverSignature,
  type DeviceLimits,
  type DeviceQuestion,
  type Statement,
  statementDigest,
  type Verdict,
} from "../../protocol/device/limits.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Core } from "./device-rig.ts";
import { curve } from "./road.ts";

export interface Approver {
  readonly key: Uint8Array;
  sign(statement: Statement): ApproverSignature;
}

export const approver = (seed: number): Approver => {
  const secret = new Secret(new Uint8Array(32).fill(seed));
  const key = curve.publicKeyX(secret);
  return {
    key,
    sign: (statement) => ({
      key,
      signature: curve.signSchnorr({
        digest: statementDigest(statement),
        key: secret,
        aux: new Uint8Array(32),
      }),
    }),
  };
};

export interface LimitsNow {
  readonly mark: Uint8Array;
  readonly limits: DeviceLimits;
  readonly left: bigint;
}

export const limitsOf = async (core: Core): Promise<LimitsNow> => {
  const answer = await core.ask({ is: "limits" });
  if (answer.is !== "limits") throw new Error(answer.is);
  return answer;
};

export const questionsOf = async (core: Core): Promise<readonly DeviceQuestion[]> => {
  const answer = await core.ask({ is: "questions" });
  if (answer.is !== "questions") throw new Error(answer.is);
  return answer.questions;
};

/** At the buttons, where nobody signs. */
export const setLimits = async (
  core: Core,
  changes: Partial<DeviceLimits>,
  signatures: readonly ApproverSignature[] = [],
) => {
  const { limits } = await limitsOf(core);
  return core.ask({ is: "setLimits", step: core.step, limits: { ...limits, ...changes }, signatures });
};

export const answerTo = async (
  core: Core,
  node: Uint8Array,
  question: DeviceQuestion,
  verdict: Verdict,
  approvers: readonly Approver[],
) => {
  const { mark } = await limitsOf(core);
  const statement: Statement = { is: "answer", mark, node: node as never, question, verdict };
  return core.ask({
    ...{ is: "answer", step: core.step, approval: question.id, verdict },
    signatures: approvers.map((one) => one.sign(statement)),
  });
};
