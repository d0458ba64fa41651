/** What tests of a host that steals have in common. */

import { expect } from "vitest";
import type { Request } from "../../protocol/operations/index.ts";
import { sat } from "../../protocol/units.ts";
import type { Policy } from "../../signer/core/policy.ts";
import type { Rig } from "./road.ts";
import { type Coin, type Pay, spending } from "./spends.ts";

export const strict: Partial<Policy> = { unattendedFunding: sat(0n), maxOnchainFeerate: 5_000 as never };

export const request = async (on: Rig, coins: readonly Coin[], pays: readonly Pay[]) =>
  spending(on.session.node, coins, pays);

export const ruleOf = async (on: Rig, body: Request<"spend">): Promise<string> =>
  (await on.refusal("spend", body)).rule;

export const decide = async (on: Rig, verdict: "approve" | "deny" = "approve"): Promise<void> => {
  const { node } = on.session;
  const { approvals } = await on.call("listApprovals", { node, state: "pending" });
  expect(approvals).toHaveLength(1);
  for (const { id } of approvals) await on.call("decideApproval", { node, id, verdict, by: "a person" });
};
