/**
 * A script hash tells nothing of the keys in it. So the mistakes that writers of hosts make are made here too, one
 * by one, until one of them gives the output that the host brought: it is the one to name.
 */

import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import type { Basepoints, ChannelType } from "../../../protocol/bolt/channel.ts";
import type { CommitmentTerms } from "../../../protocol/bolt/commitment.ts";
import { type CommitmentKeys, deriveKey, deriveRevocationKey } from "../../../protocol/bolt/derive.ts";
import { anchorScript, delayedScript, htlcScripts, toRemoteOutput } from "../../../protocol/bolt/scripts.ts";
import { equal } from "../../../protocol/bytes.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import type { Side } from "../../../protocol/operations/fields.ts";
import type { Delay, Point, Script } from "../../../protocol/units.ts";
import type { RuleName } from "./table.ts";

export interface Blueprint {
  readonly curve: Curve;
  readonly terms: CommitmentTerms;
  readonly owner: Side;
  readonly point: Point;
  readonly broadcaster: Basepoints;
  readonly countersignatory: Basepoints;
  /** What the owner demands of the other side: not what its own output waits. */
  readonly ownDelay: Delay;
}

interface Mistake {
  readonly name: RuleName;
  scripts(): readonly Script[];
}

const otherType: Readonly<Record<ChannelType, ChannelType>> = {
  anchors: "static_remotekey",
  static_remotekey: "anchors",
};

const mistakesOf = ({
  curve,
  terms,
  owner,
  point,
  broadcaster,
  countersignatory,
  ownDelay,
}: Blueprint): readonly Mistake[] => {
  const { keys, delay, type } = terms;
  const derived = (basepoint: Point): Point => deriveKey(curve, basepoint, point);
  const revocations = (): readonly Point[] => [
    deriveRevocationKey(curve, broadcaster.revocation, point),
    countersignatory.revocation,
    broadcaster.revocation,
    derived(countersignatory.revocation),
  ];
  const delayed = (change: Partial<CommitmentKeys>, wait = delay): Script =>
    p2wsh(delayedScript({ keys: { ...keys, ...change }, delay: wait }));
  const remote = (payment: Point, of = type): Script => toRemoteOutput(of, payment);
  const htlcs = (change: Partial<CommitmentKeys>): readonly Script[] => {
    const scriptOf = htlcScripts(type, { ...keys, ...change });
    return terms.htlcs.map((htlc) => p2wsh(scriptOf(htlc)));
  };
  const broadcasterHtlc = (): readonly Script[] =>
    [broadcaster.htlc, derived(broadcaster.payment), keys.countersignatoryHtlc].flatMap((key) =>
      htlcs({ broadcasterHtlc: key }),
    );
  const countersignatoryHtlc = (): readonly Script[] =>
    [countersignatory.htlc, derived(countersignatory.payment), keys.broadcasterHtlc].flatMap((key) =>
      htlcs({ countersignatoryHtlc: key }),
    );
  const [holderHtlc, counterpartyHtlc] =
    owner === "holder" ? [broadcasterHtlc, countersignatoryHtlc] : [countersignatoryHtlc, broadcasterHtlc];
  return [
    {
      name: "commitment-to-self-delay-range",
      scripts: () => [delayed({}, ownDelay)],
    },
    {
      name: "commitment-revocation-pubkey",
      scripts: () => revocations().map((revocation) => delayed({ revocation })),
    },
    {
      name: "commitment-broadcaster-pubkey",
      scripts: () =>
        [broadcaster.delayed, derived(countersignatory.delayed), derived(broadcaster.payment)].map((key) =>
          delayed({ broadcasterDelayed: key }),
        ),
    },
    {
      name: "commitment-anchor-static-remotekey",
      scripts: () => [remote(countersignatory.payment, otherType[type])],
    },
    {
      name: "commitment-countersignatory-pubkey",
      scripts: () =>
        [derived(countersignatory.payment), broadcaster.payment, countersignatory.htlc].map((key) =>
          remote(key),
        ),
    },
    {
      name: "commitment-anchor-match-fundingkey",
      scripts: () =>
        [broadcaster, countersignatory]
          .flatMap(({ payment, delayed, htlc }) => [payment, delayed, htlc])
          .flatMap((key) => [key, derived(key)])
          .map((key) => p2wsh(anchorScript(key))),
    },
    {
      name: "commitment-htlc-revocation-pubkey",
      scripts: () => revocations().flatMap((revocation) => htlcs({ revocation })),
    },
    { name: "commitment-htlc-holder-htlc-pubkey", scripts: holderHtlc },
    { name: "commitment-htlc-counterparty-htlc-pubkey", scripts: counterpartyHtlc },
  ];
};

/** The mistake that leads to this output, if it is one of the usual. */
export const mistakeBehind = (blueprint: Blueprint, found: Uint8Array): RuleName | undefined =>
  mistakesOf(blueprint).find(({ scripts }) => scripts().some((script) => equal(script, found)))?.name;

/** Whose output a script is, where a transaction has it too often or not at all. */
export const sideOf = (
  { terms: { keys, type }, owner }: Blueprint,
  script: Uint8Array,
): { readonly side: Side; readonly anchor: boolean } => {
  const other: Side = owner === "holder" ? "counterparty" : "holder";
  const is = (candidate: Script): boolean => equal(candidate, script);
  if (is(p2wsh(anchorScript(keys.broadcasterFunding)))) return { side: owner, anchor: true };
  if (is(p2wsh(anchorScript(keys.countersignatoryFunding)))) return { side: other, anchor: true };
  return { side: is(toRemoteOutput(type, keys.countersignatoryPayment)) ? other : owner, anchor: false };
};
