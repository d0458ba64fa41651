import { describe, expect, test } from "vitest";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import type { ChannelType } from "../../protocol/bolt/channel.ts";
import {
  type CommitmentKeys,
  commitmentKeys,
  deriveKey,
  deriveRevocationKey,
} from "../../protocol/bolt/derive.ts";
import { anchorScript, delayedScript, htlcScripts, toRemoteOutput } from "../../protocol/bolt/scripts.ts";
import type { Side } from "../../protocol/operations/fields.ts";
import { commitmentNumber, delay, type Point, type Script } from "../../protocol/units.ts";
import { type Blueprint, mistakeBehind, sideOf } from "../../signer/core/rules/misbuilt.ts";
import { htlcOf } from "../scripted/channel.ts";
import { strangersScript } from "../scripted/spends.ts";
import { alice, bob, curve } from "./chain-channel.ts";

const [wait, demanded] = [delay(720), delay(144)];
const [broadcaster, countersignatory] = [alice.basepoints, bob.basepoints];
const point = alice.point(commitmentNumber(5n));
const keys = commitmentKeys(curve, { broadcaster, countersignatory, point });
const htlcs = [
  { ...htlcOf("holder", 50_000_000n, "out"), offeredBy: "broadcaster" as const },
  { ...htlcOf("counterparty", 60_000_000n, "in"), offeredBy: "countersignatory" as const },
];

const blueprint = (type: ChannelType, owner: Side): Blueprint => ({
  ...{ curve, owner, point, broadcaster, countersignatory, ownDelay: demanded },
  terms: { type, keys, delay: wait, htlcs } as unknown as Blueprint["terms"],
});

const derived = (basepoint: Point): Point => deriveKey(curve, basepoint, point);
const toLocal = (change: Partial<CommitmentKeys>, blocks = wait): Script =>
  p2wsh(delayedScript({ keys: { ...keys, ...change }, delay: blocks }));
const htlcOutputs = (type: ChannelType, change: Partial<CommitmentKeys>): readonly Script[] => {
  const scriptOf = htlcScripts(type, { ...keys, ...change });
  return htlcs.map((htlc) => p2wsh(scriptOf(htlc)));
};

/** Where the keys of BOLT 3, "Key Derivation", are mixed up: with the wrong side's, not derived, or derived otherwise. */
const revocations: readonly (readonly [string, Point])[] = [
  ["derived from the broadcaster's basepoint", deriveRevocationKey(curve, broadcaster.revocation, point)],
  ["the other side's basepoint itself", countersignatory.revocation],
  ["the broadcaster's basepoint itself", broadcaster.revocation],
  ["derived as other keys are", derived(countersignatory.revocation)],
];
const delayedKeys = [broadcaster.delayed, derived(countersignatory.delayed), derived(broadcaster.payment)];
const remoteKeys = [derived(countersignatory.payment), broadcaster.payment, countersignatory.htlc];
const broadcasterHtlcs = [broadcaster.htlc, derived(broadcaster.payment), keys.countersignatoryHtlc];
const countersignatoryHtlcs = [
  countersignatory.htlc,
  derived(countersignatory.payment),
  keys.broadcasterHtlc,
];
const anchorKeys = [broadcaster, countersignatory]
  .flatMap(({ payment, delayed, htlc }) => [payment, delayed, htlc])
  .flatMap((key) => [key, derived(key)]);

describe.each(["anchors", "static_remotekey"] as const)(
  "an output that nobody should have built, %s",
  (type) => {
    const other = type === "anchors" ? "static_remotekey" : "anchors";
    const named = (found: Script, owner: Side = "holder") => mistakeBehind(blueprint(type, owner), found);

    test("names the delay that was taken from the wrong side", () => {
      expect(named(toLocal({}, demanded))).toBe("commitment-to-self-delay-range");
      expect(named(toLocal({}, delay(145)))).toBeUndefined();
    });

    test.each(revocations)("names a revocation key that is %s", (_, revocation) => {
      expect(named(toLocal({ revocation }))).toBe("commitment-revocation-pubkey");
      for (const script of htlcOutputs(type, { revocation }))
        expect(named(script)).toBe("commitment-htlc-revocation-pubkey");
    });

    test("names the broadcaster's key, and the other side's", () => {
      for (const broadcasterDelayed of delayedKeys)
        expect(named(toLocal({ broadcasterDelayed }))).toBe("commitment-broadcaster-pubkey");
      for (const payment of remoteKeys)
        expect(named(toRemoteOutput(type, payment))).toBe("commitment-countersignatory-pubkey");
      expect(named(toRemoteOutput(other, countersignatory.payment))).toBe(
        "commitment-anchor-static-remotekey",
      );
    });

    test("names every key that is no funding key in an anchor", () => {
      for (const key of anchorKeys)
        expect(named(p2wsh(anchorScript(key)))).toBe("commitment-anchor-match-fundingkey");
    });

    test("names the side whose HTLC key is wrong, whoever owns the commitment", () => {
      for (const [part, candidates] of [
        ["broadcasterHtlc", broadcasterHtlcs],
        ["countersignatoryHtlc", countersignatoryHtlcs],
      ] as const)
        for (const key of candidates)
          for (const script of htlcOutputs(type, { [part]: key })) {
            const ours = part === "broadcasterHtlc";
            const [holder, counterparty] = [
              "commitment-htlc-holder-htlc-pubkey",
              "commitment-htlc-counterparty-htlc-pubkey",
            ];
            expect(named(script, "holder")).toBe(ours ? holder : counterparty);
            expect(named(script, "counterparty")).toBe(ours ? counterparty : holder);
          }
    });

    test("names nothing that is as it should be, and nothing that follows from no mistake", () => {
      expect(named(strangersScript(1))).toBeUndefined();
      for (const good of [
        toLocal({}),
        toRemoteOutput(type, countersignatory.payment),
        ...htlcOutputs(type, {}),
      ])
        expect(named(good)).toBeUndefined();
    });

    test("is one side's, where there is one too many or too few", () => {
      for (const owner of ["holder", "counterparty"] as const) {
        const peer = owner === "holder" ? "counterparty" : "holder";
        const of = (script: Script) => sideOf(blueprint(type, owner), script);
        expect(of(p2wsh(anchorScript(broadcaster.funding)))).toEqual({ side: owner, anchor: true });
        expect(of(p2wsh(anchorScript(countersignatory.funding)))).toEqual({ side: peer, anchor: true });
        expect(of(toLocal({}))).toEqual({ side: owner, anchor: false });
        expect(of(toRemoteOutput(type, countersignatory.payment))).toEqual({ side: peer, anchor: false });
        expect(of(strangersScript(1))).toEqual({ side: owner, anchor: false });
      }
    });
  },
);
