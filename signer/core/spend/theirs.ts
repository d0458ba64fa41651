/** What is ours in a commitment that the counterparty has published (BOLT 5, "Unilateral Close Handling: Remote"). */

import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import { toSat } from "../../../protocol/units.ts";
import type { Close } from "../chain/onchain.ts";
import type { PreimageOf } from "../payments/preimages.ts";
import type { Live } from "../state.ts";
import type { Owed } from "./homeward.ts";
import { partyOf } from "./inputs.ts";

export const owedByTheirs = (
  { closer, outputs }: Close,
  { counterparty }: Live,
  preimageOf: PreimageOf,
): { readonly owed: readonly Owed[]; readonly left: readonly string[] } => {
  const content = closer.is === "counterparty" && isKnown(closer.content) ? closer.content : undefined;
  const variant = counterparty.variants.find(({ hash }) => content !== undefined && equal(hash, content));
  const left: string[] = [];
  const owed = outputs.flatMap(({ role, outpoint, value, height: since, spent }): Owed[] => {
    if (spent !== undefined) return [];
    const common = { outpoint, value, since, said: {} };
    if (role.is === "remote") return [{ ...common, what: "our balance", claim: { kind: "toRemote" } }];
    if (role.is !== "htlc" || variant === undefined) return [];
    const { htlc } = role;
    const name = `HTLC of ${toSat(htlc.amount)} sat with hash ${toHex(htlc.hash)}`;
    const preimage = preimageOf(htlc.hash);
    const { point } = variant;
    const claim = { kind: "counterpartyHtlc", point, htlc: partyOf(htlc, "counterparty") } as const;
    if (htlc.offeredBy === "holder") return [{ ...common, what: `the ${name}`, claim }];
    if (preimage !== undefined) return [{ ...common, what: `the ${name}`, claim, preimage }];
    left.push(`${name}: received, and no preimage of it is known`);
    return [];
  });
  return { owed, left };
};
