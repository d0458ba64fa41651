/** identity, ecdh, signMessage, deriveSecret, inboundPaymentKey, randomBytes, checkFutureSecret. */

import { concat, equal } from "../../../protocol/bytes.ts";
import { doubleSha256 } from "../../../protocol/hash.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { Secret } from "../../../protocol/secret.ts";
import type { Job, Signed } from "../ports.ts";
import { judge } from "../rule.ts";
import { ecdhRules, messageRules } from "../rules/node.ts";
import { given, noChannel, refused, type Step } from "../step.ts";

const nothing = (): undefined => undefined;

export const identity: Step<"identity", undefined> = {
  prepare: nothing,
  decide: ({ settings: { network } }) => ({
    is: "told",
    needs: { identity: true },
    reply: (known) => ({ network, ...given(known.identity, "identity") }),
  }),
};

export const ecdh: Step<"ecdh", undefined> = {
  prepare: nothing,
  decide: ({ body: { node, point }, settings: { curve } }) => {
    if (!curve.isPoint(point)) throw new Malformed("point", "not a point of the curve");
    const refusal = judge(ecdhRules, { node, point });
    if (refusal !== undefined) return refused(refusal);
    return {
      is: "told",
      needs: { ecdh: point },
      reply: ({ shared }) => ({ shared: given(shared, "shared secret") }),
    };
  },
};

/** Of lnd, and of every node since. */
const prefix = new TextEncoder().encode("Lightning Signed Message:");

export const signMessage: Step<"signMessage", undefined> = {
  prepare: nothing,
  decide: ({ body: { message } }) => {
    const refusal = judge(messageRules, message);
    if (refusal !== undefined) return refused(refusal);
    const job: Job = { kind: "message", digest: doubleSha256(concat(prefix, message)) };
    return { is: "signed", change: {}, job, reply: (_, signed) => signed as Signed["message"] };
  },
};

export const deriveSecret: Step<"deriveSecret", undefined> = {
  prepare: nothing,
  decide: ({ body: { label } }) => ({
    is: "signed",
    change: {},
    job: { kind: "derivedSecret", label },
    reply: (_, signed) => signed as Signed["derivedSecret"],
  }),
};

export const inboundPaymentKey: Step<"inboundPaymentKey", undefined> = {
  prepare: nothing,
  decide: () => ({
    is: "signed",
    change: {},
    job: { kind: "inboundPaymentKey" },
    reply: (_, signed) => signed as Signed["inboundPaymentKey"],
  }),
};

export const randomBytes: Step<"randomBytes", undefined> = {
  prepare: nothing,
  decide: ({ body: { count } }) => ({
    is: "told",
    needs: { random: count },
    reply: ({ random }) => ({ bytes: given(random, "randomness") }),
  }),
};

/** Held against the point, which is public: our own secret is not even compared. */
export const checkFutureSecret: Step<"checkFutureSecret", undefined> = {
  prepare: nothing,
  decide: ({ body: { channel, number, secret }, view, settings: { curve } }) =>
    view.channel === undefined
      ? noChannel(channel, view.channel)
      : {
          is: "told",
          needs: { channel, points: [number] },
          reply: ({ points: [point] }) => ({
            matches:
              curve.isSecret(secret) &&
              equal(curve.publicKey(new Secret(secret)), given(point, "per-commitment point")),
          }),
        },
};
