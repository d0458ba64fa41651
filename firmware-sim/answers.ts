/** What the core's outcomes, and the keyring's public facts, are on the wire. */

import { unknown } from "../protocol/codec.ts";
import type { CoreAnswer, CoreRequest, PageChange } from "../protocol/device/core.ts";
import { type AnyRequest, type Name, packReply } from "../protocol/operations/index.ts";
import type { Outcome } from "../protocol/outcome.ts";
import type { Keyring } from "../signer/core/ports.ts";

interface After {
  readonly step: bigint;
  readonly pages: readonly PageChange[];
}

export const saidOf = ({ name }: AnyRequest, outcome: Outcome<Name>, after: After): CoreAnswer => {
  switch (outcome.is) {
    case "reply":
      return { is: "reply", ...after, reply: packReply(name, outcome.reply as never) };
    case "refusal":
      return { is: "refusal", ...after, refusal: outcome.refusal };
    case "malformed":
      return { is: "malformed", ...after, malformed: outcome.malformed };
    case "fault":
      return { is: "fault", fault: outcome.fault };
  }
};

export type Public = Extract<
  CoreRequest,
  {
    is: "basepoints" | "points" | "closingScript" | "walletKey" | "identity" | "ecdh" | "payerKey" | "random";
  }
>;

/** Told to whoever is paired, without a step. */
export const publicOf = async (keyring: Keyring, request: Public): Promise<CoreAnswer> => {
  switch (request.is) {
    case "basepoints":
      return { is: "basepoints", basepoints: await keyring.basepoints(request.channel) };
    case "points":
      return { is: "points", points: await keyring.points(request.channel, request.numbers) };
    case "closingScript":
      return { is: "script", script: await keyring.closingScript(request.channel) };
    case "walletKey":
      return { is: "walletKey", key: (await keyring.walletKey(request.place)) ?? unknown };
    case "identity":
      return { is: "identity", ...(await keyring.identity()) };
    case "ecdh":
      return { is: "bytes", bytes: await keyring.ecdh(request.point) };
    case "payerKey":
      return { is: "point", point: await keyring.payerKey(request.tweak) };
    case "random":
      return { is: "bytes", bytes: await keyring.random(request.count) };
  }
};
