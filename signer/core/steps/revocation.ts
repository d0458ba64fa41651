/** revokeHolderCommitment, validateCounterpartyRevocation, signHolderCommitment. */

import { insert, lookup } from "../../../protocol/bolt/shachain.ts";
import { equal } from "../../../protocol/bytes.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import { Secret } from "../../../protocol/secret.ts";
import { type CommitmentNumber, commitmentNumber, type RevocationSecret } from "../../../protocol/units.ts";
import { broadcast, reveal, takeRevocation } from "../advance.ts";
import { afterFee } from "../outpoints.ts";
import { afterRevocation } from "../payments/square.ts";
import type { Signed } from "../ports.ts";
import { judge, refuse } from "../rule.ts";
import { revocationOrder, revokeRules, signHolderOrder } from "../rules/order.ts";
import { textOf } from "../rules/table.ts";
import { given, liveOf, noChannel, refused, type Step } from "../step.ts";
import { rebuild } from "./commitment.ts";

const lastNumber = (1n << 48n) - 1n;

/** The points that follow a revocation of `number`; at the end of all numbers there are fewer. */
const nextPoints = (number: CommitmentNumber): readonly CommitmentNumber[] =>
  [number + 2n, number + 3n].filter((n) => n <= lastNumber).map(commitmentNumber);

export const revokeHolderCommitment: Step<"revokeHolderCommitment", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { channel, number }, view, settings: { policy, tier } }) => {
    const live = liveOf(view.channel);
    if (live === undefined) return noChannel(channel, view.channel);
    const released = number < live.holder.revealed;
    const refusal = released
      ? undefined
      : judge(revokeRules, {
          live,
          closing: view.channel?.phase === "closing",
          number,
          refused: view.refusedHolder,
          published: view.outlook.published(channel),
        });
    if (refusal !== undefined) return refused(refusal);
    return {
      is: "signed",
      // A secret that left once may always be repeated.
      change: released
        ? {}
        : afterRevocation({
            ...{ view, policy, tier, id: channel, before: live },
            dropped: { ...live, holder: reveal(live, number) },
          }),
      job: { kind: "secret", channel, number },
      needs: { channel, points: nextPoints(number) },
      reply: ({ points }, signed) => ({ secret: (signed as Signed["secret"]).secret, points }),
    };
  },
};

export const validateCounterpartyRevocation: Step<"validateCounterpartyRevocation", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { channel, number, secret }, view, settings: { curve, policy, tier } }) => {
    const live = liveOf(view.channel);
    if (live === undefined || view.channel === undefined) return noChannel(channel, view.channel);
    const { counterparty } = live;
    const reply = () => ({});
    if (number < counterparty.revoked) {
      const known = lookup(counterparty.secrets, number);
      return known !== undefined && equal(known, secret)
        ? { is: "kept", change: {}, reply }
        : refused(refuse(textOf("commitment-previous-revoked"), { number, revoked: counterparty.revoked }));
    }
    const refusal = judge(revocationOrder, { live, closing: false, number });
    if (refusal !== undefined) return refused(refusal);
    const fits = (candidate: RevocationSecret): boolean => {
      if (!curve.isSecret(candidate)) return false;
      const point = curve.publicKey(new Secret(candidate));
      return counterparty.variants.every(
        (variant) => variant.number !== number || equal(variant.point, point),
      );
    };
    const secrets = fits(secret) ? insert(counterparty.secrets, number, secret) : undefined;
    if (secrets === undefined) return refused(refuse(textOf("commitment-previous-revoked"), { number }));
    return {
      is: "kept",
      change: afterRevocation({
        ...{ view, policy, tier, id: channel, before: live },
        dropped: { ...live, counterparty: takeRevocation(live, number, secrets) },
        phase: view.channel.phase === "closing" ? "closing" : "open",
      }),
      reply,
    };
  },
};

export const signHolderCommitment: Step<"signHolderCommitment", undefined> = {
  needs: ({ channel, number }) => ({ channel, points: [number] }),
  prepare: () => undefined,
  decide: ({ body: { channel, number, txid, funding }, view, known, settings: { curve } }) => {
    const live = liveOf(view.channel);
    if (live === undefined || view.channel === undefined) return noChannel(channel, view.channel);
    const refusal = judge(signHolderOrder, { live, closing: false, number });
    if (refusal !== undefined) return refused(refusal);
    const content = live.holder.variants.find(
      (variant) => variant.number === number && equal(variant.txid, txid),
    );
    const { setup } = live;
    const { terms } = setup;
    const ofThis = equal(funding.txid, setup.funding.txid) && funding.index === setup.funding.index;
    if (content === undefined || !ofThis)
      return refused(refuse(textOf("commitment-other"), { number, txid }));
    const point = given(known.points[0], "point");
    const { commitment } = rebuild({ owner: "holder", setup, point, content }, curve);
    return {
      is: "signed",
      change: {
        ...(terms.opener === "holder"
          ? afterFee(
              view,
              setup.funding,
              commitment.tx.outputs.reduce<bigint>((left, { value }) => left - value, terms.value),
            )
          : {}),
        channel: { ...view.channel, ...live, holder: broadcast(live, number) },
      },
      job: { kind: "holderCommitment", channel, digest: commitment.digest },
      reply: (_, signed): Reply<"signHolderCommitment"> => signed as Signed["holderCommitment"],
    };
  },
};
