/** status, changeAllowlist, showPolicy: what an administrator sees and allows. */

import { toHex } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { clip } from "../../../protocol/outcome.ts";
import { type Msat, msat, toMsat } from "../../../protocol/units.ts";
import { changeOf } from "../allowlist.ts";
import { pendingIn } from "../approvals.ts";
import { type Figure, figures } from "../policy/figures.ts";
import type { Policy } from "../policy.ts";
import type { Windows } from "../state.ts";
import { liveOf, type Step, type View } from "../step.ts";
import { spent } from "../velocity.ts";

const limitOf: Readonly<Record<keyof Windows, (policy: Policy) => Msat>> = {
  sent: ({ maxSentPerDay }) => maxSentPerDay,
  funded: ({ maxFundedPerDay }) => toMsat(maxFundedPerDay),
  trimmed: ({ maxTrimmedPerDay }) => maxTrimmedPerDay,
  fees: ({ maxFeesPerDay }) => toMsat(maxFeesPerDay),
  lost: ({ maxForwardExposure }) => maxForwardExposure,
};

const windowNames = Object.keys(limitOf) as readonly (keyof Windows)[];

const setUp = ({ channels }: View): number =>
  [...channels.values()].filter((channel) => liveOf(channel) !== undefined).length;

export const status: Step<"status", undefined> = {
  prepare: () => undefined,
  decide: ({ view, settings: { network, tier, software, curve, policy } }) => {
    const { height, trouble } = view.outlook;
    return {
      is: "told",
      reply: () => ({
        network,
        tier,
        software,
        curve: curve.name,
        constantTime: curve.constantTime,
        channels: setUp(view),
        pending: pendingIn(view),
        windows: windowNames.map((name) => ({
          name,
          spent: msat(spent(view.node.windows[name], view.now)),
          limit: limitOf[name](policy),
        })),
        chain: { followed: height !== undefined, height: height ?? unknown },
        alarms:
          trouble === undefined ? [] : [`${trouble.sentence} ${trouble.hint}`].map((one) => clip(one, 512)),
        // Whoever runs the sessions knows of faults: see `server/runtime.ts`.
        fault: "",
      }),
    };
  },
};

const shownValue = (value: Policy[keyof Policy], { unit }: Figure<unknown>): string => {
  if (typeof value === "object") return value.length === 0 ? "none" : clip(value.map(toHex).join(" "), 4_096);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return unit === "count" ? String(value) : `${value} ${unit === "feerate" ? "sat/kw" : unit}`;
};

export const showPolicy: Step<"showPolicy", undefined> = {
  prepare: () => undefined,
  decide: ({ settings: { policy } }) => ({
    is: "told",
    reply: () => ({
      limits: (Object.keys(figures) as readonly (keyof Policy)[]).map((name) => ({
        name,
        value: shownValue(policy[name], figures[name]),
        sentence: figures[name].sentence,
      })),
    }),
  }),
};

export const changeAllowlist: Step<"changeAllowlist", undefined> = {
  prepare: () => undefined,
  decide: ({ body, view, settings: { curve } }) => {
    const empty = body.addScripts.findIndex((script) => script.length === 0);
    if (empty >= 0) throw new Malformed(`addScripts[${empty}]`, "an empty script: anybody could spend it");
    const foreign = body.addPayees.findIndex((payee) => !curve.isPoint(payee));
    if (foreign >= 0) throw new Malformed(`addPayees[${foreign}]`, "not a point of the curve");
    const { addScripts, removeScripts, addPayees, removePayees } = body;
    const counts = [addScripts, removeScripts, addPayees, removePayees].map((list) => list.length);
    if (counts.every((count) => count === 0)) return { is: "told", reply: () => ({ ...view.allowlist }) };
    const allowlist = changeOf(view.allowlist, body);
    const [scripts, noScripts, payees, noPayees] = counts;
    return {
      is: "kept",
      change: { allowlist },
      detail: `scripts: ${scripts} added, ${noScripts} removed; payees: ${payees} added, ${noPayees} removed`,
      reply: () => ({ ...allowlist }),
    };
  },
};
