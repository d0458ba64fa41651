/** What an administrator allows beside the policy file. It widens the policy itself, so that no rule can forget it. */

import { toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { maxAllowed } from "../../protocol/operations/admin.ts";
import type { Request } from "../../protocol/operations/index.ts";
import type { Allowlist } from "./state.ts";
import type { Settings } from "./step.ts";

export const allowing = (settings: Settings, { scripts, payees }: Allowlist): Settings =>
  scripts.length === 0 && payees.length === 0
    ? settings
    : {
        ...settings,
        policy: {
          ...settings.policy,
          allowlist: [...settings.policy.allowlist, ...scripts],
          payees: [...settings.policy.payees, ...payees],
        },
      };

const changed = <T extends Uint8Array>(
  what: "Scripts" | "Payees",
  now: readonly T[],
  added: readonly T[],
  removed: readonly T[],
): readonly T[] => {
  const gone = new Set(removed.map(toHex));
  const both = added.findIndex((one) => gone.has(toHex(one)));
  if (both >= 0) throw new Malformed(`add${what}[${both}]`, "to be removed as well");
  const result = new Map([...now, ...added].map((one) => [toHex(one), one]));
  for (const key of gone) result.delete(key);
  if (result.size > maxAllowed)
    throw new Malformed(`add${what}`, `${result.size} in all, where at most ${maxAllowed} may be`);
  return [...result.values()];
};

/** Pure: the same change twice is the same as once. */
export const changeOf = (
  now: Allowlist,
  { addScripts, removeScripts, addPayees, removePayees }: Request<"changeAllowlist">,
): Allowlist => ({
  scripts: changed("Scripts", now.scripts, addScripts, removeScripts),
  payees: changed("Payees", now.payees, addPayees, removePayees),
});
