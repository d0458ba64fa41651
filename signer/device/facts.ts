/** What anybody may know of a device's keys never changes, so each is asked for once. */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { CoreAnswer, CoreRequest } from "../../protocol/device/core.ts";
import type { AnyRequest, Name, Reply } from "../../protocol/operations/index.ts";
import type { Place } from "../../protocol/operations/spend.ts";
import type { ChannelId, CommitmentNumber, Point } from "../../protocol/units.ts";
import { Fault } from "../core/fault.ts";
import type { Keyring } from "../core/ports.ts";

export type Told = <A extends CoreAnswer["is"]>(
  request: CoreRequest,
  is: A,
) => Promise<Extract<CoreAnswer, { readonly is: A }>>;

/** Of each kind; public data of some hundred bytes. */
const remembered = 10_000;

/** The oldest make room. */
const cut = (kept: Map<string, unknown>): void => {
  for (const key of kept.keys()) {
    if (kept.size <= remembered) return;
    kept.delete(key);
  }
};

/** What was not answered is asked for again. */
const remembering = <K, V>(keyOf: (key: K) => string, ask: (key: K) => Promise<V>) => {
  const kept = new Map<string, Promise<V>>();
  return (key: K): Promise<V> => {
    const name = keyOf(key);
    const known = kept.get(name);
    if (known !== undefined) return known;
    const asked = ask(key);
    kept.set(name, asked);
    asked.catch(() => kept.delete(name));
    cut(kept);
    return asked;
  };
};

export type PublicFacts = Pick<
  Keyring,
  "basepoints" | "points" | "closingScript" | "walletKey" | "identity" | "payerKey"
> & {
  /** A reply may bring points that will be asked for. */
  learn(asked: AnyRequest, reply: Reply<Name>): void;
};

const pointKey = (channel: ChannelId, number: bigint): string => `${channel}/${number}`;

export const publicFacts = (told: Told): PublicFacts => {
  const points = new Map<string, Point>();
  const keep = (channel: ChannelId, first: bigint, found: readonly Point[]): void => {
    for (const [i, point] of found.entries()) points.set(pointKey(channel, first + BigInt(i)), point);
    cut(points);
  };
  const identity = remembering(
    () => "",
    async () => {
      const { accounts, payer } = await told({ is: "identity" }, "identity");
      return { accounts, payer };
    },
  );
  return {
    basepoints: remembering(String, async (channel: ChannelId) => {
      const { basepoints } = await told({ is: "basepoints", channel }, "basepoints");
      return basepoints;
    }),
    closingScript: remembering(String, async (channel: ChannelId) => {
      const { script } = await told({ is: "closingScript", channel }, "script");
      return script;
    }),
    walletKey: remembering(
      ({ account, branch, index }: Place) => `${account}/${branch}/${index}`,
      async (place) => {
        const { key } = await told({ is: "walletKey", place }, "walletKey");
        return isKnown(key) ? key : undefined;
      },
    ),
    payerKey: remembering(toHex, async (tweak: Uint8Array) => {
      const { point } = await told({ is: "payerKey", tweak }, "point");
      return point;
    }),
    identity: () => identity(undefined),
    points: async (channel, numbers: readonly CommitmentNumber[]) => {
      const known = (number: CommitmentNumber): Point | undefined => points.get(pointKey(channel, number));
      const missing = numbers.filter((number) => known(number) === undefined);
      if (missing.length > 0) {
        const found = await told({ is: "points", channel, numbers: missing }, "points");
        for (const [i, number] of missing.entries()) keep(channel, number, found.points.slice(i, i + 1));
      }
      return numbers.map((number) => {
        const point = known(number);
        if (point === undefined) throw new Fault("keyring", "the device brought too few points");
        return point;
      });
    },
    learn: ({ name, body }, reply) => {
      if (name === "new") {
        const { channel, points: first } = reply as Reply<"new">;
        keep(channel, 0n, first);
      } else if (name === "revokeHolderCommitment")
        keep(body.channel, body.number + 2n, (reply as Reply<"revokeHolderCommitment">).points);
    },
  };
};
