/** A device with one open channel, and what a stolen signer asks of it. */

import { expect } from "vitest";
import type { DeviceLimits } from "../../protocol/device/limits.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { type Msat, msat, type NodeId } from "../../protocol/units.ts";
import { setLimits } from "./approvers.ts";
import { add, ask, preimageOf, remove } from "./channel.ts";
import { type Core, openCore, outcomeOf, rigOver } from "./device-rig.ts";
import { plainTime, type Rig } from "./road.ts";
import { evenTerms, type Scene, scene } from "./scene.ts";

const never = (): Promise<never> => Promise.reject(new Error("no restart here"));
export const rigOf = (core: Core, withPerson = true): Rig =>
  rigOver(core, { proposes: false, withPerson }, never);

export interface Setting {
  readonly core: Core;
  readonly node: NodeId;
  readonly on: Scene;
  /** The person at the buttons. */
  readonly says: { yes: boolean };
}

export const opened = async (
  changes?: Partial<DeviceLimits>,
  tier: "full" | "commitments" = "full",
): Promise<Setting> => {
  const says = { yes: true };
  const core = await openCore({ consents: () => says.yes, tier });
  await core.load();
  const on = await scene({ signer: rigOf(core), terms: evenTerms() });
  await on.advance(0n, on.start);
  if (changes !== undefined) expect(await setLimits(core, changes)).toMatchObject({ is: "limits" });
  says.yes = false;
  return { core, node: on.opened.node, on, says };
};

export const judged = async <N extends Name>(
  core: Core,
  name: N,
  body: Request<N>,
  now = plainTime,
): Promise<Outcome<Name>> => outcomeOf(await core.judge(ask(name, body), now));

export const approvalIn = (outcome: Outcome<Name>): Uint8Array => {
  if (outcome.is !== "reply" || !("approval" in outcome.reply)) throw new Error(JSON.stringify(outcome));
  return outcome.reply.approval;
};
export const decided = (core: Core, node: NodeId, id: Uint8Array, now = plainTime) =>
  judged(core, "decideApproval", { node, id, verdict: "approve", by: "the signer" } as never, now);
export const consulted = (core: Core, approval: Uint8Array) => core.ask({ is: "consult", approval });
export const sat = (n: number): Msat => msat(BigInt(n) * 1000n);
export const day = 86_400;

/** Whether the device signs a commitment that lets this out, and if so goes on until it is paid. */
export const pays = async (
  { core, on }: Setting,
  from: { n: bigint; now: Scene["start"] },
  htlc: Htlc,
  label: string,
) => {
  const out = add(from.now, htlc);
  const { sign } = await on.at(from.n, out);
  const outcome = await judged(core, "signCounterpartyCommitment", sign);
  if (outcome.is !== "reply") return { ...from, outcome };
  await on.advance(from.n, out);
  const after = remove(out, htlc, "fulfil");
  await on.advance(from.n + 1n, after, [preimageOf(label)]);
  return { n: from.n + 2n, now: after, outcome };
};
