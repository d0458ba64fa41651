/** justice: a revoked commitment on the chain is punished from what the chain says, whatever became of the host. */

import type { RevocationSecret } from "../../../protocol/units.ts";
import { breachOf } from "../chain/alarms.ts";
import { type Output, unseen } from "../chain/onchain.ts";
import { afterCosts } from "../outpoints.ts";
import type { Signed } from "../ports.ts";
import { claimsOf } from "../spend/channel.ts";
import { asksOf, bringHome, keysOf, type Owed, pointsIn, surveyHome, toldHome } from "../spend/homeward.ts";
import { partyOf } from "../spend/inputs.ts";
import { given, liveOf, noChannel, refused, type Step } from "../step.ts";

type Claimed = Pick<Owed, "what" | "claim"> & Partial<Pick<Owed, "said">>;

/** Undefined for what waits until its second stage, which needs neither hash nor expiry. */
const claimOf = ({ role }: Output, revealed: RevocationSecret): Claimed | undefined => {
  switch (role.is) {
    case "delayed":
      return { what: "the cheat's balance", claim: { kind: "justiceToLocal", revealed } };
    case "second":
      return { what: "what the cheat took of an HTLC", claim: { kind: "justiceSecondLevel", revealed } };
    case "htlc": {
      const { htlc } = role;
      const claim = { kind: "justiceHtlc", revealed, htlc: partyOf(htlc, "counterparty") } as const;
      return { what: "an HTLC of the revoked commitment", claim, said: { htlc } };
    }
    case "remote":
      return { what: "our balance in the revoked commitment", claim: { kind: "toRemote" } };
    case "unlisted":
      return undefined;
  }
};

export const justice: Step<"justice", undefined> = {
  survey: ({ channel }, view) => surveyHome(channel, view),
  prepare: () => undefined,
  decide: ({ body, view, known, settings }) => {
    const { channel, node, feerate } = body;
    const live = liveOf(view.channel);
    if (live === undefined) return noChannel(channel, view.channel);
    const nothing = (why: string) => ({
      is: "told" as const,
      reply: () => toldHome({ drafts: [], left: [why] }, [], view),
    });
    if (view.outlook.height === undefined)
      return nothing("nothing to punish: no chain is followed, so no breach would be seen");
    const onchain = view.chain.onchain.get(channel) ?? unseen;
    const breach = breachOf(onchain, live);
    if (onchain.close === undefined || breach === undefined)
      return nothing("nothing to punish: the chain has no revoked commitment of this channel");
    const { number } = breach;
    const point = pointsIn(live, known);
    const claims = claimsOf(channel, live, settings.curve, point);
    const revealed = given(claims.revealed(number), "revealed secret");
    const open = onchain.close.outputs.filter(({ spent }) => spent === undefined);
    const left: string[] = [];
    const owed = open.flatMap((output): Owed[] => {
      const { outpoint, value, height: since } = output;
      const claimed = claimOf(output, revealed);
      if (claimed !== undefined)
        return [{ outpoint, value, since, ...claimed, said: { number, ...claimed.said } }];
      left.push(`${value} sat, an HTLC that nobody here remembers: ask again when the cheat has taken it`);
      return [];
    });
    const brought = bringHome(owed, { node, channel, live, feerate, claims, view, settings, point });
    if ("sentence" in brought) return refused(brought);
    const { drafts, outpoints, fees } = brought;
    const all = [...left, ...brought.left];
    if (drafts.length === 0) return nothing(all.join("; ").slice(0, 256) || "nothing to punish is left");
    return {
      is: "signed",
      change: afterCosts(view, outpoints, { fees, sent: 0n }),
      job: { kind: "spend", inputs: keysOf(drafts) },
      asked: asksOf(drafts),
      reply: (_, signed) => toldHome({ drafts, left: all }, (signed as Signed["spend"]).signatures, view),
    };
  },
};
